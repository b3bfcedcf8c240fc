//! Events and frames that wait to be polled.

use alloc::collections::VecDeque;

use super::stats::Stats;
use crate::event::Event;
use crate::{AuthId, ChannelName, Text, TriggerError};

/// Events in the order in which they happened, and the frames that the parts want to send.
pub(crate) struct Outbox {
    events: VecDeque<Waiting>,
    /// How many of `events` were offered, and how many bytes they hold.
    offered: usize,
    offered_bytes: usize,
    max_offered: usize,
    /// The counters, including those of lost events.
    pub(crate) stats: Stats,
    sends: VecDeque<Text>,
    cancels: VecDeque<AuthId>,
}

struct Waiting {
    event: Event,
    /// The bytes that the event holds if it was offered, because a peer can cause any number of such events; otherwise
    /// 0.
    offered: usize,
}

impl Outbox {
    pub(crate) fn new(max_offered: usize) -> Self {
        Self {
            events: VecDeque::new(),
            offered: 0,
            offered_bytes: 0,
            max_offered,
            stats: Stats::default(),
            sends: VecDeque::new(),
            cancels: VecDeque::new(),
        }
    }

    /// Queues an event that must not be lost.
    pub(crate) fn emit(&mut self, event: Event) {
        self.events.push_back(Waiting { event, offered: 0 });
    }

    /// Queues an event of which a peer can cause any number. If too many are waiting, it is only counted as lost.
    pub(crate) fn offer(&mut self, event: Event) {
        if matches!(event, Event::Diagnostic(_)) {
            if self.events.len() < self.offered + MAX_DIAGNOSTICS {
                self.emit(event);
            }
        } else if self.has_room() {
            let weight = event.weight();
            self.offered += 1;
            self.offered_bytes += weight;
            self.events.push_back(Waiting { event, offered: weight });
        } else {
            self.lag(1);
        }
    }

    /// Whether an event that is offered now is kept.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.offered < self.max_offered && self.offered_bytes < MAX_OFFERED_BYTES
    }

    pub(crate) fn send(&mut self, text: Text) {
        self.sends.push_back(text);
    }

    pub(crate) fn cancel_auth(&mut self, id: AuthId) {
        self.cancels.push_back(id);
    }

    /// Removes events that the application no longer wants. It still wants the outcomes of its requests.
    pub(crate) fn forget(&mut self, channel: &ChannelName) {
        if self.events.is_empty() {
            return;
        }
        self.events
            .retain(|Waiting { event, .. }| matches!(event, Event::History { .. }) || event.channel() != Some(channel));
        let offered = || self.events.iter().map(|waiting| waiting.offered).filter(|weight| *weight > 0);
        (self.offered, self.offered_bytes) = (offered().count(), offered().sum());
    }

    /// Removes frames that only the lost socket could have sent.
    pub(crate) fn forget_sends(&mut self) {
        self.sends.clear();
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        let Waiting { event, offered } = self.events.pop_front()?;
        self.offered -= usize::from(offered > 0);
        self.offered_bytes -= offered;
        debug_assert!(
            !self.events.is_empty() || (self.offered, self.offered_bytes) == (0, 0),
            "events that wait were counted wrongly"
        );
        Some(event)
    }

    pub(crate) fn poll_send(&mut self) -> Option<Text> {
        self.sends.pop_front()
    }

    pub(crate) fn poll_cancel(&mut self) -> Option<AuthId> {
        self.cancels.pop_front()
    }

    /// Returns how many events wait to be polled, and the bytes of those of which a peer can cause any number.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        (self.events.len() as u64, self.offered_bytes as u64)
    }

    /// Whether one more frame of the application may wait to be sent.
    pub(crate) fn check_backlog(&self) -> Result<(), TriggerError> {
        if self.sends.len() < MAX_WAITING_SENDS { Ok(()) } else { Err(TriggerError::QueueFull) }
    }

    /// Counts lost events, at the point where they were lost.
    pub(crate) fn lag(&mut self, count: u64) {
        self.stats.missed += count;
        if let Some(Waiting { event: Event::Lagged { missed }, .. }) = self.events.back_mut() {
            *missed += count;
        } else {
            self.emit(Event::Lagged { missed: count });
        }
    }
}

/// The offered events hold at most this many bytes, plus one event.
const MAX_OFFERED_BYTES: usize = 64 * 1_024 * 1_024;

/// Bytes of frames that a channel, or the user, may hold back until a key or a confirmation arrives.
pub(crate) const MAX_HELD_BYTES: usize = 16 * 1_024 * 1_024;

/// How many frames may wait to be polled before further client events are refused.
const MAX_WAITING_SENDS: usize = 4_096;

/// How many diagnostics and other events that are not offered may wait before further diagnostics are dropped.
/// Diagnostics contain nothing that an application must know.
const MAX_DIAGNOSTICS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnectionEvent, Data};

    fn miss(channel: &str) -> Event {
        Event::CacheMiss { channel: ChannelName::new(channel).unwrap() }
    }

    #[test]
    fn counts_what_is_too_much_and_says_so_in_its_place() {
        let mut outbox = Outbox::new(1);
        outbox.offer(miss("a"));
        outbox.offer(miss("b"));
        outbox.offer(miss("c"));
        outbox.emit(Event::Unavailable);
        assert_eq!(outbox.poll_event(), Some(miss("a")));
        outbox.offer(miss("d"));
        assert_eq!(outbox.poll_event(), Some(Event::Lagged { missed: 2 }));
        assert_eq!(outbox.poll_event(), Some(Event::Unavailable));
        assert_eq!(outbox.poll_event(), Some(miss("d")));
        assert_eq!(outbox.poll_event(), None);
    }

    #[test]
    fn large_events_are_bounded_by_their_bytes() {
        let mut outbox = Outbox::new(100);
        let large = || Event::Connection(ConnectionEvent { event: "x".repeat(30 << 20).into(), data: Data::ABSENT });
        for _ in 0..5 {
            outbox.offer(large());
        }
        assert_eq!(core::iter::from_fn(|| outbox.poll_event()).count(), 4);
        outbox.offer(large());
        assert_eq!(outbox.poll_event(), Some(large()));
    }

    #[test]
    fn holds_256_diagnostics_beside_the_events_of_the_channels() {
        let mut outbox = Outbox::new(1);
        outbox.offer(miss("a"));
        for _ in 0..300 {
            outbox.offer(Event::Diagnostic(crate::Diagnostic::BinaryFrame));
        }
        assert_eq!(core::iter::from_fn(|| outbox.poll_event()).count(), 257);
    }

    #[test]
    fn forgets_one_channel_and_makes_room() {
        let mut outbox = Outbox::new(2);
        outbox.offer(miss("a"));
        outbox.offer(miss("b"));
        outbox.forget(&ChannelName::new("a").unwrap());
        outbox.offer(miss("c"));
        assert_eq!(outbox.poll_event(), Some(miss("b")));
        assert_eq!(outbox.poll_event(), Some(miss("c")));
    }
}
