//! The one loop: a future that an adapter spawns.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pusher_proto::{
    AuthId, CloseFrame, CloseReason, Config, ConnectRequest, Instant, InvalidConfig, SocketEpoch, TransportError,
};
use tracing::Span;

use crate::auth::{Ask, Asked, AuthCall, Authorizer, Post};
use crate::client::Client;
use crate::engine::{Engine, Step, len};
use crate::guard::{Fragile, guard};
use crate::options::Options;
use crate::received::Received;
use crate::runtime::{Runtime, Socket};

/// The loop of one client: a future for the runtime to run.
///
/// It ends when the last handle is dropped or [`Client::shutdown`] is called, and the socket is closed. Dropping it cuts the
/// connection and ends all streams; the client is disconnected then, and no callback is told.
#[must_use = "nothing happens unless a runtime runs this future"]
pub struct Connection<R: Runtime> {
    runtime: Arc<R>,
    http: Arc<dyn Post>,
    authorizer: Fragile<Arc<dyn Ask>>,
    engine: Engine,
    link: Link<R::Socket>,
    /// Sockets that are not used any more, on their way out.
    closing: Vec<Closing<R::Socket>>,
    /// When the core has something to do.
    timer: Option<Instant>,
    /// Wakes the loop for the earliest deadline, or earlier. Whether a deadline has come, only the clock tells.
    alarm: Option<Alarm>,
    calls: Vec<Asked>,
    /// The end of a goodbye that takes too long.
    limit: Option<Instant>,
    /// Whether a step began something that has not been polled yet.
    began: bool,
    span: Span,
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The present socket.
enum Link<S> {
    None,
    Opening(SocketEpoch, Work<Result<S, CloseReason>>),
    Open(SocketEpoch, S),
}

struct Closing<S> {
    socket: S,
    until: Instant,
}

struct Alarm {
    at: Instant,
    sleep: Work<()>,
}

/// How far reading got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// The socket has no more at present.
    Drained,
    /// The socket may have more; others have their turn first.
    Yielded,
}

impl<R: Runtime> Connection<R> {
    /// Creates a client and its loop.
    ///
    /// # Errors
    ///
    /// When an option is unusable, or the authorizer was configured with something that cannot work.
    pub fn new(
        config: Config,
        authorizer: impl Authorizer,
        runtime: R,
        options: &Options,
    ) -> Result<(Client, Self), InvalidConfig> {
        authorizer.validate()?;
        let span = tracing::debug_span!("pusher", key = %config.key());
        let runtime = Arc::new(runtime);
        let (client, engine) = Engine::new(config, options, Arc::<R>::clone(&runtime))?;
        let connection = Self {
            http: Arc::<R>::clone(&runtime),
            runtime,
            authorizer: Fragile::new(Arc::new(authorizer)),
            engine,
            link: Link::None,
            closing: Vec::new(),
            timer: None,
            alarm: None,
            calls: Vec::new(),
            limit: None,
            began: false,
            span,
        };
        Ok((client, connection))
    }

