//! The loop as a future that an adapter spawns.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pusher_proto::{AuthId, CloseReason, Config, ConnectRequest, Instant, InvalidConfig};

use crate::auth::{AuthCall, Authorizer, DynAuthorizer, Post, RunningCalls};
use crate::client::Client;
use crate::engine::Engine;
use crate::guard::Fragile;
use crate::options::Options;
use crate::runtime::Runtime;
use crate::turn::{Outside, Turn, Turns};

/// The loop of one client, as a future for the runtime to run.
///
/// It ends when the last handle has been dropped or [`Client::shutdown`] has been called, and the socket is closed.
/// Dropping it cuts the connection and ends all streams; the client is then disconnected, but callbacks are not called
/// for this.
#[must_use = "nothing happens unless a runtime runs this future"]
pub struct Connection<R: Runtime> {
    turns: Turns<Tasks<R>>,
    runtime: Arc<R>,
    /// Wakes the loop for the earliest deadline, or earlier. Only the clock determines whether a deadline has come.
    alarm: Option<Alarm>,
}

/// Futures that the loop polls.
struct Tasks<R> {
    runtime: Arc<R>,
    http: Arc<dyn Post>,
    authorizer: Fragile<Arc<dyn DynAuthorizer>>,
    calls: Vec<RunningCalls>,
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

struct Alarm {
    at: Instant,
    sleep: Work<()>,
}

impl<R: Runtime> Connection<R> {
    /// Creates a client and its loop.
    ///
    /// # Errors
    ///
    /// If an option is invalid, or the authorizer was configured with something that cannot work.
    pub fn new(
        config: Config,
        authorizer: impl Authorizer,
        runtime: R,
        options: &Options,
    ) -> Result<(Client, Self), InvalidConfig> {
        authorizer.validate()?;
        let runtime = Arc::new(runtime);
        let (client, engine) = Engine::new(config, options, Arc::<R>::clone(&runtime))?;
        let authorizer: Arc<dyn DynAuthorizer> = Arc::new(authorizer);
        let tasks = Tasks {
            runtime: Arc::clone(&runtime),
            http: Arc::<R>::clone(&runtime),
            authorizer: engine.span().in_scope(|| Fragile::new(authorizer)),
            calls: Vec::new(),
        };
        let connection = Self { turns: Turns::new(engine, tasks), runtime, alarm: None };
        Ok((client, connection))
    }

    fn run(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURNS_PER_POLL {
            match self.turns.turn(context) {
                Turn::Over => return Poll::Ready(()),
                Turn::Again => {}
                Turn::Yield => break,
                Turn::Idle if self.poll_alarm(context).is_pending() && self.turns.park(context.waker()) => {
                    return Poll::Pending;
                }
                // A handle changed something, or a deadline has come.
                Turn::Idle => {}
            }
        }
        // There is more to do, but first, other tasks on the same thread may run.
        self.turns.wake_consumers();
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sets the alarm for the earliest deadline; ready if it rings.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.turns.deadline() else { return Poll::Pending };
        let alarm = match &mut self.alarm {
            Some(alarm) if alarm.at <= at => alarm,
            alarm => {
                let sleep = self.runtime.sleep(at.since(self.turns.now()));
                alarm.insert(Alarm { at, sleep: Box::pin(sleep) })
            }
        };
        let rings = alarm.sleep.as_mut().poll(context);
        if rings.is_ready() {
            // It is set again if it came too early: for a deadline that no longer exists, or by a clock that is coarser
            // than ours.
            self.alarm = None;
        }
        rings
    }
}

impl<R: Runtime> Outside for Tasks<R> {
    type Socket = R::Socket;
    type Opening = Work<Result<R::Socket, CloseReason>>;

    fn open(&mut self, request: ConnectRequest) -> Self::Opening {
        Box::pin(self.runtime.connect(request))
    }

    fn authorize(&mut self, mut calls: Vec<AuthCall>) {
        for call in &mut calls {
            call.set_http(&self.http);
        }
        self.calls.push(Arc::clone(&self.authorizer).start(calls));
    }

    fn cancel(&mut self, id: AuthId) {
        for calls in &mut self.calls {
            calls.cancel(id);
        }
        self.calls.retain(|calls| !calls.is_cancelled());
    }

    fn poll_calls(&mut self, context: &mut Context<'_>) {
        self.calls.retain_mut(|calls| calls.poll(context).is_pending());
    }
}

impl<R: Runtime> Future for Connection<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let span = this.turns.span().clone();
        span.in_scope(|| this.run(context))
    }
}

/// Nothing in it is pinned in place: every future has its own box.
impl<R: Runtime> Unpin for Connection<R> {}

impl<R: Runtime> fmt::Debug for Connection<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("turns", &self.turns).finish_non_exhaustive()
    }
}

/// Turns that the loop takes before other tasks on the same thread may run.
const TURNS_PER_POLL: usize = 16;
