//! Subscriptions that wait to be sent, and how fast they are sent.
//!
//! A server with a rate limit answers excess messages with an error, or closes the connection. Neither tells the limit,
//! so the client finds a suitable pace: half of what was too much, or a third if it has cost a connection. After a
//! while without a complaint, the pace is doubled.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::client::backoff::Backoff;
use crate::config::Options;
use crate::{ChannelKind, ChannelName, Instant};

pub(super) struct Sending {
    waiting: BTreeMap<Turn, ChannelName>,
    backoff: Backoff,
    /// Shortest time between two subscriptions, according to the options and according to the server's complaints; no
    /// limit if zero.
    floor: Duration,
    interval: Duration,
    /// When the next one may be sent, if not now.
    next_at: Option<Instant>,
    /// Until when nothing is sent.
    paused_until: Option<Instant>,
    recover_at: Option<Instant>,
    /// Complaints in a row.
    complaints: u32,
    burst: Burst,
    /// Whether the pace was reduced because a connection did not last, and not because of a complaint.
    is_cautious: bool,
}

/// Failed attempts, and the position in insertion order: channels that have failed before come after those that have
/// not been tried.
pub(super) type Turn = (u32, u64);

/// Subscriptions that were sent in quick succession.
#[derive(Clone, Copy, Default)]
struct Burst {
    count: u32,
    since: Instant,
    last: Instant,
}

impl Sending {
    pub(super) fn new(options: &Options, seed: u64) -> Self {
        Self {
            waiting: BTreeMap::new(),
            backoff: Backoff::new(options, seed),
            floor: options.subscriptions_per_second.map_or(Duration::ZERO, |count| SECOND / count),
            interval: Duration::ZERO,
            next_at: None,
            paused_until: None,
            recover_at: None,
            complaints: 0,
            burst: Burst::default(),
            is_cautious: false,
        }
    }

    pub(super) fn insert(&mut self, turn: Turn, channel: ChannelName) {
        self.waiting.insert(turn, channel);
    }

    pub(super) fn remove(&mut self, turn: Turn) {
        self.waiting.remove(&turn);
    }

    /// Whether no subscription is waiting.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether an authorized subscription is waiting.
    pub(super) fn holds_authorization(&self) -> bool {
        self.waiting.values().any(|channel| channel.kind() != ChannelKind::Public)
    }

    /// The next subscription, if one may be sent.
    pub(super) fn pop(&mut self, now: Instant) -> Option<ChannelName> {
        // A pause ends when its deadline is handled: what is sent before would be considered unanswered at once.
        if self.waiting.is_empty() || self.paused_until.is_some() || self.next_at.is_some_and(|at| at > now) {
            return None;
        }
        let (_, channel) = self.waiting.pop_first()?;
        self.recover(now);
        self.burst.note(now, self.interval());
        self.next_at = Some(now + self.interval()).filter(|at| *at > now);
        Some(channel)
    }

    /// The server complains that it gets too much. Returns when the pause ends, if it begins with this complaint.
    pub(super) fn handle_complaint(&mut self, now: Instant) -> Option<Instant> {
        if self.paused_until.is_some_and(|until| until > now) {
            return None;
        }
        self.complaints = self.complaints.saturating_add(1);
        let until = now + self.backoff.delay(self.complaints).min(LONGEST_PAUSE);
        self.slow_down(2);
        self.is_cautious = false;
        self.burst = Burst::default();
        self.recover_at = Some(until + RECOVERY);
        self.paused_until = Some(until);
        self.next_at = Some(until);
        Some(until)
    }

    /// Everything that was sent has been answered, and nothing waits: the pace was not too fast.
    pub(super) fn handle_all_answered(&mut self) {
        if !self.waiting.is_empty() {
            return;
        }
        // An empty tree keeps half a kilobyte until it is cleared.
        self.waiting.clear();
        if self.is_cautious {
            self.is_cautious = false;
            self.interval = Duration::ZERO;
            self.recover_at = None;
        }
    }

    /// The connection is lost; `is_incomplete` is whether subscriptions were unanswered.
    pub(super) fn leave(&mut self, is_incomplete: bool, now: Instant) {
        let is_soon = now.since(self.burst.last) <= AFTERMATH.max(self.interval() * 2);
        if self.burst.count >= SHORTEST_BURST && is_soon && (is_incomplete || !self.waiting.is_empty()) {
            self.slow_down(3);
            self.is_cautious = true;
            self.recover_at = None;
        }
        self.waiting.clear();
        self.burst = Burst::default();
        self.next_at = None;
        self.paused_until = None;
    }

    /// Returns whether a pause has ended.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        self.next_at.take_if(|at| *at <= now);
        self.paused_until.take_if(|until| *until <= now).is_some()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.paused_until.or(self.next_at.filter(|_| !self.waiting.is_empty()))
    }

    /// The delay before repeating a subscription that was not answered this many times in a row.
    pub(super) fn delay(&mut self, failures: u32) -> Duration {
        self.backoff.delay(failures)
    }

    fn interval(&self) -> Duration {
        self.floor.max(self.interval)
    }

    fn slow_down(&mut self, factor: u32) {
        let now = if self.interval.is_zero() { self.burst.interval() } else { self.interval() };
        self.interval = (now * factor).min(LONGEST_INTERVAL);
    }

    fn recover(&mut self, now: Instant) {
        let recovery = if self.is_cautious { CAUTIOUS_RECOVERY } else { RECOVERY };
        if self.is_cautious {
            self.recover_at.get_or_insert(now + recovery);
        }
        while let Some(at) = self.recover_at.filter(|at| *at <= now) {
            self.complaints = self.complaints.saturating_sub(1);
            self.interval /= 2;
            self.recover_at = Some(at + recovery).filter(|_| self.interval >= SHORTEST_INTERVAL);
            if self.recover_at.is_none() {
                self.interval = Duration::ZERO;
                self.complaints = 0;
                self.is_cautious = false;
            }
        }
    }
}

