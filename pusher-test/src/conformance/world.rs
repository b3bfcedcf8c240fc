//! A server, the proxies in front of it, and their users.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use pusher_driver::{HttpAuth, Options};
use pusher_proto::server::Publication;
use pusher_proto::{ChannelName, Config, ConfigBuilder, ConnectionState, Endpoint, Event};
use pusher_server::Server;
use tokio::runtime::Runtime;

use crate::adapter::Adapter;
use crate::faults::{FaultProxy, Flow};

/// Longer than any operation takes on one machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Runs servers and proxies, whatever the adapter.
pub(crate) static SERVERS: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// The message of panics that are part of a scenario.
pub(crate) const WANTED_PANIC: &str = "as the scenario wants";

/// A server that is not ours. Scenarios can stop it and start it again where it was.
pub(crate) trait Foreign {
    fn address(&self) -> SocketAddr;
    fn publish(&self, channel: &str, data: &str);
    /// Whether it supports channels of this kind.
    fn takes(&self, channel: &str) -> bool;
    fn stop(&self);
    fn start(&self);
}

/// Everything that a scenario uses.
pub(crate) struct World<A> {
    /// Signs authorizations; clients connect to it unless there is a foreign server.
    server: Option<Server>,
    foreign: Option<Box<dyn Foreign>>,
    /// Where clients connect to.
    address: SocketAddr,
    /// In front of the WebSocket.
    pub(crate) proxy: FaultProxy,
    /// In front of the auth endpoint.
    pub(crate) auth_proxy: FaultProxy,
    /// How many requests the auth endpoint has received.
    asked: Arc<AtomicUsize>,
    /// Every loop holds a clone.
    loops: Arc<()>,
    adapter: PhantomData<A>,
}

/// A client, and what happened to it so far.
pub(crate) struct User<A: Adapter> {
    pub(crate) client: A::Client,
    pub(crate) log: Receiver<Event>,
}

impl<A: Adapter> World<A> {
    pub(crate) fn new(foreign: Option<Box<dyn Foreign>>) -> Self {
        let server = start(SocketAddr::from(([127, 0, 0, 1], 0)));
        let address = foreign.as_ref().map_or(server.address(), |foreign| foreign.address());
        Self {
            address,
            proxy: FaultProxy::new(address),
            auth_proxy: FaultProxy::new(server.address()),
            server: Some(server),
            foreign,
            asked: Arc::default(),
            loops: Arc::default(),
            adapter: PhantomData,
        }
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("the server is up")
    }

    pub(crate) fn handle(&self) -> pusher_server::Handle {
        self.server().handle()
    }

    /// Ends every connection and frees the port.
    pub(crate) fn stop_server(&mut self) {
        if let Some(foreign) = &self.foreign {
            return foreign.stop();
        }
        let server = self.server.take().expect("the server is up");
        SERVERS.block_on(server.shutdown());
    }

    /// Starts the server again, at the same address.
    pub(crate) fn start_server(&mut self) {
        if let Some(foreign) = &self.foreign {
            return foreign.start();
        }
        self.server = Some(start(self.address));
    }

    /// The configuration for connecting through the proxy.
    pub(crate) fn config(&self) -> ConfigBuilder {
        self.config_at(self.proxy.address())
    }

    /// Host and port of the server.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The configuration for connecting without the proxy.
    pub(crate) fn direct_config(&self) -> ConfigBuilder {
        self.config_at(self.address)
    }

    fn config_at(&self, address: SocketAddr) -> ConfigBuilder {
        quick(Config::builder("app-key", Endpoint::host(address.ip().to_string()).ws_port(address.port()).tls(false)))
    }

