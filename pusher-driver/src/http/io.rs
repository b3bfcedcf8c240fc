//! An adapter's stream as hyper reads it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

use crate::polled::Duplex;

/// A stream for hyper.
pub(super) struct Io<D>(D);

impl<D: Duplex> Io<D> {
    pub(super) fn new(stream: D) -> Self {
        Self(stream)
    }
}

impl<D: Duplex> Read for Io<D> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // Handing over hyper's own buffer would need unsafe code.
        let mut buffer = [0; READ_LEN];
        let room = cursor.remaining().min(READ_LEN);
        let len = ready!(self.0.poll_read(context, &mut buffer[..room]))?;
        cursor.put_slice(&buffer[..len]);
        Poll::Ready(Ok(()))
    }
}

impl<D: Duplex> Write for Io<D> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(context)
    }

    /// A connection that is not kept is dropped, which closes it.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(context)
    }
}

/// The stream is never pinned in place.
impl<D> Unpin for Io<D> {}

/// Most bytes of one read; an answer has some hundred.
const READ_LEN: usize = 4 * 1_024;
