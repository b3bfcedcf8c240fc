//! The options of a server.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use pusher_proto::ChannelName;
use pusher_proto::server::{Dialect, ServerConfig};
use pusher_proto::signing::{App, MasterKey};

use crate::pages::{self, Pages};

/// The options of a [`Server`](crate::Server).
///
/// # Examples
///
/// ```
/// use pusher_server::Options;
/// use pusher_server::pusher_proto::server::ServerConfig;
/// use pusher_server::pusher_proto::signing::App;
///
/// let app = App::new("1", "key", "secret")?;
/// let options = Options::new(ServerConfig::new(app))
///     .address(([127, 0, 0, 1], 6001))
///     .authorize(|channel| channel.as_str() != "private-admin");
/// # let _ = options;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Options {
    pub(crate) config: ServerConfig,
    pub(crate) address: SocketAddr,
    pub(crate) seed: u64,
    pub(crate) queue_len: usize,
    pub(crate) authorize: Authorize,
    pub(crate) any_origin: bool,
    pub(crate) unknown_sockets: bool,
    pub(crate) pages: Option<Pages>,
}

pub(crate) type Authorize = Arc<dyn Fn(&ChannelName) -> bool + Send + Sync>;

impl Options {
    /// Returns the defaults for an application and its limits.
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: RandomState::new().build_hasher().finish(),
            queue_len: 4_096,
            authorize: Arc::new(|channel| !channel.contains("forbidden")),
            any_origin: false,
            unknown_sockets: false,
            pages: None,
        }
    }

    /// Sets which server to imitate; limits that were set stay. Default hosted Pusher.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.config = self.config.with_dialect(dialect);
        self
    }

    /// Sets the address to listen on. Default 127.0.0.1 with a free port.
    pub fn address(mut self, address: impl Into<SocketAddr>) -> Self {
        self.address = address.into();
        self
    }

    /// Sets the seed of the socket ids. Default random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets how many messages may wait for a client; a client that is too slow loses its socket. At least 1 is used.
    /// Default 4,096.
    pub fn queue_len(mut self, len: usize) -> Self {
        self.queue_len = len.max(1);
        self
    }

    /// Sets which channels the auth endpoint signs; it answers 403 for the others. Default all channels whose names do
    /// not contain `forbidden`.
    pub fn authorize(mut self, authorize: impl Fn(&ChannelName) -> bool + Send + Sync + 'static) -> Self {
        self.authorize = Arc::new(authorize);
        self
    }

    /// Sets whether to accept requests whose `Host` is a name other than `localhost`, or whose `Origin` is not on this
    /// machine. Default false, because otherwise a page of any site could get sign-ins signed and publish events.
    pub fn allow_any_origin(mut self, allow: bool) -> Self {
        self.any_origin = allow;
        self
    }

    /// Sets whether the auth endpoints sign for sockets that are not connected to this server. Default false, because
    /// with the secret of another server, they would sign for that server.
    pub fn sign_for_unknown_sockets(mut self, sign: bool) -> Self {
        self.unknown_sockets = sign;
        self
    }

    /// Sets what answers the requests that are none of the server's own, such as those for the pages of an application. The
    /// server checks `Host` and `Origin` as for its own, and the head of a response must be there within 30 s. Default 404.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{Request, Response, StatusCode};
    /// use pusher_server::Options;
    ///
    /// let options = Options::default().pages(|request: Request<Bytes>| async move {
    ///     let status = if request.uri().path() == "/" { StatusCode::OK } else { StatusCode::NOT_FOUND };
    ///     let mut response = Response::new(String::from("A page of mine."));
    ///     *response.status_mut() = status;
    ///     response
    /// });
    /// # let _ = options;
    /// ```
    pub fn pages<F, B>(mut self, pages: impl Fn(http::Request<Bytes>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = http::Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.pages = Some(pages::boxed(pages));
        self
    }
}

/// The application with id `1`, key `app-key`, secret `app-secret`, and an encryption master key of 32 sevens.
impl Default for Options {
    fn default() -> Self {
        let app = App::new("1", "app-key", "app-secret").expect("the key is a valid name");
        Self::new(ServerConfig::new(app.encryption_master_key(MasterKey::new([7; MasterKey::LEN]))))
    }
}

impl From<ServerConfig> for Options {
    fn from(config: ServerConfig) -> Self {
        Self::new(config)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, address, seed, queue_len, authorize: _, any_origin, unknown_sockets, pages: _ } = self;
        f.debug_struct("Options")
            .field("config", config)
            .field("address", address)
            .field("seed", seed)
            .field("queue_len", queue_len)
            .field("any_origin", any_origin)
            .field("unknown_sockets", unknown_sockets)
            .finish_non_exhaustive()
    }
}