impl Burst {
    fn note(&mut self, now: Instant, interval: Duration) {
        if self.count == 0 || now.since(self.last) > SECOND.max(interval * 2) {
            *self = Self { count: 0, since: now, last: now };
        }
        self.count = self.count.saturating_add(1);
        self.last = now;
    }

    /// The time between two subscriptions; a burst that took less than a second counts as one second.
    fn interval(self) -> Duration {
        self.last.since(self.since).max(SECOND) / self.count.max(1)
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// The longest pause after a complaint.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// After this time without a complaint the pace doubles.
const RECOVERY: Duration = Duration::from_secs(10);

/// The same after a lost connection, which says less about the pace, and after which another loss would be just as
/// costly.
const CAUTIOUS_RECOVERY: Duration = Duration::from_secs(60);

/// The interval of the slowest pace, and the interval below which there is no limit.
const LONGEST_INTERVAL: Duration = Duration::from_secs(5);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(4);

/// Fewer subscriptions are not a burst, and not the reason why a connection ends.
const SHORTEST_BURST: u32 = 16;

/// How long after a burst it may be the reason why a connection ends.
const AFTERMATH: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::{Config, Endpoint};

    fn sending(count: u64) -> Sending {
        let config = Config::new("key", Endpoint::cluster("eu")).unwrap();
        let mut sending = Sending::new(&config.options, 7);
        for order in 0..count {
            sending.insert((0, order), ChannelName::new(alloc::format!("c{order}")).unwrap());
        }
        sending
    }

    fn at(millis: u64) -> Instant {
        Instant::from_elapsed(Duration::from_millis(millis))
    }

    /// How many are sent in this time, checked every 10 ms.
    fn sent(sending: &mut Sending, from: u64, to: u64) -> usize {
        let mut count = 0;
        for now in (from..to).step_by(10).map(at) {
            sending.handle_timeout(now);
            count += core::iter::from_fn(|| sending.pop(now)).count();
        }
        count
    }

    #[test]
    fn everything_goes_out_at_once_until_the_server_complains_and_at_half_the_pace_after_it() {
        let mut sending = sending(500);
        for _ in 0..100 {
            assert!(sending.pop(at(0)).is_some());
        }
        let until = sending.handle_complaint(at(1)).unwrap();
        assert_eq!(sending.handle_complaint(at(2)), None);
        assert_eq!(sending.pop(at(3)), None);
        let end = u64::try_from(until.elapsed().as_millis()).unwrap() + 1;
        let first_second = sent(&mut sending, end, end + 1_000);
        assert!((45..=51).contains(&first_second), "{first_second}");
        let later = sent(&mut sending, end + 11_000, end + 12_000);
        assert!(later == 0 || later > 90, "{later}");
    }

    #[test]
    fn a_connection_that_ends_within_a_burst_slows_the_next_one_until_a_burst_is_answered() {
        let mut sending = sending(40);
        for _ in 0..40 {
            assert!(sending.pop(at(0)).is_some());
        }
        sending.leave(true, at(0));
        for order in 0..40 {
            sending.insert((0, order), ChannelName::new(alloc::format!("c{order}")).unwrap());
        }
        assert_eq!(sent(&mut sending, 1_000, 2_000), 13);
        assert_eq!(sent(&mut sending, 2_000, 5_000), 27);
        sending.handle_all_answered();
        assert_eq!(sending.interval(), Duration::ZERO);
    }

    #[test]
    fn a_few_subscriptions_are_not_why_a_connection_ends() {
        let mut sending = sending(15);
        while sending.pop(at(0)).is_some() {}
        sending.leave(true, at(0));
        assert_eq!(sending.interval(), Duration::ZERO);
    }

    #[test]
    fn the_pace_after_a_lost_connection_recovers_with_time_too() {
        let mut sending = Sending { interval: SECOND, is_cautious: true, ..sending(1_000) };
        assert_eq!(sent(&mut sending, 0, 60_000), 60);
        assert!((115..=121).contains(&sent(&mut sending, 60_000, 120_000)));
        sent(&mut sending, 120_000, 600_000);
        assert_eq!((sending.waiting.len(), sending.interval()), (0, SECOND / 16));
    }

    #[test]
    fn a_connection_that_ends_long_after_a_burst_does_not_end_because_of_it() {
        let mut sending = sending(40);
        while sending.pop(at(0)).is_some() {}
        sending.leave(true, at(5_001));
        assert_eq!(sending.interval(), Duration::ZERO);
    }

    #[test]
    fn what_was_in_vain_comes_after_what_was_not_tried() {
        let mut sending = sending(1);
        sending.insert((1, 0), ChannelName::new("again").unwrap());
        sending.insert((0, 9), ChannelName::new("new").unwrap());
        let order = core::iter::from_fn(|| sending.pop(at(0)).map(|channel| channel.as_str().to_string()));
        assert_eq!(order.collect::<alloc::vec::Vec<_>>(), ["c0", "new", "again"]);
    }
}
