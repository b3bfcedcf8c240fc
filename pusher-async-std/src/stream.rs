//! Adapts the streams of futures-io to the driver.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_net::TcpStream;
use futures_io::{AsyncRead, AsyncWrite};
use pusher_driver::adapter::Pace;

/// A TCP or TLS stream.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<D: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for D {}

/// A named type, since the compiler cannot prove that a future that holds the bare box is `Send`.
pub(crate) struct Stream(pub(crate) Box<dyn Duplex>);

impl pusher_driver::adapter::Duplex for Stream {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        AsyncRead::poll_read(Pin::new(&mut self.0), context, buffer)
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.0), context, bytes)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.0), context)
    }
}

/// A TCP stream that pauses from time to time, below all libraries that read it.
pub(crate) struct Tcp {
    stream: TcpStream,
    pace: Pace,
}

impl Tcp {
    /// Without a delay for small messages, which would wait for the peer to acknowledge what was sent before.
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, pace: Pace::stream() })
    }
}

impl AsyncRead for Tcp {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.pace.pauses() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        match &read {
            Poll::Ready(Ok(len)) => self.pace.count(*len),
            Poll::Ready(Err(_)) | Poll::Pending => self.pace.rest(),
        }
        read
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use pusher_driver::adapter::Duplex as _;

    use super::*;

    /// Keeps what is written until it is flushed, as TLS does while the network is slow.
    #[derive(Default)]
    struct Held {
        written: Vec<u8>,
        sent: Arc<Mutex<Vec<u8>>>,
        /// Whether the network takes nothing for now.
        is_slow: Arc<Mutex<bool>>,
    }

    impl AsyncRead for Held {
        fn poll_read(self: Pin<&mut Self>, _context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            buffer[..3].copy_from_slice(b"hey");
            Poll::Ready(Ok(3))
        }
    }

    impl AsyncWrite for Held {
        fn poll_write(mut self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            if bytes.is_empty() {
                return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
            }
            self.written.push(bytes[0]);
            Poll::Ready(Ok(1))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            if *self.is_slow.lock().unwrap() {
                return Poll::Pending;
            }
            let written = std::mem::take(&mut self.written);
            self.sent.lock().unwrap().extend(written);
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_a_stream_holds_back_is_sent_when_it_is_flushed() {
        let held = Held::default();
        let (sent, is_slow) = (Arc::clone(&held.sent), Arc::clone(&held.is_slow));
        let mut stream = Stream(Box::new(held));
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut buffer = [0; 8];
        assert!(
            matches!(stream.poll_read(&mut context, &mut buffer), Poll::Ready(Ok(3))) && buffer.starts_with(b"hey")
        );
        assert!(matches!(stream.poll_write(&mut context, b"ab"), Poll::Ready(Ok(1))));
        assert!(matches!(stream.poll_write(&mut context, b""), Poll::Ready(Err(_))));
        *is_slow.lock().unwrap() = true;
        assert!(stream.poll_flush(&mut context).is_pending());
        *is_slow.lock().unwrap() = false;
        assert!(matches!(stream.poll_flush(&mut context), Poll::Ready(Ok(()))));
        assert_eq!(*sent.lock().unwrap(), *b"a");
    }

    #[test]
    fn small_messages_are_sent_at_once() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = async_io::block_on(TcpStream::connect(listener.local_addr().unwrap())).unwrap();
        assert!(Tcp::new(stream).unwrap().stream.nodelay().unwrap());
    }
}
