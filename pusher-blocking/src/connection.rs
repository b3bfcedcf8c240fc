//! The loop, in its own thread.

use std::io;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time;

use mio::{Events, Registry, Token};
use pusher_driver::Options;
use pusher_driver::adapter::{Engine, Limits, LogSpan, Outside, SystemClock, Turn, Turns, WebSocket};
use pusher_proto::{AuthId, Config, ConnectRequest};

use crate::auth::Authorizer;
use crate::client::Client;
use crate::error::StartError;
use crate::helpers::Helpers;
use crate::http::Http;
use crate::opening::Opening;
use crate::stream::Stream;

/// The loop of one client.
pub(crate) struct Connection {
    turns: Turns<Threads>,
    poll: mio::Poll,
    /// Wakes this loop at once, from any thread.
    waker: Waker,
}

/// The parts that the operating system and other threads do.
struct Threads {
    registry: Arc<Registry>,
    waker: Waker,
    options: Options,
    limits: Limits,
    helpers: Helpers,
}

impl Connection {
    pub(crate) fn new(
        config: Config,
        authorizer: Arc<dyn Authorizer>,
        options: &Options,
    ) -> Result<(Client, Self), StartError> {
        authorizer.validate()?;
        let poll = mio::Poll::new()?;
        let limits = Limits::new(&config);
        let http = Http::new(&config, options);
        let (client, engine) = Engine::new(config, options, Arc::new(SystemClock::new()))?;
        let span = engine.span().clone();
        let rouse = Rouse { waker: mio::Waker::new(poll.registry(), ROUSED)?, span: span.clone() };
        let waker = Waker::from(Arc::new(rouse));
        let threads = Threads {
            registry: Arc::new(poll.registry().try_clone()?),
            waker: waker.clone(),
            options: options.clone(),
            limits,
            helpers: Helpers::new(authorizer, http, span),
        };
        Ok((Client(client), Self { turns: Turns::new(engine, threads), poll, waker }))
    }

    /// Runs until the last handle is dropped or `shutdown` is called, and the socket is closed.
    pub(crate) fn run(mut self) {
        let span = self.turns.span().clone();
        span.in_scope(move || self.turn_until_over());
    }

    fn turn_until_over(&mut self) {
        let mut events = Events::with_capacity(EVENTS_PER_WAIT);
        let waker = self.waker.clone();
        let context = &mut Context::from_waker(&waker);
        loop {
            match self.turns.turn(context) {
                Turn::Over => return,
                Turn::Again => {}
                Turn::Yield => self.turns.wake_consumers(),
                Turn::Idle if !self.turns.park(&self.waker) => {}
                Turn::Idle => {
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
        }
    }

    /// How long to wait when nothing happens.
    fn patience(&mut self) -> Option<time::Duration> {
        let now = self.turns.tick();
        let opening = self.turns.opening().and_then(Opening::deadline);
        let opening = opening.map(|at| at.saturating_duration_since(time::Instant::now()));
        self.turns.deadline().map(|at| at.since(now)).into_iter().chain(opening).min()
    }
}

impl Outside for Threads {
    type Socket = WebSocket<Stream>;
    type Opening = Opening;

    fn open(&mut self, request: ConnectRequest) -> Opening {
        Opening::new(request, &self.options, self.limits, &self.registry, &self.waker)
    }

    fn authorize(&mut self, calls: Vec<pusher_driver::AuthCall>) {
        self.helpers.authorize(calls);
    }

    /// The call itself shows that it is cancelled.
    fn cancel(&mut self, _id: AuthId) {}

    /// Helper threads run on their own.
    fn poll_calls(&mut self, _context: &mut Context<'_>) {}
}

/// Wakes the loop.
struct Rouse {
    waker: mio::Waker,
    span: LogSpan,
}

impl Wake for Rouse {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Err(error) = self.waker.wake() {
            self.span.in_scope(|| tracing::error!(%error, "the connection's thread was not woken"));
        }
    }
}

/// Identifies the waker in the poller.
const ROUSED: Token = Token(0);

/// Every wake-up checks everything, so it does not matter how many reasons there are.
const EVENTS_PER_WAIT: usize = 8;
