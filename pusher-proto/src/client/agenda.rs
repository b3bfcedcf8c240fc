//! What the next drain has to look at, and when to wake up.

use super::action::NetworkHint;
use super::sleep::Sleep;
use crate::Instant;

#[derive(Default)]
pub(crate) struct Agenda {
    /// The latest time in any input.
    pub(crate) now: Instant,
    /// Whether a wish, or something that it depends on, has changed since the last poll.
    pub(crate) is_dirty: bool,
    pub(crate) hint: Option<NetworkHint>,
    pub(crate) sleep: Sleep,
    /// The announced wake-up, if it has not come yet.
    scheduled: Option<Instant>,
    /// Whether no deadline can be earlier than that. Most channel events change no deadline, so deadlines are not
    /// checked after them.
    pub(crate) is_settled: bool,
}

impl Agenda {
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.scheduled = None;
        self.sleep.handle_timeout(now);
    }

    /// Takes the time of an input.
    pub(crate) fn advance(&mut self, now: Instant) -> Instant {
        self.is_settled = false;
        self.now = self.now.max(now);
        self.now
    }

    /// Whether a wake-up at this time must be announced: only if it is earlier than the last one announced.
    pub(crate) fn announce(&mut self, at: Instant) -> bool {
        let is_earlier = self.is_late_for(at);
        if is_earlier {
            self.scheduled = Some(at);
        }
        is_earlier
    }

    /// Whether the announced wake-up would come after this time.
    pub(crate) fn is_late_for(&self, at: Instant) -> bool {
        self.scheduled.is_none_or(|scheduled| at < scheduled)
    }
}
