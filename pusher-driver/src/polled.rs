//! Adapts a runtime's stream to the `Read` and `Write` traits that the WebSocket library uses.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pusher_proto::{CloseReason, TransportError};

use crate::addresses::with_address;
use crate::proxy::{Hop, Tunnel};
use crate::runtime::connect_any;
use crate::websocket::NonBlocking;

/// A TCP or TLS stream of an asynchronous runtime. The traits of the runtimes differ only in names.
pub trait Duplex: Send + 'static {
    /// Reads into `buffer` and returns the number of bytes, or 0 at the end of the stream.
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes some of `bytes` and returns how many.
    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Sends the bytes that a layer in between holds back.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A stream that returns `WouldBlock` instead of waiting.
pub struct Polled<D> {
    duplex: D,
    waker: Waker,
}

impl<D: Duplex> Polled<D> {
    /// Wraps a stream. It wakes no task until one is set by [`NonBlocking::set_waker`].
    pub fn new(duplex: D) -> Self {
        Self { duplex, waker: Waker::noop().clone() }
    }

    fn poll<T>(&mut self, poll: impl FnOnce(&mut D, &mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
        match poll(&mut self.duplex, &mut Context::from_waker(&self.waker)) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Tunnel {
    /// Performs the whole exchange on a stream to the proxy, and returns the stream, which is then connected to the
    /// server.
    ///
    /// # Errors
    ///
    /// As for [`Tunnel::poll`].
    pub async fn pass<D: Duplex>(mut self, duplex: D) -> Result<D, CloseReason> {
        let mut stream = Polled::new(duplex);
        poll_fn(|context| {
            stream.set_waker(context.waker());
            self.poll(&mut stream)
        })
        .await?;
        Ok(stream.duplex)
    }
}

/// Connects to the first host of a [`Hop`], and to the server through the proxy if it is one: tries its `addresses`
/// like [`connect_any`], and wraps the connection in the `stream` that is returned.
///
/// # Errors
///
/// If the name has no addresses, if none can be reached, or if the proxy refuses. The error contains the host and the
/// port.
pub async fn reach<A, T, C, S, D>(
    hop: Hop,
    addresses: io::Result<A>,
    dial: impl Fn(SocketAddr) -> C + Send,
    sleep: impl Fn(Duration) -> S + Send,
    stream: impl FnOnce(T) -> D,
) -> Result<D, CloseReason>
where
    A: IntoIterator<Item = SocketAddr>,
    C: Future<Output = io::Result<T>> + Send,
    S: Future<Output = ()> + Send,
    D: Duplex,
{
    let at = |reason| with_address(reason, &hop.host, hop.port);
    let addresses = addresses.map_err(|error| at(CloseReason::Failed(TransportError::Dns(error.to_string()))))?;
    let stream = stream(connect_any(addresses, dial, sleep).await.map_err(at)?);
    match hop.tunnel {
        Some(tunnel) => tunnel.pass(stream).await,
        None => Ok(stream),
    }
}

impl<D: Duplex> NonBlocking for Polled<D> {
    fn set_waker(&mut self, waker: &Waker) {
        self.waker.clone_from(waker);
    }
}

impl<D: Duplex> Read for Polled<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.poll(|duplex, context| duplex.poll_read(context, buffer))
    }
}

impl<D: Duplex> Write for Polled<D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.poll(|duplex, context| duplex.poll_write(context, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.poll(D::poll_flush)
    }
}

impl<D> fmt::Debug for Polled<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polled").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    /// A stream that transfers two bytes when it is ready, and keeps the waker of the waiting task.
    #[derive(Default)]
    struct Fake {
        is_ready: bool,
        waiting: Option<Waker>,
    }

    impl Fake {
        fn poll<T>(&mut self, context: &Context<'_>, value: T) -> Poll<io::Result<T>> {
            if self.is_ready {
                return Poll::Ready(Ok(value));
            }
            self.waiting = Some(context.waker().clone());
            Poll::Pending
        }
    }

    impl Duplex for Fake {
        fn poll_read(&mut self, context: &mut Context<'_>, _buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            self.poll(context, 2)
        }

        fn poll_write(&mut self, context: &mut Context<'_>, _bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.poll(context, 2)
        }

        fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll(context, ())
        }
    }

    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_stream_that_is_not_ready_would_block_and_knows_which_task_to_wake() {
        let mut stream = Polled::new(Fake::default());
        let calls = [
            |stream: &mut Polled<Fake>| stream.read(&mut [0; 4]),
            |stream: &mut Polled<Fake>| stream.write(&[0; 4]),
            |stream: &mut Polled<Fake>| stream.flush().map(|()| 2),
        ];
        for call in calls {
            let waker = Waker::from(Arc::new(Nobody));
            stream.set_waker(&waker);
            stream.duplex.is_ready = false;
            assert_eq!(call(&mut stream).map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
            assert!(stream.duplex.waiting.take().is_some_and(|waiting| waiting.will_wake(&waker)));
            stream.duplex.is_ready = true;
            assert_eq!(call(&mut stream).ok(), Some(2));
        }
    }
}
