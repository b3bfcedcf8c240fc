//! One turn of the loop. The order of its steps is fixed here; adapters only wait between two turns.

use std::fmt;
use std::future::Future;
use std::iter;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pusher_proto::{AuthId, CloseFrame, CloseReason, ConnectRequest, Instant, SocketEpoch, TransportError};

use crate::auth::AuthCall;
use crate::engine::{Engine, payload_len};
use crate::guard::guard;
use crate::log_span::LogSpan;
use crate::socket::{Received, Socket};
use crate::step::Step;

/// What a loop needs from its adapter.
pub trait Outside {
    /// An open WebSocket.
    type Socket: Socket;

    /// A WebSocket that is being opened. Dropping it abandons the attempt.
    type Opening: Future<Output = Result<Self::Socket, CloseReason>> + Unpin;

    /// Starts to open a WebSocket.
    fn open(&mut self, request: ConnectRequest) -> Self::Opening;

    /// Passes these calls to the authorizer, which answers each of them.
    fn authorize(&mut self, calls: Vec<AuthCall>);

    /// A call is no longer needed.
    fn cancel(&mut self, id: AuthId);

    /// Continues running calls, if they do not run on their own.
    fn poll_calls(&mut self, context: &mut Context<'_>);
}

/// The loop of one client, without the waiting: an [`Engine`], its sockets, and its deadlines.
///
/// A turn always performs the same steps in the same order: it reads the clock, takes changes by handles, acts on them,
/// and continues authorizations and opening, reading and closing sockets. It acts on deadlines last, so that what has
/// already arrived in a socket counts before the deadline that waits for it. Consumers are woken when the socket has no
/// more.
pub struct Turns<O: Outside> {
    engine: Engine,
    link: Link<O>,
    /// Sockets that are no longer used and are being closed.
    closing: Vec<Closing<O::Socket>>,
    outside: O,
    /// When the core has something to do.
    timer: Option<Instant>,
    /// When a `shutdown` ends that takes too long.
    limit: Option<Instant>,
    /// How long it may take, as far as `limit` takes that into account.
    patience: Option<Duration>,
    /// Whether a step started something that has not been polled yet.
    began: bool,
}

/// The current socket.
enum Link<O: Outside> {
    None,
    Opening(SocketEpoch, O::Opening),
    Open(SocketEpoch, O::Socket),
}

struct Closing<S> {
    socket: S,
    until: Instant,
}

/// What to do after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Wait: [`park`](Turns::park), until a socket is ready or [`deadline`](Turns::deadline).
    Idle,
    /// Take the next turn.
    Again,
    /// Take the next turn after other tasks on the same thread have run: the socket has more.
    Yield,
    /// The loop has ended.
    Over,
}

/// How far reading got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// The socket has no more for now.
    Drained,
    /// The socket may have more, but first, other tasks may run.
    Yielded,
}

/// What was read in a turn.
#[derive(Debug, Default)]
struct Share {
    messages: usize,
    bytes: usize,
    /// Why nothing more is read.
    end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Yielded,
}

impl Share {
    fn count(&mut self, received: &Received) {
        self.messages += 1;
        match received {
            Received::Frame(frame) => self.bytes += payload_len(frame),
            Received::Skipped(_) | Received::Part => {}
            Received::Yielded => self.end = Some(End::Yielded),
            Received::Closed(_) => self.end = Some(End::Closed),
        }
    }

    const fn is_used_up(&self) -> bool {
        self.end.is_some() || self.messages >= MESSAGES_PER_TURN || self.bytes > BYTES_PER_TURN
    }
}

impl<O: Outside> Turns<O> {
    /// Returns a loop without a socket.
    pub fn new(engine: Engine, outside: O) -> Self {
        Self {
            engine,
            link: Link::None,
            closing: Vec::new(),
            outside,
            timer: None,
            limit: None,
            patience: None,
            began: false,
        }
    }

    /// Returns the client's span. Every turn must be taken in it.
    #[must_use]
    pub fn span(&self) -> &LogSpan {
        self.engine.span()
    }

