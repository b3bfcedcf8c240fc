//! Deadlines, in order, and the one wake-up that is announced for all of them.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::ConnectionId;
use crate::{ChannelName, Instant, Text};

/// What a deadline is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A connection may have been silent for too long.
    Liveness(ConnectionId),
    /// A connection may be without authorization for too long.
    Authorization(ConnectionId),
    /// A channel may send its count again.
    Count(ChannelName),
    /// A user of a presence channel has been absent for too long.
    Absence(ChannelName, Text),
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    deadlines: BTreeSet<(Instant, Timer)>,
    announced: Option<Instant>,
}

impl Timers {
    pub(super) fn arm(&mut self, at: Instant, timer: Timer) {
        self.deadlines.insert((at, timer));
    }

    pub(super) fn disarm(&mut self, at: Instant, timer: Timer) {
        self.deadlines.remove(&(at, timer));
    }

    /// Clears the announced wake-up if it is not later than `now`.
    pub(super) fn wake(&mut self, now: Instant) {
        self.announced = self.announced.filter(|at| *at > now);
    }

    /// The deadlines up to `now`, once each, even if one is armed again for the same time.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Timer> {
        let mut due = Vec::new();
        while self.next().is_some_and(|at| at <= now) {
            due.extend(self.deadlines.pop_first().map(|(_, timer)| timer));
        }
        due
    }

    /// The next deadline, if no earlier or equal wake-up was announced before.
    pub(super) fn announce(&mut self) -> Option<Instant> {
        let next = self.next()?;
        if self.announced.is_some_and(|at| at <= next) {
            return None;
        }
        self.announced = Some(next);
        Some(next)
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }
}
