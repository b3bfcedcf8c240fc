//! Events as values of the application's types.

use std::fmt;
use std::task::{Context, Poll};

use pusher_proto::{ChannelEvent, ChannelName, ConnectionState, Data, Event, FailReason, SubscriptionError, Text};
use serde::de::DeserializeOwned;

use super::Subscription;

/// A stream of the application's values, read from the events of one channel; made by
/// [`Subscription::typed`] and [`Subscription::decode`].
///
/// Events that no type was named for are skipped, and so is what only says how the channel does: confirmed subscriptions,
/// counts, members. What a reader must not miss is an error in its place, after which the stream goes on: an unreadable payload, a
/// gap, a refused subscription. For everything else, read the [`Subscription`] itself, or take a second handle of the channel.
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use pusher_driver::TypedError;
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     id: u64,
/// }
///
/// let mut orders = client.subscribe("orders")?.typed::<Order>("order.created");
/// while let Some(order) = orders.recv().await {
///     match order {
///         Ok(order) => println!("order {}", order.id),
///         Err(TypedError::Gap { .. }) => println!("load the orders anew"),
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

/// What a typed reader gets in place of a value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TypedError {
    /// The payload of an event does not fit the type that was named for it.
    #[error("cannot read {} of {}: {error}", event.event(), event.channel())]
    Decode {
        /// The event, with its channel and payload.
        event: Box<ChannelEvent>,
        /// Why.
        error: Text,
    },
    /// Events of the channel were missed, or may have been: load anew what they keep up to date.
    #[error("events of {channel} may have been missed")]
    Gap {
        /// The channel.
        channel: ChannelName,
        /// What happened: [`Event::ContinuityLost`], [`Event::Lagged`], or [`Event::DecryptionError`] of an event with a type.
        event: Box<Event>,
    },
    /// The subscription was refused, and no events come before another [`subscribe`](crate::Client::subscribe) or connection.
    #[error("the subscription of {channel} failed: {error}")]
    Refused {
        /// The channel.
        channel: ChannelName,
        /// Why.
        #[source]
        error: SubscriptionError,
    },
    /// The connection failed permanently, and no events come before another [`connect`](crate::Client::connect).
    #[error("the connection failed: {0}")]
    Failed(#[source] FailReason),
}

/// Which events of a channel become which values.
pub struct Decoder<T> {
    channel: ChannelName,
    readers: Vec<(Text, Box<Reader<T>>)>,
}

type Reader<T> = dyn Fn(&Data) -> Result<T, Text> + Send + Sync;

/// Events as values.
impl Subscription {
    /// Returns a stream of the payloads of one kind of event, read as JSON (see [`Data::json`]).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// #[derive(serde::Deserialize)]
    /// struct Order {
    ///     id: u64,
    /// }
    ///
    /// let mut orders = client.subscribe("orders")?.typed::<Order>("order.created");
    /// while let Some(order) = orders.recv().await {
    ///     println!("order {}", order?.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn typed<T: DeserializeOwned + 'static>(self, event: impl AsRef<str>) -> Typed<T> {
        self.decode().on(event, |value| value)
    }

    /// Returns a stream of values made from several kinds of events, each named by [`on`](Typed::on).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// #[derive(serde::Deserialize)]
    /// struct Order {
    ///     id: u64,
    /// }
    ///
    /// enum Change {
    ///     Created(Order),
    ///     Cancelled(u64),
    /// }
    ///
    /// let mut changes = client
    ///     .subscribe("orders")?
    ///     .decode()
    ///     .on("order.created", Change::Created)
    ///     .on("order.cancelled", |order: Order| Change::Cancelled(order.id));
    /// while let Some(change) = changes.recv().await {
    ///     match change? {
    ///         Change::Created(order) => println!("{} is new", order.id),
    ///         Change::Cancelled(id) => println!("{id} is cancelled"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn decode<T>(self) -> Typed<T> {
        let decoder = Decoder::new(self.channel.clone());
        Typed { subscription: self, decoder }
    }
}

impl<T> Typed<T> {
    /// Adds a kind of event: its payload is read as a `U`, and `map` makes the stream's value of it. Of two additions for one
    /// event, the first counts. Events of the protocol, whose names begin with `pusher:`, are not read.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
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

