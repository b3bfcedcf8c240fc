//! The handles.

mod calls;
mod channel;
mod known;
mod streams;

use std::pin::pin;
use std::time::Duration;

use pusher_driver::adapter::{HandleExt as _, wait};
use pusher_driver::{Decoder, SignedInError, SubscribeError, UserInfo};
use pusher_proto::{ChannelName, HistoryError, HistoryPage, HistoryQuery, InvalidName, InvalidSubscribe, Subscribe};
use serde::de::DeserializeOwned;

pub use self::streams::{Events, States, Typed};

/// A Pusher client. It is cheap to clone and can be used from any thread.
///
/// Do not call a method that blocks in a callback, because the connection's thread would wait for itself:
/// [`signed_in`](Self::signed_in), [`shutdown`](Self::shutdown), and the methods of streams and subscriptions that wait.
#[derive(Clone, Debug)]
pub struct Client(pub(crate) pusher_driver::Client);

/// A [`Client`] that does not keep the connection open, for callbacks that need a client.
#[derive(Clone, Debug)]
pub struct WeakClient(pusher_driver::WeakClient);

/// A handle of a channel: an iterator over its events, and its current state.
///
/// Each thread that reads needs its own handle; [`Client::subscribe`] returns any number of handles for one
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

    /// Subscribes to a channel as [`subscribe`](Self::subscribe) does, and asks for old messages first, or for some messages
    /// only, on servers that speak version 2 of the protocol.
    ///
    /// The options are those of the channel, whatever the number of its handles: if it is subscribed already, its filter is
    /// replaced by that of `options`, or removed, without a gap.
    ///
    /// # Errors
    ///
    /// If the name is invalid, if [`Recovery`](pusher_proto::Recovery) is not configured, or if a filter would hide the members
    /// of a presence channel. Then nothing has changed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use pusher_blocking::filter::Filter;
    /// use pusher_blocking::Subscribe;
    ///
    /// let bitcoin = Subscribe::default().filter(Filter::eq("asset", "BTC").check()?);
    /// for event in client.subscribe_with("trades", bitcoin)? {
    ///     println!("{event:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe_with<N>(&self, channel: N, options: Subscribe) -> Result<Subscription, InvalidSubscribe>
    where
        N: TryInto<ChannelName>,
        InvalidName: From<N::Error>,
    {
        Ok(Subscription(self.0.subscribe_with(channel, options)?))
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
        wait(&*self.0.clock(), Some(limit), |context| self.0.poll_signed_in(context))
            .unwrap_or(Err(SignedInError::Elapsed))
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
    /// cleanly, and the streams and the thread end. Returns when this is done, or after `limit` in any case; of
    /// several calls, the one whose time is over first ends the thread.
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
        wait(&*self.0.clock(), Some(limit), |context| self.0.poll_shutdown(limit, context));
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
        wait(&*self.0.clock(), Some(limit), |context| self.0.poll_subscribed(context))
            .unwrap_or(Err(SubscribeError::Elapsed))
    }

    /// Asks the server for a page of the messages that it remembers of this channel, and waits for it, for at most `limit`;
    /// see [`Subscription::history`](pusher_driver::Subscription::history) of the driver.
    ///
    /// # Errors
    ///
    /// If the channel is not subscribed, if the server does not have history or refuses, if it does not answer in time, or
    /// if the connection is lost.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use pusher_blocking::HistoryQuery;
    ///
    /// let limit = Duration::from_secs(10);
    /// chat.subscribed(limit)?;
    /// let page = chat.history(HistoryQuery::default().limit(50), limit)?;
    /// let older = page.next().map(|query| chat.history(query, limit)).transpose()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn history(&self, query: HistoryQuery, limit: Duration) -> Result<HistoryPage, HistoryError> {
        let mut request = pin!(self.0.history(query));
        wait(&*self.0.clock(), Some(limit), |context| request.as_mut().poll(context))
            .unwrap_or(Err(HistoryError::Timeout))
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
        self.decode_with(decoder)
    }

    /// Returns an iterator over the values that a [`Decoder`] returns for the channel's events. Create the decoder for the
    /// same channel, because its errors name it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use pusher_blocking::Decoder;
    ///
    /// let prices = client.subscribe("prices")?;
    /// let decoder = Decoder::new(prices.name().clone()).on("changed", |price: f64| price);
    /// let prices = prices.decode_with(decoder);
    /// # Ok(())
    /// # }
    /// ```
    pub fn decode_with<T>(self, decoder: Decoder<T>) -> Typed<T> {
        Typed { subscription: self, decoder }
    }
}

/// A handle of a client that another runtime drives, such as the clients in memory of `pusher-test`.
impl From<pusher_driver::Client> for Client {
    fn from(client: pusher_driver::Client) -> Self {
        Self(client)
    }
}

/// The driver's handle, for code that works with every adapter, and for its `poll_` methods.
impl AsRef<pusher_driver::Client> for Client {
    fn as_ref(&self) -> &pusher_driver::Client {
        &self.0
    }
}

/// The driver's handle, as for [`Client`].
impl AsRef<pusher_driver::Subscription> for Subscription {
    fn as_ref(&self) -> &pusher_driver::Subscription {
        &self.0
    }
}
