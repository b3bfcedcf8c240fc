//! The client's state machine. Its parts do not know each other; this file connects them.

mod action;
mod activity;
mod agenda;
mod authorizations;
mod backoff;
mod channel;
mod channels;
mod client_events;
mod connection;
mod encryption;
mod frames;
#[cfg(test)]
mod herds;
mod history;
mod online;
mod outbox;
mod presence;
mod queries;
mod recovery;
mod requests;
mod retry;
mod room;
mod signin;
mod sleep;
mod stats;
#[cfg(test)]
mod tests;
mod token;
mod unanswered;

use alloc::sync::Arc;
use core::time::Duration;

pub use action::{Action, Frame, NetworkHint, SocketEpoch};
use activity::{Activity, Liveness};
use agenda::Agenda;
use authorizations::{Answer, Authorizations, Job};
pub use channel::Channel;
use channels::{Channels, Entry, Signer};
use client_events::ClientEvents;
use connection::Connection;
use history::History;
use outbox::Outbox;
pub use queries::User;
use signin::{Signin, UserStatus};
pub use stats::Stats;
use token::Token;
use unanswered::Unanswered;

use crate::event::{Diagnostic, Event};
use crate::wire::write;
use crate::{
    AppKey, AuthError, AuthId, AuthResponse, AuthSubject, ChannelKind, ChannelName, ClientEventName, CloseFrame,
    CloseReason, Config, Data, Endpoints, Instant, InvalidSubscribe, Position, Subscribe, Text, TriggerError,
};

/// A Pusher Channels client without IO: frames and time go in, actions come out.
///
/// Four kinds of methods:
///
/// 1. What the application wants: [`connect`](Self::connect), [`subscribe`](Self::subscribe) and similar methods record a
///    wish. They may be repeated and called at any time, and take effect at the next [`poll_action`](Self::poll_action).
/// 2. What happened: `handle_*`. They never fail; what a peer does wrong becomes an [`Event`].
/// 3. What to do next: call [`poll_action`](Self::poll_action) until it returns `None`, after every call of the first two
///    kinds. [`poll_timeout`](Self::poll_timeout) returns the next deadline.
/// 4. The current state: [`state`](Self::state), [`channel`](Self::channel) and similar methods.
///
/// The same seed and the same inputs give the same outputs, byte for byte.
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
/// // A driver performs the actions …
/// let mut socket = None;
/// while let Some(action) = client.poll_action(now) {
///     if let Action::Connect(epoch, request) = action {
///         assert_eq!(request.authority(), "ws-eu.pusher.com:443");
///         socket = Some(epoch);
///     }
/// }
///
/// // … and reports the results.
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
    agenda: Agenda,
    connection: Connection,
    activity: Activity,
    channels: Channels,
    authorizations: Authorizations,
    unanswered: Unanswered,
    signin: Signin,
    token: Token,
    client_events: ClientEvents,
    history: History,
    outbox: Outbox,
}

