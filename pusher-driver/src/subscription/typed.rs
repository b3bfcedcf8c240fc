//! Events parsed into the application's types.

use std::task::{Context, Poll};

use serde::de::DeserializeOwned;

use super::Subscription;
use crate::decoder::{Decoder, TypedError};

/// A stream of values of the application's type, parsed from the events of one channel; created by
/// [`Subscription::typed`] and [`Subscription::decode`].
///
/// Events without a type are skipped, and so are confirmed subscriptions, counts and changes of members. What a reader
/// must not miss appears as an error, after which the stream continues: an unreadable payload, a gap, or a refused
/// subscription. The first success is skipped, although [`is_gap`](pusher_proto::Event::is_gap) returns true for it,
/// because every stream would otherwise begin with an error: load the state after
/// [`subscribed`](Subscription::subscribed), before the first `recv`. For everything else, read the [`Subscription`] itself,
/// or use a second handle of the channel.
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

/// Events as values.
impl Subscription {
    /// Returns a stream of the payloads of one kind of event, parsed as JSON (see
    /// [`Data::json`](pusher_proto::Data::json)).
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

    /// Returns a stream of values from several kinds of events, each of which is added with [`on`](Typed::on).
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
        self.decode_with(decoder)
    }

    /// Returns a stream of the values that a [`Decoder`] returns for the channel's events. Create the decoder for the same
    /// channel, because its errors name it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use pusher_driver::Decoder;
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

impl<T> Typed<T> {
    /// Adds a kind of event: its payload is parsed as a `U`, which `map` converts to the stream's value. If an event is
    /// added twice, the first addition counts. The protocol's own events, whose names begin with `pusher:`, cannot be
    /// added.
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
        self.decoder = self.decoder.on(event, map);
        self
    }

    /// Returns the next value or error, or `None` at the end of the [`Subscription`].
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

    /// Returns the next value or error, if there is one, like `recv`.
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
        poll_decoded(&mut self.subscription, &self.decoder, context)
    }

    /// Returns the underlying handle, to get the state of the channel or to wait for the subscription.
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

    /// Returns the underlying handle, to continue with the raw events.
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

/// Returns the next event that a decoder has a result for, if there is one.
///
/// # Examples
///
/// ```no_run
/// # fn example(mut orders: pusher_driver::Subscription) {
/// use std::task::{Context, Waker};
///
/// use pusher_driver::Decoder;
/// use pusher_driver::adapter::poll_decoded;
///
/// let decoder = Decoder::new(orders.name().clone()).on("created", |id: u64| id);
/// let next = poll_decoded(&mut orders, &decoder, &mut Context::from_waker(Waker::noop()));
/// # }
/// ```
pub fn poll_decoded<T>(
    subscription: &mut Subscription,
    decoder: &Decoder<T>,
    context: &mut Context<'_>,
) -> Poll<Option<Result<T, TypedError>>> {
    loop {
        let event = match subscription.poll_recv(context) {
            Poll::Ready(Some(event)) => event,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        };
        if let Some(result) = decoder.decode(&event) {
            return Poll::Ready(Some(result));
        }
    }
}

#[cfg(feature = "async")]
impl<T> futures_core::Stream for Typed<T> {
    type Item = Result<T, TypedError>;

    fn poll_next(self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(context)
    }
}
