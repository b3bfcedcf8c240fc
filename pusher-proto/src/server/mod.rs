//! The other side of the protocol: a model of a server, as the same kind of machine as the client.
//!
//! It speaks as hosted Pusher does and is meant for development servers, tests and simulations. It does no IO, reads no
//! clock and draws no random number of its own: the same seed and the same inputs give the same actions.
//!
//! 1. Tell it what happened: [`Server::handle_open`], [`Server::handle_frame`], [`Server::handle_close`],
//!    [`Server::handle_timeout`].
//! 2. Call the HTTP API's verbs: [`Server::trigger`], [`Server::trigger_batch`], [`Server::channels`],
//!    [`Server::channel`], [`Server::users`].
//! 3. After each of them do what [`Server::poll_action`] says until it says nothing.
//! 4. Make trouble: [`Server::close_all`], [`Server::set_silent`], [`Server::set_refusal`].

mod admission;
mod api;
mod cache;
mod channel;
mod config;
mod connection;
mod handshake;
mod message;
mod outbox;
mod refusal;
#[cfg(test)]
mod tests;
mod timers;

use alloc::collections::BTreeMap;
use alloc::format;
use core::fmt;

use self::cache::Cache;
use self::channel::{Channel, Count};
use self::connection::{Check, Connection};
use self::handshake::{Denial, Protocol, Request};
use self::message::{ClientEvent, Message, Subscribe, Unsubscribe};
use self::outbox::Outbox;
use self::refusal::Refusal;
use self::timers::{Timer, Timers};
use crate::{ChannelKind, ChannelName, ClientEventName, CloseFrame, Frame, Instant, SocketId, Text};

pub use self::api::{ApiError, Attributes, ChannelState, Info, Publication};
pub use self::config::{InvalidServerConfig, ServerConfig, ServerConfigBuilder};

/// A server for one application.
///
/// Everything that it holds is bounded by its [`ServerConfig`], except the queue of actions: poll it after every input.
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
    /// Counts the sockets that became connections, so that no socket id comes twice.
    established: u64,
    connections: BTreeMap<ConnectionId, Connection>,
    sockets: BTreeMap<SocketId, ConnectionId>,
    /// The channels that somebody is subscribed to.
    channels: BTreeMap<ChannelName, Channel>,
    cache: Cache,
    timers: Timers,
    outbox: Outbox,
    refusal: Option<CloseFrame>,
    now: Instant,
}

/// Names one socket. Whoever does the IO chooses it, and never twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// Takes a number.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this text message.
    Send(ConnectionId, Text),
    /// Send this close frame and end the socket. The server has forgotten it already.
    Close(ConnectionId, CloseFrame),
    /// Call [`Server::handle_timeout`] at this time. Replaces the time that was given before.
    Schedule(Instant),
}

impl Server {
    /// Starts a server without connections. `seed` decides its socket ids.
    #[must_use]
    pub fn new(config: ServerConfig, seed: u64) -> Self {
        let options = config.options();
        let cache = Cache::new(options.max_cached_events, options.cache_ttl);
        let mut random = fastrand::Rng::with_seed(seed);
        Self {
            config,
            hasher_seed: random.u64(..),
            random,
            established: 0,
            connections: BTreeMap::new(),
            sockets: BTreeMap::new(),
            channels: BTreeMap::new(),
            cache,
            timers: Timers::default(),
            outbox: Outbox::default(),
            refusal: None,
            now: Instant::ZERO,
        }
    }

    /// A client opened a WebSocket; `target` is path and query of its request, such as `/app/key?protocol=7`.
    pub fn handle_open(&mut self, connection: ConnectionId, target: &str, now: Instant) {
        self.advance(now);
        self.forget(connection);
        if let Some(frame) = self.refusal.clone() {
            return self.outbox.close(connection, frame);
        }
        let request = match handshake::read(target) {
            Ok(request) => request,
            Err(denial) => return self.deny(connection, None, denial),
        };
        match self.admit(&request) {
            Ok(()) => self.establish(connection, request.protocol),
            Err(denial) => self.deny(connection, Some(request.protocol), denial),
        }
    }

    /// A message arrived. Those of sockets that are not connected are ignored.
    pub fn handle_frame(&mut self, connection: ConnectionId, frame: Frame, now: Instant) {
        self.advance(now);
        let Some(known) = self.connections.get_mut(&connection) else { return };
        known.handle_activity(self.now);
        let result = match frame {
            Frame::Text(text) => self.handle_text(connection, &text),
            Frame::Binary(_) => Err(Refusal::Binary),
            Frame::Ping => Ok(()),
            Frame::Pong => Ok(()),
        };
        if let Err(refusal) = result {
            self.outbox.send(connection, message::refusal(&refusal));
        }
    }

