//! The core and its WebSockets in one machine.

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
/// 1. What the application wants: [`connect`](Self::connect), [`subscribe`](Self::subscribe) and so on. They take effect at
///    the next [`poll_action`](Self::poll_action).
/// 2. What happened: `handle_*`. They never fail, and an unknown or closed socket is ignored.
/// 3. What to do next: [`poll_action`](Self::poll_action) until it returns `None`, then [`poll_output`](Self::poll_output) for
///    every stream, then wait, at most until [`poll_timeout`](Self::poll_timeout).
/// 4. What is true now: [`client`](Self::client), which is the core.
///
/// The [documentation of the crate](crate) shows the loop.
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
    /// The latest time of an input.
    now: Instant,
    /// The socket in use.
    link: Option<(SocketEpoch, Link)>,
    /// Sockets that are no longer used and are being closed.
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
    /// opened, report that with [`handle_end`](Session::handle_end).
    ///
    /// An earlier stream may still be closing. A runtime that can have only one stream at a time drops the earlier one.
    Connect(SocketEpoch, ConnectRequest),
    /// Drop the stream, or the attempt to open it. It comes once for every [`Connect`](Self::Connect), also after
    /// [`handle_end`](Session::handle_end).
    Close(SocketEpoch),
    /// Ask the application's server: post [`AuthRequest::body`] to its auth endpoint, and answer with
    /// [`handle_auth`](Session::handle_auth).
    RequestAuth(AuthRequest),
    /// The answer to this authorization is no longer needed, and would have no effect.
    CancelAuth(AuthId),
    /// Tell the application. A message of the server is a slice of the read buffer: before you keep an event, or send it to
    /// another thread, [detach](Event::detached) it.
    Emit(Event),
}

/// What the application wants.
impl Session {
    /// Returns a client that does nothing yet. `seed` is 32 bytes from a strong source of randomness, such as the operating
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

    /// Sets how long a socket may take to close: to send what is waiting, and to receive the server's close frame. Default 5 s.
    #[must_use]
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// Connects, and stays connected, like [`Client::connect`].
    pub fn connect(&mut self) {
        self.core.connect();
    }

    /// Disconnects, like [`Client::disconnect`]. The goodbye is complete when [`has_streams`](Self::has_streams) returns false.
    pub fn disconnect(&mut self) {
        self.core.disconnect();
    }

    /// Subscribes to a channel, like [`Client::subscribe`].
    pub fn subscribe(&mut self, channel: ChannelName) {
        self.core.subscribe(channel);
    }

    /// Unsubscribes from a channel, like [`Client::unsubscribe`].
    pub fn unsubscribe(&mut self, channel: &ChannelName) {
        self.core.unsubscribe(channel);
    }

    /// Signs the user in, like [`Client::signin`].
    pub fn signin(&mut self) {
        self.core.signin();
    }

    /// Signs the user out, like [`Client::signout`].
    pub fn signout(&mut self) {
        self.core.signout();
    }

    /// Switches to another application or other servers, like [`Client::switch`].
    pub fn switch(&mut self, key: AppKey, endpoints: Endpoints) {
        self.core.switch(key, endpoints);
    }

    /// Passes on what the operating system reports about the network, like [`Client::network_changed`].
    pub fn network_changed(&mut self, hint: NetworkHint) {
        self.core.network_changed(hint);
    }

    /// Sends a client event, like [`Client::trigger`].
    ///
    /// # Errors
    ///
    /// If it cannot be sent now; see [`TriggerError`].
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
    /// Returns the buffer to read into, 1 to 64 KiB; it is empty if the socket is closed.
    ///
    /// Take all [actions](Self::poll_action) before the next read, and drop the events or [detach](Event::detached) them: then the same
    /// memory is used again; otherwise more is allocated.
    pub fn read_buffer(&mut self, socket: SocketEpoch) -> &mut [u8] {
        self.link(socket).map_or_else(Default::default, Link::read_buffer)
    }

    /// The first `len` bytes of the [read buffer](Self::read_buffer) have been read from the stream.
    ///
    /// For the end of a stream, which many systems report as a read of 0 bytes, call [`handle_end`](Self::handle_end) instead.
    pub fn handle_read(&mut self, socket: SocketEpoch, len: usize) {
        if let Some(link) = self.link(socket) {
            link.handle_read(len);
        }
    }

