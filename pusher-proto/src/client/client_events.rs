//! Client events that wait for a subscription, and their rate.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;

use foldhash::fast::FixedState;
use indexmap::IndexMap;

use super::outbox::Outbox;
use crate::config::{Options, Strictness};
use crate::event::{Diagnostic, Event};
use crate::{ChannelName, ClientEventName, Data, Instant, Text, TriggerError};

/// The queue, and when the latest events were sent.
pub(crate) struct ClientEvents {
    options: Arc<Options>,
    waiting: IndexMap<ChannelName, VecDeque<Text>, FixedState>,
    waiting_count: usize,
    /// When the latest events were sent; as many as are allowed per second.
    sent_at: VecDeque<Instant>,
}

impl ClientEvents {
    pub(crate) fn new(options: Arc<Options>) -> Self {
        Self { options, waiting: IndexMap::default(), waiting_count: 0, sent_at: VecDeque::new() }
    }

    /// Checks everything that depends only on the event.
    pub(crate) fn check(
        &self,
        channel: &ChannelName,
        event: &ClientEventName,
        data: &Data,
        outbox: &mut Outbox,
    ) -> Result<Text, TriggerError> {
        let (len, max) = (data.raw().len(), self.options.max_client_event_len);
        match self.options.client_event_len_limit {
            Strictness::Refuse if len > max => return Err(TriggerError::TooLarge { len, max }),
            Strictness::Warn if len > max => outbox.offer(Event::Diagnostic(Diagnostic::ClientEventLen { len, max })),
            Strictness::Ignore | Strictness::Warn | Strictness::Refuse => {}
        }
        Ok(crate::wire::write::client_event(event, channel, data))
    }

    /// Sends at once.
    pub(crate) fn send(&mut self, text: Text, now: Instant, outbox: &mut Outbox) -> Result<(), TriggerError> {
        outbox.check_backlog()?;
        let max = self.options.client_event_rate;
        match (self.options.client_event_rate_limit, self.retry_in(now)) {
            (Strictness::Refuse, Some(retry_in)) => return Err(TriggerError::RateLimited { retry_in }),
            (Strictness::Warn, Some(_)) => outbox.offer(Event::Diagnostic(Diagnostic::ClientEventRate { max })),
            (Strictness::Ignore, Some(_)) | (_, None) => {}
        }
        self.note_sent(now);
        outbox.send(text);
        Ok(())
    }

    /// Whether one more event may wait for its channel; `refusal` if there is no queue.
    pub(crate) fn check_room(&self, refusal: TriggerError) -> Result<(), TriggerError> {
        match self.options.max_buffered_client_events {
            0 => Err(refusal),
            max if self.waiting_count >= max => Err(TriggerError::QueueFull),
            _ => Ok(()),
        }
    }

    /// Keeps the event until its channel is subscribed.
    pub(crate) fn keep(&mut self, channel: ChannelName, text: Text) {
        self.waiting_count += 1;
        self.waiting.entry(channel).or_default().push_back(text);
    }

    /// Sends the events that waited for this channel, in order and at once: the application has chosen how many may
    /// wait.
    pub(crate) fn flush(&mut self, channel: &ChannelName, now: Instant, outbox: &mut Outbox) {
        let Some(waiting) = self.waiting.swap_remove(channel) else { return };
        self.waiting_count -= waiting.len();
        for text in waiting {
            self.note_sent(now);
            outbox.send(text);
        }
    }

    /// Drops events that wait for channels that are no longer wanted.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&ChannelName) -> bool, outbox: &mut Outbox) {
        let count = &mut self.waiting_count;
        self.waiting.retain(|channel, waiting| {
            let wanted = is_wanted(channel);
            if !wanted {
                *count -= waiting.len();
                let (channel, count) = (channel.clone(), waiting.len());
                outbox.offer(Event::Diagnostic(Diagnostic::ClientEventsDropped { channel, count }));
            }
            wanted
        });
    }

    /// The connection is lost; waiting events are dropped unless they are to be kept.
    pub(crate) fn leave(&mut self, outbox: &mut Outbox) {
        let waiting = self.waiting.values().map(VecDeque::len).sum::<usize>();
        debug_assert_eq!(self.waiting_count, waiting, "events that wait were counted wrongly");
        self.sent_at.clear();
        if !self.options.keep_client_events {
            self.retain(|_| false, outbox);
        }
    }

    /// Whether an error of the server may be about a client event.
    pub(crate) fn sent_lately(&self, now: Instant) -> bool {
        self.sent_at.back().is_some_and(|&at| now.since(at) < RATE_WINDOW)
    }

    fn retry_in(&self, now: Instant) -> Option<Duration> {
        if self.sent_at.len() < self.options.client_event_rate as usize {
            return None;
        }
        let free_at = *self.sent_at.front()? + RATE_WINDOW;
        (free_at > now).then(|| free_at.since(now))
    }

    fn note_sent(&mut self, now: Instant) {
        let max = self.options.client_event_rate as usize;
        while self.sent_at.len() >= max || self.sent_at.front().is_some_and(|at| now.since(*at) >= RATE_WINDOW) {
            self.sent_at.pop_front();
        }
        self.sent_at.push_back(now);
    }
}

/// The time to which the rate refers (Pusher docs, *Triggering client events*: events per second).
const RATE_WINDOW: Duration = Duration::from_secs(1);
