//! The handles, and blocking on them.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pusher_driver::adapter::Decoder;
use pusher_driver::{SignedInError, SubscribeError, TypedError, UserInfo};
use pusher_proto::{ChannelName, ConnectionState, Event, InvalidName};
use serde::de::DeserializeOwned;

/// A Pusher client. It is cheap to clone and can be used from any thread.
///
/// It derefs to the [client of all adapters](pusher_driver::Client), which has all methods that do not block. Do not
/// call a method that blocks in a callback, because the connection's thread would wait for itself.
#[derive(Clone, Debug)]
pub struct Client(pub(crate) pusher_driver::Client);

/// A [`Client`] that does not keep the connection open, for callbacks that need a client.
#[derive(Clone, Debug)]
pub struct WeakClient(pusher_driver::WeakClient);

/// A handle of a channel: an iterator over its events, and its current state.
///
/// It derefs to the [subscription of all adapters](pusher_driver::Subscription), which has all methods that do not
/// block. Each thread that reads needs its own handle; [`Client::subscribe`] returns any number of handles for one
/// channel.
///
/// # Examples
///
/// ```no_run
/// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// let mut chat = client.subscribe("private-chat")?;
/// chat.subscribed(Duration::from_secs(10))?;
/// let first = chat.recv_timeout(Duration::from_secs(60))?;
/// for event in chat {
///     println!("{event:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping the last handle of a channel unsubscribes; `keep` keeps it subscribed"]
pub struct Subscription(pusher_driver::Subscription);

/// An iterator over everything that happens to a client. It ends when the connection's thread ends.
#[derive(Debug)]
#[must_use = "events are collected as long as this value lives"]
pub struct Events(pusher_driver::Events);

/// An iterator over values of the application's type, parsed from the events of one channel; created by
/// [`Subscription::typed`] and [`Subscription::decode`].
///
/// Events without a type are skipped. An unreadable payload, a gap and a refused subscription appear as errors, after
/// which the iterator continues; see [`Typed`](pusher_driver::Typed) of the driver.
///
/// # Examples
///
/// ```no_run
/// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use pusher_blocking::TypedError;
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     id: u64,
/// }
///
/// for order in client.subscribe("orders")?.typed::<Order>("order.created") {
///     match order {
///         Ok(order) => println!("order {}", order.id),
///         Err(TypedError::Gap { .. }) => println!("load the orders again"),
///         Err(error @ TypedError::Decode { .. }) => eprintln!("{error}"),
///         Err(error) => return Err(error.into()),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping the last handle of a channel unsubscribes"]
pub struct Typed<T> {
    subscription: Subscription,
    decoder: Decoder<T>,
}

/// An iterator over the connection's states: the current one, and then the latest one whenever it has changed. A slow
/// reader misses states in between; to see every change, read
/// [`Event::StateChanged`](pusher_driver::exports::Event::StateChanged). See [`States`](pusher_driver::States) of the
/// driver.
///
/// # Examples
///
/// ```no_run
/// # fn example(client: pusher_blocking::Client) {
/// for state in client.states() {
///     println!("{}", state.name());
/// }
/// # }
/// ```
#[derive(Debug)]
#[must_use = "states come when they are asked for"]
pub struct States(pusher_driver::States);

impl Client {
    /// Subscribes to a channel, now or as soon as there is a connection, and again after every reconnect; see
    /// [`Client::subscribe`](pusher_driver::Client::subscribe) of the driver.
    ///
    /// # Errors
    ///
    /// If the name is invalid.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// for event in client.subscribe("private-chat")? {
    ///     println!("{event:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe<N>(&self, channel: N) -> Result<Subscription, InvalidName>
    where
        N: TryInto<ChannelName>,
        InvalidName: From<N::Error>,
    {
        Ok(Subscription(self.0.subscribe(channel)?))
    }

    /// Returns an iterator over all events from now on, of all channels and of the client itself.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) {
    /// for event in client.events() {
    ///     println!("{event:?}");
    /// }
    /// # }
    /// ```
    pub fn events(&self) -> Events {
        Events(self.0.events())
    }

    /// Returns an iterator over the connection's states, which begins with the current one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) {
    /// for state in client.states() {
    ///     println!("{}", state.name());
    /// }
    /// # }
    /// ```
    pub fn states(&self) -> States {
        States(self.0.states())
    }

