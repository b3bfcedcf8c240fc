//! The half of the loop that needs no runtime: inputs go in, steps come out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::thread;
use std::time::Duration;
use std::{fmt, mem};

use pusher_proto::{CloseReason, Config, Frame, Instant, InvalidConfig, SocketEpoch, with_causes};

use crate::client::Client;
use crate::clock::Clock;
use crate::guard::guard;
use crate::log_span::LogSpan;
use crate::options::Options;
use crate::routes::Deferred;
use crate::shared::{Handle, Life, Shared, State};
use crate::socket::Received;
use crate::step::Step;
use crate::visit::Visit;

/// The half of the loop that needs no runtime.
///
/// After every `handle_*` call and every change that a handle made, take all [`steps`](Self::next_step), then
/// [`run_callbacks`](Self::run_callbacks), and once the socket has no more, [`wake_consumers`](Self::wake_consumers).
pub struct Engine {
    shared: Arc<Shared>,
    now: Instant,
    /// Whether the client runs or is shutting down, as far as the core knows.
    life: Life,
    steps: VecDeque<Step>,
    deferred: Deferred,
    close_timeout: Duration,
    /// How many messages with callbacks may be handled between two readings of the clock.
    calls_per_tick: usize,
    /// Whether callbacks have run since the last reading.
    has_called: bool,
}

impl Engine {
    /// Creates a client's handle and the engine that serves it. The client connects if the options say so.
    ///
    /// The loop's timers must go by `clock`.
    ///
    /// # Errors
    ///
    /// If an option is invalid.
    pub fn new(config: Config, options: &Options, clock: Arc<dyn Clock>) -> Result<(Client, Self), InvalidConfig> {
        options.validate()?;
        let shared = Shared::new(config, options, clock);
        let engine = Self {
            shared: Arc::clone(&shared),
            now: Instant::ZERO,
            life: Life::Running,
            steps: VecDeque::new(),
            deferred: Deferred::default(),
            close_timeout: options.close_timeout,
            calls_per_tick: 1,
            has_called: false,
        };
        let client = Client::new(Handle(shared));
        if options.auto_connect {
            client.connect();
        }
        Ok((client, engine))
    }

    /// Returns the client's span. The loop must run in it, and so must whatever it starts in other threads.
    #[must_use]
    pub fn span(&self) -> &LogSpan {
        &self.shared.span
    }

    /// Returns the time when the clock was last read.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Reads the clock. Everything until the next reading counts as happening at this time.
    pub fn tick(&mut self) -> Instant {
        self.now = self.shared.clock.now_in_loop();
        self.now
    }

    /// Takes changes by handles, answers of authorizers, and the time of the wall clock.
    pub fn sync(&mut self) {
        let lead = self.shared.clock.wall_lead();
        self.life = self.input(|state, now| {
            state.core.handle_wall_clock(lead.saturating_add(now.elapsed()), now);
            state.take_changes(now);
            if state.life != Life::Running {
                state.core.disconnect();
            }
            state.life
        });
    }

    /// The socket is open.
    pub fn handle_open(&mut self, socket: SocketEpoch) {
        tracing::trace!(%socket, "open");
        self.input(|state, now| state.core.handle_open(socket, now));
    }

    /// Handles messages that are ready in the socket, several under one lock. Events that wait are copied, so that the
    /// buffer can be reused.
    ///
    /// Callbacks for a message run, without the lock, before the next one is handled, so that what they bind or unbind
    /// takes effect. The other messages stay in `ready` if there are steps to take, which come first, if a callback has
    /// changed something, which counts from its end, or if the callbacks of a few messages have run.
    pub fn handle_received(&mut self, socket: SocketEpoch, ready: impl IntoIterator<Item = Received>) {
        let mut visit = Visit::begin(&self.shared, self.now, &mut self.steps, &mut self.deferred);
        let mut calls_left = self.calls_per_tick;
        for received in ready {
            let core = &mut visit.state.core;
            match received {
                Received::Frame(frame) => {
                    tracing::trace!(%socket, len = payload_len(&frame), "frame");
                    core.handle_frame(socket, frame, self.now);
                }
                Received::Skipped(len) => core.handle_skipped(socket, len, self.now),
                Received::Part | Received::Yielded => core.handle_part(socket, self.now),
                Received::Closed(reason) => {
                    tracing::trace!(%socket, reason = %with_causes(&reason), "closed");
                    core.handle_close(socket, reason, self.now);
                }
            }
            visit.poll();
            if visit.has_calls() {
                calls_left -= 1;
                if calls_left == 0 || visit.has_steps() {
                    break;
                }
                self.has_called = true;
                visit = visit.call();
                if visit.state.changed {
                    break;
                }
            }
        }
        drop(visit.end());
    }

