//! What an adapter provides for the loop.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use pusher_proto::{AuthError, CloseReason, ConnectRequest, TransportError};

use crate::addresses::{ATTEMPT_DELAY, take_turns};
use crate::auth::{HttpRequest, HttpResponse};
use crate::clock::Clock;
use crate::socket::Socket;

/// An asynchronous runtime, reduced to what the loop needs. An adapter makes no decisions.
///
/// # Examples
///
/// Without TLS, proxies and authorization, all of it for smol:
///
#[cfg_attr(feature = "websocket", doc = "```no_run")]
#[cfg_attr(not(feature = "websocket"), doc = "```ignore")]
/// use std::future::{Future, poll_fn};
/// use std::io;
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
/// use std::time::Duration;
///
/// use pusher_driver::adapter::{
///     Clock, ConnectRequest, Connection, Duplex, Handshake, Limits, Polled, Runtime, SystemClock, WebSocket,
/// };
/// use pusher_driver::exports::{AuthError, CloseReason, Config, Instant, TransportError};
/// use pusher_driver::{HttpRequest, HttpResponse, NoAuth, Options};
/// use smol::io::{AsyncRead as _, AsyncWrite as _};
/// use smol::net::TcpStream;
///
/// #[derive(Debug)]
/// struct Smol {
///     clock: SystemClock,
///     limits: Limits,
/// }
///
/// impl Clock for Smol {
///     fn now(&self) -> Instant {
///         self.clock.now()
///     }
/// }
///
/// impl Runtime for Smol {
///     type Socket = WebSocket<Polled<Stream>>;
///
///     fn connect(
///         &self,
///         request: ConnectRequest,
///     ) -> impl Future<Output = Result<Self::Socket, CloseReason>> + Send + 'static {
///         let limits = self.limits;
///         async move {
///             let connected = TcpStream::connect((request.host.as_str(), request.port)).await;
///             let stream = connected.map_err(|error| CloseReason::Failed(TransportError::Io(error.to_string())))?;
///             let mut handshake = Handshake::new(Polled::new(Stream(stream)), &request, limits);
///             poll_fn(|context| handshake.poll(context.waker())).await
///         }
///     }
///
///     fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
///         async move { drop(smol::Timer::after(duration).await) }
///     }
///
///     fn post(&self, _: HttpRequest) -> impl Future<Output = Result<HttpResponse, AuthError>> + Send + 'static {
///         // With the feature `hyper`: `HttpClient::post`.
///         async { Err(AuthError::Network("this program sends no requests".into())) }
///     }
/// }
///
/// struct Stream(TcpStream);
///
/// impl Duplex for Stream {
///     fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
///         Pin::new(&mut self.0).poll_read(context, buffer)
///     }
///
///     fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
///         Pin::new(&mut self.0).poll_write(context, bytes)
///     }
///
///     fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Pin::new(&mut self.0).poll_flush(context)
///     }
/// }
///
/// let config = Config::new("app-key", "ws://127.0.0.1:6001")?;
/// let runtime = Smol { clock: SystemClock::new(), limits: Limits::new(&config) };
/// let (client, connection) = Connection::new(config, NoAuth, runtime, &Options::new())?;
/// smol::spawn(connection).detach();
/// let mut news = client.subscribe("news")?;
/// while let Some(event) = smol::block_on(news.recv()) {
///     println!("{event:?}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Runtime: Clock {
    /// An open WebSocket.
    type Socket: Socket;

    /// Opens a WebSocket. Dropping the future abandons the attempt.
    fn connect(
        &self,
        request: ConnectRequest,
    ) -> impl Future<Output = Result<Self::Socket, CloseReason>> + Send + 'static;

    /// Completes after `duration`, according to its [`Clock`].
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// Sends a POST request, without following redirects. Dropping the future abandons the request.
    fn post(&self, request: HttpRequest) -> impl Future<Output = Result<HttpResponse, AuthError>> + Send + 'static;
}