    /// Waits until a user is signed in or definitely refused, for at most `limit`, and returns the user; returns at
    /// once if one is signed in. Temporary failures do not end the wait.
    ///
    /// # Errors
    ///
    /// If the sign-in was not requested or was refused, if it cannot succeed because the client is disconnected or has
    /// failed, or if it does not succeed in time.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// client.signin();
    /// let user = client.signed_in(Duration::from_secs(10))?;
    /// println!("signed in as {}", user.id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn signed_in(&self, limit: Duration) -> Result<UserInfo, SignedInError> {
        wait(Some(limit), |context| self.0.poll_signed_in(context)).unwrap_or(Err(SignedInError::Elapsed))
    }

    /// Returns a handle that does not keep the connection open.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// // A callback that owns a `Client` would keep the connection open, and thereby itself.
    /// let weak = client.downgrade();
    /// client.bind("goodbye", move |_| {
    ///     if let Some(client) = weak.upgrade() {
    ///         client.disconnect();
    ///     }
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn downgrade(&self) -> WeakClient {
        WeakClient(self.0.downgrade())
    }

    /// Closes the connection permanently: client events that were triggered before are sent, the connection is closed
    /// cleanly, and the streams and the thread end. Returns when this is done, or after `limit` in any case.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) {
    /// use std::time::Duration;
    ///
    /// client.shutdown(Duration::from_secs(5));
    /// # }
    /// ```
    pub fn shutdown(&self, limit: Duration) {
        wait(Some(limit), |context| self.0.poll_shutdown(limit, context));
    }
}

impl Deref for Client {
    type Target = pusher_driver::Client;

    fn deref(&self) -> &pusher_driver::Client {
        &self.0
    }
}

impl WeakClient {
    /// Returns the client, unless its connection is already closed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(weak: pusher_blocking::WeakClient) {
    /// if let Some(client) = weak.upgrade() {
    ///     client.disconnect();
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn upgrade(&self) -> Option<Client> {
        self.0.upgrade().map(Client)
    }
}

impl Subscription {
    /// Returns the client that this handle belongs to.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// let news = chat.client().subscribe("news")?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn client(&self) -> Client {
        Client(self.0.client())
    }

    /// Keeps the channel subscribed without this handle and its mailbox, until
    /// [`Client::unsubscribe`](pusher_driver::Client::unsubscribe) is called or the client ends; see
    /// [`Subscription::keep`](pusher_driver::Subscription::keep) of the driver.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let events = client.events();
    /// for channel in ["orders", "invoices", "news"] {
    ///     client.subscribe(channel)?.keep();
    /// }
    /// for event in events {
    ///     println!("{event:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn keep(self) {
        self.0.keep();
    }

    /// Waits until the channel is subscribed or definitely refused, for at most `limit`; returns at once if it already
    /// is. A lost connection does not end the wait, and neither does a backend that is down or a server that does not
    /// answer, because the client tries again.
    ///
    /// # Errors
    ///
    /// If the subscription was refused, if it cannot succeed because the client is disconnected or has failed, or if it
    /// does not succeed in time.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use pusher_blocking::with_causes;
    ///
    /// let chat = client.subscribe("private-chat")?;
    /// if let Err(error) = chat.subscribed(Duration::from_secs(10)) {
    ///     eprintln!("no chat: {}", with_causes(&error));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribed(&self, limit: Duration) -> Result<(), SubscribeError> {
        wait(Some(limit), |context| self.0.poll_subscribed(context)).unwrap_or(Err(SubscribeError::Elapsed))
    }
}

/// Typed events.
impl Subscription {
    /// Returns an iterator over the payloads of one kind of event, parsed as JSON.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// for price in client.subscribe("prices")?.typed::<f64>("changed") {
    ///     println!("{}", price?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn typed<T: DeserializeOwned + 'static>(self, event: impl AsRef<str>) -> Typed<T> {
        self.decode().on(event, |value| value)
    }

    /// Returns an iterator over values from several kinds of events, each of which is added with [`on`](Typed::on).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// enum Change {
    ///     Price(f64),
    ///     Halted(String),
    /// }
    ///
    /// let changes = client.subscribe("prices")?.decode().on("changed", Change::Price).on("halted", Change::Halted);
    /// for change in changes {
    ///     match change? {
    ///         Change::Price(price) => println!("{price}"),
    ///         Change::Halted(reason) => println!("halted: {reason}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn decode<T>(self) -> Typed<T> {
        let decoder = Decoder::new(self.name().clone());
        Typed { subscription: self, decoder }
    }
}

