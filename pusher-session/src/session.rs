//! The machine of both: the core and its WebSockets.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use pusher_proto::{
    AppKey, AuthError, AuthId, AuthRequest, AuthResponse, ChannelName, Client, ClientEventName, CloseFrame,
    CloseReason, Config, ConnectRequest, Data, Endpoints, Event, Instant, NetworkHint, SocketEpoch, Text, TriggerError,
};
use pusher_websocket::Limits;

use crate::adapter::limits;
use crate::link::{Input, Link};
use crate::random::{Random, SEED_LEN};

/// A Pusher Channels client without IO: bytes, answers of the application's server and time go in, actions and bytes come out.
///
/// Four kinds of methods:
///
/// 1. What the application wants: [`connect`](Self::connect), [`subscribe`](Self::subscribe) and their like. They take effect at
///    the next [`poll_action`](Self::poll_action).
/// 2. What happened: `handle_*`. They never fail, and an unknown or closed socket is ignored.
/// 3. What to do next: [`poll_action`](Self::poll_action) until it returns `None`, then [`poll_output`](Self::poll_output) for
///    every stream, then wait, at most until [`poll_timeout`](Self::poll_timeout).
/// 4. What is true now: [`client`](Self::client), which is the core.
///
/// The [crate's documentation](crate) has the loop.
///
/// # Examples
///
/// ```
/// use pusher_session::pusher_proto::{ChannelName, Config, Instant};
/// use pusher_session::{Action, Session};
///
/// let config = Config::new("app-key", "ws://127.0.0.1:6001")?;
/// // The seed of a real client is random.
/// let mut session = Session::new(config, [7; 32]);
/// session.connect();
/// session.subscribe(ChannelName::new("news")?);
///
/// let mut opened = None;
/// while let Some(action) = session.poll_action(Instant::ZERO) {
///     if let Action::Connect(socket, request) = action {
///         assert_eq!(request.authority(), "127.0.0.1:6001");
///         opened = Some(socket);
///     }
/// }
/// let socket = opened.expect("a client that connects opens a stream");
/// assert!(session.poll_output(socket).starts_with(b"GET /app/app-key?protocol=7&"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Session {
    core: Client,
    random: Random,
    limits: Limits,
    close_timeout: Duration,
    /// The latest time that an input carried.
    now: Instant,
    /// The socket in use.
    link: Option<(SocketEpoch, Link)>,
    /// Sockets that are not used any more, on their way out.
    closing: Vec<Closing>,
    /// Sockets whose streams are to be dropped.
    over: VecDeque<SocketEpoch>,
    /// When the core has something to do.
    wake_at: Option<Instant>,
}

struct Closing {
    socket: SocketEpoch,
    link: Link,
    until: Instant,
}

/// What to do next, from [`Session::poll_action`].
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Open a stream to [`host`](ConnectRequest::host) and [`port`](ConnectRequest::port), with TLS if
    /// [`tls`](ConnectRequest::tls) says so. Once it is open, write its [output](Session::poll_output) and read. If it cannot be
    /// opened, say so by [`handle_end`](Session::handle_end).
    ///
    /// An earlier stream may still be saying goodbye. A runtime that has only one stream at a time drops the earlier one.
    Connect(SocketEpoch, ConnectRequest),
    /// Drop the stream, or the attempt to open it. It comes once for every [`Connect`](Self::Connect), also after
    /// [`handle_end`](Session::handle_end).
    Close(SocketEpoch),
    /// Ask the application's server: post [`AuthRequest::body`] to its auth endpoint, and answer with
    /// [`handle_auth`](Session::handle_auth).
    RequestAuth(AuthRequest),
    /// This authorization is not waited for any more. An answer to it has no effect.
    CancelAuth(AuthId),
    /// Tell the application. A message of the server's is a slice of the buffer that is read into: before an event is kept, or
    /// sent to another thread, take it [`detached`](Event::detached).
    Emit(Event),
}

