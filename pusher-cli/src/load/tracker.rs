//! Which events of a channel a client received, and why it did not receive the others.

use std::ops::Range;

use rangemap::{RangeMap, RangeSet};

/// Accounts for the events of one channel at one client. Events are numbered from 0 and may arrive in any order, since the
/// calls that publish them overlap.
#[derive(Debug)]
pub(super) struct Tracker {
    /// Events before this one are settled: they arrived, or are among the missing.
    settled: u64,
    /// Events that arrived, from `settled` on.
    received: RangeSet<u64>,
    /// One more than the highest number that arrived.
    end: u64,
    /// Events that are not expected to arrive, from `settled` on.
    excused: RangeMap<u64, Fate>,
    phase: Phase,
    /// Settled events that did not arrive; they still may.
    missing: RangeMap<u64, Fate>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Not subscribed; events from this one on are not expected.
    Away { from: u64, fate: Fate },
    /// Subscribed; events from this one on are expected.
    Subscribed { from: u64 },
}

/// Why an event did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was published before the client was subscribed for the first time, or perhaps not published at all.
    Early,
    /// The connection was cut by the storm.
    Storm,
    /// The connection was lost otherwise.
    Outage,
    /// The client was subscribed, so it should have received the event.
    Lost,
}

/// What an arrival is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    New,
    /// It was settled as missing.
    Late(Fate),
    Duplicate,
}

/// How many events did not arrive, by their fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) storm: u64,
    pub(super) outage: u64,
    pub(super) lost: u64,
}

impl Tracker {
    pub(super) fn new() -> Self {
        Self {
            settled: 0,
            received: RangeSet::new(),
            end: 0,
            excused: RangeMap::new(),
            phase: Phase::Away { from: 0, fate: Fate::Early },
            missing: RangeMap::new(),
        }
    }

    /// The channel is subscribed. Events from `next` on are published after this call.
    pub(super) fn subscribe(&mut self, next: u64) {
        if let Phase::Away { from, fate } = self.phase {
            self.excuse(from..next, fate);
            self.phase = Phase::Subscribed { from: next };
        }
    }

    /// The subscription ended. Events from `recent` on may have been on the way; an earlier event that is missing, although
    /// a later one arrived, was lost before. Returns how many events were taken for lost, and were missed because the
    /// connection was dead before anyone noticed.
    pub(super) fn leave(&mut self, fate: Fate, recent: u64) -> u64 {
        let Phase::Subscribed { from } = self.phase else { return 0 };
        self.phase = Phase::Away { from: from.max(self.end.min(recent)), fate };
        let last = self.missing.overlapping(self.end..u64::MAX).filter(|(_, fate)| **fate == Fate::Lost);
        let last: Vec<_> = last.map(|(range, _)| range.start.max(self.end)..range.end).collect();
        let count = last.iter().map(|range| range.end - range.start).sum();
        for range in last {
            self.missing.insert(range, fate);
        }
        count
    }

    pub(super) fn receive(&mut self, number: u64) -> Arrival {
        let only = number..number + 1;
        if number < self.settled {
            let Some(&fate) = self.missing.get(&number) else { return Arrival::Duplicate };
            self.missing.remove(only);
            return Arrival::Late(fate);
        }
        if self.received.contains(&number) {
            return Arrival::Duplicate;
        }
        self.end = self.end.max(only.end);
        self.received.insert(only);
        Arrival::New
    }

    /// Stops waiting for events before `end`, and returns how many of them are missing. Events in `failed` are not expected.
    pub(super) fn settle(&mut self, end: u64, failed: &RangeSet<u64>) -> Missing {
        let mut missing = Missing::default();
        let open = self.settled..end;
        if open.is_empty() {
            return missing;
        }
        for (range, fate) in self.absent(&open, failed) {
            let count = range.end - range.start;
            match fate {
                Fate::Early => {}
                Fate::Storm => missing.storm += count,
                Fate::Outage => missing.outage += count,
                Fate::Lost => missing.lost += count,
            }
            self.missing.insert(range, fate);
        }
        // A call that failed may have published: what arrives of it is late, and its latency counts.
        for gap in self.received.gaps(&open) {
            for range in failed.overlapping(&gap) {
                self.missing.insert(range.start.max(gap.start)..range.end.min(gap.end), Fate::Early);
            }
        }
        // If one of the oldest arrives after all, it counts as a duplicate.
        while self.missing.len() > MAX_MISSING {
            let Some(oldest) = self.missing.iter().next().map(|(range, _)| range.clone()) else { break };
            self.missing.remove(oldest);
        }
        self.received.remove(open.clone());
        self.excused.remove(open);
        self.settled = end;
        missing
    }

