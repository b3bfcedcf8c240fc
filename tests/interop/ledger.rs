//! What clients got, held against what was published.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use pusher_driver::Subscription;
use pusher_proto::Event;

/// What one client got on one channel, in order.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Vec<Entry>>);

enum Entry {
    /// Events of one publisher with numbers one after the other.
    Events {
        publisher: usize,
        numbers: Range<usize>,
    },
    /// The notice that events may have been missed.
    ContinuityLost(Instant),
    /// The proof that none was missed since the connection was lost, however long ago that is.
    Recovered,
    Subscribed(Instant),
}

/// What is in an event: who published it, and how many it published before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) publisher: usize,
    pub(crate) number: usize,
}

/// When each publisher began to publish each of its events.
pub(crate) type Published = Vec<Vec<Instant>>;

/// How events went that somebody else got. Each that did not come is in a gap that was told, or it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audit {
    pub(crate) received: usize,
    pub(crate) repeated: usize,
    pub(crate) in_gaps: usize,
    pub(crate) untold: usize,
}

impl Ledger {
    /// Writes down what comes from now on.
    pub(crate) fn of(subscription: &Subscription) -> Arc<Self> {
        let ledger = Arc::new(Self::default());
        let writer = Arc::clone(&ledger);
        let write = move |event: &Event| {
            let mut entries = writer.0.lock().unwrap();
            match event {
                Event::Channel(event) => append(&mut entries, Mark::read(&event.data().text())),
                Event::ContinuityLost { .. } | Event::Recovered { is_proven: false, .. } => {
                    entries.push(Entry::ContinuityLost(Instant::now()));
                }
                Event::Recovered { .. } => entries.push(Entry::Recovered),
                Event::SubscriptionSucceeded { .. } => entries.push(Entry::Subscribed(Instant::now())),
                _ => {}
            }
        };
        subscription.bind_all(write).unwrap();
        ledger
    }

    /// When the channel was last subscribed, if that was after `moment`.
    pub(crate) fn subscribed_after(&self, moment: Instant) -> Option<Instant> {
        self.0.lock().unwrap().iter().rev().find_map(|entry| match entry {
            Entry::Subscribed(at) => Some(*at).filter(|at| *at > moment),
            Entry::Events { .. } | Entry::ContinuityLost(_) | Entry::Recovered => None,
        })
    }

