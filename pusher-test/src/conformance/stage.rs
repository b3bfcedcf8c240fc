//! A server, the proxies in front of it, and their users.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Once};
use std::time::{Duration, Instant};

use pusher_driver::{HttpAuth, Options};
use pusher_proto::server::Publication;
use pusher_proto::{ChannelName, Config, ConfigBuilder, Endpoint};
use pusher_server::Handle;
use tokio::runtime::Runtime as Tokio;

use super::faults::{FaultProxy, Flow};
use super::handles::{Logged, WithHandles};
use super::runtime::{Alive, Runtime, Setup};
use super::server::ForeignServer;
use super::user::User;

/// How long a scenario waits for what must happen, 20 s: longer than any operation takes on one machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Runs servers and proxies, whatever the runtime.
pub(crate) static SERVERS: LazyLock<Tokio> =
    LazyLock::new(|| Tokio::new().expect("a runtime for the servers of the scenarios"));

/// The message of panics that are part of a scenario.
pub(crate) const WANTED_PANIC: &str = "as the scenario wants";

/// Everything that a scenario uses: a server, an auth endpoint, a proxy that injects faults in front of each, and clients
/// of one runtime.
///
/// [`Suite::scenario`](super::Suite::scenario) passes one to a scenario of your own.
///
/// # Examples
///
/// A scenario of your own: after an outage of the server, the client has its channel again.
///
/// ```
/// use pusher_test::conformance::{Runtime, Stage};
///
/// fn survives_an_outage<R: Runtime>(stage: &mut Stage<R>) {
///     let mut user = stage.user();
///     let mut chat = user.subscribed("chat");
///     stage.stop_server();
///     stage.start_server();
///     user.until_connected();
///     stage.publish("chat", "hello");
///     while chat.next_event().name() != "message" {}
/// }
/// ```
#[derive(Debug)]
pub struct Stage<R> {
    runtime: Arc<R>,
    /// Signs authorizations; clients connect to it unless there is a foreign server.
    server: Option<pusher_server::Server>,
    foreign: Option<Foreign>,
    /// Where clients connect to.
    address: SocketAddr,
    /// In front of the WebSocket.
    proxy: FaultProxy,
    /// In front of the auth endpoint.
    auth_proxy: FaultProxy,
    alive: Alive,
}

#[derive(Clone)]
pub(crate) struct Foreign(pub(crate) Arc<dyn ForeignServer>);

impl std::fmt::Debug for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Foreign").field(&self.0.address()).finish()
    }
}

impl<R: Runtime> Stage<R> {
    pub(crate) fn new(runtime: Arc<R>, foreign: Option<Foreign>) -> Self {
        let server = start(SocketAddr::from(([127, 0, 0, 1], 0)));
        let address = foreign.as_ref().map_or(server.address(), |foreign| foreign.0.address());
        Self {
            runtime,
            address,
            proxy: FaultProxy::new(address),
            auth_proxy: FaultProxy::new(server.address()),
            server: Some(server),
            foreign,
            alive: Alive::default(),
        }
    }

