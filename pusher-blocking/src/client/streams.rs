//! Streams: iterators that block.

use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pusher_driver::adapter::{HandleExt as _, poll_decoded, wait};
use pusher_driver::{Decoder, TypedError};
use pusher_proto::{ConnectionState, Event};
use serde::de::DeserializeOwned;

use super::Subscription;

/// An iterator over everything that happens to a client. It ends when the connection's thread ends.
#[derive(Debug)]
#[must_use = "events are collected as long as this value lives"]
pub struct Events(pub(super) pusher_driver::Events);

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
    pub(super) subscription: Subscription,
    pub(super) decoder: Decoder<T>,
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
pub struct States(pub(super) pusher_driver::States);

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
        self.decoder = self.decoder.on(event, map);
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
        poll_decoded(&mut self.subscription.0, &self.decoder, context)
    }
}

/// The same three ways to take an item, and iteration, for all streams.
macro_rules! receive {
    ($stream:ident $(<$value:ident>)? of $item:ty, $clock:expr, $poll:expr) => {
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
                self.wait(None).flatten()
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
                self.wait(Some(limit)).ok_or(RecvTimeoutError::Timeout)?.ok_or(RecvTimeoutError::Disconnected)
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
                self.ready().ok_or(TryRecvError::Empty)?.ok_or(TryRecvError::Disconnected)
            }

            /// The next item, or the end, if it is there already.
            fn ready(&mut self) -> Option<Option<$item>> {
                match $poll(self, &mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(item) => Some(item),
                    Poll::Pending => None,
                }
            }

            fn wait(&mut self, limit: Option<Duration>) -> Option<Option<$item>> {
                // Usually there is no need to wait, and then none for a clock.
                if let Some(item) = self.ready() {
                    return Some(item);
                }
                let clock = $clock(self);
                wait(&*clock, limit, |context| $poll(self, context))
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

receive! {
    Subscription of Event,
    |stream: &Self| stream.0.clock(),
    |stream: &mut Self, context: &mut _| stream.0.poll_recv(context)
}
receive! {
    Events of Event,
    |stream: &Self| stream.0.clock(),
    |stream: &mut Self, context: &mut _| stream.0.poll_recv(context)
}
receive! {
    States of ConnectionState,
    |stream: &Self| stream.0.clock(),
    |stream: &mut Self, context: &mut _| stream.0.poll_recv(context)
}
receive! {
    Typed<T> of Result<T, TypedError>,
    |stream: &Self| stream.subscription.0.clock(),
    Self::poll_recv
}
