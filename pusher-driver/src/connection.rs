//! The one loop: a future that an adapter spawns.

use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pusher_proto::{AuthId, CloseFrame, CloseReason, Config, ConnectRequest, Instant, SocketEpoch};
use tracing::Span;

use crate::auth::{Ask, Asked, AuthCall, Authorizer, Post};
use crate::bindings::panic_message;
use crate::client::Client;
use crate::engine::{Engine, Step, len};
use crate::options::Options;
use crate::runtime::{Runtime, Socket};

/// The loop of one client: a future for the runtime to run.
///
/// It ends when the last handle is dropped or [`Client::shutdown`] is called, and the socket is closed. Dropping it cuts the
/// connection and ends all streams; the client is disconnected then, and no callback is told.
#[must_use = "nothing happens unless a runtime runs this future"]
pub struct Connection<R: Runtime> {
    runtime: Arc<R>,
    http: Arc<dyn Post>,
    authorizer: Arc<dyn Ask>,
    engine: Engine,
    link: Link<R::Socket>,
    /// Sockets that are not used any more, on their way out.
    closing: Vec<Closing<R::Socket>>,
    close_timeout: Duration,
    timer: Option<Timer>,
    calls: Vec<Asked>,
    /// The end of a goodbye that takes too long.
    limit: Option<Work<()>>,
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
    timeout: Work<()>,
}

struct Timer {
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
    pub fn new(config: Config, authorizer: impl Authorizer, runtime: R, options: &Options) -> (Client, Self) {
        let span = tracing::debug_span!("pusher", key = %config.key());
        let close_timeout = config.close_timeout();
        let (client, engine) = Engine::new(config, options);
        let runtime = Arc::new(runtime);
        let connection = Self {
            http: Arc::<R>::clone(&runtime),
            runtime,
            authorizer: Arc::new(authorizer),
            engine,
            link: Link::None,
            closing: Vec::new(),
            close_timeout,
            timer: None,
            calls: Vec::new(),
            limit: None,
            began: false,
            span,
        };
        (client, connection)
    }

    fn run(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            self.began = false;
            self.engine.tick();
            self.engine.sync();
            self.settle();
            self.poll_calls(context);
            let read = self.poll_link(context);
            self.poll_closing(context);
            let timed_out = self.poll_timer(context);
            if timed_out || self.began {
                continue;
            }
            self.engine.wake_consumers();
            if self.is_over(context) {
                return Poll::Ready(());
            }
            match read {
                Read::Yielded => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Read::Drained if self.engine.park(context.waker()) => return Poll::Pending,
                Read::Drained => {}
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
                    if let Err(reason) = link.send(text) {
                        self.lose(socket, reason);
                    }
                }
                Step::Close(socket, frame) => self.close(socket, frame),
                Step::Authorize(calls) => self.authorize(calls),
                Step::CancelAuth(id) => self.cancel(id),
                Step::Schedule(at) => self.schedule(at),
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
        let timeout = Box::pin(self.runtime.sleep(self.close_timeout));
        self.closing.push(Closing { socket, timeout });
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

    fn schedule(&mut self, at: Instant) {
        self.began = true;
        let delay = at.since(self.engine.tick());
        self.timer = Some(Timer { at, sleep: Box::pin(self.runtime.sleep(delay)) });
    }

    fn poll_calls(&mut self, context: &mut Context<'_>) {
        self.calls.retain_mut(|asked| {
            // A call that goes with a panic answers that it was not answered.
            match catch_unwind(AssertUnwindSafe(|| asked.answers.as_mut().poll(context))) {
                Ok(poll) => poll.is_pending(),
                Err(panic) => {
                    tracing::error!(panic = panic_message(panic.as_ref()), "an authorizer panicked");
                    false
                }
            }
        });
    }

    fn poll_link(&mut self, context: &mut Context<'_>) -> Read {
        if let Link::Opening(socket, opening) = &mut self.link {
            let socket = *socket;
            let Poll::Ready(opened) = opening.as_mut().poll(context) else { return Read::Drained };
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
        let mut bytes = 0;
        for turn in 1..=FRAMES_PER_TURN {
            if bytes > BYTES_PER_TURN {
                break;
            }
            let Link::Open(socket, link) = &mut self.link else { return Read::Drained };
            let socket = *socket;
            match link.poll_frame(context) {
                Poll::Pending => return Read::Drained,
                Poll::Ready(Ok(frame)) => {
                    let buffer_len = link.read_buffer_len();
                    bytes += len(&frame);
                    self.engine.handle_frame(socket, frame, buffer_len);
                }
                Poll::Ready(Err(reason)) => self.lose(socket, reason),
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
        self.closing.retain_mut(|closing| {
            closing.socket.poll_close(context).is_pending() && closing.timeout.as_mut().poll(context).is_pending()
        });
    }

    /// Returns whether a deadline has come.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> bool {
        let Some(timer) = &mut self.timer else { return false };
        if timer.sleep.as_mut().poll(context).is_pending() {
            return false;
        }
        let at = timer.at;
        self.timer = None;
        if self.engine.tick() < at {
            // The runtime's clock is coarser than ours.
            self.schedule(at);
            return true;
        }
        self.engine.handle_timeout();
        self.settle();
        true
    }

    /// Whether nobody needs the loop any more.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        if !self.engine.is_leaving() {
            return false;
        }
        if matches!(self.link, Link::None) && self.closing.is_empty() {
            return true;
        }
        if self.limit.is_none() {
            let Some(limit) = self.engine.leave_limit() else { return false };
            self.limit = Some(Box::pin(self.runtime.sleep(limit)));
        }
        let Some(limit) = &mut self.limit else { return false };
        limit.as_mut().poll(context).is_ready()
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

/// Messages after which others on the same thread have their turn.
const FRAMES_PER_TURN: usize = 256;

/// Bytes after which they have it: what waits for a consumer should still lie in the cache when it comes.
const BYTES_PER_TURN: usize = 64 * 1_024;

/// Messages that count as arrived at the same time: reading the clock costs as much as handling a short one.
const FRAMES_PER_TICK: usize = 32;
