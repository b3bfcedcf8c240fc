//! The stream below a WebSocket.

use std::io::{self, Read, Write};
use std::task::Waker;

use crate::io::uninterrupted;

/// A stream that returns `WouldBlock` and remembers which task to wake.
pub trait NonBlocking: Read + Write + Send + 'static {
    /// Sets the task to wake when the stream is ready again.
    fn set_waker(&mut self, waker: &Waker);
}

/// Reads once, and repeats interrupted calls.
pub(super) fn read(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    uninterrupted(|| stream.read(buffer))
}

/// Writes some of `bytes`, which are not empty, and repeats interrupted calls.
pub(super) fn write(stream: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    match uninterrupted(|| stream.write(bytes)) {
        Ok(0) => Err(io::ErrorKind::BrokenPipe.into()),
        result => result,
    }
}
