//! Clocks.

use std::fmt::Debug;
use std::sync::LazyLock;
use std::task::Context;
use std::time::{self, Duration, SystemTime};

use pusher_proto::Instant;

use crate::wait::park;

/// The clocks of a loop. They are only read: the core compares them.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Returns the time of the clock that the loop's timers use, from any origin. Handles call this too, on any thread.
    fn now(&self) -> Instant;

    /// Returns the same as [`now`](Self::now). Only the loop calls this, in its runtime, at least once for each
    /// batch of messages, so it can omit what `now` has to do for other threads.
    fn now_in_loop(&self) -> Instant {
        self.now()
    }

    /// Returns how far the wall clock is ahead of the operating system's monotonic clock, from any origin. It grows
    /// while the machine sleeps, on systems whose monotonic clock stops during sleep (Linux, macOS).
    ///
    /// Both are clocks of the operating system, so it makes no difference if a test has paused the clock of
    /// [`now`](Self::now).
    fn wall_lead(&self) -> Duration {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        wall.saturating_sub(ORIGIN.elapsed())
    }

    /// Blocks the current thread, on behalf of a handle, until `poll` returns true or `limit` has passed. `poll` is called
    /// at least once, and again after its waker was woken.
    ///
    /// The default parks the thread, for a limit in real time. A clock that a test controls waits in its own time.
    fn wait(&self, limit: Option<Duration>, poll: &mut dyn FnMut(&mut Context<'_>) -> bool) {
        park(limit, poll);
    }
}

static ORIGIN: LazyLock<time::Instant> = LazyLock::new(time::Instant::now);

/// The operating system's clocks, for loops whose timers use them.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: time::Instant,
}

impl SystemClock {
    /// Returns clocks that start now.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::from_elapsed(self.origin.elapsed())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}
