//! What the next drain has to look at, and when to be woken.

use super::action::NetworkHint;
use super::sleep::Sleep;
use crate::Instant;

#[derive(Default)]
pub(crate) struct Agenda {
    /// The latest time that an input carried.
    pub(crate) now: Instant,
    /// Whether a wish, or what it depends on, has changed since the last poll.
    pub(crate) is_dirty: bool,
    pub(crate) hint: Option<NetworkHint>,
    pub(crate) sleep: Sleep,
    /// The wake-up that was asked for and has not come.
    scheduled: Option<Instant>,
    /// Whether no deadline can be earlier than that. Most events of channels change no deadline, and do not look at them.
    pub(crate) is_settled: bool,
}

impl Agenda {
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.scheduled = None;
        self.sleep.handle_timeout(now);
    }

    /// Time has passed, and something has happened.
    pub(crate) fn advance(&mut self, now: Instant) -> Instant {
        self.is_settled = false;
        self.now = self.now.max(now);
        self.now
    }

    /// Whether a wake-up at this time is to be announced: it must come earlier than the one announced before.
    pub(crate) fn announce(&mut self, at: Instant) -> bool {
        let is_earlier = self.is_late_for(at);
        if is_earlier {
            self.scheduled = Some(at);
        }
        is_earlier
    }

    /// Whether the wake-up that was asked for would come after this time.
    pub(crate) fn is_late_for(&self, at: Instant) -> bool {
        self.scheduled.is_none_or(|scheduled| at < scheduled)
    }
}
