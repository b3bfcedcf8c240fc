//! Methods of the client that do not block.

use pusher_driver::{BindError, BindingId};
use pusher_proto::{
    AppKey, ChannelName, ClientEventName, Endpoints, Event, InvalidConfig, InvalidName, NetworkHint, TriggerError,
};
use serde::Serialize;

use super::Client;

/// Connections, client events, callbacks and the user.
impl Client {
    /// Connects. During a delay, or after a failure, the client tries again at once. This has no effect after the
    /// client [has ended](Self::has_ended).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) {
    /// // After `Options::auto_connect(false)`, or to try again at once.
    /// client.connect();
    /// # }
    /// ```
    pub fn connect(&self) {
        self.0.connect();
    }

    /// Closes the connection and stays disconnected until [`connect`](Self::connect) is called. Channels and bindings
    /// are kept.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) {
    /// client.disconnect();
    /// // Later: channels and bindings are still there.
    /// client.connect();
    /// # }
    /// ```
    pub fn disconnect(&self) {
        self.0.disconnect();
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
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use pusher_proto::{AppKey, Endpoint};
    ///
    /// client.switch(AppKey::new("other-key")?, Endpoint::cluster("us2"))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn switch(&self, key: AppKey, endpoints: impl Into<Endpoints>) -> Result<(), InvalidConfig> {
        self.0.switch(key, endpoints)
    }

    /// Passes on what the operating system reports about the network: the client tries to connect at once, or checks an
    /// existing connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) {
    /// use pusher_proto::NetworkHint;
    ///
    /// // From a callback of the operating system.
    /// client.network_changed(NetworkHint::Online);
    /// # }
    /// ```
    pub fn network_changed(&self, hint: NetworkHint) {
        self.0.network_changed(hint);
    }

    /// Unsubscribes from a channel. Streams of its remaining handles end, and its callbacks are removed. A name that is
    /// not subscribed changes nothing.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) {
    /// client.unsubscribe("private-chat");
    /// # }
    /// ```
    pub fn unsubscribe(&self, channel: impl AsRef<str>) {
        self.0.unsubscribe(channel);
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
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
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
        self.0.trigger(channel, event, data)
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
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
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
        self.0.bind(event, callback)
    }

    /// Binds a callback to all events; otherwise like [`bind`](Self::bind).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) {
    /// client.bind_all(|event| println!("{}", event.name()));
    /// # }
    /// ```
    pub fn bind_all(&self, callback: impl FnMut(&Event) + Send + 'static) -> BindingId {
        self.0.bind_all(callback)
    }

    /// Removes a client-wide callback; returns whether there was one. If an event is being handled, it may still reach
    /// the callback.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let binding = client.bind("message", |event| println!("{event:?}"))?;
    /// client.unbind(binding);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind(&self, id: BindingId) -> bool {
        self.0.unbind(id)
    }

    /// Removes all client-wide callbacks that were bound to this event; returns how many.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.bind("message", |event| println!("{event:?}"))?;
    /// assert_eq!(client.unbind_event("message"), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind_event(&self, event: impl AsRef<str>) -> usize {
        self.0.unbind_event(event)
    }

    /// Removes all client-wide callbacks; returns how many. Callbacks of channels are kept.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.bind("message", |event| println!("{event:?}"))?;
    /// client.bind_all(|event| println!("{event:?}"));
    /// assert_eq!(client.unbind_all(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind_all(&self) -> usize {
        self.0.unbind_all()
    }

    /// Signs in, on this connection and on all later ones, as the user that the application's server determines. The
    /// result is [`Event::SignedIn`](pusher_proto::Event::SignedIn) or
    /// [`Event::SigninError`](pusher_proto::Event::SigninError). If the sign-in has failed, it is tried again.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.signin();
    /// println!("signed in as {}", client.signed_in(std::time::Duration::from_secs(10))?.id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn signin(&self) {
        self.0.signin();
    }

    /// Signs out. The server forgets the user when the connection ends; until then, events for the user are ignored.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) {
    /// client.signout(); // Perhaps as another user: the application's server decides. client.signin();
    /// # }
    /// ```
    pub fn signout(&self) {
        self.0.signout();
    }
}
