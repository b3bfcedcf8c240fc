//! The client machine. Its parts do not know each other; this file connects them.

mod action;
mod activity;
mod backoff;
mod channel;
mod channels;
mod client_events;
mod connection;
mod encryption;
mod frames;
mod outbox;
mod presence;
mod retry;
mod signin;
mod sleep;
#[cfg(test)]
mod tests;
mod unanswered;

use alloc::sync::Arc;
use core::time::Duration;

pub use action::{Action, Frame, NetworkHint, SocketEpoch};
use activity::{Activity, Liveness};
pub use channel::Channel;
use channels::{Channels, Entry, Signer};
use client_events::ClientEvents;
use connection::Connection;
use outbox::Outbox;
use signin::{Signin, UserStatus};
use sleep::Sleep;

use crate::event::{ConnectionState, Diagnostic, Event};
use crate::wire::write;
use crate::{
    AppKey, AuthError, AuthId, AuthPurpose, AuthRequest, AuthResponse, AuthSubject, ChannelKind, ChannelName,
    ClientEventName, CloseFrame, CloseReason, Config, Data, Endpoints, Instant, SocketId, Text, TriggerError,
};

/// A Pusher Channels client without IO: frames and time go in, actions come out.
///
/// Four kinds of methods:
///
/// 1. What the application wants: [`connect`](Self::connect), [`subscribe`](Self::subscribe) and their like change a wish.
///    They may be repeated, are legal at any moment and take effect at the next [`poll_action`](Self::poll_action).
/// 2. What happened: `handle_*`. They never fail; what a peer does wrong becomes an [`Event`].
/// 3. What to do next: [`poll_action`](Self::poll_action), until it returns `None`, after every call of the first two
///    kinds; [`poll_timeout`](Self::poll_timeout) for those who prefer to ask.
/// 4. What is true now: [`state`](Self::state), [`channel`](Self::channel) and their like.
///
/// Same seed and same inputs give the same outputs to the byte.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Action, ChannelName, Client, Config, Endpoint, Event, Frame, Instant};
///
/// let mut client = Client::new(Config::new("app-key", Endpoint::cluster("eu"))?, 42);
/// let now = Instant::ZERO;
/// client.connect();
/// client.subscribe(ChannelName::new("chat")?);
///
/// // A driver does what it is told …
/// let mut socket = None;
/// while let Some(action) = client.poll_action(now) {
///     if let Action::Connect(epoch, request) = action {
///         assert_eq!(request.authority(), "ws-eu.pusher.com:443");
///         socket = Some(epoch);
///     }
/// }
///
/// // … and tells what came of it.
/// let socket = socket.unwrap();
/// client.handle_open(socket, now);
/// let greeting = r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":120}"}"#;
/// client.handle_frame(socket, Frame::Text(greeting.into()), now);
/// let sent = std::iter::from_fn(|| client.poll_action(now)).find_map(|action| match action {
///     Action::Send(_, text) => Some(text),
///     _ => None,
/// });
/// assert_eq!(sent.unwrap(), r#"{"event":"pusher:subscribe","data":{"channel":"chat"}}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    config: Config,
    /// The latest time that was told.
    now: Instant,
    connection: Connection,
    activity: Activity,
    sleep: Sleep,
    channels: Channels,
    signin: Signin,
    client_events: ClientEvents,
    hint: Option<NetworkHint>,
    /// Whether a wish, or what it depends on, has changed since the last poll.
    is_dirty: bool,
    outbox: Outbox,
    /// The wake-up that was asked for and has not come.
    scheduled: Option<Instant>,
    stats: Stats,
}

/// Counters since the client was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sockets that were opened.
    pub sockets: u64,
    /// Connections that the server greeted.
    pub connections: u64,
    /// WebSocket messages that arrived, control frames included.
    pub frames: u64,
    /// Events of channels that were taken for the application.
    pub events: u64,
    /// Events that were counted in [`Event::Lagged`] because too many waited. Handles count what each of their streams has
    /// lost, too.
    pub missed: u64,
    /// Pings that were sent.
    pub pings: u64,
    /// Time between the latest answered ping and its answer.
    pub last_round_trip: Option<Duration>,
}