    /// The socket ended, or could not be opened.
    pub fn handle_close(&mut self, socket: SocketEpoch, reason: CloseReason) {
        tracing::trace!(%socket, reason = %with_causes(&reason), "closed");
        self.input(|state, now| state.core.handle_close(socket, reason, now));
    }

    /// The time of the last [`Step::Schedule`] has come. First read the socket until it has no more, because it may
    /// contain what the deadline waits for.
    pub fn handle_timeout(&mut self) {
        tracing::trace!(now = %self.now, "timeout");
        self.input(|state, now| state.core.handle_timeout(now));
    }

    /// Returns the next thing to do.
    pub fn next_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Runs the callbacks for the handled messages, and reads the clock, because callbacks take time, and so does
    /// handling many messages.
    pub fn run_callbacks(&mut self) {
        let has_called = mem::take(&mut self.has_called) || !self.deferred.calls.is_empty();
        self.deferred.call();
        let began = self.now;
        let took = self.tick().since(began);
        if has_called {
            self.calls_per_tick = if took < FAST { MAX_CALLS_PER_TICK.min(2 * self.calls_per_tick) } else { 1 };
        }
    }

    /// Wakes the consumers of all mailboxes that have received something since the last call.
    pub fn wake_consumers(&mut self) {
        for mailbox in self.deferred.filled.drain(..) {
            if let Some(waker) = mailbox.consumer() {
                guard("a waker", || waker.wake());
            }
        }
        for waker in self.deferred.wakers.drain(..) {
            guard("a waker", || waker.wake());
        }
    }

    /// Registers a waker for the next change by a handle; returns false if there was a change since [`Engine::sync`].
    pub fn park(&self, waker: &Waker) -> bool {
        self.shared.park(waker)
    }

    /// Whether, at the last [`Engine::sync`], the last handle had been dropped or `shutdown` had been called. In this
    /// case, the loop ends once no socket is left.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        // Changes by handles since then do not count: the socket must be closed before the loop may end.
        self.life != Life::Running
    }

    /// Returns the deadline for a socket that begins to close now.
    #[must_use]
    pub fn close_deadline(&self) -> Instant {
        self.now + self.close_timeout
    }

    /// Returns how long `shutdown` may take.
    #[must_use]
    pub fn leave_limit(&self) -> Option<Duration> {
        match self.life {
            Life::Leaving(limit) => limit,
            Life::Running | Life::Ended => None,
        }
    }

    fn input<T>(&mut self, input: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut visit = Visit::begin(&self.shared, self.now, &mut self.steps, &mut self.deferred);
        let result = input(&mut visit.state, self.now);
        visit.poll();
        drop(visit.end());
        result
    }
}

/// Ends every stream and every waiting call.
impl Drop for Engine {
    fn drop(&mut self) {
        let span = self.shared.span.clone();
        span.in_scope(|| self.end());
    }
}

impl Engine {
    fn end(&mut self) {
        let mut visit = Visit::begin(&self.shared, self.now, &mut self.steps, &mut self.deferred);
        let state = &mut visit.state;
        if thread::panicking() {
            tracing::error!("the loop panicked: the client has ended, and connect has no effect");
        } else if state.life == Life::Running {
            tracing::warn!("the loop was dropped: the client has ended, and connect has no effect");
        }
        state.life = Life::Ended;
        // A loop that is dropped does not close its connection cleanly, but its handles must not assume that it
        // continues.
        state.core.disconnect();
        visit.poll();
        let (mut state, deferred) = visit.end();
        // Under the same lock, so that no stream continues after the end of the loop has become visible.
        let ended = state.routes.end(deferred);
        deferred.wakers.append(&mut state.shutdown_waiters);
        drop(state);
        // Callbacks own values of the application, so they are dropped without the lock.
        drop(ended);
        self.wake_consumers();
    }
}

/// Callbacks are fast if the loop has taken less than this for everything since the last reading of the clock.
const FAST: Duration = Duration::from_millis(1);

/// How many messages with fast callbacks are handled before the clock is read, which costs a tenth of a short event. Once
/// callbacks are slow, it is read after each message, so deadlines wait for this many at most.
const MAX_CALLS_PER_TICK: usize = 4;

/// Returns how many bytes of payload a message has.
pub(crate) fn payload_len(frame: &Frame) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) => bytes.len(),
        Frame::Ping | Frame::Pong => 0,
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("now", &self.now).field("steps", &self.steps).finish_non_exhaustive()
    }
}
