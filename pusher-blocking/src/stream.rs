//! A TCP or TLS stream that the poller watches.

use std::io::{self, Read, Write};
use std::task::Waker;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use pusher_driver::adapter::{NonBlocking, Pace};

/// A stream that returns `WouldBlock` instead of waiting.
pub(crate) enum Stream {
    Plain(Tcp),
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, Tcp>>),
}

/// A TCP stream that pauses from time to time, below all libraries that read it.
pub(crate) struct Tcp {
    stream: TcpStream,
    pace: Pace,
    /// Wakes the loop, to continue after a pause, because the poller does not report a ready stream again.
    waker: Waker,
}

impl Tcp {
    /// Without a delay for small messages, which would wait for the peer to acknowledge what was sent before.
    pub(crate) fn new(stream: TcpStream, waker: Waker) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, pace: Pace::stream(), waker })
    }
}

impl Read for Tcp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.pace.pauses() {
            self.waker.wake_by_ref();
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let read = self.stream.read(buffer);
        match &read {
            Ok(len) => self.pace.count(*len),
            Err(_) => self.pace.rest(),
        }
        read
    }
}

impl Write for Tcp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Starts to watch a stream, for as long as it lives. The poller reports only changes, so before waiting, the loop must
/// read and write until the stream returns `WouldBlock`.
pub(crate) fn watch(stream: &mut TcpStream, registry: &Registry) -> io::Result<()> {
    registry.register(stream, SOCKET, Interest::READABLE | Interest::WRITABLE)
}

impl NonBlocking for Stream {
    /// Does nothing, because the poller wakes the loop, whatever the stream waited for.
    fn set_waker(&mut self, _waker: &Waker) {}
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Identifies all sockets in the poller.
const SOCKET: Token = Token(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_messages_are_sent_at_once() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream = Tcp::new(TcpStream::from_std(stream), Waker::noop().clone()).unwrap();
        assert!(stream.stream.nodelay().unwrap());
    }
}
