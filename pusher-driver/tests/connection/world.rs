//! A runtime whose sockets, time and HTTP the test controls.

use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pusher_driver::adapter::{Clock, Connection, Received, Runtime, Socket};
use pusher_driver::{Authorizer, Client, HttpRequest, HttpResponse, Options, Subscription};
use pusher_proto::{
    AuthError, AuthRequest, AuthResponse, CloseFrame, CloseReason, Config, ConfigBuilder, ConnectRequest, Endpoint,
    Frame, Instant, Text, TransportError,
};

/// One client and everything around it.
pub(crate) struct World {
    pub(crate) client: Client,
    connection: Option<Connection<Fake>>,
    outside: Arc<Mutex<Outside>>,
}

#[derive(Default)]
pub(crate) struct Outside {
    /// The hosts of requested sockets.
    pub(crate) hosts: Vec<Text>,
    pub(crate) refuses: bool,
    /// Whether sockets take forever to open.
    pub(crate) stalls: bool,
    /// Sockets that were abandoned while being opened.
    pub(crate) given_up: usize,
    pub(crate) incoming: VecDeque<Received>,
    /// Whether the peer sends without end and without completing a message.
    pub(crate) floods: bool,
    /// Messages that wait for a flush.
    unsent: Vec<String>,
    pub(crate) sent: Vec<String>,
    pub(crate) closed: Vec<CloseFrame>,
    /// Dropped sockets.
    pub(crate) dropped: usize,
    /// Whether the peer answers a close.
    pub(crate) closes: bool,
    pub(crate) posts: Vec<HttpRequest>,
    pub(crate) post_answer: Option<Result<HttpResponse, AuthError>>,
    pub(crate) dropped_posts: usize,
    /// How long the loop wanted to sleep, each time.
    pub(crate) sleeps: Vec<Duration>,
    /// The clock.
    pub(crate) now: Duration,
    /// How long the machine slept while the clock was stopped.
    pub(crate) slept: Duration,
    /// When the latest sleep ends.
    alarm: Duration,
    /// How often all sleepers were woken too early.
    naps: usize,
}

impl Outside {
    fn flush(&mut self) {
        self.sent.append(&mut self.unsent);
    }
}

pub(crate) fn config() -> ConfigBuilder {
    Config::builder("key", Endpoint::host("localhost").tls(false))
}

impl World {
    pub(crate) fn new(config: ConfigBuilder, authorizer: impl Authorizer, options: &Options) -> Self {
        let outside = Arc::new(Mutex::new(Outside { closes: true, ..Outside::default() }));
        let runtime = Fake(Arc::clone(&outside));
        let (client, connection) = Connection::new(config.build().unwrap(), authorizer, runtime, options).unwrap();
        Self { client, connection: Some(connection), outside }
    }

    /// A world whose server has greeted the client.
    pub(crate) fn connected(authorizer: impl Authorizer) -> Self {
        Self::greeted(config(), authorizer, &Options::new())
    }

    pub(crate) fn connected_with(config: ConfigBuilder, authorizer: impl Authorizer) -> Self {
        Self::greeted(config, authorizer, &Options::new())
    }

    pub(crate) fn connected_with_options(options: &Options, authorizer: impl Authorizer) -> Self {
        Self::greeted(config(), authorizer, options)
    }

    fn greeted(config: ConfigBuilder, authorizer: impl Authorizer, options: &Options) -> Self {
        let mut world = Self::new(config, authorizer, options);
        world.run();
        world.greet();
        assert!(world.client.state().is_connected());
        world
    }

    /// Connected, and subscribed to a channel that takes client events.
    pub(crate) fn in_private_chat() -> (Self, Subscription) {
        Self::connected(async |_: AuthRequest| Ok(AuthResponse::new("key:5a"))).subscribed("private-chat")
    }

    /// Subscribed to one more channel.
    pub(crate) fn subscribed(mut self, channel: &str) -> (Self, Subscription) {
        let subscription = self.client.subscribe(channel).unwrap();
        self.run();
        self.receive(&succeeded(channel));
        self.sent();
        (self, subscription)
    }

    /// The server greets the client.
    pub(crate) fn greet(&mut self) {
        self.receive(r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.1\"}"}"#);
    }

    /// The clock of the loop, for callbacks that take time.
    pub(crate) fn clock(&self) -> Arc<Mutex<Outside>> {
        Arc::clone(&self.outside)
    }