/// What the application wants.
impl Session {
    /// Makes a client that does nothing yet. `seed` is 32 bytes from a strong source of randomness, such as the operating
    /// system's, and secret: WebSocket keys, masks and delays come from it. The same seed and inputs give the same outputs to
    /// the byte.
    #[must_use]
    pub fn new(config: Config, seed: [u8; SEED_LEN]) -> Self {
        let mut random = Random::new(seed);
        let limits = limits(&config);
        Self {
            core: Client::new(config, u64::from_le_bytes(random.draw())),
            random,
            limits,
            close_timeout: CLOSE_TIMEOUT,
            now: Instant::ZERO,
            link: None,
            closing: Vec::new(),
            over: VecDeque::new(),
            wake_at: None,
        }
    }

    /// Sets how long a socket may take to close, 5 s unless set: to send what waits, and to receive the server's close frame.
    #[must_use]
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// Wants a connection, as [`Client::connect`].
    pub fn connect(&mut self) {
        self.core.connect();
    }

    /// Wants no connection, as [`Client::disconnect`]. The client has said goodbye when [`has_streams`](Self::has_streams)
    /// returns false.
    pub fn disconnect(&mut self) {
        self.core.disconnect();
    }

    /// Wants a channel, as [`Client::subscribe`].
    pub fn subscribe(&mut self, channel: ChannelName) {
        self.core.subscribe(channel);
    }

    /// Wants a channel no longer, as [`Client::unsubscribe`].
    pub fn unsubscribe(&mut self, channel: &ChannelName) {
        self.core.unsubscribe(channel);
    }

    /// Wants to be signed in, as [`Client::signin`].
    pub fn signin(&mut self) {
        self.core.signin();
    }

    /// Wants to be signed in no longer, as [`Client::signout`].
    pub fn signout(&mut self) {
        self.core.signout();
    }

    /// Moves to another application or other servers, as [`Client::switch`].
    pub fn switch(&mut self, key: AppKey, endpoints: Endpoints) {
        self.core.switch(key, endpoints);
    }

    /// Passes on what the operating system says of the network, as [`Client::network_changed`].
    pub fn network_changed(&mut self, hint: NetworkHint) {
        self.core.network_changed(hint);
    }

    /// Sends a client event, as [`Client::trigger`].
    ///
    /// # Errors
    ///
    /// When it cannot be sent now, see [`TriggerError`].
    pub fn trigger(
        &mut self,
        channel: &ChannelName,
        event: &ClientEventName,
        data: &Data,
        now: Instant,
    ) -> Result<(), TriggerError> {
        self.core.trigger(channel, event, data, now)
    }
}

/// What happened.
impl Session {
    /// Returns room to read into, 1 to 64 KiB; empty if the socket is closed.
    ///
    /// Take all [actions](Self::poll_action) before the next read, and drop the events or keep them [`detached`](Event::detached): the same
    /// memory is read into again then, and otherwise more is allocated.
    pub fn read_buffer(&mut self, socket: SocketEpoch) -> &mut [u8] {
        self.link(socket).map_or_else(Default::default, Link::read_buffer)
    }

    /// The first `len` bytes of the [read buffer](Self::read_buffer) have been read from the stream.
    ///
    /// Not for the end of a stream, which many systems report as a read of 0 bytes: [`handle_end`](Self::handle_end) is.
    pub fn handle_read(&mut self, socket: SocketEpoch, len: usize) {
        if let Some(link) = self.link(socket) {
            link.handle_read(len);
        }
    }

    /// These bytes have been read from the stream: [`read_buffer`](Self::read_buffer) and [`handle_read`](Self::handle_read) for
    /// bytes that are somewhere else, which are copied.
    pub fn handle_bytes(&mut self, socket: SocketEpoch, mut bytes: &[u8]) {
        let Some(link) = self.link(socket) else { return };
        while !bytes.is_empty() {
            let room = link.read_buffer();
            let len = room.len().min(bytes.len());
            if len == 0 {
                return;
            }
            let (now, rest) = bytes.split_at(len);
            room[..len].copy_from_slice(now);
            link.handle_read(len);
            bytes = rest;
        }
    }