/// What the application wants.
impl Client {
    /// Returns a client that does nothing yet. The `seed` determines the random delays, so choose it at random.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let options = Arc::clone(&config.options);
        Self {
            agenda: Agenda::default(),
            connection: Connection::new(&config, options.clone(), seed),
            activity: Activity::default(),
            channels: Channels::new(options.clone(), seed.wrapping_add(1)),
            authorizations: Authorizations::new(options.clone(), seed.wrapping_add(3)),
            unanswered: Unanswered::default(),
            signin: Signin::new(&options, seed.wrapping_add(2)),
            token: Token::new(&options),
            client_events: ClientEvents::new(options.clone()),
            history: History::default(),
            outbox: Outbox::new(options.max_pending_events),
            config,
        }
    }

    /// Connects. During a delay before a retry, the client tries at once, but not more often than once per base delay.
    /// In the state `Failed`, it starts again.
    pub fn connect(&mut self) {
        self.agenda.is_dirty = true;
        self.connection.connect();
    }

    /// Disconnects. The client remembers its channels and subscribes them again after the next
    /// [`connect`](Self::connect).
    pub fn disconnect(&mut self) {
        self.agenda.is_dirty = true;
        self.connection.disconnect();
    }

    /// Subscribes to a channel, on this connection and on all later ones. If the subscription has failed, it is tried
    /// again.
    pub fn subscribe(&mut self, channel: ChannelName) {
        self.agenda.is_dirty = true;
        self.channels.subscribe(channel, None);
    }

    /// Subscribes to a channel as [`subscribe`](Self::subscribe) does, and asks for old messages or for some messages only. If
    /// the channel is subscribed already, its filter is replaced by that of `options`, or removed.
    ///
    /// # Errors
    ///
    /// If the client does not ask for the version of the protocol that has such options, or if a filter would hide the
    /// members of a presence channel.
    pub fn subscribe_with(&mut self, channel: ChannelName, options: Subscribe) -> Result<(), InvalidSubscribe> {
        options.check(&channel, self.config.options.recovery.is_some())?;
        self.agenda.is_dirty = true;
        self.channels.subscribe(channel, Some(options));
        Ok(())
    }

    /// Unsubscribes from a channel. No events are emitted for it after the next poll.
    pub fn unsubscribe(&mut self, channel: &ChannelName) {
        self.agenda.is_dirty = true;
        self.channels.unsubscribe(channel);
    }

    /// Continues where another client has stopped, such as one of an earlier process: the first subscription to each of these
    /// channels asks the server for what followed. [`positions`](Self::positions) returns the positions of that client.
    ///
    /// It has an effect if [`Recovery`](crate::Recovery) is configured, and for channels that are not subscribed yet, so call
    /// it before [`connect`](Self::connect). Positions of channels that the application never subscribes to are kept too.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::{ChannelName, Client, Config, Endpoint, Position, Recovery};
    ///
    /// let endpoint = Endpoint::sockudo("realtime.example.com");
    /// let config = Config::builder("app-key", endpoint).recovery(Recovery::default()).build()?;
    /// let mut client = Client::new(config, 1);
    /// client.resume_from([(ChannelName::new("orders")?, Position::new("9aa8fb98", 5).expect("a short name"))]);
    /// client.subscribe(ChannelName::new("orders")?);
    /// let positions: Vec<_> = client.positions().collect();
    /// assert_eq!((positions[0].0.as_str(), positions[0].1.serial()), ("orders", 5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume_from(&mut self, positions: impl IntoIterator<Item = (ChannelName, Position)>) {
        self.channels.resume_from(positions);
    }

    /// Signs in, on this connection and on all later ones. The application's server determines the user. If the sign-in
    /// has failed, it is tried again. After [`signout`](Self::signout), the client reconnects first, because a
    /// connection keeps its user.
    pub fn signin(&mut self) {
        self.agenda.is_dirty = true;
        self.signin.signin();
    }

    /// Signs out. The protocol has no message for this: the server forgets the user when the connection ends, and until
    /// then, events for the user are ignored.
    pub fn signout(&mut self) {
        self.agenda.is_dirty = true;
        self.signin.signout();
    }

    /// Switches to another application or to other servers. The client keeps its channels; a connection, or an attempt
    /// to connect, is replaced at once. With endpoints that [`Endpoints::validate`] refuses, the client cannot connect.
    pub fn switch(&mut self, key: AppKey, endpoints: Endpoints) {
        self.agenda.is_dirty = true;
        self.connection.switch(key, endpoints);
    }

    /// Passes on what the operating system reports about the network: the client checks an existing connection, or
    /// starts a waiting retry.
    pub fn network_changed(&mut self, hint: NetworkHint) {
        self.agenda.is_dirty = true;
        self.agenda.hint = Some(hint);
    }

    /// Sends a client event to the other subscribers of a private or presence channel. The sender does not receive it.
    ///
    /// # Errors
    ///
    /// If it cannot be sent now; see [`TriggerError`]. With
    /// [`max_buffered_client_events`](crate::ConfigBuilder::max_buffered_client_events), it waits for the subscription
    /// instead.
    pub fn trigger(
        &mut self,
        channel: &ChannelName,
        event: &ClientEventName,
        data: &Data,
        now: Instant,
    ) -> Result<(), TriggerError> {
        let now = self.agenda.advance(now);
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
    /// This affects only the counters: the deadline of the handshake covers everything up to the greeting.
    pub fn handle_open(&mut self, socket: SocketEpoch, now: Instant) {
        self.agenda.advance(now);
        self.outbox.stats.sockets += u64::from(self.connection.socket() == Some(socket));
    }

    /// A WebSocket message arrived.
    pub fn handle_frame(&mut self, socket: SocketEpoch, frame: Frame, now: Instant) {
        // An answer to a ping may bring the next deadline nearer, because the time before a ping may be shorter than
        // the wait for an answer.
        let was_settled = self.agenda.is_settled && !self.activity.awaits_answer();
        let now = self.agenda.advance(now);
        if self.connection.socket() != Some(socket) {
            return;
        }
        self.outbox.stats.frames += 1;
        self.activity.handle_seen(now);
        match frame {
            Frame::Text(text) => {
                let changes_nothing = self.handle_text(text, now);
                self.agenda.is_settled = was_settled && changes_nothing;
            }
            Frame::Binary(_) => self.outbox.offer(Event::Diagnostic(Diagnostic::BinaryFrame)),
            Frame::Ping | Frame::Pong => {}
        }
    }

    /// Bytes arrived that do not complete a WebSocket message.
    ///
    /// They are a sign of life: a large message on a slow link may take longer than a pong is allowed to. While bytes
    /// keep arriving, the deadline of a ping is postponed, for at most five minutes.
    pub fn handle_part(&mut self, socket: SocketEpoch, now: Instant) {
        let now = self.agenda.advance(now);
        if self.connection.socket() == Some(socket) {
            self.activity.handle_part(now);
        }
    }

    /// A WebSocket message of `len` bytes arrived that is larger than [`max_frame_len`](crate::Config::max_frame_len),
    /// and the adapter skipped it.
    ///
    /// The effect is the same as that of a text of this length in [`handle_frame`](Self::handle_frame), but the text
    /// need not be in memory: a [`ProtocolError::FrameTooLarge`](crate::ProtocolError::FrameTooLarge) is reported, and
    /// the connection stays open.
    pub fn handle_skipped(&mut self, socket: SocketEpoch, len: u64, now: Instant) {
        let now = self.agenda.advance(now);
        if self.connection.socket() == Some(socket) {
            self.outbox.stats.frames += 1;
            self.outbox.stats.bytes_received = self.outbox.stats.bytes_received.saturating_add(len);
            self.activity.handle_seen(now);
            self.refuse_len(usize::try_from(len).unwrap_or(usize::MAX));
        }
    }

    /// The socket ended, or could not be opened.
    pub fn handle_close(&mut self, socket: SocketEpoch, reason: CloseReason, now: Instant) {
        let now = self.agenda.advance(now);
        if self.connection.socket() == Some(socket) {
            let is_authorizing = self.authorizations.len() > 0 || self.channels.holds_authorization();
            let may_be_authorized_anew = self.token.has_expired();
            self.with_connection(now, |connection, outbox| {
                let is_excused = may_be_authorized_anew || (is_authorizing && !connection.is_authorized());
                connection.handle_close(reason, is_excused, now, outbox);
            });
        }
    }

    /// The application's server answered an authorization request, or could not be reached.
    pub fn handle_auth(&mut self, id: AuthId, answer: Result<AuthResponse, AuthError>, now: Instant) {
        let now = self.agenda.advance(now);
        match self.authorizations.handle_answer(id, answer, now) {
            Some(answer) => self.handle_answer(answer),
            None if self.connection.is_connected() => {
                self.outbox.offer(Event::Diagnostic(Diagnostic::StaleAuth(id)));
            }
            None => {}
        }
    }

    /// An authorization request is on its way to `url`. If the answer does not come in time, the error contains this
    /// URL, so leave out what must not reach a log, such as a query.
    ///
    /// An unknown `id` changes nothing. Without this call, the error is just [`AuthError::Timeout`].
    pub fn note_auth_url(&mut self, id: AuthId, url: impl Into<Text>) {
        self.authorizations.note_url(id, url.into());
    }

    /// Reports the wall clock's time as `wall`, since any origin, so that the client can detect that the machine slept.
    ///
    /// On Linux and macOS, the monotonic clock stops during sleep, and with it every deadline, so a connection that
    /// died during the night would go unnoticed for minutes. Call this whenever the driver wakes. If the wall clock has
    /// advanced by 5 s more than `now` since the last call, the client reacts as to
    /// [`network_changed(Online)`](Self::network_changed): it asks the server for an answer within 5 s, or tries to
    /// connect at once. Setting the wall clock forward has the same effect; setting it back has none. After the first
    /// call, a connected client asks to be woken every 10 s.
    pub fn handle_wall_clock(&mut self, wall: Duration, now: Instant) {
        let now = self.agenda.advance(now);
        if self.agenda.sleep.handle_wall_clock(wall, now) && self.agenda.hint.is_none() {
            self.network_changed(NetworkHint::Online);
        }
    }

    /// Time has passed: acts on every deadline up to `now`. First pass on what has arrived.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.agenda.advance(now);
        self.agenda.handle_timeout(now);
        if self.connection.is_connected() && self.activity.handle_timeout(now) == Liveness::Dead {
            self.with_connection(now, |connection, outbox| connection.handle_pong_timeout(now, outbox));
        }
        self.with_connection(now, |connection, outbox| connection.handle_timeout(now, outbox));
        while let Some(answer) = self.authorizations.handle_timeout(now, &mut self.outbox) {
            self.handle_answer(answer);
        }
        if let Some(cause) = self.unanswered.expire_signin(now) {
            self.with_signin(|signin, _, outbox| signin.handle_unanswered(cause, now, outbox));
        }
        let Self { channels, authorizations, unanswered, signin, token, outbox, .. } = self;
        signin.handle_timeout(authorizations, now);
        token.handle_timeout(authorizations, now, outbox);
        channels.handle_timeout(authorizations, unanswered, now, outbox);
        self.history.handle_timeout(now, &mut self.outbox);
    }
}

