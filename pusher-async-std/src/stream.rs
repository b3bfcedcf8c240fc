//! A stream of futures-io as the blocking-style stream that the WebSocket library reads.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_io::{AsyncRead, AsyncWrite};
use pusher_driver::adapter::NonBlocking;

/// A TCP or TLS stream.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<D: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for D {}

/// A stream that says `WouldBlock` instead of waiting.
pub(crate) struct Stream {
    duplex: Box<dyn Duplex>,
    waker: Waker,
}

impl Stream {
    pub(crate) fn new(duplex: Box<dyn Duplex>) -> Self {
        Self { duplex, waker: Waker::noop().clone() }
    }

    pub(crate) fn into_inner(self) -> Box<dyn Duplex> {
        self.duplex
    }

    fn poll<T>(
        &mut self,
        poll: impl FnOnce(Pin<&mut dyn Duplex>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<T> {
        match poll(Pin::new(self.duplex.as_mut()), &mut Context::from_waker(&self.waker)) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl NonBlocking for Stream {
    fn set_waker(&mut self, waker: &Waker) {
        self.waker.clone_from(waker);
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.poll(|duplex, context| duplex.poll_read(context, buffer))
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.poll(|duplex, context| duplex.poll_write(context, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.poll(AsyncWrite::poll_flush)
    }
}
