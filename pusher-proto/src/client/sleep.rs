//! Whether the machine slept.

use core::time::Duration;

use crate::Instant;

/// Compares two clocks: on Linux and macOS the monotonic one stands still while the machine sleeps, and the wall clock does not.
#[derive(Default)]
pub(crate) struct Sleep {
    /// What both clocks said last.
    seen: Option<(Duration, Instant)>,
    look_at: Option<Instant>,
}

impl Sleep {
    /// Takes what both clocks say; returns whether the machine slept since the last call.
    pub(crate) fn handle_wall_clock(&mut self, wall: Duration, now: Instant) -> bool {
        self.look_at = Some(now + LOOK_INTERVAL);
        let Some((wall_before, before)) = self.seen.replace((wall, now)) else { return false };
        wall.saturating_sub(wall_before) > now.since(before).saturating_add(SHORTEST_SLEEP)
    }

    /// A driver that does not tell the time any more is not asked at once again.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = Some(now + LOOK_INTERVAL);
        }
    }

    /// Returns when the clocks should be compared again, if they are at all.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.look_at
    }
}

/// How far the clocks must drift apart between two looks. Corrections by NTP are smaller; a server does not give up a client
/// that slept for less.
const SHORTEST_SLEEP: Duration = Duration::from_secs(5);

/// How often the clocks are compared when nothing else happens. Timers stand still with the monotonic clock, so this is how long
/// a sleep goes unnoticed at most after the machine wakes.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