    fn run(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS_PER_TURN {
            self.began = false;
            self.engine.tick();
            self.engine.sync();
            self.settle();
            // Before anything is read: what a peer sends does not put off the end.
            if self.is_late() {
                return Poll::Ready(());
            }
            self.poll_calls(context);
            let read = self.poll_link(context);
            self.poll_closing(context);
            let timed_out = self.poll_timer();
            if self.is_over() {
                return Poll::Ready(());
            }
            if read == Read::Yielded {
                break;
            }
            if timed_out || self.began {
                continue;
            }
            self.engine.wake_consumers();
            if self.poll_alarm(context).is_pending() && self.engine.park(context.waker()) {
                return Poll::Pending;
            }
        }
        // There is more to do, but others on the same thread have their turn first.
        self.engine.wake_consumers();
        context.waker().wake_by_ref();
        Poll::Pending
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
                    if let Err(reason) = link.send(text) {
                        self.lose(socket, reason);
                    }
                }
                Step::Close(socket, frame) => self.close(socket, frame),
                Step::Authorize(calls) => self.authorize(calls),
                Step::CancelAuth(id) => self.cancel(id),
                Step::Schedule(at) => self.timer = Some(at),
            }
        }
        self.engine.dispatch();
    }

    fn connect(&mut self, socket: SocketEpoch, request: ConnectRequest) {
        self.began = true;
        self.link = Link::Opening(socket, Box::pin(self.runtime.connect(request)));
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

    /// Lets a socket end by itself.
    fn retire(&mut self, socket: R::Socket) {
        self.began = true;
        if self.closing.len() >= MAX_CLOSING {
            self.closing.remove(0);
        }
        self.closing.push(Closing { socket, until: self.engine.close_deadline() });
    }

    fn lose(&mut self, socket: SocketEpoch, reason: CloseReason) {
        if let Link::Open(_, link) = mem::replace(&mut self.link, Link::None) {
            self.retire(link);
        }
        self.engine.handle_close(socket, reason);
    }

    fn authorize(&mut self, mut calls: Vec<AuthCall>) {
        self.began = true;
        for call in &mut calls {
            call.set_http(&self.http);
        }
        self.calls.push(Arc::clone(&self.authorizer).ask(calls));
    }

    fn cancel(&mut self, id: AuthId) {
        // The others of its batch may go on, but must look at what is cancelled.
        self.began = true;
        for asked in &mut self.calls {
            asked.ids.retain(|other| *other != id);
        }
        self.calls.retain(|asked| !asked.ids.is_empty());
    }

    fn poll_calls(&mut self, context: &mut Context<'_>) {
        self.calls.retain_mut(|asked| {
            // A call that goes with a panic answers that it was not answered.
            guard("an authorizer", || asked.answers.as_mut().poll(context)).is_some_and(|poll| poll.is_pending())
        });
    }

    fn poll_link(&mut self, context: &mut Context<'_>) -> Read {
        if let Link::Opening(socket, opening) = &mut self.link {
            let socket = *socket;
            // The application may decide about certificates.
            let opened = guard("an attempt to connect", || opening.as_mut().poll(context));
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

    /// Handles every message as it comes: while one is held, its read buffer cannot be used again.
    fn read(&mut self, context: &mut Context<'_>) -> Read {
        let begin = self.engine.now();
        let mut bytes = 0;
        for turn in 1..=FRAMES_PER_TURN {
            if bytes > BYTES_PER_TURN || self.engine.now().since(begin) >= TIME_PER_TURN {
                break;
            }
            let Link::Open(socket, link) = &mut self.link else { return Read::Drained };
            let socket = *socket;
            match link.poll_frame(context) {
                Poll::Pending => return Read::Drained,
                Poll::Ready(Received::Frame(frame)) => {
                    bytes += len(&frame);
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

    /// Sets the alarm for the earliest deadline; ready if it rings.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let closing = self.closing.iter().map(|closing| closing.until);
        let Some(at) = closing.chain(self.timer).chain(self.limit).min() else { return Poll::Pending };
        // Not every runtime takes a time that no clock reaches.
        let at = at.min(self.engine.now() + LONGEST_SLEEP);
        let alarm = match &mut self.alarm {
            Some(alarm) if alarm.at <= at => alarm,
            alarm => {
                let sleep = self.runtime.sleep(at.since(self.engine.now()));
                alarm.insert(Alarm { at, sleep: Box::pin(sleep) })
            }
        };
        let rings = alarm.sleep.as_mut().poll(context);
        if rings.is_ready() {
            // It is set anew if it came too early: for a deadline that is gone, or by a clock that is coarser than ours.
            self.alarm = None;
        }
        rings
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
}

impl<R: Runtime> Future for Connection<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let span = this.span.clone();
        let _entered = span.enter();
        this.run(context)
    }
}

/// Nothing in it is pinned in place: every future has a box of its own.
impl<R: Runtime> Unpin for Connection<R> {}

impl<R: Runtime> fmt::Debug for Connection<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// Sockets that may be on their way out at a time: `close_timeout` may be long, and each holds a file descriptor. The oldest one
/// is dropped for another.
const MAX_CLOSING: usize = 8;

/// How long the loop sleeps at most.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// How often the loop begins anew before others on the same thread have their turn.
const ROUNDS_PER_TURN: usize = 16;

/// Messages after which others on the same thread have their turn.
const FRAMES_PER_TURN: usize = 256;

/// Bytes after which they have it: what waits for a consumer should still lie in the cache when it comes.
const BYTES_PER_TURN: usize = 64 * 1_024;

/// Time after which they have it: callbacks may be slow.
const TIME_PER_TURN: Duration = Duration::from_millis(20);

/// Messages that count as arrived at the same time: reading the clock costs as much as handling a short one.
const FRAMES_PER_TICK: usize = 32;
