//! Clients over streams of [`tokio_tungstenite`] 0.29 that the application opens: a Unix socket, a tunnel, another TLS library.
//!
//! This module and the feature `tokio-tungstenite-0-29` are named after the version of that crate, which has not
//! reached 1.0. A later version will have its own module and feature.
//!
//! [`connect_with`] takes a function that opens a WebSocket. The client calls it for every attempt to connect,
//! including reconnects. Everything else works as in the rest of this crate: handles, events, delays and deadlines.
//!
//! ```no_run
//! # #[cfg(unix)]
//! # fn start() -> Result<pusher_tokio::Client, pusher_tokio::InvalidConfig> {
//! use pusher_tokio::tokio_tungstenite_0_29::{connect_with, tokio_tungstenite};
//! use pusher_tokio::{Config, Endpoint, HttpAuth, Options};
//! use tokio::net::UnixStream;
//! use tokio_tungstenite::client_async_with_config;
//!
//! let config = Config::new("app-key", Endpoint::host("localhost").tls(false))?;
//! let auth = HttpAuth::new("http://localhost/broadcasting/auth");
//! let client = connect_with(config, auth, &Options::new(), |upgrade| async {
//!     let stream = UnixStream::connect("/run/pusher.sock").await?;
//!     let limits = Some(upgrade.config());
//!     let (socket, _response) = client_async_with_config(upgrade, stream, limits).await?;
//!     Ok(socket)
//! })?;
//! # Ok(client)
//! # }
//! ```
//!
//! # Differences
//!
//! The behaviour of a stream depends on the library and the application:
//!
//! * A message above [`max_frame_len`](crate::ConfigBuilder::max_frame_len) ends the connection with close code 1009,
//!   and the client reconnects; the crate's own WebSocket skips such a message. This requires that you use
//!   [`Upgrade::config`]; a stream with larger limits buffers the whole message before the client rejects it.
//! * The number of frames in a message is not limited. If a message never ends, the connection ends when a ping has
//!   been unanswered for five minutes. Until then, the library keeps reading whenever the stream is ready. Streams of
//!   tokio pause from time to time even if they have more, so that other tasks can run; a stream that is not based on
//!   them should do the same.
//! * Proxies, TLS and name resolution are up to the application. The options for them apply only to authorization
//!   requests.

mod error;
mod socket;
#[cfg(test)]
mod tests;
mod upgrade;

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use pusher_driver::adapter::{Clock, Connection, Fragile, Runtime};
use pusher_driver::{Authorizer, Client, HttpRequest, HttpResponse, Options};
use pusher_proto::{AuthError, CloseReason, Config, ConnectRequest, Instant, InvalidConfig};
use tokio::io::{AsyncRead, AsyncWrite};
pub use tokio_tungstenite;
use tokio_tungstenite::WebSocketStream;

pub use self::error::OpenError;
use self::socket::Tungstenite;
pub use self::upgrade::Upgrade;
use crate::runtime::Tokio;

/// Starts a client whose WebSockets are opened by `open`.
///
/// Its connection runs as a task of the current tokio runtime, as with [`connect_with`](crate::connect_with). `open` is
/// called once for every attempt. The future is dropped if it takes longer than
/// [`handshake_timeout`](crate::ConfigBuilder::handshake_timeout), or if the connection is no longer wanted. An
/// [`OpenError`] is reported as [`Event::ConnectionError`](crate::Event::ConnectionError), and the next attempt follows
/// after the usual delay. If `open` or the stream panics, this attempt or connection fails, and the client continues.
///
/// # Errors
///
/// If an option is invalid, or the authorizer has a URL that cannot be used.
///
/// # Panics
///
/// If called outside of a tokio runtime, or in one without IO and time.
#[track_caller]
pub fn connect_with<O, F, S>(
    config: Config,
    authorizer: impl Authorizer,
    options: &Options,
    open: O,
) -> Result<Client, InvalidConfig>
where
    O: Fn(Upgrade) -> F + Send + Sync + 'static,
    F: Future<Output = Result<WebSocketStream<S>, OpenError>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let runtime = WithOpener {
        tokio: Tokio::new(&config, options),
        max_message_len: config.max_frame_len(),
        open: Arc::new(Fragile::new(open)),
    };
    let (client, connection) = Connection::new(config, authorizer, runtime, options)?;
    tokio::spawn(connection);
    Ok(client)
}

/// Tokio, except for the sockets.
struct WithOpener<O> {
    tokio: Tokio,
    max_message_len: usize,
    open: Arc<Fragile<O>>,
}

impl<O: Send + Sync + 'static> Clock for WithOpener<O> {
    fn now(&self) -> Instant {
        self.tokio.now()
    }

    fn now_in_loop(&self) -> Instant {
        self.tokio.now_in_loop()
    }
}

impl<O, F, S> Runtime for WithOpener<O>
where
    O: Fn(Upgrade) -> F + Send + Sync + 'static,
    F: Future<Output = Result<WebSocketStream<S>, OpenError>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Socket = Tungstenite<S>;

    fn connect(
        &self,
        request: ConnectRequest,
    ) -> impl Future<Output = Result<Self::Socket, CloseReason>> + Send + 'static {
        let (open, upgrade) = (Arc::clone(&self.open), Upgrade::new(request, self.max_message_len));
        async move {
            // Called here, where the loop catches a panic.
            let mut attempt = Fragile::new(Box::pin(open(upgrade)));
            let stream = poll_fn(|context| attempt.as_mut().poll(context)).await?;
            Ok(Tungstenite::new(stream))
        }
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.tokio.sleep(duration)
    }

    fn post(&self, request: HttpRequest) -> impl Future<Output = Result<HttpResponse, AuthError>> + Send + 'static {
        self.tokio.post(request)
    }
}

impl<O> fmt::Debug for WithOpener<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithOpener").field("tokio", &self.tokio).finish_non_exhaustive()
    }
}
