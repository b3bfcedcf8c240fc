//! The one loop, in a thread of its own.

use std::io;
use std::mem;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::time;

use mio::{Events, Token};
use pusher_driver::Options;
use pusher_driver::adapter::{Engine, Limits, Received, Step, SystemClock, WebSocket, guard};
use pusher_proto::{CloseFrame, CloseReason, Config, ConnectRequest, Instant, SocketEpoch, TransportError};
use tracing::Span;

use crate::StartError;
use crate::auth::Authorizer;
use crate::client::Client;
use crate::helpers::Helpers;
use crate::http::Http;
use crate::opening::Opening;
use crate::stream::Stream;

/// The loop of one client.
pub(crate) struct Connection {
    engine: Engine,
    poll: mio::Poll,
    /// Ends a wait of this loop at once, from any thread.
    waker: Waker,
    options: Options,
    limits: Limits,
    link: Link,
    /// Sockets that are not used any more, on their way out, and until when they may take.
    closing: Vec<(Box<WebSocket<Stream>>, Instant)>,
    timer: Option<Instant>,
    helpers: Helpers,
    /// The end of a goodbye that takes too long.
    limit: Option<Instant>,
    span: Span,
}

/// The present socket.
enum Link {
    None,
    Opening(SocketEpoch, Box<Opening>),
    Open(SocketEpoch, Box<WebSocket<Stream>>),
}

/// How far reading got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// The socket has no more at present.
    Drained,
    /// The socket may have more; handles and timers have their turn first.
    Yielded,
}

impl Connection {
    pub(crate) fn new(
        config: Config,
        authorizer: Arc<dyn Authorizer>,
        options: &Options,
    ) -> Result<(Client, Self), StartError> {
        authorizer.validate()?;
        let poll = mio::Poll::new()?;
        let waker = Waker::from(Arc::new(Rouse(mio::Waker::new(poll.registry(), ROUSED)?)));
        let span = tracing::debug_span!("pusher", key = %config.key());
        let limits = Limits::new(&config);
        let http = Http::new(&config, options);
        let (client, engine) = Engine::new(config, options, Arc::new(SystemClock::new()))?;
        let connection = Self {
            engine,
            poll,
            waker,
            options: options.clone(),
            limits,
            link: Link::None,
            closing: Vec::new(),
            timer: None,
            helpers: Helpers::new(authorizer, http),
            limit: None,
            span,
        };
        Ok((Client(client), connection))
    }