    /// The stream has taken the first `len` bytes of the [output](Self::poll_output).
    pub fn handle_written(&mut self, socket: SocketEpoch, len: usize) {
        if let Some(link) = self.link(socket) {
            link.handle_written(len);
        }
    }

    /// The stream ended, failed, or could not be opened. What was read before still counts.
    ///
    /// The reason is [`CloseReason::Dropped`] for a stream that ended or was reset, [`CloseReason::Failed`] for other failures,
    /// and [`CloseReason::TlsUnavailable`] if TLS was asked for and there is none. With the feature `std`,
    /// `close_reason` finds it for an error of a stream. During the upgrade, `Dropped` becomes what the server has said until
    /// then, so read what there is before you report that writing failed.
    pub fn handle_end(&mut self, socket: SocketEpoch, reason: CloseReason) {
        if let Some(link) = self.link(socket) {
            link.handle_end(reason);
        }
    }

    /// The application's server answered a request for authorization, or could not be asked, as [`Client::handle_auth`].
    pub fn handle_auth(&mut self, id: AuthId, answer: Result<AuthResponse, AuthError>, now: Instant) {
        self.core.handle_auth(id, answer, now);
    }

    /// A request for authorization is on its way to `url`, as [`Client::note_auth_url`].
    pub fn note_auth_url(&mut self, id: AuthId, url: impl Into<Text>) {
        self.core.note_auth_url(id, url);
    }

    /// The wall clock says `wall`, as [`Client::handle_wall_clock`]: without this call, a machine that slept may take minutes to
    /// notice that its connection is dead.
    pub fn handle_wall_clock(&mut self, wall: Duration, now: Instant) {
        self.core.handle_wall_clock(wall, now);
    }
}

/// What to do next.
impl Session {
    /// Returns the next thing to do, or `None` until something happens or [`poll_timeout`](Self::poll_timeout) comes.
    ///
    /// One call handles at most one message that was read, in the order of their arrival, so that what the application wants
    /// because of an event counts for the next message. Deadlines up to `now` are handled last: a message that was read
    /// counts before the deadline that waits for it.
    ///
    /// `now` comes from a monotonic clock of any origin. If it runs backwards, the latest value seen is used.
    pub fn poll_action(&mut self, now: Instant) -> Option<Action> {
        self.now = self.now.max(now);
        let now = self.now;
        loop {
            if let Some(socket) = self.over.pop_front() {
                return Some(Action::Close(socket));
            }
            if let Some(action) = self.core.poll_action(now) {
                if let Some(action) = self.take(action) {
                    return Some(action);
                }
            } else if !self.advance() && !self.end_closing() && !self.wake() {
                return None;
            }
        }
    }

    /// Returns the bytes to write next, empty if nothing waits or the socket is closed. A stream that is being opened has its
    /// upgrade request.
    pub fn poll_output(&mut self, socket: SocketEpoch) -> &[u8] {
        self.link(socket).map_or_else(Default::default, Link::poll_output)
    }

    /// Returns when [`poll_action`](Self::poll_action) has something to do, if nothing else happens before. It is known after
    /// all actions have been taken.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.closing.iter().map(|closing| closing.until).chain(self.wake_at).min()
    }
}

/// What is true now.
impl Session {
    /// Returns the core, for what it knows: [`Client::state`], [`Client::channel`] and their like.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.core
    }

    /// Whether a stream is open, being opened, or not yet dropped. The last one goes some time after
    /// [`disconnect`](Self::disconnect), at most the [close timeout](Self::close_timeout).
    #[must_use]
    pub fn has_streams(&self) -> bool {
        self.link.is_some() || !self.closing.is_empty() || !self.over.is_empty()
    }
}