    pub(crate) fn auth(&self) -> HttpAuth {
        let asked = Arc::clone(&self.asked);
        HttpAuth::new(self.auth_url()).params_with(move |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            [("asked", "yes")]
        })
    }

    pub(crate) fn auth_url(&self) -> String {
        format!("http://{}/pusher/auth", self.auth_proxy.address())
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until the auth endpoint has received this many requests.
    pub(crate) fn await_asked(&self, count: usize) {
        wait_until("the auth endpoint is asked", || self.asked() >= count);
    }

    /// A client that connects through the proxy.
    pub(crate) fn user(&self) -> User<A> {
        let user = self.user_with(self.config(), self.auth(), &options());
        user.client.connect();
        user
    }

    /// A client that connects when it is told to.
    pub(crate) fn user_with(&self, config: ConfigBuilder, auth: HttpAuth, options: &Options) -> User<A> {
        let client = A::connect(config.build().unwrap(), auth, options).unwrap();
        let (sender, log) = mpsc::channel();
        let in_loop = Arc::clone(&self.loops);
        client.bind_all(move |event| {
            let _ = &in_loop;
            // The log may be dropped before the client.
            let _ = sender.send(event.clone());
        });
        User { client, log }
    }

    pub(crate) fn publish(&self, channel: &str, data: &str) {
        if let Some(foreign) = &self.foreign {
            return foreign.publish(channel, data);
        }
        let channel = ChannelName::new(channel).unwrap();
        self.handle().trigger(&Publication::new("message", [channel], data)).unwrap();
    }

    /// Whether the server has channels of this kind.
    pub(crate) fn takes(&self, channel: &str) -> bool {
        self.foreign.as_ref().is_none_or(|foreign| foreign.takes(channel))
    }

    /// The number of connections of the server, or of the proxy in front of it if the server does not report them.
    pub(crate) fn connection_count(&self) -> usize {
        match &self.foreign {
            Some(_) => self.proxy.connection_count(),
            None => self.handle().connection_count(),
        }
    }

    /// Checks that every loop has ended, and that the server knows.
    pub(crate) fn end(self) {
        self.proxy.set(Flow::Pass);
        wait_until("all loops end", || Arc::strong_count(&self.loops) == 1);
        if self.server.is_some() {
            wait_until("all connections end", || self.connection_count() == 0);
        }
    }
}

fn start(address: SocketAddr) -> Server {
    SERVERS
        .block_on(Server::start(pusher_server::Options::default().address(address).sign_for_unknown_sockets(true)))
        .unwrap()
}

pub(crate) fn quick(config: ConfigBuilder) -> ConfigBuilder {
    config
        .reconnect_base(Duration::from_millis(5))
        .reconnect_cap(Duration::from_millis(20))
        .reconnect_reset_after(Duration::from_millis(1))
        .activity_timeout(Duration::from_secs(1))
        .pong_timeout(Duration::from_millis(100))
}

/// Options for short waits, without connecting automatically.
pub(crate) fn options() -> Options {
    Options::new().auto_connect(false).close_timeout(Duration::from_millis(200))
}

impl<A: Adapter> User<A> {
    pub(crate) fn subscribe(&self, channel: &str) -> A::Subscription {
        A::subscribe(&self.client, channel)
    }

    /// A subscription that was confirmed and has received nothing else.
    pub(crate) fn subscribed(&self, channel: &str) -> A::Subscription {
        let mut subscription = self.subscribe(channel);
        A::subscribed(&subscription).unwrap();
        let event = next::<A>(&mut subscription);
        assert!(matches!(event, Event::SubscriptionSucceeded { again: false, .. }) && event.is_gap(), "{event:?}");
        subscription
    }

    /// The next event of the log that fits.
    pub(crate) fn until(&self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        let start = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(start.elapsed());
            match self.log.recv_timeout(left) {
                Ok(event) if fits(&event) => return event,
                Ok(_) => {}
                Err(error) => panic!("waiting until {what}: {error}, in state {:?}", self.client.state()),
            }
        }
    }

    pub(crate) fn until_state(&self, what: &str, fits: impl Fn(&ConnectionState) -> bool) -> ConnectionState {
        let fits = |event: &Event| matches!(event, Event::StateChanged { current, .. } if fits(current));
        match self.until(what, fits) {
            Event::StateChanged { current, .. } => current,
            event => panic!("{event:?}"),
        }
    }

    pub(crate) fn until_connected(&self) {
        self.until_state("connected", ConnectionState::is_connected);
    }
}

/// The next event, skipping subscription counts.
pub(crate) fn next<A: Adapter>(subscription: &mut A::Subscription) -> Event {
    loop {
        match A::recv(subscription).expect("the stream goes on") {
            Event::SubscriptionCount { .. } => {}
            event => return event,
        }
    }
}

/// The text of the next event, which must be one of the application's.
pub(crate) fn text<A: Adapter>(subscription: &mut A::Subscription) -> String {
    match next::<A>(subscription) {
        Event::Channel(event) => event.data().text().into_owned(),
        event => panic!("{event:?}"),
    }
}

/// Checks that a gap was announced, and that events come again.
pub(crate) fn expect_recovery<A: Adapter>(world: &World<A>, subscription: &mut A::Subscription) {
    let event = next::<A>(subscription);
    assert!(matches!(event, Event::ContinuityLost { .. }) && event.is_gap(), "{event:?}");
    let event = next::<A>(subscription);
    assert!(matches!(event, Event::SubscriptionSucceeded { again: true, .. }) && !event.is_gap(), "{event:?}");
    world.publish(subscription.name().as_str(), "again");
    assert_eq!(text::<A>(subscription), "again");
}

pub(crate) fn wait_until(what: &str, is_true: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < PATIENCE, "waiting until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Keeps the expected panics of scenarios out of the output.
pub(crate) fn silence_wanted_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&WANTED_PANIC) {
            print(info);
        }
    }));
}