/// What to do next.
impl Client {
    /// Returns the next thing to do, or `None` until the next input or deadline.
    ///
    /// Call it until it returns `None` after every `handle_*` call and every change by the application.
    pub fn poll_action(&mut self, now: Instant) -> Option<Action> {
        let now = self.agenda.now.max(now);
        self.agenda.now = now;
        if self.agenda.is_dirty {
            self.agenda.is_settled = false;
            self.reconcile_signin();
            if let Some(farewell) = self.poll_farewell() {
                return Some(farewell);
            }
            self.agenda.is_dirty = false;
            self.reconcile(now);
        }
        if let Some(socket) = self.connection.poll_close() {
            return Some(Action::Close(socket, CloseFrame::NORMAL));
        }
        if let Some(event) = self.outbox.poll_event() {
            return Some(Action::Emit(event));
        }
        if self.agenda.is_settled {
            // Since the last drain, there were only channel events, which require nothing else.
            return self.poll_schedule();
        }
        self.poll_rest(now)
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) has something to do, if there is no other input before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let is_connected = self.connection.is_connected();
        let activity = is_connected.then(|| self.activity.deadline());
        let sleep = self.agenda.sleep.deadline().filter(|_| is_connected);
        let deadlines = [
            activity,
            sleep,
            self.connection.deadline(),
            self.channels.deadline(),
            self.authorizations.deadline(),
            self.unanswered.deadline(),
            self.signin.deadline(),
            self.token.deadline(),
            self.history.deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }
}