/// What the client wants and is told to do.
impl Client {
    /// Makes a client that does nothing yet. The `seed` decides about delays; draw it at random.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let options = Arc::new(config.options.clone());
        Self {
            now: Instant::ZERO,
            connection: Connection::new(&config, options.clone(), seed),
            activity: Activity::default(),
            sleep: Sleep::default(),
            channels: Channels::new(options.clone(), seed.wrapping_add(1)),
            signin: Signin::new(options.clone(), seed.wrapping_add(2)),
            client_events: ClientEvents::new(options.clone()),
            hint: None,
            is_dirty: false,
            outbox: Outbox::new(options.max_pending_events),
            scheduled: None,
            stats: Stats::default(),
            config,
        }
    }

    /// Wants a connection. While the client waits for a retry it tries at once, though not more often than once per
    /// base delay; after a failure it starts anew.
    pub fn connect(&mut self) {
        self.is_dirty = true;
        self.connection.connect();
    }

    /// Wants no connection. Channels stay wanted and are subscribed again after the next [`connect`](Self::connect).
    pub fn disconnect(&mut self) {
        self.is_dirty = true;
        self.connection.disconnect();
    }

    /// Wants a channel, on this connection and on all that follow. A failed channel is tried again.
    pub fn subscribe(&mut self, channel: ChannelName) {
        self.is_dirty = true;
        self.channels.subscribe(channel);
    }

    /// Wants a channel no longer. Nothing of it is told after the next poll.
    pub fn unsubscribe(&mut self, channel: &ChannelName) {
        self.is_dirty = true;
        self.channels.unsubscribe(channel);
    }

    /// Wants to be signed in, on this connection and on all that follow. The application's server says as whom. A failed
    /// sign-in is tried again. After [`signout`](Self::signout) the client reconnects first, for a connection keeps its
    /// user.
    pub fn signin(&mut self) {
        self.is_dirty = true;
        self.signin.signin();
    }

    /// Wants to be signed in no longer. The protocol has no word for that: the server forgets the user with the
    /// connection, and until then its events are ignored.
    pub fn signout(&mut self) {
        self.is_dirty = true;
        self.signin.signout();
    }

    /// Moves to another application or other servers. Channels stay wanted; a connection, or the attempt to make one, is
    /// replaced at once. Endpoints that [`Endpoints::validate`] refuses lead nowhere.
    pub fn switch(&mut self, key: AppKey, endpoints: Endpoints) {
        self.is_dirty = true;
        self.connection.switch(key, endpoints);
    }

    /// Passes on what the operating system says of the network: a connection is checked, a waiting retry begins.
    pub fn network_changed(&mut self, hint: NetworkHint) {
        self.is_dirty = true;
        self.hint = Some(hint);
    }

    /// Sends a client event to the other subscribers of a private or presence channel. The sender does not get it.
    ///
    /// # Errors
    ///
    /// When it cannot be sent now, see [`TriggerError`]. With
    /// [`max_buffered_client_events`](crate::ConfigBuilder::max_buffered_client_events) it waits for the subscription
    /// instead.
    pub fn trigger(
        &mut self,
        channel: &ChannelName,
        event: &ClientEventName,
        data: &Data,
        now: Instant,
    ) -> Result<(), TriggerError> {
        let now = self.advance(now);
        match channel.kind() {
            ChannelKind::Private | ChannelKind::Presence => {}
            ChannelKind::Public | ChannelKind::PrivateEncrypted => return Err(TriggerError::Unsupported),
        }
        let entry = self.channels.get(channel).map(|(_, entry)| entry).filter(|entry| entry.is_wanted());
        let is_wanted = entry.is_some();
        let is_subscribed = entry.is_some_and(Entry::is_subscribed);
        let refusal =
            if self.connection.is_connected() { TriggerError::NotSubscribed } else { TriggerError::NotConnected };
        if !is_wanted {
            return Err(refusal);
        }
        if !is_subscribed {
            self.client_events.check_room(refusal)?;
        }
        let text = self.client_events.check(channel, event, data, &mut self.outbox)?;
        if is_subscribed {
            return self.client_events.send(text, now, &mut self.outbox);
        }
        self.client_events.keep(channel.clone(), text);
        Ok(())
    }
}