    /// Returns the next value or error, or `None` at the end, which is that of [`Subscription`].
    ///
    /// Cancel-safe: no event is lost when the future is dropped.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut prices = client.subscribe("prices")?.typed::<f64>("changed");
    /// while let Some(price) = prices.recv().await {
    ///     println!("{}", price?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "async")]
    pub async fn recv(&mut self) -> Option<Result<T, TypedError>> {
        std::future::poll_fn(|context| self.poll_recv(context)).await
    }

    /// Looks for the next value or error, as `recv` does.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::task::{Context, Waker};
    ///
    /// let mut prices = client.subscribe("prices")?.typed::<f64>("changed");
    /// let next = prices.poll_recv(&mut Context::from_waker(Waker::noop()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, TypedError>>> {
        let Self { subscription, decoder } = self;
        decoder.poll(|| subscription.poll_recv(context))
    }

    /// Returns the handle that events are taken from, for what is known of the channel and to wait for the subscription.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let prices = client.subscribe("prices")?.typed::<f64>("changed");
    /// prices.subscription().subscribed().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub const fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// Returns the handle, to go on with the raw events.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut prices = client.subscribe("prices")?.typed::<f64>("changed");
    /// let first = prices.recv().await;
    /// let raw = prices.into_subscription().recv().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_subscription(self) -> Subscription {
        self.subscription
    }
}

#[cfg(feature = "async")]
impl<T> futures_core::Stream for Typed<T> {
    type Item = Result<T, TypedError>;

    fn poll_next(self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(context)
    }
}

impl<T> Decoder<T> {
    /// Makes one that reads no events yet.
    #[must_use]
    pub const fn new(channel: ChannelName) -> Self {
        Self { channel, readers: Vec::new() }
    }

    /// Adds a kind of event.
    pub fn add<U: DeserializeOwned + 'static>(&mut self, event: &str, map: impl Fn(U) -> T + Send + Sync + 'static) {
        let read = move |data: &Data| data.json().map(&map).map_err(|error| error.to_string().into());
        self.readers.push((event.into(), Box::new(read)));
    }

    /// Looks for the next value or error among events of a channel.
    pub fn poll(&self, mut next: impl FnMut() -> Poll<Option<Event>>) -> Poll<Option<Result<T, TypedError>>> {
        loop {
            let event = match next() {
                Poll::Ready(Some(event)) => event,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            };
            if let Some(result) = self.read(event) {
                return Poll::Ready(Some(result));
            }
        }
    }

    fn read(&self, event: Event) -> Option<Result<T, TypedError>> {
        let error = match event {
            Event::Channel(event) => {
                let value = self.reader(event.event())?(event.data());
                return Some(value.map_err(|error| TypedError::Decode { event: Box::new(event), error }));
            }
            // Of an event without a type nothing is missed.
            Event::DecryptionError { event: ref name, .. } if self.reader(name).is_none() => return None,
            Event::ContinuityLost { .. } | Event::Lagged { .. } | Event::DecryptionError { .. } => {
                TypedError::Gap { channel: self.channel.clone(), event: Box::new(event) }
            }
            Event::SubscriptionError { channel, error, retry_at: None } => TypedError::Refused { channel, error },
            Event::StateChanged { current: ConnectionState::Failed { reason }, .. } => TypedError::Failed(reason),
            _ => return None,
        };
        Some(Err(error))
    }

    fn reader(&self, event: &str) -> Option<&Reader<T>> {
        self.readers.iter().find(|(name, _)| name == event).map(|(_, reader)| &**reader)
    }
}

impl<T> fmt::Debug for Decoder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.readers.iter().map(|(event, _)| event)).finish()
    }
}

#[cfg(test)]
mod tests {
    use pusher_proto::DecryptionError;

    use super::*;

    #[test]
    fn an_unreadable_encrypted_event_is_a_gap_for_readers_of_its_kind_alone() {
        let channel = ChannelName::new("private-encrypted-orders").unwrap();
        let lost = |event: &str| Event::DecryptionError {
            channel: channel.clone(),
            event: event.into(),
            error: DecryptionError::NotEncrypted,
        };
        let mut events = [lost("other"), lost("order.created")].into_iter();
        let mut decoder = Decoder::new(channel.clone());
        decoder.add("order.created", |id: u64| id);
        let expected = TypedError::Gap { channel: channel.clone(), event: Box::new(lost("order.created")) };
        assert_eq!(decoder.poll(|| Poll::Ready(events.next())), Poll::Ready(Some(Err(expected))));
        assert_eq!(decoder.poll(|| Poll::Ready(events.next())), Poll::Ready(None));
    }
}
