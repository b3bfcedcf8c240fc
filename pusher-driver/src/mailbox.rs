//! Bounded queues in which events wait for the application, and which report losses.

use std::collections::VecDeque;
use std::mem;
use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Waker};

use pusher_proto::Event;

use crate::options::{Options, Overflow};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// The bytes that wait in all mailboxes of a client.
#[derive(Debug)]
pub(crate) struct Budget {
    len: usize,
    bytes: usize,
    overflow: Overflow,
    used: AtomicUsize,
    mailboxes: AtomicUsize,
    /// The number of events that all mailboxes have lost since the start.
    missed: AtomicU64,
}

impl Budget {
    pub(crate) fn new(options: &Options) -> Arc<Self> {
        Arc::new(Self {
            len: options.mailbox_len,
            bytes: options.mailbox_bytes,
            overflow: options.overflow,
            used: AtomicUsize::new(0),
            mailboxes: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
        })
    }

    /// How many events the mailboxes of this client have lost. An event that two of them have lost counts twice.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    fn lose(&self, counter: &mut u64) {
        *counter += 1;
        self.missed.fetch_add(1, Ordering::Relaxed);
    }

    /// How much a mailbox may hold even if the others have used up everything.
    fn share(&self) -> usize {
        self.bytes / self.mailboxes.load(Ordering::Relaxed).max(1)
    }
}

/// The events that wait for one handle.
#[derive(Debug)]
pub(crate) struct Mailbox {
    budget: Arc<Budget>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: VecDeque<Event>,
    bytes: usize,
    /// Lost before the first waiting event.
    missed_before: u64,
    /// Lost after the last waiting event.
    missed_after: u64,
    intake: Intake,
    waker: Option<Waker>,
    /// Whether the loop will wake the consumer once its batch is done.
    listed: bool,
}

/// Whether a mailbox accepts events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intake {
    /// It does, and it has not been read yet.
    Unread,
    /// It does.
    Read,
    /// It does not: its handle was used for callbacks only.
    Paused,
    /// It only counts lost events, and reports them at the end.
    Overflowed,
    /// There will be no more events.
    Ended,
}

/// What was found in a mailbox.
#[derive(Debug)]
pub(crate) enum Taken {
    Event(Event),
    Nothing,
    Paused,
    Ended,
}

/// What happened to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// No consumer has to be woken.
    Quiet,
    /// It is the first event for which a waiting consumer must be woken.
    Wakes,
}

