//! Detects that the machine slept.

use core::time::Duration;

use crate::Instant;

/// Compares two clocks: on Linux and macOS, the monotonic clock stops while the machine sleeps, and the wall clock does
/// not.
#[derive(Default)]
pub(crate) struct Sleep {
    /// The last readings of both clocks.
    seen: Option<(Duration, Instant)>,
    look_at: Option<Instant>,
}

impl Sleep {
    /// Takes the readings of both clocks; returns whether the machine slept since the last call.
    pub(crate) fn handle_wall_clock(&mut self, wall: Duration, now: Instant) -> bool {
        self.look_at = Some(now + LOOK_INTERVAL);
        let Some((wall_before, before)) = self.seen.replace((wall, now)) else { return false };
        wall.saturating_sub(wall_before) > now.since(before).saturating_add(SHORTEST_SLEEP)
    }

    /// Postpones the next comparison, in case the driver no longer reports the time.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = Some(now + LOOK_INTERVAL);
        }
    }

    /// Returns when the clocks should be compared again, if the driver reports them at all.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.look_at
    }
}

/// How far the clocks must drift apart between two comparisons. Corrections by NTP are smaller, and servers do not drop
/// a client that slept for a shorter time.
const SHORTEST_SLEEP: Duration = Duration::from_secs(5);

/// How often the clocks are compared when nothing else happens. Timers stop with the monotonic clock, so a sleep is
/// noticed at most this long after the machine wakes.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
