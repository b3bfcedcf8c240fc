//! The current state of a channel.

use pusher_proto::{Member, Members};

use super::Subscription;

/// The current state.
impl Subscription {
    /// Whether the server has confirmed the subscription on the current connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_driver::Subscription) {
    /// if chat.is_subscribed() {
    ///     println!("events arrive");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn is_subscribed(&self) -> bool {
        self.with_channel(|channel| channel.is_subscribed()).unwrap_or(false)
    }

    /// Returns how many connections are subscribed, if the server counts them.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_driver::Subscription) {
    /// if let Some(count) = chat.subscription_count() {
    ///     println!("{count} connections");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn subscription_count(&self) -> Option<u64> {
        self.with_channel(|channel| channel.count())?
    }

    /// Returns a member of this presence channel, as last known.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_driver::Subscription) {
    /// if let Some(ann) = chat.member("ann") {
    ///     println!("ann is here: {}", ann.info.text());
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn member(&self, id: impl AsRef<str>) -> Option<Member> {
        self.with_channel(|channel| channel.members()?.get(id.as_ref()))?
    }

    /// Returns how many members this presence channel has, as last known.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_driver::Subscription) {
    /// println!("{} members", chat.member_count().unwrap_or(0));
    /// # }
    /// ```
    #[must_use]
    pub fn member_count(&self) -> Option<usize> {
        self.with_channel(|channel| channel.members().map(Members::len))?
    }

    /// Returns this client's own member of this presence channel, as determined by the application's server.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_driver::Subscription) {
    /// if let Some(me) = chat.me() {
    ///     println!("here as {}", me.id);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn me(&self) -> Option<Member> {
        self.with_channel(|channel| channel.me())?
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
    /// # fn example(chat: pusher_driver::Subscription) {
    /// for member in chat.members().iter().flat_map(|members| members.iter()) {
    ///     println!("{}", member.id);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn members(&self) -> Option<Members> {
        self.with_channel(|channel| channel.members().cloned())?
    }

    /// Whether the server has sent the member list of this presence channel since the application subscribed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_driver::Subscription) {
    /// if !chat.knows_members() {
    ///     println!("loading …");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn knows_members(&self) -> bool {
        self.with_channel(|channel| channel.knows_members()).unwrap_or(false)
    }

    fn with_channel<T>(&self, look: impl FnOnce(pusher_proto::Channel<'_>) -> T) -> Option<T> {
        let state = self.handle.0.lock();
        state.routes.get(&self.channel, self.route)?;
        state.core.channel(&self.channel).map(look)
    }
}