    /// Runs until the last handle is dropped or `shutdown` is called, and the socket is closed.
    pub(crate) fn run(mut self) {
        let span = self.span.clone();
        let _entered = span.enter();
        let mut events = Events::with_capacity(EVENTS_PER_WAIT);
        loop {
            self.engine.tick();
            self.engine.sync();
            self.settle();
            // Before anything is read: what a peer sends does not put off the end.
            if self.is_late() {
                return;
            }
            let read = self.poll_link();
            self.poll_closing();
            let timed_out = self.poll_timer();
            if self.is_over() {
                return;
            }
            if timed_out {
                continue;
            }
            self.engine.wake_consumers();
            if read == Read::Yielded || !self.engine.park(&self.waker) {
                continue;
            }
            let patience = self.patience();
            match self.poll.poll(&mut events, patience) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, "the poller failed, which ends the client");
                    return;
                }
            }
        }
    }

    /// Does what the last input asks for, then tells the application.
    fn settle(&mut self) {
        while let Some(step) = self.engine.next_step() {
            match step {
                Step::Connect(socket, request) => self.connect(socket, request),
                Step::Send(socket, text) => {
                    let Link::Open(open, link) = &mut self.link else { continue };
                    if *open != socket {
                        continue;
                    }
                    if let Err(reason) = link.send(&text) {
                        self.lose(socket, reason);
                    }
                }
                Step::Close(socket, frame) => self.close(socket, &frame),
                Step::Authorize(calls) => self.helpers.ask(calls),
                // The call knows.
                Step::CancelAuth(_) => {}
                Step::Schedule(at) => self.timer = Some(at),
            }
        }
        self.engine.dispatch();
    }

    fn connect(&mut self, socket: SocketEpoch, request: ConnectRequest) {
        let opening = Opening::new(request, &self.options, self.limits, &self.waker);
        self.link = Link::Opening(socket, Box::new(opening));
    }

    fn close(&mut self, socket: SocketEpoch, frame: &CloseFrame) {
        match mem::replace(&mut self.link, Link::None) {
            Link::Open(open, mut link) if open == socket => {
                link.close(frame);
                self.retire(link);
            }
            Link::Opening(opening, _) if opening == socket => {}
            other @ (Link::None | Link::Open(..) | Link::Opening(..)) => self.link = other,
        }
    }

    /// Lets a socket end by itself.
    fn retire(&mut self, socket: Box<WebSocket<Stream>>) {
        if self.closing.len() >= MAX_CLOSING {
            self.closing.remove(0);
        }
        self.closing.push((socket, self.engine.close_deadline()));
    }

    fn lose(&mut self, socket: SocketEpoch, reason: CloseReason) {
        if let Link::Open(_, link) = mem::replace(&mut self.link, Link::None) {
            self.retire(link);
        }
        self.engine.handle_close(socket, reason);
    }

    fn poll_link(&mut self) -> Read {
        if let Link::Opening(socket, opening) = &mut self.link {
            let socket = *socket;
            // The application may decide about certificates.
            let opened = guard("an attempt to connect", || opening.poll(self.poll.registry()));
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
        let read = self.read();
        self.flush();
        read
    }

    /// Handles every message as it comes: while one is held, its read buffer cannot be used again.
    fn read(&mut self) -> Read {
        let begin = self.engine.now();
        for turn in 1..=FRAMES_PER_TURN {
            if self.engine.now().since(begin) >= TIME_PER_TURN {
                break;
            }
            let Link::Open(socket, link) = &mut self.link else { return Read::Drained };
            let socket = *socket;
            match link.read() {
                Poll::Pending => return Read::Drained,
                Poll::Ready(Received::Frame(frame)) => {
                    self.engine.handle_frame(socket, frame);
                }
                Poll::Ready(Received::Skipped(len)) => self.engine.handle_skipped(socket, len),
                Poll::Ready(Received::Part) => self.engine.handle_part(socket),
                Poll::Ready(Received::Yielded) => {
                    self.engine.handle_part(socket);
                    break;
                }
                Poll::Ready(Received::Closed(reason)) => self.lose(socket, reason),
            }
            self.settle();
            if turn % FRAMES_PER_TICK == 0 {
                self.engine.tick();
            }
        }
        Read::Yielded
    }

    fn flush(&mut self) {
        let Link::Open(socket, link) = &mut self.link else { return };
        let socket = *socket;
        if let Poll::Ready(Err(reason)) = link.flush() {
            self.lose(socket, reason);
            self.settle();
        }
    }

    fn poll_closing(&mut self) {
        let now = self.engine.now();
        self.closing.retain_mut(|(socket, until)| now < *until && socket.poll_close(&self.waker).is_pending());
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

    /// Whether nobody needs the loop any more.
    fn is_over(&mut self) -> bool {
        if !self.engine.is_leaving() {
            return false;
        }
        if matches!(self.link, Link::None) && self.closing.is_empty() {
            return true;
        }
        if self.limit.is_none() {
            self.limit = self.engine.leave_limit().map(|limit| self.engine.now() + limit);
        }
        self.is_late()
    }

    /// Whether `shutdown` has taken as long as it may.
    fn is_late(&self) -> bool {
        self.limit.is_some_and(|limit| limit <= self.engine.now())
    }

    /// How long to wait when nothing happens.
    fn patience(&mut self) -> Option<time::Duration> {
        let now = self.engine.tick();
        let opening = match &self.link {
            Link::Opening(_, opening) => opening.deadline(),
            Link::None | Link::Open(..) => None,
        };
        let opening = opening.map(|at| at.saturating_duration_since(time::Instant::now()));
        let closing = self.closing.iter().map(|(_, until)| *until);
        let deadlines = closing.chain(self.timer).chain(self.limit).map(|at| at.since(now));
        // The poller counts milliseconds in 32 bits.
        deadlines.chain(opening).min().map(|wait| wait.min(LONGEST_WAIT))
    }
}

/// Wakes the loop.
struct Rouse(mio::Waker);

impl Wake for Rouse {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Err(error) = self.0.wake() {
            tracing::error!(%error, "the connection's thread was not woken");
        }
    }
}

/// Names the waker among what the poller watches.
const ROUSED: Token = Token(0);

/// How long the loop waits at most.
const LONGEST_WAIT: time::Duration = time::Duration::from_secs(24 * 60 * 60);

/// Every wake-up looks at everything, so it does not matter how many reasons there are.
const EVENTS_PER_WAIT: usize = 8;

/// Sockets that may be on their way out at a time: `close_timeout` may be long, and each holds a file descriptor. The oldest one
/// is dropped for another.
const MAX_CLOSING: usize = 8;

/// Messages after which handles and timers have their turn.
const FRAMES_PER_TURN: usize = 256;

/// Time after which they have it: callbacks may be slow.
const TIME_PER_TURN: time::Duration = time::Duration::from_millis(20);

/// Messages that count as arrived at the same time: reading the clock costs as much as handling a short one.
const FRAMES_PER_TICK: usize = 32;