    pub(crate) fn outside(&self) -> MutexGuard<'_, Outside> {
        self.outside.lock().unwrap()
    }

    /// Runs the loop until it waits; returns whether it continues.
    pub(crate) fn run(&mut self) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        loop {
            let seen = wakes.count();
            if Pin::new(&mut *connection).poll(&mut Context::from_waker(&waker)).is_ready() {
                self.connection = None;
                return false;
            }
            if wakes.count() == seen {
                return true;
            }
        }
    }

    /// Gives the loop one turn; returns whether it wants another at once.
    pub(crate) fn turn(&mut self) -> bool {
        let wakes = Arc::new(Wakes::default());
        let connection = self.connection.as_mut().unwrap();
        assert!(Pin::new(connection).poll(&mut Context::from_waker(&Waker::from(Arc::clone(&wakes)))).is_pending());
        wakes.count() > 0
    }

    /// Lets time pass until the loop wants to wake, then runs it; returns whether it continues.
    pub(crate) fn wake_sleepers(&mut self) -> bool {
        let mut outside = self.outside();
        outside.now = outside.now.max(outside.alarm);
        drop(outside);
        self.run()
    }

    /// Wakes all sleepers although no time has passed, then runs the loop.
    pub(crate) fn wake_too_early(&mut self) {
        self.outside().naps += 1;
        self.run();
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, duration: Duration) {
        self.outside().now += duration;
    }

    pub(crate) fn receive(&mut self, text: &str) {
        self.receive_all([text]);
    }

    /// The peer sends messages that arrive with one read.
    pub(crate) fn receive_all<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) {
        let frames = texts.into_iter().map(|text| Received::Frame(Frame::Text(Text::from(text))));
        self.outside().incoming.extend(frames);
        self.run();
    }

    pub(crate) fn lose_socket(&mut self, reason: CloseReason) {
        self.outside().incoming.push_back(Received::Closed(reason));
        self.run();
    }

    pub(crate) fn sent(&self) -> Vec<String> {
        mem::take(&mut self.outside().sent)
    }

    /// Drops the loop, like a runtime that shuts down.
    pub(crate) fn drop_loop(&mut self) {
        self.connection = None;
    }

    /// Everything but the client's first handle.
    pub(crate) fn without_client(self) -> Self {
        let Self { client, connection, outside } = self;
        let other = World::new(config(), pusher_driver::NoAuth, &Options::new().auto_connect(false));
        drop(client);
        Self { client: other.client, connection, outside }
    }
}

pub(crate) fn succeeded(channel: &str) -> String {
    format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{channel}","data":"{{}}"}}"#)
}

pub(crate) fn event(channel: &str, name: &str, data: &str) -> String {
    format!(r#"{{"event":"{name}","channel":"{channel}","data":"{data}"}}"#)
}

/// Polls a future that does not depend on other tasks.
pub(crate) fn now<F: Future>(future: F) -> Poll<F::Output> {
    std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Fake(Arc<Mutex<Outside>>);

pub(crate) struct FakeSocket(Arc<Mutex<Outside>>);

impl Clock for Fake {
    fn now(&self) -> Instant {
        Instant::from_elapsed(self.0.lock().unwrap().now)
    }

    fn wall_lead(&self) -> Duration {
        self.0.lock().unwrap().slept
    }
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl Runtime for Fake {
    type Socket = FakeSocket;

    fn connect(
        &self,
        request: ConnectRequest,
    ) -> impl Future<Output = Result<FakeSocket, CloseReason>> + Send + 'static {
        let outside = Arc::clone(&self.0);
        async move {
            let stalls = {
                let mut world = outside.lock().unwrap();
                world.hosts.push(request.host);
                if world.refuses {
                    return Err(CloseReason::Failed(TransportError::Io("refused".into())));
                }
                world.stalls
            };
            if stalls {
                let _guard = OnDrop(Arc::clone(&outside), |outside| outside.given_up += 1);
                return pending().await;
            }
            Ok(FakeSocket(outside))
        }
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let outside = Arc::clone(&self.0);
        let (begin, end) = {
            let mut outside = outside.lock().unwrap();
            outside.sleeps.push(duration);
            outside.alarm = outside.now.saturating_add(duration);
            (outside.naps, outside.alarm)
        };
        poll_fn(move |_| {
            let outside = outside.lock().unwrap();
            if outside.naps > begin || outside.now >= end { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    fn post(&self, request: HttpRequest) -> impl Future<Output = Result<HttpResponse, AuthError>> + Send + 'static {
        let guard = OnDrop(Arc::clone(&self.0), |outside| outside.dropped_posts += 1);
        async move {
            let answer = {
                let mut outside = guard.0.lock().unwrap();
                outside.posts.push(request);
                outside.post_answer.clone()
            };
            match answer {
                Some(answer) => answer,
                None => pending().await,
            }
        }
    }
}

struct OnDrop(Arc<Mutex<Outside>>, fn(&mut Outside));

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.1(&mut self.0.lock().unwrap());
    }
}

impl Socket for FakeSocket {
    fn poll_frame(&mut self, _context: &mut Context<'_>) -> Poll<Received> {
        let mut outside = self.0.lock().unwrap();
        match outside.incoming.pop_front() {
            Some(received) => Poll::Ready(received),
            None if outside.floods => Poll::Ready(Received::Yielded),
            None => Poll::Pending,
        }
    }

    fn next_ready(&mut self) -> Option<Received> {
        self.0.lock().unwrap().incoming.pop_front()
    }

    fn send(&mut self, text: Text) -> Result<(), CloseReason> {
        self.0.lock().unwrap().unsent.push(text.to_string());
        Ok(())
    }

    fn poll_flush(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        self.0.lock().unwrap().flush();
        Poll::Ready(Ok(()))
    }

    fn close(&mut self, frame: CloseFrame) {
        let mut outside = self.0.lock().unwrap();
        outside.flush();
        outside.closed.push(frame);
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let outside = self.0.lock().unwrap();
        if outside.floods {
            context.waker().wake_by_ref();
        }
        if outside.closes { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for FakeSocket {
    fn drop(&mut self) {
        // A test that fails may have poisoned it.
        if let Ok(mut outside) = self.0.lock() {
            outside.dropped += 1;
        }
    }
}

/// A linear congruential generator: any irregular order will do.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}