    /// Takes a turn.
    pub fn turn(&mut self, context: &mut Context<'_>) -> Turn {
        self.began = false;
        self.engine.tick();
        self.engine.sync();
        self.settle();
        // Before anything is read, so that what a peer sends does not postpone the end.
        if self.is_late() {
            return Turn::Over;
        }
        self.outside.poll_calls(context);
        let read = self.poll_link(context);
        self.poll_closing(context);
        let timed_out = self.poll_timer();
        if self.is_over() {
            return Turn::Over;
        }
        match read {
            Read::Yielded => Turn::Yield,
            Read::Drained if timed_out || self.began => Turn::Again,
            Read::Drained => {
                self.engine.wake_consumers();
                Turn::Idle
            }
        }
    }

    /// Wakes the consumers of everything handled so far, before other tasks on the same thread run.
    pub fn wake_consumers(&mut self) {
        self.engine.wake_consumers();
    }

    /// Registers a waker for the next change by a handle; returns false if there was a change since the last turn
    /// began.
    pub fn park(&self, waker: &Waker) -> bool {
        self.engine.park(waker)
    }

    /// Returns the time when the clock was last read.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.engine.now()
    }

    /// Reads the clock.
    pub fn tick(&mut self) -> Instant {
        self.engine.tick()
    }

    /// Returns when the next turn is due even if nothing happens; at most a day after the clock was last read, since
    /// not every timer accepts a time in the distant future.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let closing = self.closing.iter().map(|closing| closing.until);
        let earliest = closing.chain(self.timer).chain(self.limit).min();
        earliest.map(|at| at.min(self.engine.now() + LONGEST_WAIT))
    }

    /// Returns the socket that is being opened, if one is.
    pub const fn opening(&self) -> Option<&O::Opening> {
        match &self.link {
            Link::Opening(_, opening) => Some(opening),
            Link::None | Link::Open(..) => None,
        }
    }

    /// Does what the last input requires, then delivers events to the application.
    fn settle(&mut self) {
        while let Some(step) = self.engine.next_step() {
            match step {
                Step::Connect(socket, request) => {
                    self.began = true;
                    self.link = Link::Opening(socket, self.outside.open(request));
                }
                Step::Send(socket, text) => {
                    let Link::Open(open, link) = &mut self.link else { continue };
                    if *open != socket {
                        continue;
                    }
                    if let Err(reason) = link.send(text) {
                        self.lose(socket, reason);
                    }
                }
                Step::Close(socket, frame) => self.close(socket, frame),
                Step::Authorize(calls) => {
                    self.began = true;
                    self.outside.authorize(calls);
                }
                Step::CancelAuth(id) => {
                    self.began = true;
                    self.outside.cancel(id);
                }
                Step::Schedule(at) => self.timer = Some(at),
            }
        }
        self.engine.run_callbacks();
    }

    fn close(&mut self, socket: SocketEpoch, frame: CloseFrame) {
        match mem::replace(&mut self.link, Link::None) {
            Link::Open(open, mut link) if open == socket => {
                link.close(frame);
                self.retire(link);
            }
            Link::Opening(opening, _) if opening == socket => {}
            other @ (Link::None | Link::Open(..) | Link::Opening(..)) => self.link = other,
        }
    }

    /// Starts to close a socket that is no longer used.
    fn retire(&mut self, socket: O::Socket) {
        self.began = true;
        if self.closing.len() >= MAX_CLOSING {
            self.closing.remove(0);
        }
        self.closing.push(Closing { socket, until: self.engine.close_deadline() });
    }

    fn lose(&mut self, socket: SocketEpoch, reason: CloseReason) {
        self.retire_link();
        self.engine.handle_close(socket, reason);
    }

    fn retire_link(&mut self) {
        if let Link::Open(_, link) = mem::replace(&mut self.link, Link::None) {
            self.retire(link);
        }
    }

    fn poll_link(&mut self, context: &mut Context<'_>) -> Read {
        if let Link::Opening(socket, opening) = &mut self.link {
            let socket = *socket;
            // The application's own code may verify certificates.
            let opened = guard("an attempt to connect", || Pin::new(opening).poll(context));
            let failed = Poll::Ready(Err(CloseReason::Failed(TransportError::Io("the attempt panicked".into()))));
            let Poll::Ready(opened) = opened.unwrap_or(failed) else { return Read::Drained };
            match opened {
                Ok(open) => {
                    self.link = Link::Open(socket, open);
                    self.engine.handle_open(socket);
                }
                Err(reason) => {
                    self.link = Link::None;
                    self.engine.handle_close(socket, reason);
                }
            }
            self.settle();
        }
        let read = self.read(context);
        self.flush(context);
        read
    }

    /// Handles all messages that are ready, then reads again: while a message is held, its read buffer cannot be
    /// reused.
    fn read(&mut self, context: &mut Context<'_>) -> Read {
        let begin = self.engine.now();
        let mut share = Share::default();
        while !share.is_used_up() && self.engine.now().since(begin) < TIME_PER_TURN {
            let Link::Open(socket, link) = &mut self.link else { return Read::Drained };
            let socket = *socket;
            let Poll::Ready(received) = link.poll_frame(context) else { return Read::Drained };
            let mut first = Some(received);
            let batch = iter::from_fn(|| {
                let received = match first.take() {
                    Some(first) => first,
                    None if share.is_used_up() => return None,
                    None => link.next_ready()?,
                };
                share.count(&received);
                Some(received)
            });
            self.engine.handle_received(socket, batch.take(MESSAGES_PER_BATCH));
            if share.end == Some(End::Closed) {
                self.retire_link();
            }
            self.settle();
        }
        Read::Yielded
    }

    fn flush(&mut self, context: &mut Context<'_>) {
        let Link::Open(socket, link) = &mut self.link else { return };
        let socket = *socket;
        if let Poll::Ready(Err(reason)) = link.poll_flush(context) {
            self.lose(socket, reason);
            self.settle();
        }
    }

    fn poll_closing(&mut self, context: &mut Context<'_>) {
        let now = self.engine.now();
        self.closing.retain_mut(|closing| now < closing.until && closing.socket.poll_close(context).is_pending());
    }

    /// Returns whether a deadline has come.
    fn poll_timer(&mut self) -> bool {
        let now = self.engine.tick();
        if self.timer.is_none_or(|at| now < at) {
            return false;
        }
        self.timer = None;
        self.engine.handle_timeout();
        self.settle();
        true
    }

    /// Whether the loop is no longer needed.
    fn is_over(&mut self) -> bool {
        if !self.engine.is_leaving() {
            return false;
        }
        if matches!(self.link, Link::None) && self.closing.is_empty() {
            return true;
        }
        let patience = self.engine.leave_limit();
        if patience != self.patience {
            self.patience = patience;
            let limit = patience.map(|patience| self.engine.now() + patience);
            self.limit = self.limit.into_iter().chain(limit).min();
        }
        self.is_late()
    }

    /// Whether the time limit of `shutdown` has passed.
    fn is_late(&self) -> bool {
        self.limit.is_some_and(|limit| limit <= self.engine.now())
    }
}

impl<O: Outside> fmt::Debug for Turns<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// How many sockets may be closing at a time: `close_timeout` may be long, and each socket holds a file descriptor. If
/// there are more, the oldest one is dropped.
const MAX_CLOSING: usize = 8;

/// The longest time that a loop waits.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Messages after which other tasks on the same thread may run.
const MESSAGES_PER_TURN: usize = 256;

/// Bytes after which other tasks may run: waiting events should still be in the CPU cache when their consumer runs.
const BYTES_PER_TURN: usize = 64 * 1_024;

/// Time after which other tasks may run, since callbacks may be slow.
const TIME_PER_TURN: Duration = Duration::from_millis(20);

/// Messages that are handled at a time. Those without callbacks share one lock and one reading of the clock, each of which
/// costs as much as handling a short message.
const MESSAGES_PER_BATCH: usize = 32;
