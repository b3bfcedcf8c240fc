//! The handle of a network with clients in memory.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pusher_driver::adapter::Connection;
use pusher_driver::{Authorizer, Client, HttpAuth, HttpRequest, Options};
use pusher_proto::server::{Publication, Server, ServerConfig};
use pusher_proto::{ChannelName, Config, Instant, InvalidConfig, Text};

use super::hub::Shared;
use super::runtime::Memory;
use super::time::Time;
use crate::network::{Authority, Fault, Gate, Model, Who};

/// A model server, the application's backend, and the network to clients in memory. Clones are handles of the same
/// network.
///
/// A [`Simulation`](crate::Simulation) has one, and so has a test in tokio's paused time. Clients are the same
/// [`Client`] as in every asynchronous adapter.
///
/// Each client has a name. It is the name of its user, and selects the clients that a fault concerns; several clients
/// can have the same one.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pusher_test::Simulation;
/// use pusher_test::network::Fault;
/// use pusher_test::pusher_proto::server::ServerConfig;
/// use pusher_test::pusher_proto::signing::App;
/// use pusher_test::pusher_proto::{Config, Event};
///
/// let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
/// let network = simulation.network();
/// simulation.run(async {
///     let alice = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
///     let mut chat = alice.subscribe("private-chat")?;
///     chat.subscribed().await?;
///
///     network.trigger("private-chat", "message", r#"{"text":"hello"}"#);
///     network.fault("alice", Fault::Cut);
///     while let Some(event) = chat.recv().await {
///         if let Event::ContinuityLost { .. } = event {
///             break;
///         }
///     }
///     assert!(network.now() < Duration::from_secs(10));
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

impl Network {
    pub(crate) fn new(config: ServerConfig, seed: u64, time: Arc<dyn Time>) -> Self {
        let authority = Authority::new(config.app().clone(), "");
        Self { shared: Shared::new(Model::new(config, LATENCY, seed), authority, time, seed) }
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Starts a client, which connects at once. Whatever server the configuration names, it reaches the model server;
    /// the key must be that of its application.
    ///
    /// The client lives in the network's runtime until its last handle is dropped.
    ///
    /// # Errors
    ///
    /// If the authorizer has a URL that cannot be used.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::network::Fault;
    /// # use pusher_test::pusher_proto::Config;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// let client = network.connect("bob", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// let chat = client.subscribe("private-chat")?;
    /// simulation.run(chat.subscribed())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(&self, name: &str, config: Config, authorizer: impl Authorizer) -> Result<Client, InvalidConfig> {
        self.connect_with(name, config, authorizer, &Options::new())
    }

