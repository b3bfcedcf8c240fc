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

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{Config, Endpoint};

    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// An event is sent after so many milliseconds.
        Send(u64),
        /// So many events have waited for their channel, which is subscribed now.
        Flush(usize),
        /// The connection is lost.
        Leave,
    }

    const STEPS: [Step; 8] = [
        Step::Send(0),
        Step::Send(1),
        Step::Send(500),
        Step::Send(999),
        Step::Send(1_000),
        Step::Flush(1),
        Step::Flush(3),
        Step::Leave,
    ];
    const COUNT: usize = 4;
    const MODES: [Strictness; 3] = [Strictness::Ignore, Strictness::Warn, Strictness::Refuse];

    /// How long to wait, if as many events as are allowed were sent in the last second.
    fn wait(sent: &[u64], now: u64, rate: usize) -> Option<Duration> {
        let lately: Vec<u64> = sent.iter().copied().filter(|at| now - at < 1_000).collect();
        let at = lately.len().checked_sub(rate)?;
        Some(Duration::from_millis(lately[at] + 1_000 - now))
    }

    #[test]
    fn so_many_events_are_sent_in_any_second_of_a_connection_and_not_one_less() {
        let channel = ChannelName::new("private-c").unwrap();
        for (rate, strictness) in (1..=3_u32).flat_map(|rate| MODES.map(|strictness| (rate, strictness))) {
            let builder = Config::builder("key", Endpoint::cluster("eu"));
            let options = builder.client_event_rate(rate).client_event_rate_limit(strictness).build().unwrap().options;
            for sequence in 0..STEPS.len().pow(COUNT as u32) {
                let steps: Vec<Step> =
                    (0..COUNT as u32).map(|at| STEPS[sequence / STEPS.len().pow(at) % STEPS.len()]).collect();
                let (mut events, mut outbox) = (ClientEvents::new(options.clone()), Outbox::new(1));
                let (mut now, mut sent) = (5_000, Vec::new());
                for &step in &steps {
                    let outcome = match step {
                        Step::Leave => {
                            sent.clear();
                            events.leave(&mut outbox);
                            Vec::new()
                        }
                        Step::Flush(count) => {
                            sent.extend([now].repeat(count));
                            (0..count).for_each(|_| events.keep(channel.clone(), "e".into()));
                            events.flush(&channel, Instant::from_elapsed(Duration::from_millis(now)), &mut outbox);
                            ["e"].repeat(count)
                        }
                        Step::Send(gap) => {
                            now += gap;
                            let at = Instant::from_elapsed(Duration::from_millis(now));
                            let retry_in = wait(&sent, now, rate as usize);
                            let (result, warning) = match (strictness, retry_in) {
                                (Strictness::Refuse, Some(retry_in)) => {
                                    (Err(TriggerError::RateLimited { retry_in }), None)
                                }
                                (Strictness::Warn, Some(_)) => {
                                    (Ok(()), Some(Diagnostic::ClientEventRate { max: rate }))
                                }
                                (_, _) => (Ok(()), None),
                            };
                            sent.extend(result.is_ok().then_some(now));
                            let outcome = Vec::from_iter(result.is_ok().then_some("e"));
                            assert_eq!(events.send("e".into(), at, &mut outbox), result, "{rate} a second: {steps:?}");
                            let warning = warning.map(Event::Diagnostic);
                            assert_eq!(outbox.poll_event(), warning, "{rate} a second: {steps:?}");
                            outcome
                        }
                    };
                    assert!(core::iter::from_fn(|| outbox.poll_send()).eq(outcome), "{steps:?}");
                    for later in [0, 1, 500, 999, 1_000].map(|later| now + later) {
                        let is_late = sent.last().is_some_and(|sent| later - sent < 1_000);
                        let later = Instant::from_elapsed(Duration::from_millis(later));
                        assert_eq!(events.sent_lately(later), is_late, "{steps:?}");
                    }
                }
            }
        }
    }
}
