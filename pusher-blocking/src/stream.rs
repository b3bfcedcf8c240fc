//! A TCP or TLS stream that the poller watches.

use std::io::{self, Read, Write};
use std::task::Waker;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use pusher_driver::adapter::NonBlocking;

/// A stream that says `WouldBlock` instead of waiting.
pub(crate) enum Stream {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

/// Begins to watch a stream, for as long as it lives. The poller tells changes, so whoever waits must have read and
/// written until the stream said `WouldBlock`.
pub(crate) fn watch(stream: &mut TcpStream, registry: &Registry) -> io::Result<()> {
    registry.register(stream, SOCKET, Interest::READABLE | Interest::WRITABLE)
}

impl NonBlocking for Stream {
    /// The poller wakes the loop, whatever the stream waited for.
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

/// Names every socket among what the poller watches.
const SOCKET: Token = Token(1);
