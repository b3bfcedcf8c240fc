//! The server's side of the protocol: a model of a server, as the same kind of state machine as the client.
//!
//! It behaves like hosted Pusher or like one of the compatible servers (see [`Dialect`]), and is meant for development
//! servers, tests and simulations. It does no IO, reads no clock and has no source of randomness: the same seed and the
//! same inputs give the same actions.
//!
//! 1. Tell it what happened: [`Server::handle_open`], [`Server::handle_frame`], [`Server::handle_close`],
//!    [`Server::handle_loss`], [`Server::handle_timeout`].
//! 2. Make calls of the HTTP API: [`Server::trigger`], [`Server::trigger_batch`], [`Server::channels`],
//!    [`Server::channel`], [`Server::users`], [`Server::terminate_connections`].
//! 3. After each of these, perform what [`Server::poll_action`] returns until it returns `None`.
//! 4. Inject faults: [`Server::close`], [`Server::close_all`], [`Server::set_silent`], [`Server::set_refusal`],
//!    [`Server::refuse_subscriptions`], [`Server::send_error`].

mod admission;
mod api;
mod broadcast;
mod cache;
mod channel;
mod config;
mod connection;
mod deltas;
mod dialect;
mod faults;
mod filter;
mod handshake;
mod message;
mod outbox;
mod presence;
mod recovery;
mod refusal;
mod subscriptions;
mod terms;
#[cfg(test)]
mod tests;
mod timers;
mod users;
mod write;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use core::fmt;

use self::cache::Cache;
use self::channel::{Channel, Count};
use self::connection::{Check, Connection, Sign};
use self::dialect::{Ending, Parting};
use self::handshake::{Denial, Protocol, Request, Version2};
use self::message::Message;
use self::outbox::Outbox;
use self::presence::Absences;
use self::recovery::{Streams, Uuids, reply};
use self::refusal::{Refusal, Then};
use self::timers::{Timer, Timers};
use self::users::Users;
use crate::{ChannelName, CloseFrame, Frame, Instant, SocketId, Text};

pub use self::api::{ApiError, Publication};
pub use self::config::{InvalidServerConfig, ServerConfig, ServerConfigBuilder};
pub use self::dialect::{Dialect, UnknownDialect};
pub use self::recovery::RecoverySupport;
pub use crate::signing::{Attributes, ChannelState, Info};

/// A server for one application.
///
/// Everything that it holds is bounded by its [`ServerConfig`], except the queue of actions, so poll it after every
/// input.
///
/// # Examples
///
/// ```
/// use pusher_proto::server::{Action, ConnectionId, Server, ServerConfig};
/// use pusher_proto::signing::App;
/// use pusher_proto::{Frame, Instant};
///
/// let app = App::new("1", "key", "secret")?;
/// let mut server = Server::new(ServerConfig::new(app), 7);
/// let (client, now) = (ConnectionId::new(1), Instant::ZERO);
///
/// server.handle_open(client, "/app/key?protocol=7", now);
/// let Some(Action::Send(_, text)) = server.poll_action(now) else { panic!() };
/// assert!(text.starts_with(r#"{"event":"pusher:connection_established""#));
///
/// server.handle_frame(client, Frame::Text(r#"{"event":"pusher:ping"}"#.into()), now);
/// let pong = r#"{"event":"pusher:pong","data":"{}"}"#;
/// assert_eq!(server.poll_action(now), Some(Action::Send(client, pong.into())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    random: fastrand::Rng,
    hasher_seed: u64,
    /// Counts the sockets that became connections, so that socket ids are unique.
    established: u64,
    connections: BTreeMap<ConnectionId, Connection>,
    sockets: BTreeMap<SocketId, ConnectionId>,
    /// The channels with subscribers, or with members who may return.
    channels: BTreeMap<ChannelName, Channel>,
    absences: Absences,
    users: Users,
    cache: Cache,
    streams: Streams,
    uuids: Uuids,
    timers: Timers,
    outbox: Outbox,
    refusal: Option<CloseFrame>,
    /// Channels whose subscriptions are refused.
    refused: BTreeSet<ChannelName>,
    now: Instant,
}