impl Client {
    /// The actions that come after the events.
    #[cold]
    fn poll_rest(&mut self, now: Instant) -> Option<Action> {
        if let Some((socket, request)) = self.connection.poll_connect() {
            return Some(Action::Connect(socket, request));
        }
        if let Some(id) = self.outbox.poll_cancel() {
            return Some(Action::CancelAuth(id));
        }
        if let Some(socket) = self.connection.socket() {
            if let Some(text) = self.poll_send(now) {
                return Some(self.send(socket, text));
            }
            if let Some(request) = self.authorizations.poll(now) {
                return Some(Action::RequestAuth(request));
            }
        }
        self.poll_schedule()
    }

    /// A sign-in may need another socket.
    fn reconcile_signin(&mut self) {
        let connected = self.connection.is_connected();
        self.with_signin(Signin::reconcile);
        if self.signin.must_reconnect(connected, &mut self.authorizations) && !self.connection.will_disconnect() {
            self.connection.disconnect();
            self.connection.connect();
        }
    }

    /// Client events that were triggered before the application left the server are sent first.
    fn poll_farewell(&mut self) -> Option<Action> {
        let socket = self.connection.socket().filter(|_| self.connection.will_leave())?;
        let text = self.outbox.poll_send()?;
        Some(self.send(socket, text))
    }

    fn send(&mut self, socket: SocketEpoch, text: Text) -> Action {
        let text = self.connection.protocol().unwrap_or_default().outgoing(text);
        self.outbox.stats.bytes_sent += text.len() as u64;
        Action::Send(socket, text)
    }

    fn reconcile(&mut self, now: Instant) {
        self.with_connection(now, |connection, outbox| connection.reconcile(now, outbox));
        match (self.agenda.hint.take(), self.connection.is_connected()) {
            (None, _) | (Some(NetworkHint::Offline), false) => {}
            (Some(NetworkHint::Offline), true) => self.activity.probe(now),
            (Some(NetworkHint::Online), true) => self.activity.probe_quickly(now),
            (Some(NetworkHint::Online), false) => self.connection.handle_online(now, &mut self.outbox),
        }
        if self.channels.reconcile(&mut self.authorizations, &mut self.outbox) {
            let is_wanted =
                |channel: &ChannelName| self.channels.get(channel).is_some_and(|(_, entry)| entry.is_wanted());
            self.client_events.retain(is_wanted, &mut self.outbox);
            self.history.retain(is_wanted, &mut self.outbox);
        }
    }