/// What happened.
impl Client {
    /// The socket is open: TCP, TLS and the WebSocket upgrade are done.
    ///
    /// Only the counters show it: the deadline of the handshake covers the whole way to the greeting.
    pub fn handle_open(&mut self, socket: SocketEpoch, now: Instant) {
        self.advance(now);
        self.stats.sockets += u64::from(self.connection.socket() == Some(socket));
    }

    /// A WebSocket message arrived.
    pub fn handle_frame(&mut self, socket: SocketEpoch, frame: Frame, now: Instant) {
        let now = self.advance(now);
        if self.connection.socket() != Some(socket) {
            return;
        }
        self.stats.frames += 1;
        self.activity.handle_seen(now);
        match frame {
            Frame::Text(text) => self.handle_text(text, now),
            Frame::Binary(_) => self.outbox.offer(Event::Diagnostic(Diagnostic::BinaryFrame)),
            Frame::Ping | Frame::Pong => {}
        }
    }

    /// Bytes arrived that do not complete a WebSocket message.
    ///
    /// They are a sign of life: a large message on a slow link takes longer than a pong may. While bytes keep coming, the
    /// deadline of a ping is postponed, for five minutes at most.
    pub fn handle_part(&mut self, socket: SocketEpoch, now: Instant) {
        let now = self.advance(now);
        if self.connection.socket() == Some(socket) {
            self.activity.handle_part(now);
        }
    }

    /// A WebSocket message of `len` bytes arrived that is larger than [`max_frame_len`](crate::Config::max_frame_len), and the
    /// adapter has skipped it.
    ///
    /// The same as a text of that length in [`handle_frame`](Self::handle_frame), without a need to hold it: one
    /// [`ProtocolError::FrameTooLarge`](crate::ProtocolError::FrameTooLarge), and the connection goes on.
    pub fn handle_skipped(&mut self, socket: SocketEpoch, len: u64, now: Instant) {
        let now = self.advance(now);
        if self.connection.socket() == Some(socket) {
            self.stats.frames += 1;
            self.activity.handle_seen(now);
            self.refuse_len(usize::try_from(len).unwrap_or(usize::MAX));
        }
    }

    /// The socket ended, or could not be opened.
    pub fn handle_close(&mut self, socket: SocketEpoch, reason: CloseReason, now: Instant) {
        let now = self.advance(now);
        if self.connection.socket() == Some(socket) {
            self.with_connection(now, |connection, outbox| connection.handle_close(reason, now, outbox));
        }
    }

    /// The application's server answered a request for authorization, or could not be asked.
    pub fn handle_auth(&mut self, id: AuthId, answer: Result<AuthResponse, AuthError>, now: Instant) {
        let now = self.advance(now);
        let mut was_for_user = false;
        self.with_signin(|signin, _, outbox| was_for_user = signin.handle_auth(id, &answer, now, outbox));
        if was_for_user {
            return;
        }
        let signer = signer(&self.config, &self.connection, &self.signin);
        self.channels.handle_auth(id, answer, &signer, now, &mut self.outbox);
    }

    /// The wall clock says `wall`, counted from any origin: it tells whether the machine slept.
    ///
    /// On Linux and macOS the monotonic clock stands still meanwhile, and with it every deadline, so a connection that died in
    /// the night would go unnoticed for minutes. Call this when the driver wakes. If the wall clock has moved on by 5 s more
    /// than `now` since the last call, the client acts as after
    /// [`network_changed(Online)`](Self::network_changed): it asks the server for an answer within 5 s, or tries at once to
    /// connect. Setting the wall clock forward causes no more than that; setting it back causes nothing. Once this was called,
    /// a connected client wants to be woken every 10 s.
    pub fn handle_wall_clock(&mut self, wall: Duration, now: Instant) {
        let now = self.advance(now);
        if self.sleep.handle_wall_clock(wall, now) && self.hint.is_none() {
            self.network_changed(NetworkHint::Online);
        }
    }

    /// Time has passed: acts on every deadline up to `now`. Hand over what has arrived before.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        self.scheduled = None;
        self.sleep.handle_timeout(now);
        if self.connection.is_connected() && self.activity.handle_timeout(now) == Liveness::Dead {
            self.with_connection(now, |connection, outbox| connection.handle_pong_timeout(now, outbox));
        }
        self.with_connection(now, |connection, outbox| connection.handle_timeout(now, outbox));
        self.with_signin(|signin, channels, outbox| {
            if signin.handle_timeout(now, outbox) {
                signin.handle_unanswered(channels.expire_signin(), outbox);
            }
        });
        let signer = signer(&self.config, &self.connection, &self.signin);
        self.channels.handle_timeout(&signer, now, &mut self.outbox);
    }
}

