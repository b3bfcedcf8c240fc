//! The handle of a client.

mod known;
mod signed_in;

use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

pub use known::{ChannelInfo, UserInfo};
use pusher_proto::{
    AppKey, ChannelName, ClientEventName, Endpoints, Event, InvalidConfig, InvalidName, InvalidSubscribe, NetworkHint,
    Subscribe, TriggerError,
};
use serde::Serialize;
pub use signed_in::SignedInError;

use crate::bindings::{BindError, Binding, BindingId, Filter, Scope};
use crate::events::Events;
use crate::routes::Route;
use crate::shared::{ClientEvent, Handle, Life};
use crate::states::States;
use crate::subscription::Subscription;

/// A Pusher client. It is cheap to clone, can be used from any thread, and its methods never wait for the network
/// unless they are `async`.
///
/// Changes take effect when the connection's loop runs next, and getters return what the loop has seen so far. The
/// connection lives as long as any [`Client`], [`Subscription`] or [`Events`]: dropping the last one closes it.
///
/// # Examples
///
/// ```no_run
/// # fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let chat = client.subscribe("chat")?;
/// chat.bind("message", |event| println!("{event:?}"))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) handle: Arc<Handle>,
}

/// A [`Client`] that does not keep the connection open, for callbacks that need a client.
#[derive(Clone, Debug)]
pub struct WeakClient {
    handle: Weak<Handle>,
}

impl Client {
    pub(crate) fn new(handle: Handle) -> Self {
        Self::from_handle(Arc::new(handle))
    }

    pub(crate) const fn from_handle(handle: Arc<Handle>) -> Self {
        Self { handle }
    }

    /// Connects. During a delay, or after a failure, the client tries again at once. This has no effect after the
    /// client [has ended](Self::has_ended).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// // After `Options::auto_connect(false)`, or to try again at once.
    /// client.connect();
    /// # }
    /// ```
    pub fn connect(&self) {
        self.handle.0.change(|state| {
            if state.life == Life::Running {
                state.ended = None;
                state.core.connect();
            } else {
                self.handle.0.span.in_scope(|| tracing::warn!("the client has ended: connect has no effect"));
            }
        });
    }

    /// Closes the connection and stays disconnected until [`connect`](Self::connect) is called. Channels and bindings
    /// are kept.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// client.disconnect();
    /// // Later: channels and bindings are still there.
    /// client.connect();
    /// # }
    /// ```
    pub fn disconnect(&self) {
        self.handle.0.change(|state| state.core.disconnect());
    }