    /// How often a gap was told.
    pub(crate) fn gaps(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|entry| matches!(entry, Entry::ContinuityLost(_))).count()
    }

    /// Whether the event came, looking at the latest first.
    pub(crate) fn has(&self, mark: Mark) -> bool {
        self.0.lock().unwrap().iter().rev().any(|entry| match entry {
            Entry::Events { publisher, numbers } => *publisher == mark.publisher && numbers.contains(&mark.number),
            Entry::Subscribed(_) | Entry::ContinuityLost(_) | Entry::Recovered => false,
        })
    }

    /// Whether this event of its publisher came, or a later one.
    pub(crate) fn is_past(&self, mark: Mark) -> bool {
        self.0.lock().unwrap().iter().rev().any(|entry| match entry {
            Entry::Events { publisher, numbers } => *publisher == mark.publisher && numbers.end > mark.number,
            Entry::Subscribed(_) | Entry::ContinuityLost(_) | Entry::Recovered => false,
        })
    }

    /// Whether the events of each publisher came in the order in which it published them.
    pub(crate) fn is_ordered(&self) -> bool {
        let mut next = BTreeMap::new();
        self.0.lock().unwrap().iter().all(|entry| match entry {
            Entry::Events { publisher, numbers } => {
                next.insert(*publisher, numbers.end).is_none_or(|next| numbers.start >= next)
            }
            Entry::Subscribed(_) | Entry::ContinuityLost(_) | Entry::Recovered => true,
        })
    }

    /// All events that came.
    pub(crate) fn marks(&self) -> BTreeSet<Mark> {
        self.0.lock().unwrap().iter().flat_map(Entry::marks).collect()
    }

    /// Holds this ledger against one of a client that was not disturbed.
    pub(crate) fn audit(&self, published: &Published, control: &BTreeSet<Mark>) -> Audit {
        let entries = self.0.lock().unwrap();
        let received: BTreeSet<_> = entries.iter().flat_map(Entry::marks).collect();
        let events = entries.iter().flat_map(Entry::marks).count();
        let mut audit = Audit { received: received.len(), repeated: events - received.len(), ..Audit::default() };
        for (publisher, starts) in published.iter().enumerate() {
            let mut next = 0;
            // A gap was told, and no event has come since: until when it covers what is missing, and until when it did
            // before the last subscription.
            let (mut covered, mut covered_before) = (None, None);
            // When the channel was subscribed, if no event has come since.
            let mut subscribed = None;
            // Nothing is promised before the first subscription.
            let mut is_told = true;
            let mut account = |range: Range<usize>, covered: Option<Instant>| {
                for number in range {
                    let mark = Mark { publisher, number };
                    if !control.contains(&mark) || received.contains(&mark) {
                        continue;
                    }
                    match covered {
                        Some(covered) if starts[number] <= covered => audit.in_gaps += 1,
                        Some(_) | None => audit.untold += 1,
                    }
                }
            };
            for entry in entries.iter() {
                match entry {
                    // With recovery, the notice comes after the success, and events since then are not in the gap.
                    Entry::ContinuityLost(at) => (is_told, covered) = (true, subscribed.or(Some(*at))),
                    // It says nothing about an earlier gap, but the new subscription does not make that gap longer.
                    Entry::Recovered => covered = covered_before,
                    Entry::Subscribed(at) => {
                        (subscribed, covered_before) = (Some(*at), covered);
                        if is_told {
                            (is_told, covered) = (false, Some(*at));
                        }
                    }
                    Entry::Events { publisher: found, numbers } if *found == publisher && numbers.end > next => {
                        account(next..numbers.start, covered);
                        (next, is_told, covered) = (numbers.end, false, None);
                        (subscribed, covered_before) = (None, None);
                    }
                    Entry::Events { .. } => {}
                }
            }
            account(next..starts.len(), covered);
        }
        audit
    }
}

impl Entry {
    fn marks(&self) -> impl Iterator<Item = Mark> {
        let (publisher, numbers) = match self {
            Self::Events { publisher, numbers } => (*publisher, numbers.clone()),
            Self::ContinuityLost(_) | Self::Recovered | Self::Subscribed(_) => (0, 0..0),
        };
        numbers.map(move |number| Mark { publisher, number })
    }
}

fn append(entries: &mut Vec<Entry>, mark: Mark) {
    match entries.last_mut() {
        Some(Entry::Events { publisher, numbers }) if *publisher == mark.publisher && numbers.end == mark.number => {
            numbers.end += 1;
        }
        _ => entries.push(Entry::Events { publisher: mark.publisher, numbers: mark.number..mark.number + 1 }),
    }
}

impl Mark {
    pub(crate) fn write(self) -> String {
        format!("{}:{}", self.publisher, self.number)
    }

    fn read(text: &str) -> Self {
        let (publisher, number) = text.split_once(':').expect("an event of ours");
        Self { publisher: publisher.parse().unwrap(), number: number.parse().unwrap() }
    }
}

impl std::ops::AddAssign for Audit {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.repeated += other.repeated;
        self.in_gaps += other.in_gaps;
        self.untold += other.untold;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Event `n` is begun in second `n`.
    fn published() -> Published {
        let start = Instant::now();
        vec![(0..6).map(|second| start + Duration::from_secs(second)).collect()]
    }

    fn events(numbers: Range<usize>) -> Entry {
        Entry::Events { publisher: 0, numbers }
    }

    fn audit(published: &Published, entries: Vec<Entry>) -> Audit {
        let control = (0..6).map(|number| Mark { publisher: 0, number }).collect();
        Ledger(Mutex::new(entries)).audit(published, &control)
    }

    #[test]
    fn an_event_that_is_missing_without_a_notice_is_untold() {
        let published = published();
        let subscribed = Entry::Subscribed(published[0][0]);
        let audit = audit(&published, vec![subscribed, events(0..2), events(3..6)]);
        assert_eq!(audit, Audit { received: 5, untold: 1, ..Audit::default() });
    }