    /// Returns the handle of the development server: it authorizes, and clients connect to it unless the scenario runs
    /// with another [`ForeignServer`].
    ///
    /// # Panics
    ///
    /// While the server is stopped.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.server.as_ref().expect("the scenario has stopped the server").handle()
    }

    /// Returns host and port of the server, without the proxy in front of it.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of the auth endpoint, behind its proxy.
    #[must_use]
    pub fn auth_url(&self) -> String {
        format!("http://{}/pusher/auth", self.auth_proxy.address())
    }

    /// Returns the URL of the auth endpoint for users, behind the same proxy.
    #[must_use]
    pub fn user_auth_url(&self) -> String {
        format!("http://{}/pusher/user-auth", self.auth_proxy.address())
    }

    /// Returns the proxy in front of the server.
    #[must_use]
    pub const fn proxy(&self) -> &FaultProxy {
        &self.proxy
    }

    /// Returns the proxy in front of the auth endpoint.
    #[must_use]
    pub const fn auth_proxy(&self) -> &FaultProxy {
        &self.auth_proxy
    }

    /// Ends every connection, and stops listening.
    ///
    /// # Panics
    ///
    /// If the server is stopped already.
    pub fn stop_server(&mut self) {
        if let Some(Foreign(foreign)) = &self.foreign {
            return foreign.stop();
        }
        let server = self.server.take().expect("the scenario has stopped the server");
        SERVERS.block_on(server.shutdown());
    }

    /// Starts the server again, at the same address.
    pub fn start_server(&mut self) {
        if let Some(Foreign(foreign)) = &self.foreign {
            return foreign.start();
        }
        self.server = Some(start(self.address));
    }

    /// Returns options for a client that connects through the proxy. All waits of the client are short: delays between
    /// attempts are 5 to 20 ms, and it pings after 1 s and waits 5 s for the answer.
    pub fn config(&self) -> ConfigBuilder {
        quick(self.config_at(self.proxy.address()))
    }

    /// Returns options for a client that connects without the proxy.
    pub fn direct_config(&self) -> ConfigBuilder {
        quick(self.config_at(self.address))
    }

    fn config_at(&self, address: SocketAddr) -> ConfigBuilder {
        Config::builder("app-key", Endpoint::host(address.ip().to_string()).ws_port(address.port()).tls(false))
    }

    /// Returns what a client with this configuration starts with.
    ///
    /// # Panics
    ///
    /// If the configuration is not valid.
    #[must_use]
    pub fn setup(&self, config: ConfigBuilder) -> Setup {
        Setup {
            config: config.build().unwrap_or_else(|error| panic!("the scenario's configuration is not valid: {error}")),
            auth_url: self.auth_url(),
            user_auth_url: self.user_auth_url(),
            auth_params: Vec::new(),
            close_timeout: CLOSE_TIMEOUT,
            alive: self.alive.clone(),
        }
    }

    /// Returns a client that connects through the proxy.
    #[must_use]
    pub fn user(&self) -> User<R> {
        self.user_with(self.setup(self.config()))
    }

    /// Returns a client that connects.
    #[must_use]
    pub fn user_with(&self, setup: Setup) -> User<R> {
        let mut user = self.user_at_rest(setup);
        user.connect();
        user
    }

    /// Returns a client that does not connect yet.
    #[must_use]
    pub fn user_at_rest(&self, setup: Setup) -> User<R> {
        User::new(&self.runtime, self.runtime.start(setup))
    }

    /// Publishes an event `message` on a channel.
    ///
    /// # Panics
    ///
    /// If the server does not accept it.
    pub fn publish(&self, channel: &str, data: &str) {
        if let Some(Foreign(foreign)) = &self.foreign {
            return foreign.publish(channel, data);
        }
        let publication = Publication::new("message", [name(channel)], data);
        let published = self.handle().trigger(&publication);
        published.unwrap_or_else(|error| panic!("the server was expected to publish on {channel}, but: {error}"));
    }

    /// Whether the server has channels of this kind.
    pub(crate) fn supports(&self, channel: &str) -> bool {
        self.foreign.as_ref().is_none_or(|foreign| foreign.0.supports(channel))
    }

    /// Returns the number of connections of the server, or of the proxy in front of it if the server does not report them.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        match &self.foreign {
            Some(_) => self.proxy.connection_count(),
            None => self.handle().connection_count(),
        }
    }

    /// Waits until the server has this many connections.
    ///
    /// # Panics
    ///
    /// If that does not happen.
    #[track_caller]
    pub fn await_connection_count(&self, count: usize) {
        let found = || self.connection_count();
        wait_until(
            &format!("the server has {count} connections"),
            || found() == count,
            || format!("it has {}", found()),
        );
    }

    /// Waits until the auth endpoint has received this many requests.
    ///
    /// # Panics
    ///
    /// If that does not happen.
    #[track_caller]
    pub fn await_auth_requests(&self, count: usize) {
        let found = || self.auth_proxy.request_count();
        wait_until(
            &format!("the auth endpoint has received {count} requests"),
            || found() >= count,
            || format!("it has received {}", found()),
        );
    }

    /// Checks that whatever ran clients has ended, and that the server knows.
    #[track_caller]
    pub(crate) fn end(self) {
        self.proxy.set(Flow::Pass);
        let running = || self.alive.others();
        wait_until(
            "whatever ran the clients has ended, since they are dropped",
            || running() == 0,
            || format!("{} `Alive` marks are held", running()),
        );
        if self.server.is_some() {
            self.await_connection_count(0);
        }
    }
}