    /// A socket ended, in whatever way.
    pub fn handle_close(&mut self, connection: ConnectionId, now: Instant) {
        self.advance(now);
        self.forget(connection);
    }

    /// The time of the last [`Action::Schedule`] has come. Hand over first what the sockets have received.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.timers.wake(self.now);
        for timer in self.timers.take_due(self.now) {
            match timer {
                Timer::Liveness(connection) => self.check_liveness(connection),
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

    /// Closes every connection with `frame`.
    pub fn close_all(&mut self, frame: &CloseFrame, now: Instant) {
        self.advance(now);
        while let Some((&id, connection)) = self.connections.first_key_value() {
            let protocol = connection.protocol;
            self.end(id, Some(protocol), frame.clone());
        }
    }

    /// While silent, the server goes on taking input and sends nothing, as a process that hangs: no answers, no events,
    /// no pings, and it closes no socket by itself. What would have been sent is lost.
    pub fn set_silent(&mut self, silent: bool) {
        self.outbox.set_silent(silent);
    }

    /// While set, every new socket is closed with this frame.
    pub fn set_refusal(&mut self, frame: Option<CloseFrame>) {
        self.refusal = frame;
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

    /// Closes a socket that does not become a connection; one that hangs does not even do that.
    fn deny(&mut self, id: ConnectionId, protocol: Option<Protocol>, denial: Denial) {
        if !self.outbox.is_silent() {
            self.end(id, protocol, denial.frame());
        }
    }

    fn end(&mut self, id: ConnectionId, protocol: Option<Protocol>, frame: CloseFrame) {
        self.forget(id);
        if protocol.is_some_and(Protocol::has_error_before_close) {
            self.outbox.send(id, message::closing(&frame));
        }
        self.outbox.close(id, frame);
    }

    fn establish(&mut self, id: ConnectionId, protocol: Protocol) {
        self.established += 1;
        let socket_id = format!("{}.{}", self.random.u32(100_000..1_000_000), self.established);
        let socket_id = SocketId::new(socket_id).expect("two numbers make a socket id");
        let options = self.config.options();
        let timeout = options.activity_timeout.as_secs();
        self.outbox.send(id, message::established(&socket_id, protocol, timeout));
        let connection = Connection::new(socket_id.clone(), protocol, options, self.now);
        self.timers.arm(connection.check_at, Timer::Liveness(id));
        self.sockets.insert(socket_id, id);
        self.connections.insert(id, connection);
    }

    fn forget(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        self.timers.disarm(connection.check_at, Timer::Liveness(id));
        self.sockets.remove(&connection.socket_id);
        for channel in &connection.channels {
            self.leave(id, channel);
        }
    }

    fn check_liveness(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if self.outbox.is_silent() {
            connection.handle_activity(self.now);
        }
        match connection.check(self.config.options(), self.now) {
            Check::LookAgain(at) => self.timers.arm(at, Timer::Liveness(id)),
            Check::PingAndLookAgain(at) => {
                self.outbox.send(id, message::ping());
                self.timers.arm(at, Timer::Liveness(id));
            }
            Check::Close => {
                let protocol = connection.protocol;
                let frame = CloseFrame { code: 4201, reason: Text::from_static("Pong reply not received in time") };
                self.end(id, Some(protocol), frame);
            }
        }
    }

    fn handle_text(&mut self, connection: ConnectionId, text: &str) -> Result<(), Refusal> {
        let max = self.config.max_message_len();
        if text.len() > max {
            return Err(Refusal::MessageTooLarge { len: text.len(), max });
        }
        match message::read(text)? {
            Message::Ping => self.outbox.send(connection, message::pong()),
            Message::Pong => {}
            Message::Subscribe(request) => self.subscribe(connection, &request)?,
            Message::Unsubscribe(request) => self.unsubscribe(connection, &request)?,
            Message::ClientEvent(event) => self.forward(connection, &event)?,
        }
        Ok(())
    }

    fn subscribe(&mut self, id: ConnectionId, request: &Subscribe) -> Result<(), Refusal> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let options = self.config.options();
        let name = admission::channel_name(&request.channel, options)?;
        if connection.channels.contains(&name) {
            return Err(Refusal::AlreadySubscribed(name));
        }
        if connection.channels.len() >= options.max_subscriptions {
            return Err(Refusal::TooManySubscriptions { channel: name, max: options.max_subscriptions });
        }
        admission::check_auth(self.config.app(), &connection.socket_id, &name, request)?;
        let member = admission::member(&name, request)?;
        if let Some(member) = &member {
            let max = options.max_members;
            let room = match self.channels.get(&name) {
                None => max > 0,
                Some(channel) => channel.has_room_for(member, max),
            };
            if !room {
                return Err(Refusal::ChannelFull { channel: name, max });
            }
        }
        connection.channels.insert(name.clone());
        let channel = self.channels.entry(name.clone()).or_insert_with(|| Channel::new(self.hasher_seed));
        let is_new_user = channel.join(id, member.clone());
        let data = match member {
            None => "{}".into(),
            Some(_) => channel.presence_json(),
        };
        self.outbox.send(id, message::subscription_succeeded(&name, &data));
        if let Some(member) = member.filter(|_| is_new_user) {
            let frame = message::member_added(&name, &member.id, member.info.as_deref());
            self.broadcast(&name, &frame, Some(id));
        }
        if name.is_cache() {
            let cached = self.cache.get(&name, self.now).cloned();
            self.outbox.send(id, cached.unwrap_or_else(|| message::cache_miss(&name)));
        }
        self.count_changed(&name);
        Ok(())
    }

    fn unsubscribe(&mut self, id: ConnectionId, request: &Unsubscribe) -> Result<(), Refusal> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let name = admission::channel_name(&request.channel, self.config.options())?;
        if !connection.channels.remove(&name) {
            return Err(Refusal::NotSubscribed(name));
        }
        self.leave(id, &name);
        Ok(())
    }

    fn leave(&mut self, id: ConnectionId, name: &ChannelName) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        let gone = channel.leave(id);
        if channel.is_empty() {
            self.channels.remove(name);
            return;
        }
        if let Some(user_id) = gone {
            self.broadcast(name, &message::member_removed(name, &user_id), None);
        }
        self.count_changed(name);
    }

