//! Runtimes whose clients are handles of `pusher-driver`.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use pusher_driver::{Client, HttpAuth, Options, SignedInError, SubscribeError, Subscription, TypedError, UserInfo};
use pusher_proto::{ChannelName, ClientEventName, Config, ConnectionState, InvalidConfig, SubscriptionError};

use super::runtime::{About, Alive, Next, Runtime, Setup};

/// A runtime around the handles of `pusher-driver` that waits in its own way, such as by blocking a thread.
///
/// If waiting is a future, implement [`WithFutures`](super::WithFutures) instead, which has only three methods. Both make a
/// [`Runtime`], and the scenarios about handles as well: callbacks, mailboxes, typed streams and streams of states.
///
/// # Examples
///
/// The beginning of an implementation for handles that block. The other methods are as short.
///
/// ```
/// use std::time::Duration;
///
/// use pusher_driver::Subscription;
/// use pusher_proto::Event;
/// use pusher_test::conformance::Next;
///
/// /// What waits in this runtime.
/// fn recv_within(_: &mut Subscription, _: Duration) -> Result<Option<Event>, ()> {
///     # Ok(None)
///     // …
/// }
///
/// fn recv(subscription: &mut Subscription, limit: Duration) -> Next {
///     match recv_within(subscription, limit) {
///         Ok(Some(event)) => Next::Event(event),
///         Ok(None) => Next::End,
///         Err(()) => Next::Nothing,
///     }
/// }
/// ```
pub trait WithHandles: Send + Sync + 'static {
    /// The client's handle.
    type Client;
    /// The channel's handle.
    type Subscription;
    /// A stream of states.
    type States;
    /// A stream of numbers.
    type Typed;

    /// Describes the runtime to the scenarios.
    fn about(&self) -> About;

    /// Starts a client.
    ///
    /// # Errors
    ///
    /// As those of the driver.
    fn start(&self, config: Config, auth: HttpAuth, options: &Options) -> Result<Self::Client, InvalidConfig>;

    /// Returns the driver's client.
    fn client<'c>(&self, client: &'c Self::Client) -> &'c Client;

    /// Returns the driver's subscription.
    fn subscription<'s>(&self, subscription: &'s Self::Subscription) -> &'s Subscription;

    /// Subscribes, as [`Client::subscribe`] does.
    fn subscribe(&self, client: &Self::Client, channel: &ChannelName) -> Self::Subscription;

    /// Waits for the result of a subscription, for `limit` at most.
    ///
    /// # Errors
    ///
    /// As those of the driver, and [`SubscribeError::Elapsed`] after the limit.
    fn subscribed(&self, subscription: &Self::Subscription, limit: Duration) -> Result<(), SubscribeError>;

    /// Waits for the next event of a channel, for `limit` at most.
    fn recv(&self, subscription: &mut Self::Subscription, limit: Duration) -> Next;

    /// Keeps the channel without the handle, as [`Subscription::keep`] does.
    fn keep(&self, subscription: Self::Subscription);

    /// Waits for the result of a sign-in, for `limit` at most.
    ///
    /// # Errors
    ///
    /// As those of the driver, and [`SignedInError::Elapsed`] after the limit.
    fn signed_in(&self, client: &Self::Client, limit: Duration) -> Result<UserInfo, SignedInError>;

    /// Returns a stream of the numbers in the events with this name, as [`Subscription::typed`] does.
    fn typed(&self, subscription: Self::Subscription, event: &str) -> Self::Typed;

    /// Waits for the next number: `Some(None)` at the end of the stream, `None` if nothing comes within the limit.
    fn next_typed(&self, typed: &mut Self::Typed, limit: Duration) -> Option<Option<Result<u64, TypedError>>>;

    /// Returns a stream of the client's states.
    fn states(&self, client: &Self::Client) -> Self::States;

    /// Waits for the next state: `Some(None)` at the end of the stream, `None` if nothing comes within the limit.
    fn next_state(&self, states: &mut Self::States, limit: Duration) -> Option<Option<ConnectionState>>;

    /// Shuts down, as [`Client::shutdown`] does.
    fn shut_down(&self, client: &Self::Client, limit: Duration);
}

/// A client of a runtime [`WithHandles`], and what happened to it so far.
#[derive(Debug)]
pub struct Logged<C> {
    pub(crate) handle: C,
    log: Receiver<pusher_proto::Event>,
}

impl<C> Logged<C> {
    /// Writes down everything that happens to the client, as a callback that the loop owns.
    pub(crate) fn new<H: WithHandles<Client = C>>(runtime: &H, handle: C, alive: Alive) -> Self {
        let (sender, log) = mpsc::channel();
        runtime.client(&handle).bind_all(move |event| {
            let _ = &alive;
            // The log may be dropped before the client.
            let _ = sender.send(event.clone());
        });
        Self { handle, log }
    }
}

impl<H: WithHandles> Runtime for H {
    type Client = Logged<H::Client>;
    type Subscription = H::Subscription;

    fn about(&self) -> About {
        WithHandles::about(self)
    }

    fn start(&self, setup: Setup) -> Self::Client {
        let mut auth = HttpAuth::new(setup.auth_url).user_endpoint(setup.user_auth_url);
        for (name, value) in setup.auth_params {
            auth = auth.param(name, value);
        }
        let options = Options::new().auto_connect(false).close_timeout(setup.close_timeout);
        let handle = WithHandles::start(self, setup.config, auth, &options);
        let handle = handle.unwrap_or_else(|error| panic!("a client was expected, but it was refused: {error}"));
        Logged::new(self, handle, setup.alive)
    }

    fn connect(&self, client: &mut Self::Client) {
        self.client(&client.handle).connect();
    }

    fn disconnect(&self, client: &mut Self::Client) {
        self.client(&client.handle).disconnect();
    }

    fn subscribe(&self, client: &mut Self::Client, channel: &ChannelName) -> Self::Subscription {
        WithHandles::subscribe(self, &client.handle, channel)
    }

    fn unsubscribe(&self, client: &mut Self::Client, channel: &ChannelName) {
        self.client(&client.handle).unsubscribe(channel);
    }

    fn trigger(&self, client: &mut Self::Client, channel: &ChannelName, event: &ClientEventName, text: &str) {
        let sent = self.client(&client.handle).trigger(channel, event, text);
        sent.unwrap_or_else(|error| panic!("the client event was expected to be sent, but: {error}"));
    }

    fn signin(&self, client: &mut Self::Client) {
        self.client(&client.handle).signin();
    }

    fn recv(&self, subscription: &mut Self::Subscription, limit: Duration) -> Next {
        WithHandles::recv(self, subscription, limit)
    }

    fn next_event(&self, client: &mut Self::Client, limit: Duration) -> Next {
        match client.log.recv_timeout(limit) {
            Ok(event) => Next::Event(event),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }

    fn shut_down(&self, client: &mut Self::Client, limit: Duration) {
        WithHandles::shut_down(self, &client.handle, limit);
    }

    fn subscribed(&self, subscription: &Self::Subscription, limit: Duration) -> Option<Result<(), SubscriptionError>> {
        match WithHandles::subscribed(self, subscription, limit) {
            Ok(()) => Some(Ok(())),
            Err(SubscribeError::Channel(error)) => Some(Err(error)),
            Err(error) => panic!("the result of a subscription was expected, but `subscribed` returned: {error}"),
        }
    }
}
