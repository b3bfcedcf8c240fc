//! Callbacks of a channel.

use pusher_proto::Event;

use super::Subscription;
use crate::bindings::{BindError, Binding, BindingId, Filter, Scope};

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
    /// # fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
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
        self.bind_filter(Filter::named(event.as_ref().into(), Scope::Channel)?, callback)
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
    /// # fn example(chat: pusher_driver::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// chat.bind_all(|event| println!("{}", event.name()))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind_all(&self, callback: impl FnMut(&Event) + Send + 'static) -> Result<BindingId, BindError> {
        self.bind_filter(Filter::All, callback)
    }

    /// Removes a callback of this channel; returns whether there was one. If an event is being handled, it may still
    /// reach the callback.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_driver::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// let binding = chat.bind("message", |event| println!("{event:?}"))?;
    /// chat.unbind(binding);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind(&self, id: BindingId) -> bool {
        let removed = self
            .handle
            .0
            .change(|state| state.routes.get_mut(&self.channel, self.route).map(|route| route.bindings.remove(id)));
        removed.is_some_and(|removed| removed.len() > 0)
    }

    /// Removes all callbacks of this channel that were bound to this event; returns how many.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_driver::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// chat.bind("message", |event| println!("{event:?}"))?;
    /// assert_eq!(chat.unbind_event("message"), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind_event(&self, event: impl AsRef<str>) -> usize {
        let removed = self.handle.0.change(|state| {
            state.routes.get_mut(&self.channel, self.route).map(|route| route.bindings.remove_event(event.as_ref()))
        });
        removed.map_or(0, |removed| removed.len())
    }

    /// Removes all callbacks of this channel, including those bound through other handles; returns how many.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_driver::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// chat.bind("message", |event| println!("{event:?}"))?;
    /// chat.bind_all(|event| println!("{event:?}"))?;
    /// assert_eq!(chat.unbind_all(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind_all(&self) -> usize {
        let removed = self
            .handle
            .0
            .change(|state| state.routes.get_mut(&self.channel, self.route).map(|route| route.bindings.remove_all()));
        removed.map_or(0, |removed| removed.len())
    }

    fn bind_filter(
        &self,
        filter: Filter,
        callback: impl FnMut(&Event) + Send + 'static,
    ) -> Result<BindingId, BindError> {
        let id = BindingId(self.handle.0.next_id());
        let mut binding = Some(self.handle.0.span.in_scope(|| Binding::new(id, filter, callback)));
        self.handle.0.change(|state| {
            let Some(route) = state.routes.get_mut(&self.channel, self.route) else { return };
            let Some(binding) = binding.take() else { return };
            route.bindings.extend([binding.clone()]);
            let collected = self.mailbox.pause();
            if collected.is_some() {
                route.remove_stream(&self.mailbox);
            }
            state.routes.replay(&self.mailbox, binding, collected);
        });
        match binding {
            None => Ok(id),
            Some(_) => Err(BindError::Unsubscribed),
        }
    }
}