/// Tries all `addresses`, each 250 ms after the previous one or as soon as that one has failed, and keeps the first
/// success (RFC 8305, *Happy Eyeballs*). Address families alternate, beginning with that of the resolver's first
/// address.
///
/// # Errors
///
/// The last failure, if all addresses have failed, or that there is no address.
pub async fn connect_any<T, C, S>(
    addresses: impl IntoIterator<Item = std::net::SocketAddr>,
    connect: impl Fn(std::net::SocketAddr) -> C + Send,
    sleep: impl Fn(Duration) -> S + Send,
) -> Result<T, CloseReason>
where
    C: Future<Output = io::Result<T>> + Send,
    S: Future<Output = ()> + Send,
{
    let mut waiting = take_turns(addresses).into_iter();
    let mut running: Vec<Pin<Box<C>>> = Vec::new();
    let mut delay: Option<Pin<Box<S>>> = None;
    let mut last = TransportError::Dns("the name has no addresses".into());
    // The future owns everything, since with references to the functions, the compiler could not prove that it is
    // `Send`.
    poll_fn(move |context| {
        loop {
            let mut failed = false;
            let mut at = 0;
            while at < running.len() {
                match running[at].as_mut().poll(context) {
                    Poll::Ready(Ok(connection)) => return Poll::Ready(Ok(connection)),
                    Poll::Ready(Err(error)) => {
                        last = TransportError::Io(error.to_string());
                        failed = true;
                        drop(running.swap_remove(at));
                    }
                    Poll::Pending => at += 1,
                }
            }
            let waits = !running.is_empty()
                && !failed
                && delay.as_mut().is_some_and(|delay| delay.as_mut().poll(context).is_pending());
            if waits {
                return Poll::Pending;
            }
            delay = None;
            match waiting.next() {
                Some(address) => {
                    running.push(Box::pin(connect(address)));
                    delay = Some(Box::pin(sleep(ATTEMPT_DELAY)));
                }
                None if running.is_empty() => return Poll::Ready(Err(CloseReason::Failed(last.clone()))),
                None => return Poll::Pending,
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Waker};

    use super::*;

    fn address(number: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, number], 80))
    }

    type Attempt = Pin<Box<dyn Future<Output = io::Result<u8>> + Send>>;

    #[test]
    fn the_next_address_is_tried_after_a_delay_or_a_failure() {
        let tried = Arc::new(Mutex::new(Vec::new()));
        let slept = Arc::new(Mutex::new(0));
        let log = Arc::clone(&tried);
        let connect = move |address: SocketAddr| -> Attempt {
            log.lock().unwrap().push(address);
            match address.ip() {
                ip if ip == self::address(1).ip() => Box::pin(pending()),
                ip if ip == self::address(2).ip() => Box::pin(ready(Err(io::Error::other("refused")))),
                _ => Box::pin(ready(Ok(3))),
            }
        };
        let count = Arc::clone(&slept);
        let sleep = move |_| {
            *count.lock().unwrap() += 1;
            ready(())
        };
        let mut race = Box::pin(connect_any([address(1), address(2), address(3), address(4)], connect, sleep));
        let won = race.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(won, Poll::Ready(Ok(3)));
        assert_eq!(*tried.lock().unwrap(), [address(1), address(2), address(3)]);
    }

    #[test]
    fn attempts_that_run_are_waited_for() {
        let tried = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&tried);
        let connect = move |address: SocketAddr| -> Attempt {
            log.lock().unwrap().push(address);
            if address == self::address(1) {
                return Box::pin(ready(Err(io::Error::other("refused"))));
            }
            Box::pin(pending())
        };
        let mut race = Box::pin(connect_any([address(1), address(2), address(3)], connect, |_| pending()));
        assert_eq!(race.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
        assert_eq!(*tried.lock().unwrap(), [address(1), address(2)], "the third has to wait");
        let connect = |address: SocketAddr| -> Attempt {
            if address == self::address(1) {
                return Box::pin(pending());
            }
            Box::pin(ready(Err(io::Error::other("refused"))))
        };
        let mut race = Box::pin(connect_any([address(1), address(2)], connect, |_| ready(())));
        assert_eq!(race.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending, "the first goes on");
    }

    #[test]
    fn the_last_failure_is_reported() {
        let connect = |_| ready(io::Result::<u8>::Err(io::Error::other("refused")));
        let mut race = Box::pin(connect_any([address(1), address(2)], connect, |_| pending()));
        let lost = race.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(lost, Poll::Ready(Err(CloseReason::Failed(TransportError::Io("refused".into())))));
        let mut none = Box::pin(connect_any([], connect, |_| pending()));
        let nowhere = TransportError::Dns("the name has no addresses".into());
        let lost = none.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(lost, Poll::Ready(Err(CloseReason::Failed(nowhere))));
    }
}