impl Mailbox {
    pub(crate) fn new(budget: &Arc<Budget>) -> Arc<Self> {
        budget.mailboxes.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            budget: Arc::clone(budget),
            inner: Mutex::new(Inner {
                queue: VecDeque::new(),
                bytes: 0,
                missed_before: 0,
                missed_after: 0,
                intake: Intake::Unread,
                waker: None,
                listed: false,
            }),
        })
    }

    /// Adds an event of `weight` bytes, and creates it only if there is room.
    pub(crate) fn put(&self, weight: usize, event: impl FnOnce() -> Event) -> Put {
        let mut inner = self.lock();
        match inner.intake {
            Intake::Unread | Intake::Read => {}
            Intake::Overflowed => {
                self.budget.lose(&mut inner.missed_after);
                return Put::Quiet;
            }
            Intake::Paused | Intake::Ended => return Put::Quiet,
        }
        self.make_room(&mut inner, weight);
        if self.is_full(&inner, weight) {
            self.budget.lose(&mut inner.missed_after);
            if self.budget.overflow == Overflow::Close {
                inner.intake = Intake::Overflowed;
            }
        } else {
            if inner.missed_after > 0 {
                let missed = mem::take(&mut inner.missed_after);
                self.push(&mut inner, Event::Lagged { missed }, LAGGED_WEIGHT);
            }
            self.push(&mut inner, event(), weight);
        }
        if inner.listed || inner.waker.is_none() {
            return Put::Quiet;
        }
        inner.listed = true;
        Put::Wakes
    }

    /// Takes the next event, or registers a waker for it.
    pub(crate) fn take(&self, context: &Context<'_>) -> Taken {
        let mut inner = self.lock();
        match inner.intake {
            Intake::Paused => return Taken::Paused,
            Intake::Unread => inner.intake = Intake::Read,
            Intake::Read | Intake::Overflowed | Intake::Ended => {}
        }
        if inner.missed_before > 0 {
            return Taken::Event(Event::Lagged { missed: mem::take(&mut inner.missed_before) });
        }
        if let Some(event) = self.pop(&mut inner) {
            return Taken::Event(event);
        }
        if inner.missed_after > 0 {
            if inner.intake == Intake::Overflowed {
                inner.intake = Intake::Ended;
            }
            return Taken::Event(Event::Lagged { missed: mem::take(&mut inner.missed_after) });
        }
        if inner.intake == Intake::Ended {
            return Taken::Ended;
        }
        let replaced = replace_waker(&mut inner.waker, context.waker());
        drop(inner);
        drop(replaced);
        Taken::Nothing
    }

    /// Stops accepting events, if the mailbox has not been read yet. Returns the events so far, including losses, or
    /// `None` if the mailbox continues.
    pub(crate) fn pause(&self) -> Option<Vec<Event>> {
        let mut inner = self.lock();
        match inner.intake {
            Intake::Unread => {}
            Intake::Read | Intake::Paused | Intake::Overflowed | Intake::Ended => return None,
        }
        inner.intake = Intake::Paused;
        let loss = |missed: u64| (missed > 0).then_some(Event::Lagged { missed });
        let mut collected = Vec::from_iter(loss(inner.missed_before));
        collected.extend(inner.queue.drain(..));
        collected.extend(loss(inner.missed_after));
        self.clear(&mut inner);
        Some(collected)
    }

    /// Accepts events again after [`Mailbox::pause`].
    pub(crate) fn resume(&self) {
        let mut inner = self.lock();
        inner.intake = match inner.intake {
            Intake::Paused => Intake::Read,
            Intake::Unread => Intake::Unread,
            Intake::Read => Intake::Read,
            Intake::Overflowed => Intake::Overflowed,
            Intake::Ended => Intake::Ended,
        };
    }

    /// Returns how many events wait, and their bytes.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.queue.len(), inner.bytes)
    }

    /// Stops accepting events; waiting ones can still be taken. Returns the consumer to wake.
    pub(crate) fn end(&self) -> Option<Waker> {
        let mut inner = self.lock();
        inner.intake = Intake::Ended;
        inner.waker.take()
    }

    /// Returns the consumer that waits for events, at the end of a batch.
    pub(crate) fn consumer(&self) -> Option<Waker> {
        let mut inner = self.lock();
        inner.listed = false;
        inner.waker.take()
    }

    fn make_room(&self, inner: &mut Inner, weight: usize) {
        if self.budget.overflow != Overflow::DropOldest {
            return;
        }
        while self.is_full(inner, weight) {
            match self.pop(inner) {
                Some(Event::Lagged { missed }) => inner.missed_before += missed,
                Some(_) => self.budget.lose(&mut inner.missed_before),
                None => return,
            }
        }
    }

    fn is_full(&self, inner: &Inner, weight: usize) -> bool {
        if inner.queue.len() >= self.budget.len {
            return true;
        }
        let used = self.budget.used.load(Ordering::Relaxed);
        used + weight > self.budget.bytes && inner.bytes + weight > self.budget.share()
    }

    fn push(&self, inner: &mut Inner, event: Event, weight: usize) {
        if inner.intake == Intake::Unread && inner.queue.capacity() == 0 {
            inner.queue.reserve_exact(FIRST_CAPACITY);
        }
        inner.queue.push_back(event);
        inner.bytes += weight;
        self.budget.used.fetch_add(weight, Ordering::Relaxed);
    }

    fn pop(&self, inner: &mut Inner) -> Option<Event> {
        let event = inner.queue.pop_front()?;
        let weight = event.weight().min(inner.bytes);
        inner.bytes -= weight;
        self.budget.used.fetch_sub(weight, Ordering::Relaxed);
        if inner.queue.is_empty() && !KEPT_CAPACITY.contains(&inner.queue.capacity()) {
            inner.queue = VecDeque::new();
        }
        Some(event)
    }

    fn clear(&self, inner: &mut Inner) {
        inner.queue = VecDeque::new();
        self.budget.used.fetch_sub(mem::take(&mut inner.bytes), Ordering::Relaxed);
        inner.missed_before = 0;
        inner.missed_after = 0;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.budget.used.fetch_sub(inner.bytes, Ordering::Relaxed);
        self.budget.mailboxes.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Registers a waker; returns the previous one, which may own handles and must be dropped where no lock is held.
#[must_use]
pub(crate) fn replace_waker(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    if place.as_ref().is_some_and(|known| known.will_wake(waker)) {
        return None;
    }
    place.replace(waker.clone())
}

const LAGGED_WEIGHT: usize = size_of::<Event>();

/// Capacity for the success of a subscription. For many channels, it is the only event, and a queue that grows on its own
/// begins with room for four.
const FIRST_CAPACITY: usize = 1;

/// The capacity that an empty mailbox keeps. Less is that of a channel that had only its first event; more is that of a burst.
const KEPT_CAPACITY: RangeInclusive<usize> = FIRST_CAPACITY + 1..=256;

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(options: &Options) -> Arc<Mailbox> {
        Mailbox::new(&Budget::new(options))
    }

    fn numbered(number: u64) -> Event {
        Event::SubscriptionCount { channel: pusher_proto::ChannelName::new("c").unwrap(), count: number }
    }

    fn fill(mailbox: &Mailbox, numbers: std::ops::RangeInclusive<u64>) {
        for number in numbers {
            let event = numbered(number);
            mailbox.put(event.weight(), || event);
        }
    }

    /// Numbers of the events, losses as negative numbers.
    fn taken(mailbox: &Mailbox) -> Vec<i64> {
        let context = Context::from_waker(Waker::noop());
        let mut numbers = Vec::new();
        loop {
            match mailbox.take(&context) {
                Taken::Event(Event::SubscriptionCount { count, .. }) => numbers.push(count as i64),
                Taken::Event(Event::Lagged { missed }) => numbers.push(-(missed as i64)),
                Taken::Event(event) => panic!("{event:?}"),
                Taken::Nothing | Taken::Paused | Taken::Ended => return numbers,
            }
        }
    }

    #[test]
    fn a_full_mailbox_drops_the_oldest_and_says_so_before_the_rest() {
        let mailbox = mailbox(&Options::new().mailbox_len(2));
        fill(&mailbox, 1..=5);
        assert_eq!(taken(&mailbox), [-3, 4, 5]);
        fill(&mailbox, 6..=6);
        assert_eq!(taken(&mailbox), [6]);
    }

    #[test]
    fn a_full_mailbox_drops_the_newest_and_says_so_after_the_rest() {
        let mailbox = mailbox(&Options::new().mailbox_len(2).overflow(Overflow::DropNewest));
        fill(&mailbox, 1..=5);
        let context = Context::from_waker(Waker::noop());
        assert!(matches!(mailbox.take(&context), Taken::Event(event) if event == numbered(1)));
        fill(&mailbox, 6..=6);
        assert_eq!(taken(&mailbox), [2, -3, 6]);
    }

    #[test]
    fn a_full_mailbox_may_end_with_a_last_loss() {
        let mailbox = mailbox(&Options::new().mailbox_len(2).overflow(Overflow::Close));
        fill(&mailbox, 1..=5);
        assert_eq!(taken(&mailbox), [1, 2, -3]);
        fill(&mailbox, 6..=6);
        assert!(matches!(mailbox.take(&Context::from_waker(Waker::noop())), Taken::Ended));
    }

    #[test]
    fn bytes_are_bounded_for_all_mailboxes_together_and_a_slow_one_does_not_starve_the_rest() {
        let each = size_of::<Event>();
        let budget = Budget::new(&Options::new().mailbox_bytes(4 * each));
        let (slow, quick) = (Mailbox::new(&budget), Mailbox::new(&budget));
        fill(&slow, 1..=9);
        assert_eq!(budget.used.load(Ordering::Relaxed), 4 * each);
        fill(&quick, 1..=3);
        assert_eq!(taken(&quick), [-1, 2, 3]);
        assert_eq!(taken(&slow), [-5, 6, 7, 8, 9]);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_loss_that_is_dropped_itself_is_still_counted() {
        let mailbox = mailbox(&Options::new().mailbox_len(2));
        for number in 1..=3 {
            mailbox.put(usize::MAX / 2, || numbered(number));
        }
        fill(&mailbox, 4..=6);
        assert_eq!(taken(&mailbox), [-4, 5, 6]);
    }

    #[test]
    fn a_dropped_mailbox_gives_its_bytes_and_its_share_back() {
        let budget = Budget::new(&Options::new().mailbox_bytes(1_000));
        let (first, second) = (Mailbox::new(&budget), Mailbox::new(&budget));
        fill(&first, 1..=2);
        drop(first);
        assert_eq!((budget.used.load(Ordering::Relaxed), budget.share()), (0, 1_000));
        drop(second);
    }

    #[test]
    fn the_memory_of_a_burst_is_given_back_and_that_of_a_few_events_kept() {
        let mailbox = mailbox(&Options::new());
        fill(&mailbox, 1..=10_000);
        assert_eq!(taken(&mailbox).len(), 10_000);
        assert!(mailbox.lock().queue.capacity() < 10);
        fill(&mailbox, 1..=10);
        assert_eq!(taken(&mailbox).len(), 10);
        assert!(mailbox.lock().queue.capacity() >= 10);
    }

    #[test]
    fn every_loss_of_every_mailbox_is_counted_once() {
        for (overflow, lost) in [(Overflow::DropOldest, 3), (Overflow::DropNewest, 3), (Overflow::Close, 3)] {
            let budget = Budget::new(&Options::new().mailbox_len(2).overflow(overflow));
            let mailbox = Mailbox::new(&budget);
            fill(&mailbox, 1..=5);
            assert_eq!(budget.missed(), lost, "{overflow:?}");
            taken(&mailbox);
            assert_eq!(budget.missed(), lost, "{overflow:?}");
            let other = Mailbox::new(&budget);
            fill(&other, 1..=3);
            assert_eq!(budget.missed(), lost + 1, "{overflow:?}");
        }
        let budget = Budget::new(&Options::new().mailbox_len(2));
        let paused = Mailbox::new(&budget);
        paused.pause();
        fill(&paused, 1..=5);
        assert_eq!(budget.missed(), 0, "nobody wants them");
    }

    #[test]
    fn the_consumer_is_woken_once_per_batch() {
        let mailbox = mailbox(&Options::new());
        assert_eq!(mailbox.put(0, || numbered(1)), Put::Quiet, "nobody waits");
        assert_eq!(taken(&mailbox), [1]);
        assert_eq!(mailbox.put(0, || numbered(2)), Put::Wakes);
        assert_eq!(mailbox.put(0, || numbered(3)), Put::Quiet);
        assert!(mailbox.consumer().is_some());
        assert_eq!(mailbox.put(0, || numbered(4)), Put::Quiet, "the consumer is awake");
    }

    #[test]
    fn an_unread_mailbox_can_pause() {
        let mailbox = mailbox(&Options::new());
        fill(&mailbox, 1..=2);
        assert_eq!(mailbox.pause(), Some(vec![numbered(1), numbered(2)]));
        fill(&mailbox, 3..=3);
        mailbox.resume();
        fill(&mailbox, 4..=4);
        assert_eq!(taken(&mailbox), [4]);
        assert_eq!(mailbox.pause(), None, "somebody reads it");
    }

    #[test]
    fn a_mailbox_that_pauses_returns_its_events_and_reports_its_losses() {
        let options = Options::new().mailbox_len(2);
        let [oldest, newest] = [Overflow::DropOldest, Overflow::DropNewest].map(|overflow| {
            let budget = Budget::new(&options.clone().overflow(overflow));
            let mailbox = Mailbox::new(&budget);
            fill(&mailbox, 1..=3);
            let collected = mailbox.pause();
            assert_eq!(budget.used.load(Ordering::Relaxed), 0);
            collected
        });
        let lost = || Event::Lagged { missed: 1 };
        assert_eq!(oldest, Some(vec![lost(), numbered(2), numbered(3)]));
        assert_eq!(newest, Some(vec![numbered(1), numbered(2), lost()]));
    }

    /// One of two mailboxes that share a budget, and what has to come out of it.
    struct Outlet {
        mailbox: Arc<Mailbox>,
        /// Everything that was put into it while it accepted events.
        wanted: Vec<u64>,
        /// How many of those have come out, as events or as losses.
        done: usize,
        is_wanted: bool,
    }

    impl Outlet {
        fn new(budget: &Arc<Budget>) -> Self {
            Self { mailbox: Mailbox::new(budget), wanted: Vec::new(), done: 0, is_wanted: true }
        }

        /// Checks that an event is the next one, and that a loss is of the next ones.
        fn settle(&mut self, event: &Event) {
            match event {
                Event::SubscriptionCount { count, .. } => {
                    assert_eq!(self.wanted.get(self.done), Some(count), "of {:?}", self.wanted);
                    self.done += 1;
                }
                Event::Lagged { missed } => {
                    self.done += *missed as usize;
                    assert!(*missed > 0 && self.done <= self.wanted.len(), "{missed} lost of {:?}", self.wanted);
                }
                event => panic!("{event:?}"),
            }
        }

        fn take(&mut self, overflow: Overflow) -> bool {
            match self.mailbox.take(&Context::from_waker(Waker::noop())) {
                Taken::Event(event) => {
                    self.settle(&event);
                    // A mailbox that has overflowed ends with its loss.
                    self.is_wanted &= !(overflow == Overflow::Close && matches!(event, Event::Lagged { .. }));
                    true
                }
                Taken::Nothing | Taken::Ended => {
                    assert_eq!(self.done, self.wanted.len(), "nothing is left of {:?}", self.wanted);
                    false
                }
                Taken::Paused => false,
            }
        }
    }

    #[test]
    fn whatever_is_put_in_comes_out_once_and_in_order_or_as_a_loss_in_its_place() {
        for seed in 0..30_000_u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut below = |n: u64| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % n
            };
            let overflow = [Overflow::DropOldest, Overflow::DropNewest, Overflow::Close][seed as usize % 3];
            let weight = numbered(0).weight();
            let bytes = weight * (2 + below(4) as usize);
            let budget = Budget::new(&Options::new().mailbox_len(3).mailbox_bytes(bytes).overflow(overflow));
            let mut outlets = [Outlet::new(&budget), Outlet::new(&budget)];
            for number in 0..24 {
                let own = &mut outlets[below(2) as usize];
                match below(12) {
                    0..=5 => {
                        own.wanted.extend(own.is_wanted.then_some(number));
                        // Some events have room nowhere.
                        let weight = if below(6) == 0 { usize::MAX / 2 } else { weight };
                        own.mailbox.put(weight, || numbered(number));
                    }
                    6..=8 => _ = own.take(overflow),
                    9 => {
                        if let Some(collected) = own.mailbox.pause() {
                            collected.iter().for_each(|event| own.settle(event));
                            assert_eq!(own.done, own.wanted.len(), "everything was collected");
                            own.is_wanted = false;
                        }
                    }
                    10 => {
                        own.is_wanted |= matches!(own.mailbox.lock().intake, Intake::Paused);
                        own.mailbox.resume();
                    }
                    _ => _ = own.mailbox.consumer(),
                }
                let waiting: usize = outlets.iter().map(|own| own.mailbox.waiting().1).sum();
                assert_eq!(budget.used.load(Ordering::Relaxed), waiting, "bytes in use");
            }
            for mut own in outlets {
                own.mailbox.end();
                while own.take(overflow) {}
            }
            assert_eq!((budget.used.load(Ordering::Relaxed), budget.mailboxes.load(Ordering::Relaxed)), (0, 0));
        }
    }
}
