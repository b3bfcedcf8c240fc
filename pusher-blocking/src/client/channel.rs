//! Methods of a subscription that do not block.

use pusher_driver::{BindError, BindingId};
use pusher_proto::{ChannelName, ClientEventName, Event, InvalidName, Member, Members, TriggerError};
use serde::Serialize;

use super::Subscription;

/// Client events, and the current state of the channel.
impl Subscription {
    /// Returns the channel's name.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) {
    /// println!("this is {}", chat.name());
    /// # }
    /// ```
    #[must_use]
    pub fn name(&self) -> &ChannelName {
        self.0.name()
    }

    /// Sends a client event to all other subscribers of this private or presence channel, with any data that implements
    /// `Serialize`. A [`Data`](pusher_proto::Data) is sent unchanged.
    /// # Errors
    ///
    /// If the event cannot be sent on this channel now, or the name or the data is invalid. The event is not queued in
    /// this case.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// chat.trigger("client-typing", "…")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn trigger<E, D>(&self, event: E, data: &D) -> Result<(), TriggerError>
    where
        E: TryInto<ClientEventName>,
        InvalidName: From<E::Error>,
        D: Serialize + ?Sized,
    {
        self.0.trigger(event, data)
    }

    /// Changes the info of this client's own member of this presence channel, with any data that implements `Serialize` and
    /// has at most 1,024 bytes of JSON. All subscribers get an [`Event::MemberUpdated`], this client too.
    ///
    /// Only Sockudo can do this, in version 2 of the protocol, for which [`Recovery`](pusher_proto::Recovery) asks. The info
    /// lasts until the subscription ends: after a lost connection, it is again that of the authorization.
    ///
    /// # Errors
    ///
    /// If the info cannot be changed now, on this channel or on this server, or is too large. Then nothing is sent.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(room: pusher_blocking::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::collections::BTreeMap;
    ///
    /// room.update_presence(&BTreeMap::from([("name", "Ada"), ("status", "busy")]))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_presence<D: Serialize + ?Sized>(&self, info: &D) -> Result<(), TriggerError> {
        self.0.update_presence(info)
    }

    /// Whether the server has confirmed the subscription on the current connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) {
    /// if chat.is_subscribed() {
    ///     println!("events arrive");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn is_subscribed(&self) -> bool {
        self.0.is_subscribed()
    }

    /// Returns how many connections are subscribed, if the server counts them.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) {
    /// if let Some(count) = chat.subscription_count() {
    ///     println!("{count} connections");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn subscription_count(&self) -> Option<u64> {
        self.0.subscription_count()
    }

    /// Returns a member of this presence channel, as last known.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) {
    /// if let Some(ann) = chat.member("ann") {
    ///     println!("ann is here: {}", ann.info.text());
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn member(&self, id: impl AsRef<str>) -> Option<Member> {
        self.0.member(id)
    }

    /// Returns how many members this presence channel has, as last known.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) {
    /// println!("{} members", chat.member_count().unwrap_or(0));
    /// # }
    /// ```
    #[must_use]
    pub fn member_count(&self) -> Option<usize> {
        self.0.member_count()
    }

    /// Returns this client's own member of this presence channel, as determined by the application's server.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) {
    /// if let Some(me) = chat.me() {
    ///     println!("here as {}", me.id);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn me(&self) -> Option<Member> {
        self.0.me()
    }

    /// Returns all members of this presence channel, as last known; `None` on a channel of another kind, or one that
    /// was unsubscribed. Before the server has sent a list, it is empty, and [`knows_members`](Self::knows_members)
    /// returns false.
    ///
    /// The list is shared, not copied; a later change copies only the part that it touches.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) {
    /// for member in chat.members().iter().flat_map(|members| members.iter()) {
    ///     println!("{}", member.id);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn members(&self) -> Option<Members> {
        self.0.members()
    }

    /// Whether the server has sent the member list of this presence channel since the application subscribed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) {
    /// if !chat.knows_members() {
    ///     println!("loading …");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn knows_members(&self) -> bool {
        self.0.knows_members()
    }
}

/// Callbacks.
impl Subscription {
    /// Binds a callback to one kind of event of this channel: `pusher:subscription_succeeded`, `pusher:member_added`,
    /// or one of your own events. See [`Client::bind`](crate::Client::bind) for when it is called.
    ///
    /// If the stream of the handle has not been read yet, the first callback also receives the events since
    /// `subscribe`, and so do callbacks that are bound before the loop runs again. Nothing is missed between
    /// `subscribe` and `bind`.
    ///
    /// The binding keeps the channel subscribed even without a handle, until [`unbind`](Self::unbind) or
    /// [`Client::unsubscribe`](crate::Client::unsubscribe) is called.
    ///
    /// # Errors
    ///
    /// If no callback of a channel is ever called with this name, or if the channel was unsubscribed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use pusher_proto::Event;
    ///
    /// let chat = client.subscribe("presence-chat")?;
    /// chat.bind("pusher:member_added", |event| println!("{event:?}"))?;
    /// chat.bind("message", |event| {
    ///     if let Event::Channel(event) = event {
    ///         println!("{}", event.data().text());
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

    /// Binds a callback to all events of this channel; otherwise like [`bind`](Self::bind).
    ///
    /// # Errors
    ///
    /// If the channel was unsubscribed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// chat.bind_all(|event| println!("{}", event.name()))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind_all(&self, callback: impl FnMut(&Event) + Send + 'static) -> Result<BindingId, BindError> {
        self.0.bind_all(callback)
    }

    /// Removes a callback of this channel; returns whether there was one. If an event is being handled, it may still
    /// reach the callback.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// let binding = chat.bind("message", |event| println!("{event:?}"))?;
    /// chat.unbind(binding);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind(&self, id: BindingId) -> bool {
        self.0.unbind(id)
    }

    /// Removes all callbacks of this channel that were bound to this event; returns how many.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// chat.bind("message", |event| println!("{event:?}"))?;
    /// assert_eq!(chat.unbind_event("message"), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind_event(&self, event: impl AsRef<str>) -> usize {
        self.0.unbind_event(event)
    }

    /// Removes all callbacks of this channel, including those bound through other handles; returns how many.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_blocking::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// chat.bind("message", |event| println!("{event:?}"))?;
    /// chat.bind_all(|event| println!("{event:?}"))?;
    /// assert_eq!(chat.unbind_all(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind_all(&self) -> usize {
        self.0.unbind_all()
    }
}
