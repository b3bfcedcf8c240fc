//! The stream below a WebSocket.

use std::io::{Read, Write};
use std::task::Waker;

/// A stream that returns `WouldBlock` and remembers which task to wake.
pub trait NonBlocking: Read + Write + Send + 'static {
    /// Sets the task to wake when the stream is ready again.
    fn set_waker(&mut self, waker: &Waker);
}