/// What to do next.
impl Client {
    /// Returns the next thing to do, or `None` until the next input or deadline.
    ///
    /// Call it until it returns `None` after every `handle_*` call and every change by the application.
    pub fn poll_action(&mut self, now: Instant) -> Option<Action> {
        let now = self.advance(now);
        if self.is_dirty {
            self.reconcile_signin();
            if let Some(farewell) = self.poll_farewell() {
                return Some(farewell);
            }
            self.is_dirty = false;
            self.reconcile(now);
        }
        if let Some(socket) = self.connection.poll_close() {
            return Some(Action::Close(socket, CloseFrame::NORMAL));
        }
        if let Some(event) = self.outbox.poll_event() {
            return Some(Action::Emit(event));
        }
        if let Some((socket, request)) = self.connection.poll_connect() {
            return Some(Action::Connect(socket, request));
        }
        if let Some(id) = self.outbox.poll_cancel() {
            return Some(Action::CancelAuth(id));
        }
        if let Some(socket) = self.connection.socket() {
            if let Some(text) = self.poll_send(now) {
                return Some(Action::Send(socket, text));
            }
            if let Some(request) = self.poll_user_auth(now).or_else(|| self.channels.poll_auth(now)) {
                return Some(Action::RequestAuth(request));
            }
        }
        self.poll_schedule()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) has something to do, if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let is_connected = self.connection.is_connected();
        let activity = is_connected.then(|| self.activity.deadline());
        let sleep = self.sleep.deadline().filter(|_| is_connected);
        let deadlines = [activity, sleep, self.connection.deadline(), self.channels.deadline(), self.signin.deadline()];
        deadlines.into_iter().flatten().min()
    }
}

/// What is true now.
impl Client {
    /// Returns the state of the connection.
    #[must_use]
    pub fn state(&self) -> &ConnectionState {
        self.connection.state()
    }