    /// Returns whether an expected event before `end` has not arrived.
    pub(super) fn is_waiting(&self, end: u64, failed: &RangeSet<u64>) -> bool {
        let open = self.settled..end;
        !open.is_empty() && self.absent(&open, failed).iter().any(|(_, fate)| *fate == Fate::Lost)
    }

    /// Returns what has not arrived of a range, and why. The range must not be empty.
    fn absent(&self, open: &Range<u64>, failed: &RangeSet<u64>) -> Vec<(Range<u64>, Fate)> {
        let mut absent = Vec::new();
        for gap in self.received.gaps(open) {
            for range in failed.gaps(&gap) {
                // The current absence is recorded only when it ends.
                let (range, rest) = match self.phase {
                    Phase::Away { from, fate } => {
                        let from = from.clamp(range.start, range.end);
                        (range.start..from, Some((from..range.end, fate)))
                    }
                    Phase::Subscribed { .. } => (range, None),
                };
                if !range.is_empty() {
                    let excused = self.excused.overlapping(range.clone());
                    absent
                        .extend(excused.map(|(excused, fate)| {
                            (excused.start.max(range.start)..excused.end.min(range.end), *fate)
                        }));
                    absent.extend(self.excused.gaps(&range).map(|lost| (lost, Fate::Lost)));
                }
                absent.extend(rest.filter(|(range, _)| !range.is_empty()));
            }
        }
        absent
    }

    fn excuse(&mut self, range: Range<u64>, fate: Fate) {
        let range = range.start.max(self.settled)..range.end;
        if !range.is_empty() {
            self.excused.insert(range, fate);
        }
    }
}

impl Missing {
    pub(super) fn add(&mut self, other: Self) {
        self.storm += other.storm;
        self.outage += other.outage;
        self.lost += other.lost;
    }
}

