//! A client, its loop and its server as threads that the checker schedules.

use std::collections::VecDeque;
use std::env;
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pusher_driver::adapter::{Clock, Connection, Received, Runtime, Socket};
use pusher_driver::{Authorizer, Client, HttpRequest, HttpResponse, NoAuth, Options, Subscription};
use pusher_proto::{AuthError, CloseFrame, CloseReason, Config, ConnectRequest, Endpoint, Event, Frame, Instant, Text};
use shuttle::Runner;
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::sync::{Mutex, MutexGuard};
use shuttle::thread::{self, JoinHandle, Thread};

/// Runs a scenario under random schedules: half of them may switch threads at any time, the other half only a few
/// times, which finds bugs that need one thread to be slow.
pub(crate) fn explore(scenario: fn()) {
    if let Ok(schedule) = env::var("PUSHER_SCHEDULE") {
        return run(ReplayScheduler::new_from_encoded(&schedule), scenario);
    }
    let number = |name, default| env::var(name).map_or(default, |text| text.parse().expect(name));
    let schedules = usize::try_from(number("PUSHER_SCHEDULES", 2_000)).expect("it counts schedules");
    let seed = number("PUSHER_FIRST_SEED", 1);
    run(RandomScheduler::new_from_seed(seed, schedules / 2), scenario);
    run(PctScheduler::new_from_seed(seed, CHANGES, schedules / 2), scenario);
}

fn run(scheduler: impl Scheduler + 'static, scenario: fn()) {
    let mut config = shuttle::Config::new();
    config.stack_size = STACK_BYTES;
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(scenario);
}

/// One client, whose loop is not running yet.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) server: Server,
    connection: Connection<Fake>,
}

/// The other end of the sockets.
#[derive(Clone)]
pub(crate) struct Server(Arc<Mutex<Line>>);

#[derive(Default)]
pub(crate) struct Line {
    incoming: VecDeque<Frame>,
    reader: Option<Waker>,
    /// Whether subscriptions are not answered.
    pub(crate) is_silent: bool,
    /// Events that were sent, by [`Server::send_numbered`].
    pub(crate) numbered: u64,
    closed: Vec<u16>,
    dropped: usize,
}

impl World {
    pub(crate) fn connected() -> Self {
        Self::connected_with(NoAuth, &Options::new())
    }

    pub(crate) fn connected_with(authorizer: impl Authorizer, options: &Options) -> Self {
        let config = Config::builder("key", Endpoint::host("localhost").tls(false)).build().unwrap();
        let server = Server(Arc::new(Mutex::new(Line::default())));
        server.send(r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.1\"}"}"#);
        let runtime = Fake(server.clone());
        let (client, connection) = Connection::new(config, authorizer, runtime, &options.clone().seed(1)).unwrap();
        let mut world = Self { client, server, connection };
        world.settle();
        assert!(world.client.state().is_connected());
        world
    }

    /// A handle of a channel that is subscribed and has no events waiting.
    pub(crate) fn subscribe(&mut self, channel: &str) -> Subscription {
        let subscription = self.client.subscribe(channel).unwrap();
        self.settle();
        assert!(subscription.is_subscribed());
        subscription
    }

    /// Runs the loop until it waits.
    fn settle(&mut self) {
        let wakes = Arc::new(Mutex::new(0));
        let waker = Waker::from(Arc::new(Count(Arc::clone(&wakes))));
        loop {
            let seen = *wakes.lock().unwrap();
            self.poll(&waker);
            if *wakes.lock().unwrap() == seen {
                return;
            }
        }
    }

    /// Runs the loop once; it keeps the waker.
    pub(crate) fn poll(&mut self, waker: &Waker) {
        assert!(Pin::new(&mut self.connection).poll(&mut Context::from_waker(waker)).is_pending());
    }

    /// Starts a thread for the loop.
    pub(crate) fn start(self) -> (Client, Server, JoinHandle<()>) {
        let mut connection = self.connection;
        let running = thread::spawn(move || wait(|context| Pin::new(&mut connection).poll(context)));
        (self.client, self.server, running)
    }

    /// Starts a thread for the loop that drops it when it waits, like a runtime that shuts down.
    pub(crate) fn start_and_cut(self) -> (Client, Server, JoinHandle<()>) {
        let mut connection = self.connection;
        let running = thread::spawn(move || {
            let _ = Pin::new(&mut connection).poll(&mut Context::from_waker(Waker::noop()));
        });
        (self.client, self.server, running)
    }
}

impl Server {
    pub(crate) fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap()
    }

    /// The codes with which sockets were closed, and the number of dropped sockets.
    pub(crate) fn ends(&self) -> (Vec<u16>, usize) {
        let line = self.line();
        (line.closed.clone(), line.dropped)
    }

    pub(crate) fn send(&self, text: &str) {
        let mut line = self.line();
        line.incoming.push_back(Frame::Text(Text::from(text)));
        let reader = line.reader.take();
        drop(line);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Sends events named `numbered` on `chat`, whose data is the number.
    pub(crate) fn send_numbered(&self, numbers: std::ops::RangeInclusive<u64>) {
        for number in numbers {
            self.line().numbered = number;
            self.send(&format!(r#"{{"event":"numbered","channel":"chat","data":"{number}"}}"#));
        }
    }
}

/// The number of an event by [`Server::send_numbered`].
pub(crate) fn number(event: &Event) -> Option<u64> {
    let Event::Channel(event) = event else { return None };
    event.data().text().parse().ok()
}

/// Waits like a thread, and like any executor for one future.
pub(crate) fn wait<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(value) = poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        thread::park();
    }
}

/// Takes an available event; `None` at the end and if there is none.
pub(crate) fn take(subscription: &mut Subscription) -> Option<Event> {
    match subscription.poll_recv(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(event) => event,
        Poll::Pending => None,
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

struct Count(Arc<Mutex<usize>>);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() += 1;
    }
}

struct Fake(Server);

struct FakeSocket(Server);

impl Clock for Fake {
    fn now(&self) -> Instant {
        Instant::ZERO
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
        _request: ConnectRequest,
    ) -> impl Future<Output = Result<FakeSocket, CloseReason>> + Send + 'static {
        ready(Ok(FakeSocket(self.0.clone())))
    }

    fn sleep(&self, _duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        pending()
    }

    fn post(&self, _request: HttpRequest) -> impl Future<Output = Result<HttpResponse, AuthError>> + Send + 'static {
        pending()
    }
}

impl Socket for FakeSocket {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        let mut line = self.0.line();
        if let Some(frame) = line.incoming.pop_front() {
            return Poll::Ready(Received::Frame(frame));
        }
        line.reader = Some(context.waker().clone());
        Poll::Pending
    }

    fn send(&mut self, text: Text) -> Result<(), CloseReason> {
        let is_answered = text.contains(r#""pusher:subscribe""#) && !self.0.line().is_silent;
        if is_answered {
            let channel = text.split(r#""channel":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
            self.0.send(&format!(
                r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{channel}","data":"{{}}"}}"#
            ));
        }
        Ok(())
    }

    fn poll_flush(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        Poll::Ready(Ok(()))
    }

    fn close(&mut self, frame: CloseFrame) {
        self.0.line().closed.push(frame.code);
    }

    fn poll_close(&mut self, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Drop for FakeSocket {
    fn drop(&mut self) {
        self.0.line().dropped += 1;
    }
}

/// Changes of the running thread in half of the schedules.
const CHANGES: usize = 3;

/// The checker's own size is too small for the core.
const STACK_BYTES: usize = 512 * 1_024;