impl<T> Typed<T> {
    /// Adds a kind of event: its payload is parsed as a `U`, which `map` converts to the iterator's value. If an event
    /// is added twice, the first addition counts. The protocol's own events, whose names begin with `pusher:`, cannot
    /// be added.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let lengths = client.subscribe("chat")?.decode().on("message", |text: String| text.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn on<U: DeserializeOwned + 'static>(
        mut self,
        event: impl AsRef<str>,
        map: impl Fn(U) -> T + Send + Sync + 'static,
    ) -> Self {
        self.decoder.add(event.as_ref(), map);
        self
    }

    /// Returns the underlying handle, to get the state of the channel or to wait for the subscription.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let prices = client.subscribe("prices")?.typed::<f64>("changed");
    /// prices.subscription().subscribed(Duration::from_secs(10))?;
    /// # Ok(())
    /// # }
    /// ```
    pub const fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// Returns the underlying handle, to continue with the raw events.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut prices = client.subscribe("prices")?.typed::<f64>("changed");
    /// let first = prices.recv();
    /// let raw = prices.into_subscription().recv();
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_subscription(self) -> Subscription {
        self.subscription
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, TypedError>>> {
        let Self { subscription, decoder } = self;
        decoder.poll(|| subscription.0.poll_recv(context))
    }
}

impl Deref for Subscription {
    type Target = pusher_driver::Subscription;

    fn deref(&self) -> &pusher_driver::Subscription {
        &self.0
    }
}

/// The same three ways to take an item, and iteration, for all streams.
macro_rules! receive {
    ($stream:ident $(<$value:ident>)? of $item:ty, $poll:expr) => {
        impl $(<$value>)? $stream $(<$value>)? {
            /// Waits for the next item; returns `None` at the end.
            ///
            /// # Examples
            ///
            /// ```no_run
            /// # fn example(client: pusher_blocking::Client) {
            /// let mut events = client.events();
            /// while let Some(event) = events.recv() {
            ///     println!("{event:?}");
            /// }
            /// # }
            /// ```
            pub fn recv(&mut self) -> Option<$item> {
                wait(None, |context| $poll(self, context)).flatten()
            }

            /// Waits for the next item, for at most `limit`.
            ///
            /// # Errors
            ///
            /// If there is none in time, or the stream has ended.
            ///
            /// # Examples
            ///
            /// ```no_run
            /// # fn example(client: pusher_blocking::Client) {
            /// use std::sync::mpsc::RecvTimeoutError;
            /// use std::time::Duration;
            ///
            /// let mut events = client.events();
            /// match events.recv_timeout(Duration::from_secs(1)) {
            ///     Ok(event) => println!("{event:?}"),
            ///     Err(RecvTimeoutError::Timeout) => println!("nothing happens"),
            ///     Err(RecvTimeoutError::Disconnected) => println!("the client has ended"),
            /// }
            /// # }
            /// ```
            pub fn recv_timeout(&mut self, limit: Duration) -> Result<$item, RecvTimeoutError> {
                let received = wait(Some(limit), |context| $poll(self, context));
                received.ok_or(RecvTimeoutError::Timeout)?.ok_or(RecvTimeoutError::Disconnected)
            }

            /// Takes an item that is already available.
            ///
            /// # Errors
            ///
            /// If there is none yet, or the stream has ended.
            ///
            /// # Examples
            ///
            /// ```no_run
            /// # fn example(client: pusher_blocking::Client) {
            /// let mut events = client.events();
            /// while let Ok(event) = events.try_recv() {
            ///     println!("{event:?}");
            /// }
            /// # }
            /// ```
            pub fn try_recv(&mut self) -> Result<$item, TryRecvError> {
                match $poll(self, &mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(item) => item.ok_or(TryRecvError::Disconnected),
                    Poll::Pending => Err(TryRecvError::Empty),
                }
            }
        }

        impl $(<$value>)? Iterator for $stream $(<$value>)? {
            type Item = $item;

            fn next(&mut self) -> Option<$item> {
                self.recv()
            }
        }
    };
}

receive!(Subscription of Event, |stream: &mut Self, context: &mut _| stream.0.poll_recv(context));
receive!(Events of Event, |stream: &mut Self, context: &mut _| stream.0.poll_recv(context));
receive!(States of ConnectionState, |stream: &mut Self, context: &mut _| stream.0.poll_recv(context));
receive!(Typed<T> of Result<T, TypedError>, Self::poll_recv);

/// Wakes a waiting thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Parks this thread until there is a result, or the limit has passed.
fn wait<T>(limit: Option<Duration>, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    let waker = waker();
    let mut context = Context::from_waker(&waker);
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        if let Poll::Ready(result) = poll(&mut context) {
            return Some(result);
        }
        let Some(deadline) = deadline else {
            thread::park();
            continue;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

/// Returns the waker of this thread, which is created once per thread.
fn waker() -> Waker {
    thread_local! {
        static WAKER: Waker = Waker::from(Arc::new(Unpark(thread::current())));
    }
    WAKER.with(Waker::clone)
}
