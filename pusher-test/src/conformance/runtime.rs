//! What a runtime implements.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pusher_proto::{ChannelName, ClientEventName, Config, Event, SubscriptionError};

/// A client in a runtime of your own, as the scenarios use it.
///
/// Its types are your own: `Client` may be a handle, a sender of commands to a thread, or the whole event loop. All
/// methods are called on one thread, those with a limit wait, and the others return at once. The client must also run between
/// these calls, because scenarios wait for the server as well: if your loop has no thread of its own, start one for it here.
///
/// A limit, and a duration of the [`Setup`], may be [`Duration::MAX`], so add it with `Instant::checked_add`.
///
/// Dropping a client and its subscriptions must end everything that belongs to it: sockets, threads, tasks and requests.
///
/// The [guide](super) has an example.
pub trait Runtime: Send + Sync + 'static {
    /// A client.
    type Client;
    /// The events of one channel.
    type Subscription;

    /// Describes the runtime to the scenarios: its name, and what to know about its threads and gaps.
    fn about(&self) -> About;

    /// Returns a client that does not connect yet.
    fn start(&self, setup: Setup) -> Self::Client;

    /// Connects, and stays connected.
    fn connect(&self, client: &mut Self::Client);

    /// Disconnects.
    fn disconnect(&self, client: &mut Self::Client);

    /// Subscribes to a channel. The events of the channel are kept for [`recv`](Self::recv) from now on. If a
    /// scenario subscribes to a channel again, it reads the later subscription only.
    fn subscribe(&self, client: &mut Self::Client, channel: &ChannelName) -> Self::Subscription;

    /// Unsubscribes from a channel.
    fn unsubscribe(&self, client: &mut Self::Client, channel: &ChannelName);

    /// Sends a client event with this text as its data, on a channel that is subscribed.
    fn trigger(&self, client: &mut Self::Client, channel: &ChannelName, event: &ClientEventName, text: &str);

    /// Signs the user in.
    fn signin(&self, client: &mut Self::Client);

    /// Waits for the next event of the channel, for `limit` at most. All events whose [`Event::channel`] is this channel
    /// are expected, in their order.
    fn recv(&self, subscription: &mut Self::Subscription, limit: Duration) -> Next;

    /// Waits for the next event of the client, whatever it is about, for `limit` at most. Scenarios follow the state of
    /// the connection by [`Event::StateChanged`].
    fn next_event(&self, client: &mut Self::Client, limit: Duration) -> Next;

    /// Disconnects, waits until the closing handshake is complete, for `limit` at most, and ends the client. When the limit
    /// has passed, it ends all the same, even if sockets are still closing. Events that have not been taken may still be
    /// taken.
    fn shut_down(&self, client: &mut Self::Client, limit: Duration);

    /// Waits until the subscription is confirmed or refused for good, if the runtime has a call for that. The scenarios
    /// compare the answer with the events. Without such a call, which is the default, this returns `None`.
    fn subscribed(
        &self,
        _subscription: &Self::Subscription,
        _limit: Duration,
    ) -> Option<Result<(), SubscriptionError>> {
        None
    }
}

/// What comes next on a subscription or a client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Next {
    /// An event.
    Event(Event),
    /// Nothing within the limit.
    Nothing,
    /// Nothing, and nothing will: the channel was unsubscribed or the client has ended. A runtime whose subscriptions do
    /// not end may return [`Nothing`](Self::Nothing) instead.
    End,
}

/// What a client starts with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Setup {
    /// Key, server and options. The server has no TLS.
    pub config: Config,
    /// Where to post [`AuthRequest::body`](pusher_proto::AuthRequest::body) for a channel.
    pub auth_url: String,
    /// Where to post it for the user ([`AuthSubject::User`](pusher_proto::AuthSubject::User)).
    pub user_auth_url: String,
    /// The parameters of the body, its second argument.
    pub auth_params: Vec<(String, String)>,
    /// How long a socket may take to close after the client has left it.
    pub close_timeout: Duration,
    /// Keep it in whatever runs the client, such as a thread or a task.
    pub alive: Alive,
}

/// A mark that whatever runs a client holds: a scenario has not succeeded before all its marks are dropped.
///
/// It finds loops that go on after their client was dropped, also where these are not threads. A runtime may drop it at
/// once; then only its threads, tasks and sockets are counted.
#[derive(Clone, Debug, Default)]
pub struct Alive(Arc<()>);

impl Alive {
    /// How many clones there are besides this one.
    pub(crate) fn others(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// What the scenarios have to know about a runtime.
///
/// # Examples
///
/// ```
/// use pusher_test::conformance::About;
///
/// let about = About::new("my-loop")
///     // Threads of a pool stay when a client ends.
///     .pool("resolver-")
///     .lacks("a_message_that_never_ends_is_given_up", "its WebSocket accepts any number of fragments");
/// assert_eq!(about.name(), "my-loop");
/// ```
pub struct About {
    name: String,
    pub(crate) pools: Vec<String>,
    pub(crate) tasks: Counter,
    pub(crate) check: Check,
    pub(crate) warm_up: fn(),
    lacks: Vec<(String, String)>,
}

pub(crate) type Counter = Arc<dyn Fn() -> usize + Send + Sync>;
type Check = fn() -> Result<(), String>;

impl About {
    /// Describes a runtime with this name, which begins the name of each trial.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            pools: Vec::new(),
            tasks: Arc::new(|| 0),
            check: || Ok(()),
            warm_up: || {},
            lacks: Vec::new(),
        }
    }

    /// Threads whose names begin like this belong to a pool: they may stay after a client has ended. On Linux, a thread's
    /// name is cut after 15 bytes.
    #[must_use]
    pub fn pool(mut self, prefix: impl Into<String>) -> Self {
        self.pools.push(prefix.into());
        self
    }

    /// Sets how to count the tasks that have not ended, for a runtime that can tell, such as tokio's. They are counted
    /// before and after each scenario.
    #[must_use]
    pub fn tasks(mut self, count: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        self.tasks = Arc::new(count);
        self
    }

    /// Sets what runs before the first count of a scenario: start the threads and open the files that live as long as the
    /// process.
    #[must_use]
    pub fn warm_up(mut self, warm_up: fn()) -> Self {
        self.warm_up = warm_up;
        self
    }

    /// Sets a check of your own, which runs after each scenario. Its error fails the scenario.
    #[must_use]
    pub fn check(mut self, check: fn() -> Result<(), String>) -> Self {
        self.check = check;
        self
    }

    /// Leaves a scenario out, which is then shown as ignored with the reason. `scenario` is a
    /// [name](super::Scenario::name), or the beginning of some.
    #[must_use]
    pub fn lacks(mut self, scenario: impl Into<String>, reason: impl Into<String>) -> Self {
        self.lacks.push((scenario.into(), reason.into()));
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn reason_without(&self, scenario: &str) -> Option<String> {
        let gap = self.lacks.iter().find(|(prefix, _)| scenario.starts_with(prefix));
        gap.map(|(_, reason)| reason.clone())
    }
}

impl fmt::Debug for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("About")
            .field("name", &self.name)
            .field("pools", &self.pools)
            .field("lacks", &self.lacks)
            .finish_non_exhaustive()
    }
}