    /// Switches to another application or to other servers. Channels and bindings are kept.
    ///
    /// # Errors
    ///
    /// If there is no server, or one of them is unusable.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use pusher_proto::{AppKey, Endpoint};
    ///
    /// client.switch(AppKey::new("other-key")?, Endpoint::cluster("us2"))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn switch(&self, key: AppKey, endpoints: impl Into<Endpoints>) -> Result<(), InvalidConfig> {
        let endpoints = endpoints.into();
        endpoints.validate()?;
        self.handle.0.change(|state| state.core.switch(key, endpoints));
        Ok(())
    }

    /// Passes on what the operating system reports about the network: the client tries to connect at once, or checks an
    /// existing connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// use pusher_proto::NetworkHint;
    ///
    /// // From a callback of the operating system.
    /// client.network_changed(NetworkHint::Online);
    /// # }
    /// ```
    pub fn network_changed(&self, hint: NetworkHint) {
        self.handle.0.change(|state| state.core.network_changed(hint));
    }

    /// Subscribes to a channel, now or as soon as there is a connection, and again after every reconnect.
    ///
    /// A channel can have several handles. It is unsubscribed by [`unsubscribe`](Self::unsubscribe), and when the last
    /// handle is dropped, unless a callback is bound to it or it is [kept](Subscription::keep). If the subscription has
    /// failed, it is tried again.
    ///
    /// # Errors
    ///
    /// If the name is invalid.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut chat = client.subscribe("private-chat")?;
    /// while let Some(event) = chat.recv().await {
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
        Subscription::new(&self.handle, channel.try_into()?, |core, channel| {
            core.subscribe(channel);
            Ok(())
        })
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
    /// # async fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use pusher_proto::{Event, Subscribe};
    ///
    /// let mut chat = client.subscribe_with("chat", Subscribe::rewind(20))?;
    /// while let Some(event) = chat.recv().await {
    ///     match event {
    ///         Event::Channel(event) if event.is_replayed() => println!("earlier: {event:?}"),
    ///         Event::RewindComplete { .. } => println!("and from now on:"),
    ///         event => println!("{event:?}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe_with<N>(&self, channel: N, options: Subscribe) -> Result<Subscription, InvalidSubscribe>
    where
        N: TryInto<ChannelName>,
        InvalidName: From<N::Error>,
    {
        let channel = channel.try_into().map_err(InvalidName::from)?;
        Subscription::new(&self.handle, channel, |core, channel| core.subscribe_with(channel, options))
    }

    /// Unsubscribes from a channel. Streams of its remaining handles end, and its callbacks are removed. A name that is
    /// not subscribed changes nothing.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// client.unsubscribe("private-chat");
    /// # }
    /// ```
    pub fn unsubscribe(&self, channel: impl AsRef<str>) {
        let Ok(channel) = ChannelName::new(channel.as_ref()) else { return };
        // The route's callbacks own values of the application, so it is dropped without the lock.
        let (_route, wakers) = self.handle.0.change(|state| {
            state.core.unsubscribe(&channel);
            let mut route = state.routes.remove(&channel);
            let wakers = route.as_mut().map(Route::end);
            (route, wakers)
        });
        for waker in wakers.into_iter().flatten() {
            waker.wake();
        }
    }

    /// Sends a client event to all other subscribers of a private or presence channel, with any data that implements
    /// `Serialize`. A [`Data`](pusher_proto::Data) is sent unchanged.
    /// # Errors
    ///
    /// If the event cannot be sent on this channel now, or a name or the data is invalid. The event is not queued in
    /// this case.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.trigger("private-chat", "client-typing", &[1, 2])?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn trigger<N, E, D>(&self, channel: N, event: E, data: &D) -> Result<(), TriggerError>
    where
        N: TryInto<ChannelName>,
        E: TryInto<ClientEventName>,
        InvalidName: From<N::Error> + From<E::Error>,
        D: Serialize + ?Sized,
    {
        let channel = channel.try_into().map_err(InvalidName::from)?;
        let event = ClientEvent::new(event, data)?;
        let now = self.handle.0.now();
        self.handle.0.change(|state| state.trigger(&channel, &event, now))
    }

    /// Returns a stream of all events from now on, of all channels and of the client itself.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) {
    /// use pusher_proto::{Event, with_causes};
    ///
    /// let mut events = client.events();
    /// while let Some(event) = events.recv().await {
    ///     if let Event::ConnectionError(error) = event {
    ///         eprintln!("{}", with_causes(&error));
    ///     }
    /// }
    /// # }
    /// ```
    pub fn events(&self) -> Events {
        Events::new(Arc::clone(&self.handle))
    }

    /// Returns a stream of the connection's states, which begins with the current one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) {
    /// let mut states = client.states();
    /// while let Some(state) = states.recv().await {
    ///     println!("{}", state.name());
    /// }
    /// # }
    /// ```
    pub fn states(&self) -> States {
        States::new(Arc::clone(&self.handle))
    }

    /// Binds a callback to one kind of event, of all channels and of the client itself. The name is that of
    /// [`Event::name`]: `pusher:subscription_succeeded`, `pusher:continuity_lost`, or one of your own events. Events
    /// that pusher-js emits on its `connection` have the same names here:
    ///
    /// | Name | The callback receives |
    /// |---|---|
    /// | `state_change` | [`Event::StateChanged`], at every change |
    /// | `connecting`, `connected`, `disconnected`, `failed` | the [`Event::StateChanged`] that leads to the state |
    /// | `connecting_in` | the [`Event::StateChanged`] to [`ConnectionState::Waiting`](pusher_proto::ConnectionState::Waiting), with the time of the next attempt |
    /// | `unavailable` | [`Event::Unavailable`]: no connection for [`unavailable_timeout`](pusher_proto::ConfigBuilder::unavailable_timeout) |
    /// | `error` | [`Event::ConnectionError`] |
    /// | `online`, `offline` | [`Event::Watchlist`], which pusher-js emits on `pusher.user.watchlist` |
    ///
    /// The other names of pusher-js's `connection` have no counterpart: `initialized` is never emitted, and `message`,
    /// `ping` and `pong` are raw frames there; here, `message` is one of your own events. A channel event with one of
    /// the names in the table reaches the callback too.
    ///
    /// Callbacks run in the connection's loop, in the order of the events and then of their registration, client-wide
    /// ones first. They delay the connection while they run, so they must not block. If a callback panics, the panic is
    /// logged, and the other callbacks still run.
    ///
    /// # Errors
    ///
    /// If no callback is ever called with this name, because it is internal to the protocol or blank.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use pusher_proto::Event;
    ///
    /// client.bind("connected", |_| println!("connected"))?;
    /// client.bind("error", |event| eprintln!("{event:?}"))?;
    /// client.bind("message", |event| {
    ///     if let Event::Channel(event) = event {
    ///         println!("{}: {}", event.channel(), event.data().text());
    ///     }
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind(
        &self,
        event: impl AsRef<str>,
        callback: impl FnMut(&Event) + Send + 'static,
    ) -> Result<BindingId, BindError> {
        Ok(self.bind_filter(Filter::named(event.as_ref().into(), Scope::Client)?, callback))
    }

    /// Binds a callback to all events; otherwise like [`bind`](Self::bind).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// client.bind_all(|event| println!("{}", event.name()));
    /// # }
    /// ```
    pub fn bind_all(&self, callback: impl FnMut(&Event) + Send + 'static) -> BindingId {
        self.bind_filter(Filter::All, callback)
    }

    /// Removes a client-wide callback; returns whether there was one. If an event is being handled, it may still reach
    /// the callback.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let binding = client.bind("message", |event| println!("{event:?}"))?;
    /// client.unbind(binding);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind(&self, id: BindingId) -> bool {
        let removed = self.handle.0.change(|state| state.routes.bindings.remove(id));
        removed.len() > 0
    }

    /// Removes all client-wide callbacks that were bound to this event; returns how many.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.bind("message", |event| println!("{event:?}"))?;
    /// assert_eq!(client.unbind_event("message"), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind_event(&self, event: impl AsRef<str>) -> usize {
        let removed = self.handle.0.change(|state| state.routes.bindings.remove_event(event.as_ref()));
        removed.len()
    }

    /// Removes all client-wide callbacks; returns how many. Callbacks of channels are kept.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.bind("message", |event| println!("{event:?}"))?;
    /// client.bind_all(|event| println!("{event:?}"));
    /// assert_eq!(client.unbind_all(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind_all(&self) -> usize {
        let removed = self.handle.0.change(|state| state.routes.bindings.remove_all());
        removed.len()
    }

    /// Returns a handle that does not keep the connection open.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
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
        WeakClient { handle: Arc::downgrade(&self.handle) }
    }

    /// Closes the connection permanently: client events that were triggered before are sent, the connection is closed
    /// cleanly, and the streams and the loop end. Returns when this is done, or after `limit` in any case; of several calls, the
    /// one whose time is over first ends the loop.
    ///
    /// Shutting down starts when the future is first polled, and continues even if the future is dropped.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) {
    /// use std::time::Duration;
    ///
    /// client.shutdown(Duration::from_secs(5)).await;
    /// # }
    /// ```
    #[cfg(feature = "async")]
    pub async fn shutdown(&self, limit: Duration) {
        std::future::poll_fn(|context| self.poll_shutdown(limit, context)).await;
    }

    /// Starts shutting down like `shutdown`, or checks whether it is complete.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) {
    /// use std::future::poll_fn;
    /// use std::time::Duration;
    ///
    /// poll_fn(|context| client.poll_shutdown(Duration::from_secs(5), context)).await;
    /// # }
    /// ```
    pub fn poll_shutdown(&self, limit: Duration, context: &mut Context<'_>) -> Poll<()> {
        self.handle.0.change(|state| match state.life {
            Life::Ended => Poll::Ready(()),
            Life::Running | Life::Leaving(_) => {
                state.leave(Some(limit));
                add_waker(&mut state.shutdown_waiters, context);
                Poll::Pending
            }
        })
    }

    fn bind_filter(&self, filter: Filter, callback: impl FnMut(&Event) + Send + 'static) -> BindingId {
        let id = BindingId(self.handle.0.next_id());
        let binding = self.handle.0.span.in_scope(|| Binding::new(id, filter, callback));
        self.handle.0.change(|state| state.routes.bindings.extend([binding]));
        id
    }
}

/// The way back to the client.
impl Subscription {
    /// Returns the client that this handle belongs to.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_driver::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// let news = chat.client().subscribe("news")?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn client(&self) -> Client {
        Client::from_handle(Arc::clone(&self.handle))
    }
}

impl WeakClient {
    /// Returns the client, unless its connection is already closed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(weak: pusher_driver::WeakClient) {
    /// if let Some(client) = weak.upgrade() {
    ///     client.disconnect();
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn upgrade(&self) -> Option<Client> {
        Some(Client::from_handle(self.handle.upgrade()?))
    }
}

/// Adds the waker of the current task, unless it is already there.
pub(crate) fn add_waker(wakers: &mut Vec<std::task::Waker>, context: &Context<'_>) {
    if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
        wakers.push(context.waker().clone());
    }
}
