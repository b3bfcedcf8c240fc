//! The current state of a client.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use pusher_proto::{ChannelName, ConnectionState, Data, Instant, Position, SocketId, Stats, Text};

use super::Client;
use crate::shared::Life;

/// The signed-in user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserInfo {
    /// The user's id.
    pub id: Text,
    /// The application's data about the user: a JSON object.
    pub data: Data,
}

/// The current state of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// The name of the channel.
    pub name: ChannelName,
    /// Whether the server has confirmed the subscription on the current connection.
    pub is_subscribed: bool,
    /// The number of connections that are subscribed to it, if the server counts them.
    pub subscription_count: Option<u64>,
    /// On a presence channel, the last known number of members: 0 before the server has sent any.
    pub member_count: Option<usize>,
}

/// The current state.
impl Client {
    /// Returns the state of the connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// if client.state().is_connected() {
    ///     println!("connected");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        self.handle.0.lock().core.state().clone()
    }

    /// Returns when the current state of the connection began, as a time like those in events; for a connected client, since
    /// when it has been connected. [`duration_since`](Self::duration_since) and [`system_time`](Self::system_time) convert it.
    /// Before the first change of state, it is [`Instant::ZERO`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// if client.state().is_connected() {
    ///     println!("connected for {:?}", client.duration_since(client.state_since()));
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn state_since(&self) -> Instant {
        self.handle.0.lock().routes.state_since
    }

    /// Whether there has been no connection for
    /// [`unavailable_timeout`](pusher_proto::ConfigBuilder::unavailable_timeout).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// if client.is_unavailable() {
    ///     println!("working offline");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.handle.0.lock().core.is_unavailable()
    }

    /// Whether the client has ended, or is about to: `shutdown` was called, or its loop has
    /// ended, for example because the runtime shut down. A client that has ended stays disconnected.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// if client.has_ended() {
    ///     println!("a new client is needed");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.handle.0.lock().life != Life::Running
    }

    /// Returns the server's id of the current connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// // If you send this id to your backend, it can exclude this connection when it publishes.
    /// if let Some(socket_id) = client.socket_id() {
    ///     println!("X-Socket-ID: {socket_id}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn socket_id(&self) -> Option<SocketId> {
        self.handle.0.lock().core.socket_id().cloned()
    }

    /// Returns the user who is signed in on the current connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// if let Some(user) = client.user() {
    ///     println!("signed in as {}", user.id);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn user(&self) -> Option<UserInfo> {
        let state = self.handle.0.lock();
        state.core.user().map(UserInfo::from)
    }

    /// Returns how far each channel got, for [`resume_from`](Self::resume_from) of another client: the position of its last
    /// event, on servers that number their messages, and only with [`Recovery`](pusher_proto::Recovery).
    ///
    /// Events that still wait in a mailbox count. To miss none of them in another process, call it when you have handled
    /// every event, for example after `shutdown`, when all streams have ended.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// for (channel, position) in client.positions() {
    ///     println!("{channel} {} {}", position.stream_id(), position.serial());
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn positions(&self) -> Vec<(ChannelName, Position)> {
        let state = self.handle.0.lock();
        state.core.positions().map(|(channel, position)| (channel.clone(), position.clone())).collect()
    }

    /// Continues where another client has stopped, such as one of an earlier process: the first subscription to each of
    /// these channels asks the server for what followed. It has an effect with [`Recovery`](pusher_proto::Recovery), and for
    /// channels that are not subscribed yet.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client, stored: Vec<(pusher_proto::ChannelName, pusher_proto::Position)>) {
    /// client.resume_from(stored);
    /// client.connect();
    /// # }
    /// ```
    pub fn resume_from(&self, positions: impl IntoIterator<Item = (ChannelName, Position)>) {
        let positions: Vec<_> = positions.into_iter().collect();
        self.handle.0.lock().core.resume_from(positions);
    }

    /// Returns the users on the signed-in user's watchlist who are online, as last known.
    ///
    /// The set is empty without a signed-in user, and is cleared by each
    /// [`Event::SignedIn`](pusher_proto::Event::SignedIn). It holds at most 10,000 users and 1 MiB of ids. Each change
    /// is an [`Event::Watchlist`](pusher_proto::Event::Watchlist); bind callbacks to `online` and `offline` to receive
    /// it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// for id in client.online() {
    ///     println!("{id} is online");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn online(&self) -> BTreeSet<Text> {
        self.handle.0.lock().core.online().clone()
    }

    /// Whether a user on the signed-in user's watchlist is [online](Self::online), as last known.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// if client.is_online("ann") {
    ///     println!("ann is online");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn is_online(&self, id: impl AsRef<str>) -> bool {
        self.handle.0.lock().core.online().contains(id.as_ref())
    }

    /// Returns the counters of this client, and how much waits in its streams. An event that several streams have lost,
    /// or that waits in several, counts once for each of them.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// let stats = client.stats();
    /// println!("{} reconnects, {} events missed, {} waiting", stats.reconnects, stats.missed, stats.queued);
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = self.handle.0.lock();
        let mut stats = state.core.stats();
        stats.missed += self.handle.0.budget.missed();
        for (events, bytes) in state.routes.mailboxes().map(|mailbox| mailbox.waiting()) {
            stats.queued += events as u64;
            stats.queued_bytes += bytes as u64;
        }
        stats
    }

    /// Returns the duration until a time in an event, such as `retry_at`; zero if it has passed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// use pusher_proto::ConnectionState;
    ///
    /// if let ConnectionState::Waiting { retry_at, .. } = client.state() {
    ///     println!("retrying in {:?}", client.duration_until(retry_at));
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn duration_until(&self, at: Instant) -> Duration {
        at.since(self.handle.0.now())
    }

    /// Returns the duration since a time in an event, such as `since`; zero if it is in the future.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) {
    /// use pusher_proto::Event;
    ///
    /// let mut events = client.events();
    /// while let Some(event) = events.recv().await {
    ///     if let Event::ContinuityLost { channel, since, .. } = event {
    ///         println!("{channel} has a gap of {:?}", client.duration_since(since));
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn duration_since(&self, at: Instant) -> Duration {
        self.handle.0.now().since(at)
    }

    /// Converts a time in an event to the standard library's `Instant`, on the operating system's monotonic clock.
    ///
    /// If a test has paused the clock, the result is as far from the current time as the event's time is from the
    /// paused clock.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// use pusher_proto::ConnectionState;
    ///
    /// if let ConnectionState::Waiting { retry_at, .. } = client.state() {
    ///     let deadline: std::time::Instant = client.std_instant(retry_at);
    ///     println!("{:?}", deadline);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn std_instant(&self, at: Instant) -> std::time::Instant {
        let (now, offset) = (std::time::Instant::now(), self.offset(at));
        offset.map_or_else(|ago| now.checked_sub(ago), |ahead| now.checked_add(ahead)).unwrap_or(now)
    }

    /// Converts a time in an event to wall clock time, to show or store it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) {
    /// use pusher_proto::Event;
    ///
    /// let mut events = client.events();
    /// while let Some(event) = events.recv().await {
    ///     if let Event::ContinuityLost { channel, since, .. } = event {
    ///         println!("load what was published on {channel} since {:?}", client.system_time(since));
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn system_time(&self, at: Instant) -> SystemTime {
        let (now, offset) = (SystemTime::now(), self.offset(at));
        offset.map_or_else(|ago| now.checked_sub(ago), |ahead| now.checked_add(ahead)).unwrap_or(now)
    }

    /// Returns the state of a channel that is subscribed or about to be.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// if let Some(chat) = client.channel("presence-chat") {
    ///     println!("{:?} members", chat.member_count);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn channel(&self, channel: impl AsRef<str>) -> Option<ChannelInfo> {
        let channel = ChannelName::new(channel.as_ref()).ok()?;
        self.handle.0.lock().core.channel(&channel).map(ChannelInfo::from)
    }

    /// Returns the state of every channel that is subscribed or about to be.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// for channel in client.channels() {
    ///     println!("{}: {}", channel.name, channel.is_subscribed);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn channels(&self) -> Vec<ChannelInfo> {
        self.handle.0.lock().core.channels().map(ChannelInfo::from).collect()
    }

    /// Returns how far a time is in the future, or as an error, in the past.
    fn offset(&self, at: Instant) -> Result<Duration, Duration> {
        let now = self.handle.0.now();
        if at < now { Err(now.since(at)) } else { Ok(at.since(now)) }
    }
}

impl From<pusher_proto::User<'_>> for UserInfo {
    fn from(user: pusher_proto::User<'_>) -> Self {
        Self { id: user.id.into(), data: user.data.clone() }
    }
}

impl From<pusher_proto::Channel<'_>> for ChannelInfo {
    fn from(channel: pusher_proto::Channel<'_>) -> Self {
        Self {
            name: channel.name().clone(),
            is_subscribed: channel.is_subscribed(),
            subscription_count: channel.count(),
            member_count: channel.members().map(pusher_proto::Members::len),
        }
    }
}