/// Identifies a socket. The code that does the IO chooses the number, and never reuses one.
///
/// # Examples
///
/// ```
/// use pusher_proto::server::ConnectionId;
///
/// /// Numbers the sockets of a server.
/// #[derive(Default)]
/// struct Sockets(u64);
///
/// impl Sockets {
///     fn accept(&mut self) -> ConnectionId {
///         self.0 += 1;
///         ConnectionId::new(self.0)
///     }
/// }
///
/// let mut sockets = Sockets::default();
/// assert!(sockets.accept() < sockets.accept());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// Returns the id with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What to do next.
///
/// # Examples
///
/// ```
/// use pusher_proto::server::{Action, ConnectionId, Server, ServerConfig};
/// use pusher_proto::signing::App;
/// use pusher_proto::Instant;
///
/// let mut server = Server::new(ServerConfig::new(App::new("1", "key", "secret")?), 7);
/// server.handle_open(ConnectionId::new(1), "/app/wrong-key?protocol=7", Instant::ZERO);
///
/// while let Some(action) = server.poll_action(Instant::ZERO) {
///     match action {
///         Action::Send(to, text) => println!("{to} > {text}"),
///         Action::Close(to, frame) => println!("{to} is closed with {}: {}", frame.code, frame.reason),
///         Action::Drop(to) => println!("{to} is dropped"),
///         Action::Ping(to) => println!("{to} is pinged"),
///         Action::Schedule(at) => println!("the timer is set to {at:?}"),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this text message.
    Send(ConnectionId, Text),
    /// Send this close frame and end the socket. The server has already forgotten the socket.
    Close(ConnectionId, CloseFrame),
    /// End the socket without a close frame, once everything before has been sent. The server has already forgotten the
    /// socket.
    Drop(ConnectionId),
    /// Send a WebSocket ping.
    Ping(ConnectionId),
    /// Call [`Server::handle_timeout`] at this time. This replaces the previous time.
    Schedule(Instant),
}

impl Server {
    /// Returns a server without connections. `seed` determines its socket ids.
    #[must_use]
    pub fn new(config: ServerConfig, seed: u64) -> Self {
        let options = config.options();
        let cache = Cache::new(options.max_cached_events, options.cache_ttl);
        let streams = Streams::new(options);
        let mut random = fastrand::Rng::with_seed(seed);
        Self {
            config,
            hasher_seed: random.u64(..),
            random,
            established: 0,
            connections: BTreeMap::new(),
            sockets: BTreeMap::new(),
            channels: BTreeMap::new(),
            absences: Absences::default(),
            users: Users::default(),
            cache,
            streams,
            uuids: Uuids::new(seed),
            timers: Timers::default(),
            outbox: Outbox::default(),
            refusal: None,
            refused: BTreeSet::new(),
            now: Instant::ZERO,
        }
    }

    /// A client opened a WebSocket; `target` is the path and query of its request, such as `/app/key?protocol=7`.
    pub fn handle_open(&mut self, connection: ConnectionId, target: &str, now: Instant) {
        self.advance(now);
        self.forget(connection);
        if let Some(frame) = self.refusal.clone() {
            if self.outbox.is_silent() {
                return;
            }
            let ending = self.config.profile().refusal;
            return self.end_with(connection, None, frame, ending);
        }
        let request = match handshake::read(target, self.config.profile()) {
            Ok(request) => request,
            Err(denial) => return self.deny(connection, None, denial),
        };
        match self.admit(&request) {
            Ok(()) => self.establish(connection, request.protocol, request.version_2),
            Err(denial) => self.deny(connection, Some(&request), denial),
        }
    }

    /// A message arrived. Those of sockets that are not connected are ignored.
    pub fn handle_frame(&mut self, connection: ConnectionId, frame: Frame, now: Instant) {
        self.advance(now);
        let Some(known) = self.connections.get_mut(&connection) else { return };
        known.notice(Sign::Received, self.config.profile().watch, self.now);
        let result = match frame {
            Frame::Text(text) => self.handle_text(connection, &text),
            Frame::Binary(_) => Err(Refusal::Binary),
            Frame::Ping | Frame::Pong => {
                known.sends_control_frames = true;
                Ok(())
            }
        };
        if let Err(refusal) = result {
            self.refuse(connection, &refusal);
        }
    }