    /// Changes the connection; if it leaves a server, so do all other parts.
    fn with_connection(&mut self, now: Instant, change: impl FnOnce(&mut Connection, &mut Outbox)) {
        let (was_connected, before) = (self.connection.is_connected(), self.connection.socket());
        change(&mut self.connection, &mut self.outbox);
        if before == self.connection.socket() {
            return;
        }
        self.activity = Activity::default();
        if was_connected {
            self.outbox.forget_sends();
            self.channels.leave(self.unanswered.channels(), now, &mut self.outbox);
            self.authorizations.leave(&mut self.outbox);
            self.unanswered.leave();
            self.signin.leave(now, &mut self.outbox);
            self.token.leave();
            self.client_events.leave(&mut self.outbox);
            self.history.leave(&mut self.outbox);
        }
    }

    /// Changes the sign-in; if it ends, presence channels that wait for it are notified.
    fn with_signin(&mut self, change: impl FnOnce(&mut Signin, &mut Authorizations, &mut Outbox)) {
        let was_pending = self.signin.status() == UserStatus::Pending;
        change(&mut self.signin, &mut self.authorizations, &mut self.outbox);
        let status = self.signin.status();
        if was_pending && status != UserStatus::Pending {
            self.channels.handle_signin_ended(status, &mut self.authorizations, &mut self.outbox);
        }
    }

    /// Passes on the result of a request to the application's server.
    fn handle_answer(&mut self, answer: Answer) {
        let Answer { job, subject, outcome } = answer;
        match (job, subject) {
            (Job::Channel(_), AuthSubject::Channel(channel)) => {
                let signer = signer(&self.config, &self.connection, &self.signin);
                let Self { channels, authorizations, outbox, .. } = self;
                channels.handle_auth(&channel, outcome, &signer, authorizations, outbox);
            }
            (Job::Key(_), AuthSubject::Channel(channel)) => {
                self.channels.handle_key(&channel, outcome, &mut self.outbox);
            }
            (Job::Token, _) => self.token.handle_auth(outcome, &mut self.outbox),
            (Job::Signin | Job::Channel(_) | Job::Key(_), _) => {
                self.with_signin(|signin, _, outbox| signin.handle_auth(outcome, outbox));
            }
        }
    }

    fn poll_send(&mut self, now: Instant) -> Option<Text> {
        if self.activity.poll_pong() {
            return Some(write::PONG);
        }
        if self.activity.poll_ping() {
            self.outbox.stats.pings += 1;
            return Some(write::PING);
        }
        if let Some(text) = self.outbox.poll_send() {
            return Some(text);
        }
        if let Some(text) = self.signin.poll_signin() {
            self.connection.note_authorized();
            self.unanswered.push_signin(now + self.config.options.signin_timeout);
            return Some(text);
        }
        if let Some(text) = self.token.poll_send(now) {
            return Some(text);
        }
        if self.token.is_first() {
            return None;
        }
        let Some((text, has_auth)) = self.channels.poll_subscribe(&mut self.unanswered, now) else {
            let resume = self.channels.poll_resume(self.unanswered.channels() == 0, now);
            return resume.or_else(|| self.history.poll_send(now));
        };
        if has_auth {
            self.connection.note_authorized();
        }
        Some(text)
    }

    /// A wake-up is announced only if it must come earlier than the one announced before.
    fn poll_schedule(&mut self) -> Option<Action> {
        if self.agenda.is_settled {
            debug_assert!(self.poll_timeout().is_none_or(|at| !self.agenda.is_late_for(at)), "a deadline came nearer");
            return None;
        }
        self.agenda.is_settled = true;
        let at = self.poll_timeout()?;
        self.agenda.announce(at).then_some(Action::Schedule(at))
    }
}

fn signer<'a>(config: &Config, connection: &'a Connection, signin: &'a Signin) -> Signer<'a> {
    let presence_by_signin = config.options.presence_by_signin.unwrap_or_else(|| connection.is_hosted());
    Signer { key: connection.key(), user: signin.status(), presence_by_signin }
}
