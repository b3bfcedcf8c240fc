//! The client machine. Its parts do not know each other; this file connects them.

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
mod online;
mod outbox;
mod presence;
mod queries;
mod retry;
mod signin;
mod sleep;
mod stats;
#[cfg(test)]
mod tests;
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
use outbox::Outbox;
pub use queries::User;
use signin::{Signin, UserStatus};
pub use stats::Stats;
use unanswered::Unanswered;

use crate::event::{Diagnostic, Event};
use crate::wire::write;
use crate::{
    AppKey, AuthError, AuthId, AuthResponse, AuthSubject, ChannelKind, ChannelName, ClientEventName, CloseFrame,
    CloseReason, Config, Data, Endpoints, Instant, Text, TriggerError,
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
/// // A driver does what the actions say …
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
    agenda: Agenda,
    connection: Connection,
    activity: Activity,
    channels: Channels,
    authorizations: Authorizations,
    unanswered: Unanswered,
    signin: Signin,
    client_events: ClientEvents,
    outbox: Outbox,
}

/// What the application wants.
impl Client {
    /// Makes a client that does nothing yet. The `seed` decides about delays; draw it at random.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let options = Arc::new(config.options.clone());
        Self {
            agenda: Agenda::default(),
            connection: Connection::new(&config, options.clone(), seed),
            activity: Activity::default(),
            channels: Channels::new(options.clone(), seed.wrapping_add(1)),
            authorizations: Authorizations::new(options.clone(), seed.wrapping_add(3)),
            unanswered: Unanswered::default(),
            signin: Signin::new(&options, seed.wrapping_add(2)),
            client_events: ClientEvents::new(options.clone()),
            outbox: Outbox::new(options.max_pending_events),
            config,
        }
    }

    /// Wants a connection. While the client waits for a retry it tries at once, though not more often than once per
    /// base delay; after a failure it starts anew.
    pub fn connect(&mut self) {
        self.agenda.is_dirty = true;
        self.connection.connect();
    }

    /// Wants no connection. Channels stay wanted and are subscribed again after the next [`connect`](Self::connect).
    pub fn disconnect(&mut self) {
        self.agenda.is_dirty = true;
        self.connection.disconnect();
    }

    /// Wants a channel, on this connection and on all that follow. A failed channel is tried again.
    pub fn subscribe(&mut self, channel: ChannelName) {
        self.agenda.is_dirty = true;
        self.channels.subscribe(channel);
    }

    /// Wants a channel no longer. None of its events is emitted after the next poll.
    pub fn unsubscribe(&mut self, channel: &ChannelName) {
        self.agenda.is_dirty = true;
        self.channels.unsubscribe(channel);
    }

    /// Wants to be signed in, on this connection and on all that follow. The application's server says as whom. A failed
    /// sign-in is tried again. After [`signout`](Self::signout) the client reconnects first, for a connection keeps its
    /// user.
    pub fn signin(&mut self) {
        self.agenda.is_dirty = true;
        self.signin.signin();
    }

    /// Wants to be signed in no longer. The protocol has no word for that: the server forgets the user with the
    /// connection, and until then its events are ignored.
    pub fn signout(&mut self) {
        self.agenda.is_dirty = true;
        self.signin.signout();
    }

    /// Moves to another application or other servers. Channels stay wanted; a connection, or the attempt to make one, is
    /// replaced at once. Endpoints that [`Endpoints::validate`] refuses lead nowhere.
    pub fn switch(&mut self, key: AppKey, endpoints: Endpoints) {
        self.agenda.is_dirty = true;
        self.connection.switch(key, endpoints);
    }

    /// Passes on what the operating system says of the network: a connection is checked, a waiting retry begins.
    pub fn network_changed(&mut self, hint: NetworkHint) {
        self.agenda.is_dirty = true;
        self.agenda.hint = Some(hint);
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
    /// Only the counters show it: the deadline of the handshake covers the whole way to the greeting.
    pub fn handle_open(&mut self, socket: SocketEpoch, now: Instant) {
        self.agenda.advance(now);
        self.outbox.stats.sockets += u64::from(self.connection.socket() == Some(socket));
    }

    /// A WebSocket message arrived.
    pub fn handle_frame(&mut self, socket: SocketEpoch, frame: Frame, now: Instant) {
        // What answers a ping may bring the next deadline nearer: silence may be shorter than the wait for an answer.
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
    /// They are a sign of life: a large message on a slow link takes longer than a pong may. While bytes keep coming, the
    /// deadline of a ping is postponed, for five minutes at most.
    pub fn handle_part(&mut self, socket: SocketEpoch, now: Instant) {
        let now = self.agenda.advance(now);
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
            self.with_connection(now, |connection, outbox| {
                connection.handle_close(reason, is_authorizing, now, outbox);
            });
        }
    }

    /// The application's server answered a request for authorization, or could not be asked.
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

    /// A request for authorization is on its way to `url`, which an error names if the answer does not come in time. Leave out
    /// what must not reach a log, such as a query.
    ///
    /// An unknown `id` changes nothing. Without this call such an error is [`AuthError::Timeout`] alone.
    pub fn note_auth_url(&mut self, id: AuthId, url: impl Into<Text>) {
        self.authorizations.note_url(id, url.into());
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
        let now = self.agenda.advance(now);
        if self.agenda.sleep.handle_wall_clock(wall, now) && self.agenda.hint.is_none() {
            self.network_changed(NetworkHint::Online);
        }
    }

    /// Time has passed: acts on every deadline up to `now`. Hand over what has arrived before.
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
        let Self { channels, authorizations, unanswered, signin, outbox, .. } = self;
        signin.handle_timeout(authorizations, now);
        channels.handle_timeout(authorizations, unanswered, now, outbox);
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
            // Since the last drain there were only events of channels, which leave nothing else to do.
            return self.poll_schedule();
        }
        self.poll_rest(now)
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) has something to do, if nothing else happens before.
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
        ];
        deadlines.into_iter().flatten().min()
    }
}

impl Client {
    /// What comes behind the events.
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

    /// What was triggered before the application left the server goes out first.
    fn poll_farewell(&mut self) -> Option<Action> {
        let socket = self.connection.socket().filter(|_| self.connection.will_leave())?;
        let text = self.outbox.poll_send()?;
        Some(self.send(socket, text))
    }

    fn send(&mut self, socket: SocketEpoch, text: Text) -> Action {
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
            self.channels.leave(self.unanswered.channels(), now, &mut self.outbox);
            self.authorizations.leave(&mut self.outbox);
            self.unanswered.leave();
            self.signin.leave(now, &mut self.outbox);
            self.client_events.leave(&mut self.outbox);
        }
    }

    /// Lets the sign-in change; if it ends, presence channels may wait for it.
    fn with_signin(&mut self, change: impl FnOnce(&mut Signin, &mut Authorizations, &mut Outbox)) {
        let was_pending = self.signin.status() == UserStatus::Pending;
        change(&mut self.signin, &mut self.authorizations, &mut self.outbox);
        let status = self.signin.status();
        if was_pending && status != UserStatus::Pending {
            self.channels.handle_signin_ended(status, &mut self.authorizations, &mut self.outbox);
        }
    }

    /// Passes on what became of a request to the application's server.
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
        let (text, has_auth) = self.channels.poll_subscribe(&mut self.unanswered, now)?;
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
