//! Reading and writing streams: interrupted calls are repeated.

use std::io::{self, Read, Write};

/// Reads once.
pub(crate) fn read(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    uninterrupted(|| stream.read(buffer))
}

/// Writes some of `bytes`, which are not empty.
pub(crate) fn write(stream: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    match uninterrupted(|| stream.write(bytes)) {
        Ok(0) => Err(io::ErrorKind::BrokenPipe.into()),
        result => result,
    }
}

/// Sends what the stream holds back.
pub(crate) fn flush(stream: &mut impl Write) -> io::Result<()> {
    uninterrupted(|| stream.flush())
}

/// Repeats a call for as long as it is interrupted by a signal.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
