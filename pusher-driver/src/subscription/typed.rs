//! Events as values of the application's types.

use std::task::{Context, Poll};

use serde::de::DeserializeOwned;

use super::Subscription;
use crate::decoder::{Decoder, TypedError};

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

/// Events as values.
impl Subscription {
    /// Returns a stream of the payloads of one kind of event, read as JSON (see [`Data::json`](pusher_proto::Data::json)).
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