    /// These bytes have been read from the stream. They are copied; [`read_buffer`](Self::read_buffer) and
    /// [`handle_read`](Self::handle_read) avoid that.
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

    /// The first `len` bytes of the [output](Self::poll_output) have been written to the stream.
    pub fn handle_written(&mut self, socket: SocketEpoch, len: usize) {
        if let Some(link) = self.link(socket) {
            link.handle_written(len);
        }
    }

    /// The stream ended, failed, or could not be opened. What was read before still counts.
    ///
    /// The reason is [`CloseReason::Dropped`] for a stream that ended or was reset, [`CloseReason::Failed`] for other failures,
    /// and [`CloseReason::TlsUnavailable`] if TLS was requested and there is none. With the feature `std`,
    /// `close_reason` returns it for an error of a stream. During the upgrade, `Dropped` is replaced by what the server has
    /// sent so far, so read what there is before you report that writing failed.
    pub fn handle_end(&mut self, socket: SocketEpoch, reason: CloseReason) {
        if let Some(link) = self.link(socket) {
            link.handle_end(reason);
        }
    }

    /// The application's server answered a request for authorization, or could not be asked; like [`Client::handle_auth`].
    pub fn handle_auth(&mut self, id: AuthId, answer: Result<AuthResponse, AuthError>, now: Instant) {
        self.core.handle_auth(id, answer, now);
    }

    /// A request for authorization is on its way to `url`; like [`Client::note_auth_url`].
    pub fn note_auth_url(&mut self, id: AuthId, url: impl Into<Text>) {
        self.core.note_auth_url(id, url);
    }

    /// The wall clock shows `wall`; like [`Client::handle_wall_clock`]. Without this call, a machine that slept may take minutes to
    /// notice that its connection is dead.
    pub fn handle_wall_clock(&mut self, wall: Duration, now: Instant) {
        self.core.handle_wall_clock(wall, now);
    }
}

/// What to do next.
impl Session {
    /// Returns the next thing to do, or `None` until something happens or [`poll_timeout`](Self::poll_timeout) comes.
    ///
    /// One call handles at most one message that was read, in the order of their arrival, so that calls of the application in
    /// response to an event take effect before the next message. Deadlines up to `now` are handled last: a message that was
    /// read comes before the deadline for it.
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

    /// Returns the bytes to write next; empty if nothing is waiting or the socket is closed. For a stream that is being opened,
    /// these are the upgrade request.
    pub fn poll_output(&mut self, socket: SocketEpoch) -> &[u8] {
        self.link(socket).map_or_else(Default::default, Link::poll_output)
    }

    /// Returns when [`poll_action`](Self::poll_action) has something to do, if nothing else happens before. Ask after
    /// all actions have been taken.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.closing.iter().map(|closing| closing.until).chain(self.wake_at).min()
    }
}

/// What is true now.
impl Session {
    /// Returns the core, which can be asked for its [state](Client::state), its [channels](Client::channel) and so on.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.core
    }

    /// Whether a stream is open, being opened, or not yet dropped. After
    /// [`disconnect`](Self::disconnect), the last one is gone within the [close timeout](Self::close_timeout).
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

    /// Performs the actions of the core that concern the WebSockets, and returns the others.
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

    /// Lets a socket close by itself, if that may take a while.
    fn retire(&mut self, socket: SocketEpoch, link: Link) {
        if !link.can_linger() {
            return self.over.push_back(socket);
        }
        if self.closing.len() >= MAX_CLOSING {
            self.over.push_back(self.closing.remove(0).socket);
        }
        self.closing.push(Closing { socket, link, until: self.now + self.close_timeout });
    }

    /// Passes the next input to the core. Returns whether there was one.
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

    /// Drops sockets that have closed, or had enough time to. Returns whether there was one.
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

    /// Lets the core act on its deadlines. Returns whether one has passed.
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

/// How many sockets may be closing at a time. For another one, the oldest is dropped.
const MAX_CLOSING: usize = 4;