    /// A socket ended because the client closed it, or for an unknown reason.
    pub fn handle_close(&mut self, connection: ConnectionId, now: Instant) {
        self.advance(now);
        self.forget(connection);
    }

    /// A socket ended without a close frame. On a server that speaks version 2 of Sockudo's protocol, members of presence
    /// channels may then return without being noticed
    /// ([`presence_grace`](ServerConfigBuilder::presence_grace)); otherwise, this is the same as [`Server::handle_close`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use pusher_proto::server::{ConnectionId, Dialect, Server, ServerConfig};
    /// use pusher_proto::signing::App;
    /// use pusher_proto::{ChannelName, Frame, Instant};
    ///
    /// let app = App::new("1", "key", "secret")?;
    /// let config = ServerConfig::new(app.clone()).with_dialect(Dialect::SockudoV2);
    /// let mut server = Server::new(config, 7);
    /// let (alice, room) = (ConnectionId::new(1), ChannelName::new("presence-room")?);
    /// server.handle_open(alice, "/app/key?protocol=2", Instant::ZERO);
    /// # let socket_id = server.connections().next().expect("alice is connected").1.clone();
    /// # let member = r#"{"user_id":"alice"}"#;
    /// # let auth = app.authorize_channel_with_data(&socket_id, &room, member)?;
    /// # let data = format!(r#"{{"channel":"presence-room","auth":"{}","channel_data":"{}"}}"#, auth.auth.expose(), member.replace('"', "\\\""));
    /// # let subscribe = format!(r#"{{"event":"sockudo:subscribe","data":{data}}}"#);
    /// # server.handle_frame(alice, Frame::Text(subscribe.into()), Instant::ZERO);
    /// // Alice subscribes the channel, and then her connection is lost.
    /// assert_eq!(server.users(&room)?, ["alice"]);
    ///
    /// server.handle_loss(alice, Instant::ZERO);
    /// assert_eq!(server.users(&room)?, ["alice"]);
    /// server.handle_timeout(Instant::ZERO + Duration::from_secs(15));
    /// assert!(server.users(&room)?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle_loss(&mut self, connection: ConnectionId, now: Instant) {
        self.advance(now);
        self.lose(connection);
    }

    /// The time of the last [`Action::Schedule`] has come. First pass on what the sockets have received.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.timers.wake(self.now);
        for timer in self.timers.take_due(self.now) {
            match timer {
                Timer::Liveness(connection) => self.check_liveness(connection),
                Timer::Authorization(connection) => self.check_authorization(connection),
                Timer::Absence(channel, user) => self.absence_ended(&channel, &user),
                Timer::Count(channel) => {
                    let count = self.channels.get_mut(&channel).map(|channel| channel.pace_ended(self.now));
                    self.tell_count(&channel, count.unwrap_or(Count::Keep));
                }
            }
        }
    }

    /// Returns the next thing to do, or `None` until the next input or deadline.
    pub fn poll_action(&mut self, now: Instant) -> Option<Action> {
        self.advance(now);
        self.outbox.take().or_else(|| self.timers.announce().map(Action::Schedule))
    }

    /// Returns the time at which [`Server::handle_timeout`] must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Returns the configuration.
    #[must_use]
    pub fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// Returns the sockets that are connected, and their ids.
    pub fn connections(&self) -> impl ExactSizeIterator<Item = (ConnectionId, &SocketId)> {
        self.connections.iter().map(|(id, connection)| (*id, &connection.socket_id))
    }

    /// Returns the channels that a connection is subscribed to; none if it is not connected.
    pub fn subscriptions(&self, connection: ConnectionId) -> impl Iterator<Item = &ChannelName> {
        self.connections.get(&connection).into_iter().flat_map(|connection| &connection.channels)
    }

    /// Returns who is signed in on a connection.
    #[must_use]
    pub fn user(&self, connection: ConnectionId) -> Option<&str> {
        let user = self.connections.get(&connection)?.user.as_ref()?;
        Some(&user.member.id)
    }

    /// Whether a connection is subscribed to a channel.
    #[must_use]
    pub fn is_subscribed(&self, connection: ConnectionId, channel: &ChannelName) -> bool {
        self.connections.get(&connection).is_some_and(|connection| connection.channels.contains(channel))
    }

    /// If `now` runs backwards, the latest value seen is used.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn admit(&self, request: &Request) -> Result<(), Denial> {
        let options = self.config.options();
        if request.key != self.config.app().key().as_str() {
            return Err(Denial::NoApplication);
        }
        if !options.enabled {
            return Err(Denial::Disabled);
        }
        if self.connections.len() >= options.capacity {
            return Err(Denial::OverCapacity);
        }
        if self.connections.len() >= options.connection_quota {
            return Err(Denial::OverQuota);
        }
        Ok(())
    }

    /// Refuses a socket that does not become a connection. A server that hangs does not even do that.
    fn deny(&mut self, id: ConnectionId, request: Option<&Request>, denial: Denial) {
        if self.outbox.is_silent() {
            return;
        }
        let profile = self.config.profile();
        let (frame, ending) = (profile.deny)(denial, request.map_or("", |request| &request.key));
        let protocol = request.map(|request| request.protocol);
        if let Some(protocol) = protocol.filter(|_| profile.greets.contains(&denial)) {
            self.establish(id, protocol, request.and_then(|request| request.version_2));
        }
        self.end_with(id, protocol, frame, ending);
    }

    fn end(&mut self, id: ConnectionId, frame: CloseFrame, ending: Ending) {
        let protocol = self.connections.get(&id).map(|connection| connection.protocol);
        self.end_with(id, protocol, frame, ending);
    }

    fn end_with(&mut self, id: ConnectionId, protocol: Option<Protocol>, frame: CloseFrame, ending: Ending) {
        self.forget(id);
        if ending.says_error || protocol.is_some_and(Protocol::has_error_before_close) {
            self.outbox.send(id, self.config.profile().closing(&frame));
        }
        match ending.parting {
            Parting::Frame => self.outbox.close(id, frame),
            Parting::Code => self.outbox.close(id, CloseFrame { reason: Text::default(), ..frame }),
            Parting::Normal => self.outbox.close(id, CloseFrame::NORMAL),
            Parting::Drop => self.outbox.drop(id),
            Parting::Stay => {}
        }
    }

    /// Reacts to a message that has no effect, as the dialect does.
    fn refuse(&mut self, id: ConnectionId, refusal: &Refusal) {
        if self.outbox.is_silent() {
            return;
        }
        let profile = self.config.profile();
        let answer = (profile.refuse)(refusal);
        if let Some(text) = profile.says(&answer.says) {
            self.send(id, text);
        }
        match answer.then {
            Then::Stay => {}
            Then::Close(frame) => {
                self.forget(id);
                self.outbox.close(id, frame);
            }
            Then::Drop => {
                self.forget(id);
                self.outbox.drop(id);
            }
            Then::Crash => self.crash(),
        }
    }

    /// Ends and starts again, without sending anything.
    fn crash(&mut self) {
        self.channels.clear();
        self.absences = Absences::default();
        self.users = Users::default();
        while let Some((&id, _)) = self.connections.first_key_value() {
            self.forget(id);
            self.outbox.drop(id);
        }
    }

    fn send(&mut self, id: ConnectionId, text: Text) {
        let is_version_2 = self.connections.get(&id).is_some_and(|connection| connection.version_2.is_some());
        let text = if is_version_2 { reply(&text, &mut self.uuids) } else { text };
        self.send_as_is(id, text);
    }

    /// Sends a frame that is already in the version of the connection.
    fn send_as_is(&mut self, id: ConnectionId, text: Text) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.notice(Sign::Sent, self.config.profile().watch, self.now);
        }
        self.outbox.send(id, text);
    }

    fn establish(&mut self, id: ConnectionId, protocol: Protocol, version_2: Option<Version2>) {
        self.established += 1;
        let socket_id = format!("{}.{}", self.random.u32(100_000..1_000_000), self.established);
        let socket_id = SocketId::new(socket_id).expect("two numbers make a socket id");
        let timeout = self.config.options().activity_timeout.as_secs();
        let greeting = self.config.profile().established(&socket_id, protocol, timeout);
        let greeting = if version_2.is_some() { reply(&greeting, &mut self.uuids) } else { greeting };
        self.outbox.send(id, greeting);
        let connection = Connection::new(socket_id.clone(), protocol, version_2, &self.config, self.now);
        if let Some(at) = connection.check_at {
            self.timers.arm(at, Timer::Liveness(id));
        }
        if let Some(at) = connection.authorize_until {
            self.timers.arm(at, Timer::Authorization(id));
        }
        self.sockets.insert(socket_id, id);
        self.connections.insert(id, connection);
    }

    /// Removes a connection, its subscriptions and its user.
    fn forget(&mut self, id: ConnectionId) {
        let Some(connection) = self.remove(id) else { return };
        for channel in &connection.channels {
            self.leave(id, channel);
        }
        if let Some(user) = &connection.user {
            self.user_left(id, user);
        }
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        if let Some(at) = connection.check_at {
            self.timers.disarm(at, Timer::Liveness(id));
        }
        if let Some(at) = connection.authorize_until {
            self.timers.disarm(at, Timer::Authorization(id));
        }
        self.sockets.remove(&connection.socket_id);
        Some(connection)
    }

    fn check_liveness(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if self.outbox.is_silent() {
            connection.excuse(self.now);
        }
        let Some(check) = connection.check(&self.config, self.now) else { return };
        match check {
            Check::LookAgain(at) => self.timers.arm(at, Timer::Liveness(id)),
            Check::Ping(at) => {
                self.timers.arm(at, Timer::Liveness(id));
                let profile = self.config.profile();
                let by_control_frame = profile.wire.pings_by_control_frame && connection.sends_control_frames;
                if by_control_frame || connection.version_2.is_some() {
                    self.outbox.ping(id);
                } else {
                    self.send(id, profile.ping());
                }
            }
            Check::End => {
                let frame = CloseFrame { code: 4201, reason: Text::from_static("Pong reply not received in time") };
                let stale = self.config.profile().stale;
                // In version 2, this is the only close without an error before it.
                let says_error = stale.says_error && connection.version_2.is_none();
                let (protocol, ending) = (Some(connection.protocol), Ending { says_error, ..stale });
                // No close frame has arrived, so its members may return.
                self.lose(id);
                self.end_with(id, protocol, frame, ending);
            }
        }
    }

    fn check_authorization(&mut self, id: ConnectionId) {
        let Some(ending) = self.config.profile().unauthorized else { return };
        if self.connections.get(&id).is_none_or(Connection::is_authorized) || self.outbox.is_silent() {
            return;
        }
        let frame = CloseFrame { code: 4009, reason: Text::from_static("Connection not authorized within timeout") };
        self.end(id, frame, ending);
    }

    fn handle_text(&mut self, connection: ConnectionId, text: &str) -> Result<(), Refusal> {
        let max = self.config.max_message_len();
        if text.len() > max {
            return Err(Refusal::MessageTooLarge { len: text.len(), max });
        }
        match message::read(text, self.config.profile().has_version_2)? {
            Message::Ping => self.send(connection, self.config.profile().pong()),
            Message::Pong => {}
            Message::Subscribe(request) => self.subscribe(connection, &request)?,
            Message::Unsubscribe(request) => self.unsubscribe(connection, &request)?,
            Message::SignIn(request) => self.sign_in(connection, &request)?,
            Message::ClientEvent(event) => self.forward(connection, &event)?,
            Message::Resume(data) => self.resume(connection, data),
            Message::PresenceUpdate(data) => self.update_presence(connection, data),
            Message::EnableDeltas => self.enable_deltas(connection),
            Message::DeltaError(channel) => self.handle_delta_error(connection, &channel),
        }
        Ok(())
    }
}