impl<H: WithHandles> Stage<H> {
    pub(crate) fn runtime(&self) -> &Arc<H> {
        &self.runtime
    }

    /// Returns the authorization of a client with handles.
    pub fn auth(&self) -> HttpAuth {
        HttpAuth::new(self.auth_url())
    }

    /// Returns a client with handles that does not connect yet.
    ///
    /// # Panics
    ///
    /// If the driver does not accept the configuration.
    #[must_use]
    pub fn handles(&self, config: ConfigBuilder, auth: HttpAuth, options: &Options) -> User<H> {
        let config = self.setup(config).config;
        let client = WithHandles::start(&*self.runtime, config, auth, options);
        let client = client.unwrap_or_else(|error| panic!("a client was expected, but it was refused: {error}"));
        User::new(&self.runtime, Logged::new(&*self.runtime, client, self.alive.clone()))
    }
}

fn start(address: SocketAddr) -> pusher_server::Server {
    let options = pusher_server::Options::default().address(address).sign_for_unknown_sockets(true);
    SERVERS
        .block_on(pusher_server::Server::start(options))
        .unwrap_or_else(|error| panic!("the development server cannot listen at {address}: {error}"))
}

/// Sets short delays and deadlines: 5 to 20 ms between attempts, a ping after 1 s without a message, and 5 s for its answer,
/// so that scenarios also pass on a busy machine.
///
/// # Examples
///
/// ```
/// use pusher_test::conformance::quick;
/// use pusher_test::pusher_proto::{Config, Endpoint};
///
/// let config = quick(Config::builder("app-key", Endpoint::host("127.0.0.1").tls(false)));
/// assert!(config.build().is_ok());
/// ```
pub fn quick(config: ConfigBuilder) -> ConfigBuilder {
    config
        .reconnect_base(Duration::from_millis(5))
        .reconnect_cap(Duration::from_millis(20))
        .reconnect_reset_after(Duration::from_millis(1))
        .activity_timeout(Duration::from_secs(1))
        .pong_timeout(Duration::from_secs(5))
}

/// Returns options of the driver for short waits, without connecting automatically.
///
/// # Examples
///
/// ```
/// let options = pusher_test::conformance::options();
/// assert!(options.validate().is_ok());
/// ```
pub fn options() -> Options {
    Options::new().auto_connect(false).close_timeout(CLOSE_TIMEOUT)
}

const CLOSE_TIMEOUT: Duration = Duration::from_millis(200);

pub(crate) fn name(channel: &str) -> ChannelName {
    ChannelName::new(channel)
        .unwrap_or_else(|error| panic!("the scenario's channel {channel} has no valid name: {error}"))
}

/// Waits up to 20 s; then the scenario fails with what was expected and what is.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool, found: impl Fn() -> String) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < PATIENCE, "expected that {what}, but after {PATIENCE:?} {}", found());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Keeps the expected panics of scenarios out of the output. Installs one panic hook for the process.
pub(crate) fn silence_wanted_panics() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&WANTED_PANIC) {
                print(info);
            }
        }));
    });
}