    /// Sends a client event to the other subscribers. Cache channels do not keep it.
    fn forward(&mut self, id: ConnectionId, event: &ClientEvent<'_>) -> Result<(), Refusal> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let options = self.config.options();
        if !options.client_events {
            return Err(Refusal::ClientEventsDisabled);
        }
        if !connection.take_client_event(options, self.now) {
            return Err(Refusal::ClientEventRate);
        }
        ClientEventName::new(event.event.as_ref()).map_err(Refusal::ClientEventName)?;
        let name = admission::channel_name(&event.channel, options)?;
        match name.kind() {
            ChannelKind::Public => return Err(Refusal::ClientEventOnPublicChannel),
            // The protocol does not prohibit them; clients just have no way to encrypt.
            ChannelKind::PrivateEncrypted | ChannelKind::Private | ChannelKind::Presence => {}
        }
        if !connection.channels.contains(&name) {
            return Err(Refusal::ClientEventNotSubscribed);
        }
        if event.data.len() > options.max_event_len {
            return Err(Refusal::ClientEventTooLarge { max: options.max_event_len });
        }
        let user_id = self.channels.get(&name).and_then(|channel| channel.user_of(id));
        let frame = message::client_event(event, user_id.map(Text::as_str));
        self.broadcast(&name, &frame, Some(id));
        Ok(())
    }

    fn broadcast(&mut self, name: &ChannelName, frame: &Text, except: Option<ConnectionId>) {
        let Some(channel) = self.channels.get(name) else { return };
        for subscriber in channel.subscribers().filter(|subscriber| Some(*subscriber) != except) {
            self.outbox.send(subscriber, frame.clone());
        }
    }

    fn count_changed(&mut self, name: &ChannelName) {
        let counts = self.config.options().subscription_counts && name.kind() != ChannelKind::Presence;
        let Some(channel) = self.channels.get_mut(name).filter(|_| counts) else { return };
        let count = channel.count_changed(self.now);
        self.tell_count(name, count);
    }

    fn tell_count(&mut self, name: &ChannelName, count: Count) {
        match count {
            Count::Keep => return,
            Count::Tell => {}
            Count::TellAndPace(until) => self.timers.arm(until, Timer::Count(name.clone())),
        }
        let count = self.channels.get(name).map_or(0, |channel| channel.subscribers().len());
        self.broadcast(name, &message::subscription_count(name, count), None);
    }
}