    #[test]
    fn an_event_that_is_missing_at_the_end_is_untold() {
        let published = published();
        let audit = audit(&published, vec![Entry::Subscribed(published[0][0]), events(0..5)]);
        assert_eq!(audit, Audit { received: 5, untold: 1, ..Audit::default() });
    }

    #[test]
    fn only_what_was_begun_before_the_new_subscription_is_in_the_gap() {
        let published = published();
        let subscribed = Entry::Subscribed(published[0][0]);
        let again = Entry::Subscribed(published[0][2]);
        let audit = audit(
            &published,
            vec![subscribed, events(0..1), Entry::ContinuityLost(published[0][1]), again, events(4..6)],
        );
        assert_eq!(audit, Audit { received: 3, in_gaps: 2, untold: 1, ..Audit::default() });
    }

    #[test]
    fn a_reported_gap_may_end_with_an_event_before_the_success() {
        let published = published();
        let subscribed = Entry::Subscribed(published[0][0]);
        let (notice, again) = (Entry::ContinuityLost(published[0][3]), Entry::Subscribed(published[0][4]));
        let audit = audit(&published, vec![subscribed, events(0..1), notice, events(3..4), again, events(5..6)]);
        assert_eq!(audit, Audit { received: 3, in_gaps: 2, untold: 1, ..Audit::default() });
    }

    #[test]
    fn a_new_subscription_without_a_notice_is_no_gap() {
        let published = published();
        let subscribed = Entry::Subscribed(published[0][0]);
        let again = Entry::Subscribed(published[0][2]);
        let audit = audit(&published, vec![subscribed, events(0..1), again, events(3..6)]);
        assert_eq!(audit, Audit { received: 4, untold: 2, ..Audit::default() });
    }

    #[test]
    fn an_event_that_is_missing_after_a_recovery_is_untold() {
        let published = published();
        let (subscribed, again) = (Entry::Subscribed(published[0][0]), Entry::Subscribed(published[0][3]));
        let audit = audit(&published, vec![subscribed, events(0..2), again, Entry::Recovered, events(3..6)]);
        assert_eq!(audit, Audit { received: 5, untold: 1, ..Audit::default() });
    }

    #[test]
    fn a_gap_that_is_reported_after_the_success_ends_with_the_success() {
        let published = published();
        let (subscribed, again) = (Entry::Subscribed(published[0][0]), Entry::Subscribed(published[0][2]));
        let notice = Entry::ContinuityLost(published[0][4]);
        let audit = audit(&published, vec![subscribed, events(0..1), again, notice, events(4..6)]);
        assert_eq!(audit, Audit { received: 3, in_gaps: 2, untold: 1, ..Audit::default() });
    }

    #[test]
    fn a_recovery_does_not_make_an_earlier_gap_longer() {
        let published = published();
        let subscribed = |second: usize| Entry::Subscribed(published[0][second]);
        let notice = Entry::ContinuityLost(published[0][1]);
        let entries =
            vec![subscribed(0), events(0..1), subscribed(1), notice, subscribed(3), Entry::Recovered, events(4..6)];
        let audit = audit(&published, entries);
        assert_eq!(audit, Audit { received: 3, in_gaps: 1, untold: 2, ..Audit::default() });
    }

    #[test]
    fn events_are_ordered_if_each_publisher_counts_up() {
        let of = |entries| Ledger(Mutex::new(entries)).is_ordered();
        let other = Entry::Events { publisher: 1, numbers: 0..2 };
        assert!(of(vec![events(0..2), other, events(3..6)]));
        assert!(!of(vec![events(0..2), events(4..6), events(2..4)]));
    }

    #[test]
    fn an_event_that_comes_again_is_repeated() {
        let published = published();
        let audit = audit(&published, vec![Entry::Subscribed(published[0][0]), events(0..6), events(2..3)]);
        assert_eq!(audit, Audit { received: 6, repeated: 1, ..Audit::default() });
    }
}