impl Session {
    fn link(&mut self, socket: SocketEpoch) -> Option<&mut Link> {
        match &mut self.link {
            Some((current, link)) if *current == socket => Some(link),
            Some(_) | None => {
                self.closing.iter_mut().find(|closing| closing.socket == socket).map(|closing| &mut closing.link)
            }
        }
    }

    /// Does what the core wants done inside, and returns what is to be done outside.
    fn take(&mut self, action: pusher_proto::Action) -> Option<Action> {
        match action {
            pusher_proto::Action::Connect(socket, request) => {
                self.link = Some((socket, Link::new(&request, self.limits, self.random.fork())));
                Some(Action::Connect(socket, request))
            }
            pusher_proto::Action::Send(socket, text) => {
                let (_, link) = self.link.as_mut().filter(|(current, _)| *current == socket)?;
                if let Err(reason) = link.send(&text) {
                    self.link = None;
                    self.over.push_back(socket);
                    self.core.handle_close(socket, reason, self.now);
                }
                None
            }
            pusher_proto::Action::Close(socket, frame) => {
                self.close(socket, &frame);
                None
            }
            pusher_proto::Action::Schedule(at) => {
                self.wake_at = Some(at);
                None
            }
            pusher_proto::Action::RequestAuth(request) => Some(Action::RequestAuth(request)),
            pusher_proto::Action::CancelAuth(id) => Some(Action::CancelAuth(id)),
            pusher_proto::Action::Emit(event) => Some(Action::Emit(event)),
        }
    }

    fn close(&mut self, socket: SocketEpoch, frame: &CloseFrame) {
        if let Some((socket, mut link)) = self.link.take_if(|(current, _)| *current == socket) {
            link.close(frame);
            self.retire(socket, link);
        }
    }

    /// Lets a socket end by itself, if that may take a while.
    fn retire(&mut self, socket: SocketEpoch, link: Link) {
        if !link.can_linger() {
            return self.over.push_back(socket);
        }
        if self.closing.len() >= MAX_CLOSING {
            self.over.push_back(self.closing.remove(0).socket);
        }
        self.closing.push(Closing { socket, link, until: self.now + self.close_timeout });
    }

    /// Hands the next of what was read to the core. Returns whether there was something.
    fn advance(&mut self) -> bool {
        let Some((socket, link)) = &mut self.link else { return false };
        let (socket, now) = (*socket, self.now);
        let Some(input) = link.next() else { return false };
        match input {
            Input::Opened => self.core.handle_open(socket, now),
            Input::Frame(frame) => self.core.handle_frame(socket, frame, now),
            Input::Skipped(len) => self.core.handle_skipped(socket, len, now),
            Input::Part => self.core.handle_part(socket, now),
            Input::Over(reason) => {
                if let Some((socket, link)) = self.link.take() {
                    self.retire(socket, link);
                }
                self.core.handle_close(socket, reason, now);
            }
        }
        true
    }

    /// Drops sockets that have closed or had time enough to. Returns whether there was one.
    fn end_closing(&mut self) -> bool {
        let Self { closing, over, now, .. } = self;
        closing.retain_mut(|closing| {
            let is_over = closing.until <= *now || closing.link.is_done();
            if is_over {
                over.push_back(closing.socket);
            }
            !is_over
        });
        !over.is_empty()
    }

    /// Lets the core act on its deadlines. Returns whether one has come.
    fn wake(&mut self) -> bool {
        let is_due = self.wake_at.take_if(|at| *at <= self.now).is_some();
        if is_due {
            self.core.handle_timeout(self.now);
        }
        is_due
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("now", &self.now)
            .field("state", self.core.state())
            .field("socket", &self.link.as_ref().map(|(socket, _)| socket))
            .finish_non_exhaustive()
    }
}

/// How long a socket may take to close unless [`Session::close_timeout`] says otherwise.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Sockets that may be on their way out at a time. The oldest one is dropped for another.
const MAX_CLOSING: usize = 4;