    /// Returns Pusher's word for the state: `initialized`, `connecting`, `connected`, `unavailable`, `disconnected` or
    /// `failed`.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        match self.state() {
            ConnectionState::Connecting { .. } | ConnectionState::Waiting { .. } if self.is_unavailable() => {
                "unavailable"
            }
            // Pusher has no word for a delay between two attempts.
            ConnectionState::Waiting { .. } => "connecting",
            state @ (ConnectionState::Initialized
            | ConnectionState::Connecting { .. }
            | ConnectionState::Connected { .. }
            | ConnectionState::Disconnected
            | ConnectionState::Failed { .. }) => state.name(),
        }
    }

    /// Whether a connection is wanted and there has been none for
    /// [`unavailable_timeout`](crate::ConfigBuilder::unavailable_timeout).
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.connection.is_unavailable()
    }

    /// Returns the server's name for the connection, if there is one.
    #[must_use]
    pub fn socket_id(&self) -> Option<&SocketId> {
        match self.state() {
            ConnectionState::Connected { socket_id } => Some(socket_id),
            ConnectionState::Initialized
            | ConnectionState::Connecting { .. }
            | ConnectionState::Waiting { .. }
            | ConnectionState::Disconnected
            | ConnectionState::Failed { .. } => None,
        }
    }

    /// Returns a channel that is wanted, subscribed or not.
    #[must_use]
    pub fn channel(&self, name: &ChannelName) -> Option<Channel<'_>> {
        self.channels.get(name).map(Channel::from).filter(Channel::is_wanted)
    }

    /// Returns all channels that are wanted, in no particular order.
    pub fn channels(&self) -> impl Iterator<Item = Channel<'_>> {
        self.channels.iter().map(Channel::from).filter(Channel::is_wanted)
    }

    /// Returns the user who is signed in.
    #[must_use]
    pub fn user(&self) -> Option<User<'_>> {
        match self.signin.status() {
            UserStatus::SignedIn { id, data } => Some(User { id, data }),
            UserStatus::None | UserStatus::Pending => None,
        }
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { missed: self.outbox.missed(), ..self.stats }
    }

    /// Returns the configuration that the client was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl Client {
    fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    /// A sign-in may need another socket.
    fn reconcile_signin(&mut self) {
        let connected = self.connection.is_connected();
        self.with_signin(|signin, _, outbox| signin.reconcile(outbox));
        if self.signin.must_reconnect(connected) && !self.connection.will_disconnect() {
            self.connection.disconnect();
            self.connection.connect();
        }
    }

    /// What was triggered before the application left the server goes out first.
    fn poll_farewell(&mut self) -> Option<Action> {
        let socket = self.connection.socket().filter(|_| self.connection.will_leave())?;
        Some(Action::Send(socket, self.outbox.poll_send()?))
    }

    fn reconcile(&mut self, now: Instant) {
        self.with_connection(now, |connection, outbox| connection.reconcile(now, outbox));
        match (self.hint.take(), self.connection.is_connected()) {
            (None, _) | (Some(NetworkHint::Offline), false) => {}
            (Some(NetworkHint::Offline), true) => self.activity.probe(now),
            (Some(NetworkHint::Online), true) => self.activity.probe_quickly(now),
            (Some(NetworkHint::Online), false) => self.connection.handle_online(now, &mut self.outbox),
        }
        if self.channels.reconcile(&mut self.outbox) {
            let is_wanted =
                |channel: &ChannelName| self.channels.get(channel).is_some_and(|(_, entry)| entry.is_wanted());
            self.client_events.retain(is_wanted, &mut self.outbox);
        }
    }

    /// Lets the connection change; if it leaves a server, so does everything else.
    fn with_connection(&mut self, now: Instant, change: impl FnOnce(&mut Connection, &mut Outbox)) {
        let (was_connected, before) = (self.connection.is_connected(), self.connection.socket());
        change(&mut self.connection, &mut self.outbox);
        if before == self.connection.socket() {
            return;
        }
        self.activity = Activity::default();
        if was_connected {
            self.outbox.forget_sends();
            self.channels.leave(now, &mut self.outbox);
            self.signin.leave(now, &mut self.outbox);
            self.client_events.leave(&mut self.outbox);
        }
    }

    /// Lets the sign-in change; if it ends, presence channels may wait for it.
    fn with_signin(&mut self, change: impl FnOnce(&mut Signin, &mut Channels, &mut Outbox)) {
        let was_pending = self.signin.status() == UserStatus::Pending;
        change(&mut self.signin, &mut self.channels, &mut self.outbox);
        let status = self.signin.status();
        if was_pending && status != UserStatus::Pending {
            self.channels.handle_signin_ended(status, &mut self.outbox);
        }
    }

    fn poll_user_auth(&mut self, now: Instant) -> Option<AuthRequest> {
        let id = self.signin.poll_auth(|| self.channels.next_auth(), now)?;
        let socket_id = self.socket_id()?.clone();
        Some(AuthRequest { id, subject: AuthSubject::User, socket_id, purpose: AuthPurpose::Signin })
    }

    fn poll_send(&mut self, now: Instant) -> Option<Text> {
        if self.activity.poll_pong() {
            return Some(write::PONG);
        }
        if self.activity.poll_ping() {
            self.stats.pings += 1;
            return Some(write::PING);
        }
        if let Some(text) = self.outbox.poll_send() {
            return Some(text);
        }
        if let Some(text) = self.signin.poll_signin(now) {
            self.channels.push_signin(now + self.config.options.signin_timeout);
            return Some(text);
        }
        self.channels.poll_subscribe(now)
    }

    /// A wake-up is announced only if it must come earlier than the one announced before.
    fn poll_schedule(&mut self) -> Option<Action> {
        let at = self.poll_timeout()?;
        if self.scheduled.is_some_and(|scheduled| scheduled <= at) {
            return None;
        }
        self.scheduled = Some(at);
        Some(Action::Schedule(at))
    }
}

/// The user who is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User<'a> {
    /// The user's id.
    pub id: &'a str,
    /// What the application says of the user: a JSON object.
    pub data: &'a str,
}

fn signer<'a>(config: &Config, connection: &'a Connection, signin: &'a Signin) -> Signer<'a> {
    let presence_by_signin = config.options.presence_by_signin.unwrap_or_else(|| connection.is_hosted());
    Signer { key: connection.key(), user: signin.status(), presence_by_signin }
}