/// Limit on the ranges of missing events, for each client and channel. A server that loses every second event would
/// otherwise fill the memory.
const MAX_MISSING: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_in_any_order_is_not_missing() {
        let mut tracker = subscribed(0);
        for number in [1, 0, 3, 2] {
            assert_eq!(tracker.receive(number), Arrival::New);
        }
        assert!(!tracker.is_waiting(4, &RangeSet::new()));
        assert_eq!(tracker.settle(4, &RangeSet::new()), Missing::default());
    }

    #[test]
    fn a_gap_between_and_after_events_is_lost() {
        let mut tracker = subscribed(0);
        tracker.receive(0);
        tracker.receive(3);
        assert!(tracker.is_waiting(6, &RangeSet::new()));
        assert_eq!(tracker.settle(6, &RangeSet::new()), lost(4));
        assert_eq!(tracker.settle(6, &RangeSet::new()), Missing::default());
    }

    #[test]
    fn a_repeated_event_is_a_duplicate_before_and_after_it_is_settled() {
        let mut tracker = subscribed(0);
        tracker.receive(0);
        assert_eq!(tracker.receive(0), Arrival::Duplicate);
        tracker.settle(1, &RangeSet::new());
        assert_eq!(tracker.receive(0), Arrival::Duplicate);
    }

    #[test]
    fn a_lost_event_that_comes_after_all_is_late_once() {
        let mut tracker = subscribed(0);
        assert_eq!(tracker.settle(2, &RangeSet::new()), lost(2));
        assert_eq!(tracker.receive(1), Arrival::Late(Fate::Lost));
        assert_eq!(tracker.receive(1), Arrival::Duplicate);
    }

    #[test]
    fn what_was_taken_for_lost_on_a_dead_connection_was_missed() {
        let mut tracker = subscribed(0);
        tracker.receive(0);
        tracker.receive(2);
        assert_eq!(tracker.settle(5, &RangeSet::new()), lost(3));
        assert_eq!(tracker.leave(Fate::Outage, 5), 2, "the event before the last arrival was lost");
        assert_eq!(tracker.leave(Fate::Outage, 5), 0);
        assert_eq!(tracker.receive(3), Arrival::Late(Fate::Outage));
        assert_eq!(tracker.receive(1), Arrival::Late(Fate::Lost));
    }

    #[test]
    fn an_event_of_a_failed_call_is_late_if_it_arrives_and_not_missing_otherwise() {
        let mut tracker = subscribed(0);
        tracker.receive(1);
        let mut failed = RangeSet::new();
        failed.insert(0..4);
        assert_eq!(tracker.settle(4, &failed), Missing::default());
        assert_eq!(tracker.receive(3), Arrival::Late(Fate::Early));
        assert_eq!(tracker.receive(3), Arrival::Duplicate);
        assert_eq!(tracker.receive(1), Arrival::Duplicate);
    }

    #[test]
    fn what_was_published_before_the_subscription_is_not_owed() {
        let mut tracker = subscribed(5);
        // It was on the way when the channel was subscribed.
        assert_eq!(tracker.receive(4), Arrival::New);
        tracker.receive(5);
        assert_eq!(tracker.settle(6, &RangeSet::new()), Missing::default());
        assert_eq!(tracker.receive(2), Arrival::Late(Fate::Early));
    }

    #[test]
    fn an_event_that_was_not_published_is_not_lost() {
        let mut tracker = subscribed(0);
        let mut failed = RangeSet::new();
        failed.insert(1..3);
        tracker.receive(0);
        // The server published it and did not answer.
        tracker.receive(2);
        assert_eq!(tracker.settle(4, &failed), lost(1));
    }

    #[test]
    fn an_outage_excuses_what_was_on_the_way_and_nothing_else() {
        let mut tracker = subscribed(0);
        tracker.receive(0);
        // 1 is lost; 3 and 4 were on the way; 5 and 6 are published during the outage.
        tracker.receive(2);
        tracker.leave(Fate::Outage, 3);
        tracker.subscribe(7);
        tracker.receive(7);
        assert_eq!(tracker.settle(8, &RangeSet::new()), Missing { outage: 4, lost: 1, storm: 0 });
    }

    #[test]
    fn recent_events_that_are_overtaken_are_excused_by_an_outage() {
        let mut tracker = subscribed(0);
        tracker.receive(2);
        tracker.leave(Fate::Storm, 1);
        tracker.subscribe(3);
        assert_eq!(tracker.settle(3, &RangeSet::new()), Missing { storm: 1, lost: 1, outage: 0 });
    }

    #[test]
    fn a_connection_that_was_dead_for_a_while_excuses_what_came_after_the_last_arrival() {
        let mut tracker = subscribed(0);
        tracker.receive(0);
        tracker.leave(Fate::Outage, 5);
        tracker.subscribe(6);
        assert_eq!(tracker.settle(6, &RangeSet::new()), Missing { outage: 5, ..Missing::default() });
    }

    #[test]
    fn an_outage_that_goes_on_is_settled_as_well() {
        let mut tracker = subscribed(0);
        tracker.leave(Fate::Outage, 0);
        assert!(!tracker.is_waiting(3, &RangeSet::new()));
        assert_eq!(tracker.settle(3, &RangeSet::new()), Missing { outage: 3, ..Missing::default() });
        tracker.subscribe(4);
        assert_eq!(tracker.settle(6, &RangeSet::new()), Missing { outage: 1, lost: 2, storm: 0 });
    }

    #[test]
    fn a_second_outage_before_the_first_is_settled_is_told_apart() {
        let mut tracker = subscribed(0);
        tracker.leave(Fate::Storm, 0);
        tracker.subscribe(2);
        tracker.receive(2);
        tracker.leave(Fate::Outage, 3);
        assert_eq!(tracker.settle(5, &RangeSet::new()), Missing { storm: 2, outage: 2, lost: 0 });
    }

    #[test]
    fn what_is_kept_about_missing_events_is_bounded() {
        let mut tracker = subscribed(0);
        for number in (0..10_000).step_by(2) {
            tracker.receive(number);
        }
        assert_eq!(tracker.settle(10_000, &RangeSet::new()), lost(5_000));
        assert_eq!(tracker.missing.len(), MAX_MISSING);
        assert_eq!(tracker.receive(9_999), Arrival::Late(Fate::Lost));
    }

    fn subscribed(next: u64) -> Tracker {
        let mut tracker = Tracker::new();
        tracker.subscribe(next);
        tracker
    }

    fn lost(count: u64) -> Missing {
        Missing { lost: count, ..Missing::default() }
    }
}
