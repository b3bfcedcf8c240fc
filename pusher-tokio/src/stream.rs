//! A tokio stream as the blocking-style stream that the WebSocket library reads.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pusher_driver::adapter::NonBlocking;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio_rustls::client::TlsStream;

/// A TCP or TLS stream that says `WouldBlock` instead of waiting.
pub(crate) struct Stream {
    transport: Transport,
    waker: Waker,
}

pub(crate) enum Transport {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(crate) fn new(transport: Transport) -> Self {
        Self { transport, waker: Waker::noop().clone() }
    }

    fn poll<T>(
        &mut self,
        poll: impl FnOnce(Pin<&mut (dyn Duplex + 'static)>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<T> {
        let Self { transport, waker } = self;
        let transport: Pin<&mut dyn Duplex> = match transport {
            Transport::Plain(stream) => Pin::new(stream),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => Pin::new(stream.as_mut()),
        };
        match poll(transport, &mut Context::from_waker(waker)) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

impl NonBlocking for Stream {
    fn set_waker(&mut self, waker: &Waker) {
        self.waker.clone_from(waker);
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        self.poll(|stream, context| stream.poll_read(context, &mut buffer))?;
        Ok(buffer.filled().len())
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.poll(|stream, context| stream.poll_write(context, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.poll(AsyncWrite::poll_flush)
    }
}
