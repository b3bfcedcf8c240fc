//! State that the clients, the publisher and the sampler share.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::channel::Channel;

#[derive(Debug)]
pub(super) struct Board {
    /// The times in payloads are relative to this.
    start: Instant,
    pub(super) channels: Vec<Channel>,
    /// Latencies of the current second. With a single histogram, the threads would wait for its lock.
    latencies: Vec<Mutex<Histogram<u64>>>,
    published: Mutex<Published>,
    errors: Mutex<Errors>,
}

/// Counts of the publisher.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Published {
    /// Events of calls that have begun.
    pub(super) sent: u64,
    /// Events that the server accepted.
    pub(super) accepted: u64,
    /// Events of calls that failed.
    pub(super) failed: u64,
}

/// How often each error occurred.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors {
    kinds: BTreeMap<String, u64>,
    others: u64,
}

impl Board {
    pub(super) fn new(channels: Vec<Channel>) -> Self {
        Self {
            start: Instant::now(),
            channels,
            latencies: (0..SHARDS).map(|_| Mutex::new(histogram())).collect(),
            published: Mutex::default(),
            errors: Mutex::default(),
        }
    }

    /// Returns a time as it stands in payloads.
    pub(super) fn micros(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.start))
    }

    /// Records the latency of an event, in microseconds.
    pub(super) fn record(&self, client: usize, latency: u64) {
        if let Some(shard) = self.latencies.get(client % SHARDS) {
            lock(shard).saturating_record(latency);
        }
    }

    /// Returns the latencies since the last call.
    pub(super) fn take_latencies(&self) -> Histogram<u64> {
        let mut all = histogram();
        for shard in &self.latencies {
            let mut shard = lock(shard);
            // They all have the same bounds.
            let _ = all.add(&*shard);
            shard.reset();
        }
        all
    }

    pub(super) fn published(&self) -> MutexGuard<'_, Published> {
        lock(&self.published)
    }

    pub(super) fn errors(&self) -> MutexGuard<'_, Errors> {
        lock(&self.errors)
    }
}

impl Errors {
    pub(super) fn count(&mut self, error: impl Display) {
        let kind: String = error.to_string().chars().take(MAX_KIND_LEN).collect();
        if self.kinds.len() < MAX_KINDS || self.kinds.contains_key(&kind) {
            *self.kinds.entry(kind).or_default() += 1;
        } else {
            self.others += 1;
        }
    }

    /// Returns the counts, the highest first.
    pub(super) fn list(&self) -> Vec<(&str, u64)> {
        let mut list: Vec<_> = self.kinds.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
        list.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        if self.others > 0 {
            list.push(("others", self.others));
        }
        list
    }

    pub(super) fn total(&self) -> u64 {
        self.kinds.values().sum::<u64>() + self.others
    }
}

/// A histogram of microseconds up to an hour, with three digits.
pub(super) fn histogram() -> Histogram<u64> {
    // The bounds are valid for every number of digits up to five.
    Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("valid bounds")
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Number of histograms.
const SHARDS: usize = 16;

/// Servers can put anything into their messages.
const MAX_KINDS: usize = 20;
const MAX_KIND_LEN: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_kind_up_to_a_bound() {
        let mut errors = Errors::default();
        errors.count("b");
        errors.count("a");
        errors.count("a");
        assert_eq!(errors.list(), [("a", 2), ("b", 1)]);
        for number in 0..30 {
            errors.count(number);
        }
        assert_eq!((errors.list().len(), errors.list().last().copied()), (MAX_KINDS + 1, Some(("others", 12))));
        assert_eq!(errors.total(), 33);
    }
}