    /// Starts a client like [`connect`](Self::connect), with additional options. Their seed is replaced, so that each
    /// client has its own, and proxies and certificates have no effect.
    ///
    /// # Errors
    ///
    /// If an option is invalid, or the authorizer has a URL that cannot be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::Simulation;
    /// use pusher_test::pusher_driver::{NoAuth, Options};
    /// use pusher_test::pusher_proto::server::ServerConfig;
    /// use pusher_test::pusher_proto::signing::App;
    /// use pusher_test::pusher_proto::{Config, ConnectionState};
    ///
    /// let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// let (config, options) = (Config::new("app-key", "ws://localhost")?, Options::new().auto_connect(false));
    /// let client = simulation.network().connect_with("alice", config, NoAuth, &options)?;
    /// assert_eq!(client.state(), ConnectionState::Initialized);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_with(
        &self,
        name: &str,
        config: Config,
        authorizer: impl Authorizer,
        options: &Options,
    ) -> Result<Client, InvalidConfig> {
        options.validate()?;
        authorizer.validate()?;
        let who = self.shared.change(|hub| hub.add(name.into()));
        let runtime = Memory { shared: Arc::clone(&self.shared), who };
        let options = options.clone().seed(self.shared.seed.wrapping_add(who.0 as u64));
        let (client, connection) = Connection::new(config, authorizer, runtime, &options)?;
        self.shared.time.spawn(Box::pin(connection));
        Ok(client)
    }

    /// Returns an authorizer that asks the built-in backend by HTTP, for channels and for sign-in.
    ///
    /// The backend also answers at any other URL, so an application can use its own [`HttpAuth`]. It takes requests for
    /// one channel, for several, or for the user, as a form or as JSON, and signs for the user who has the client's
    /// name.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::network::Fault;
    /// # use pusher_test::pusher_proto::Config;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// # let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// client.signin();
    /// let user = simulation.run(client.signed_in())?;
    /// assert_eq!(user.id, "alice");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn auth(&self) -> HttpAuth {
        HttpAuth::new("http://backend.test/pusher/auth").user_endpoint("http://backend.test/pusher/user-auth")
    }

    /// Causes a fault of the network of the clients with this name. Later clients with this name have it too, if it
    /// lasts.
    ///
    /// # Panics
    ///
    /// If no client has this name.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::network::Fault;
    /// # use pusher_test::pusher_proto::Config;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// # let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// network.fault("alice", Fault::Latency(Duration::from_secs(3)));
    /// network.fault("alice", Fault::Cut);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn fault(&self, name: &str, fault: impl Borrow<Fault>) {
        self.each(name, |model, who| model.fault(who, fault.borrow()));
    }

    /// Causes a fault of the networks of all clients, and also of later ones if it lasts.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::network::Fault;
    /// # use pusher_test::pusher_proto::Config;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// # let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// network.fault_all(Fault::RefuseUpgrade { status: 503, retry_after: None });
    /// simulation.run(simulation.sleep(Duration::from_secs(60)));
    /// assert!(!client.state().is_connected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fault_all(&self, fault: impl Borrow<Fault>) {
        self.shared.change(|hub| hub.model.fault_all(fault.borrow()));
    }

    /// Ends the faults that last, for the clients with this name. Dead sockets remain dead.
    ///
    /// # Panics
    ///
    /// If no client has this name.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::network::Fault;
    /// # use pusher_test::pusher_proto::Config;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// # let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// network.fault("alice", Fault::Unreachable);
    /// simulation.run(simulation.sleep(Duration::from_secs(60)));
    /// network.heal("alice");
    /// simulation.run(simulation.sleep(Duration::from_secs(60)));
    /// assert!(client.state().is_connected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn heal(&self, name: &str) {
        self.each(name, Model::heal);
    }

    /// Ends the faults that last, for all clients. Dead sockets remain dead.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::network::Fault;
    /// # use pusher_test::pusher_proto::Config;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// # let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// network.fault_all(Fault::Silence);
    /// network.heal_all();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn heal_all(&self) {
        self.shared.change(|hub| hub.model.heal_all());
    }

    /// Changes the backend of the clients with this name, or reads what it was asked. Each client has a backend of its
    /// own, so limits apply to each client separately; a later client of the same name begins with the same settings.
    ///
    /// The function is called for each of these clients. Returns its result for the latest one.
    ///
    /// # Panics
    ///
    /// If no client has this name, or if the function uses the network.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pusher_test::Simulation;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # use pusher_test::pusher_proto::Config;
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// let chat = client.subscribe("private-chat")?;
    /// simulation.run(chat.subscribed())?;
    /// assert_eq!(network.backend("alice", |backend| backend.asked().len()), 1);
    /// network.backend("alice", |backend| backend.is_silent = true);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn backend<T>(&self, name: &str, mut change: impl FnMut(&mut Authority) -> T) -> T {
        self.each(name, |model, who| change(model.authority(who)))
    }

    /// Changes the backends of all clients, and of later ones, whose user still has the client's name.
    ///
    /// # Panics
    ///
    /// If the function uses the network.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::network::Fault;
    /// # use pusher_test::pusher_proto::Config;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// # let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// use pusher_test::pusher_proto::AuthError;
    ///
    /// let unavailable = AuthError::Http { status: 503, excerpt: String::new(), retry_after: None };
    /// network.backend_all(|backend| backend.refusal = Some(unavailable.clone()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn backend_all(&self, mut change: impl FnMut(&mut Authority)) {
        self.shared.change(|hub| {
            change(&mut hub.authority);
            (0..hub.clients.len()).for_each(|who| change(hub.model.authority(Who(who))));
        });
    }

    /// Uses the server, at the current time. What it sends arrives later.
    ///
    /// # Panics
    ///
    /// If the function uses the network.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pusher_test::Simulation;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// use pusher_test::pusher_proto::CloseFrame;
    ///
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// let restart = CloseFrame { code: 4200, reason: "restart".into() };
    /// network.server(|server, now| server.close_all(&restart, now));
    /// assert_eq!(network.server(|server, _| server.connections().count()), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn server<T>(&self, action: impl FnOnce(&mut Server, Instant) -> T) -> T {
        self.shared.change(|hub| {
            let now = hub.model.now();
            action(hub.model.server(), now)
        })
    }

    /// Changes the gate in front of the server, which limits or loses messages of all clients.
    ///
    /// # Panics
    ///
    /// If the function uses the network.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::network::Fault;
    /// # use pusher_test::pusher_proto::Config;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// # let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// use pusher_test::network::{Excess, Limit};
    ///
    /// let limit = Limit::new(10, Duration::from_secs(1));
    /// network.gate(|gate| gate.limit = Some((limit, Excess::Error)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn gate<T>(&self, change: impl FnOnce(&mut Gate) -> T) -> T {
        self.shared.change(|hub| change(hub.model.gate()))
    }

    /// Publishes an event, as the application does by the HTTP API. Its subscribers receive it later.
    ///
    /// The data for an encrypted channel must be encrypted, by
    /// [`MasterKey::seal`](pusher_proto::signing::MasterKey::seal).
    ///
    /// # Panics
    ///
    /// If the name of the channel is invalid, or the server does not accept the event.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::network::Fault;
    /// # use pusher_test::pusher_proto::Config;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// # let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// network.trigger("chat", "message", r#"{"text":"hello"}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn trigger(&self, channel: &str, event: &str, data: impl Into<Text>) {
        let channel = match ChannelName::new(channel) {
            Ok(channel) => channel,
            Err(error) => panic!("{channel:?} is not the name of a channel: {error}"),
        };
        let publication = Publication::new(event, [channel], data);
        if let Err(error) = self.server(|server, now| server.trigger(&publication, now)) {
            panic!("the server does not accept the event {event}: {error}");
        }
    }

    /// Returns the messages that the clients with this name have sent since the last call; the last 65,536 of each
    /// client at most.
    ///
    /// # Panics
    ///
    /// If no client has this name.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::network::Fault;
    /// # use pusher_test::pusher_proto::Config;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// # let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// let chat = client.subscribe("chat")?;
    /// simulation.run(chat.subscribed())?;
    /// assert!(network.sent("alice")[0].contains("pusher:subscribe"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn sent(&self, name: &str) -> Vec<Text> {
        let named = self.named(name);
        self.shared.change(|hub| named.flat_map(|who| hub.clients[who.0].sent.take().collect::<Vec<_>>()).collect())
    }

    /// Returns the requests that the clients with this name have sent to their backend since the last call; the last
    /// 65,536 of each client at most.
    ///
    /// # Panics
    ///
    /// If no client has this name.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::network::Fault;
    /// # use pusher_test::pusher_proto::Config;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// # let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// let chat = client.subscribe("private-chat")?;
    /// simulation.run(chat.subscribed())?;
    /// assert_eq!(network.posts("alice")[0].url, "http://backend.test/pusher/auth");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn posts(&self, name: &str) -> Vec<HttpRequest> {
        let named = self.named(name);
        self.shared.change(|hub| named.flat_map(|who| hub.clients[who.0].posts.take().collect::<Vec<_>>()).collect())
    }

    /// The wall clock advances, but no other clock: the clients' machines slept, on a system whose monotonic clock
    /// stops during sleep. Clients notice it when they next have something to do, within 10 s while connected.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::network::Fault;
    /// # use pusher_test::pusher_proto::Config;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// # let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// simulation.run(simulation.sleep(Duration::from_secs(1)));
    /// network.fault("alice", Fault::Dead);
    /// network.advance_wall_clock(Duration::from_secs(8 * 60 * 60));
    /// simulation.run(simulation.sleep(Duration::from_secs(20)));
    /// assert_eq!(client.stats().reconnects, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance_wall_clock(&self, time: Duration) {
        self.shared.change(|hub| hub.wall_lead = hub.wall_lead.saturating_add(time));
    }

    /// Returns the time since the start.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::network::Fault;
    /// # use pusher_test::pusher_proto::Config;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// # let network = simulation.network();
    /// # let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// simulation.run(simulation.sleep(Duration::from_secs(5)));
    /// assert_eq!(network.now(), Duration::from_secs(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn now(&self) -> Duration {
        self.shared.time.now().elapsed()
    }

    #[track_caller]
    fn each<T>(&self, name: &str, mut change: impl FnMut(&mut Model, Who) -> T) -> T {
        let named = self.named(name);
        let latest = self.shared.change(|hub| named.map(|who| change(&mut hub.model, who)).last());
        latest.expect("there is at least one client")
    }

    #[track_caller]
    fn named(&self, name: &str) -> impl Iterator<Item = Who> + use<> {
        let hub = self.shared.lock();
        let mut named = hub.named(name).peekable();
        if named.peek().is_none() {
            let names: Vec<&str> = hub.clients.iter().map(|known| known.name.as_str()).collect();
            panic!("no client is called {name:?}; there are {names:?}");
        }
        named
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// How long a message takes to arrive, unless a fault says otherwise.
const LATENCY: Duration = Duration::from_millis(20);
