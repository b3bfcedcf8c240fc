//! What was published on one channel.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pusher_tokio::ChannelName;
use rangemap::RangeSet;

/// Numbers the events of a channel, from 0, and knows which of them the server accepted.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: ChannelName,
    next: AtomicU64,
    recent: AtomicU64,
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    unanswered: BTreeSet<u64>,
    failed: RangeSet<u64>,
}

impl Channel {
    pub(super) fn new(name: ChannelName) -> Self {
        Self { name, next: AtomicU64::new(0), recent: AtomicU64::new(0), calls: Mutex::default() }
    }

    /// Begins a call that publishes an event, and returns the number of the event.
    pub(super) fn begin(&self) -> u64 {
        let mut calls = self.calls();
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        calls.unanswered.insert(number);
        number
    }

    /// Ends it. An event of a call that failed may arrive, and does not have to.
    pub(super) fn end(&self, number: u64, accepted: bool) {
        let mut calls = self.calls();
        calls.unanswered.remove(&number);
        if !accepted {
            calls.failed.insert(number..number + 1);
        }
    }

    /// Ends all unanswered calls as failed.
    pub(super) fn abandon(&self) {
        let mut calls = self.calls();
        for number in std::mem::take(&mut calls.unanswered) {
            calls.failed.insert(number..number + 1);
        }
    }

    /// The number of the next event.
    pub(super) fn next(&self) -> u64 {
        self.next.load(Ordering::SeqCst)
    }

    /// All calls for events before this one have been answered.
    pub(super) fn answered(&self) -> u64 {
        let calls = self.calls();
        calls.unanswered.first().copied().unwrap_or_else(|| self.next())
    }

    /// Events from this one on may still be on the way to the clients.
    pub(super) fn recent(&self) -> u64 {
        self.recent.load(Ordering::SeqCst)
    }

    pub(super) fn set_recent(&self, number: u64) {
        self.recent.store(number, Ordering::SeqCst);
    }

    /// The events that the server did not accept, or did not answer.
    pub(super) fn failed(&self) -> RangeSet<u64> {
        self.calls().failed.clone()
    }

    /// Forgets events before this one: they are settled.
    pub(super) fn forget(&self, end: u64) {
        if end > 0 {
            self.calls().failed.remove(0..end);
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_answered_when_all_before_it_are() {
        let channel = Channel::new(ChannelName::new("a").unwrap());
        assert_eq!([channel.begin(), channel.begin(), channel.begin()], [0, 1, 2]);
        channel.end(1, false);
        assert_eq!(channel.answered(), 0);
        channel.end(0, true);
        assert_eq!((channel.answered(), channel.next()), (2, 3));
        channel.abandon();
        let failed: Vec<_> = channel.failed().into_iter().map(|range| (range.start, range.end)).collect();
        assert_eq!((channel.answered(), failed), (3, vec![(1, 3)]));
        channel.forget(2);
        assert!(!channel.failed().contains(&1) && channel.failed().contains(&2));
    }
}
