//! What time it is.

use std::fmt::Debug;
use std::sync::LazyLock;
use std::time::{self, Duration, SystemTime};

use pusher_proto::Instant;

/// The clocks of a loop. They are only read: the core compares them.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Returns the time on the clock that the loop's timers go by, from any origin. Handles ask it too, on any thread.
    fn now(&self) -> Instant;

    /// Returns the same. Only the loop calls it, in its runtime, once for each batch of messages and each callback, so it may save
    /// what `now` does for other threads.
    fn now_in_loop(&self) -> Instant {
        self.now()
    }

    /// Returns how far the wall clock is ahead of the operating system's monotonic clock, from any origin. It grows while
    /// the machine sleeps, where the monotonic clock stands still then (Linux, macOS).
    ///
    /// Both are the operating system's, so a clock of [`now`](Self::now) that a test has paused makes no difference.
    fn wall_lead(&self) -> Duration {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        wall.saturating_sub(ORIGIN.elapsed())
    }
}

static ORIGIN: LazyLock<time::Instant> = LazyLock::new(time::Instant::now);

/// The operating system's clocks, for loops whose timers go by them.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: time::Instant,
}

impl SystemClock {
    /// Starts to count now.
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
