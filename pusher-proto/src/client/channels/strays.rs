//! Successes on one socket that do not show which attempt they answer.
//!
//! An answer names a channel, but not which of several attempts it belongs to. An abandoned attempt may still be
//! answered, so a success may belong to an earlier attempt, while the latest one may still be refused.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::{ChannelName, Instant, Text};

#[derive(Default)]
pub(super) struct Strays {
    /// Names for which no success is awaited: an unsubscribe was sent for them, and no subscription since.
    unsubscribed: BTreeSet<Text>,
    /// Channels whose subscription was or will be sent again although an earlier attempt was not answered.
    repeated: BTreeMap<ChannelName, Repeated>,
}

#[derive(Default)]
struct Repeated {
    /// Unanswered attempts: the abandoned ones, and the latest one.
    unanswered: u32,
    /// Until when the answer to the latest attempt is awaited, once it was sent.
    until: Option<Instant>,
    /// Whether a success of any attempt has arrived since.
    is_confirmed: bool,
}

impl Strays {
    /// An unsubscribe was sent for a name. Returns whether this is new.
    pub(super) fn insert(&mut self, name: Text) -> bool {
        self.unsubscribed.insert(name)
    }

    /// The number of unsubscribed names.
    pub(super) fn len(&self) -> usize {
        self.unsubscribed.len()
    }

    /// An attempt is abandoned that the server may still answer.
    pub(super) fn give_up(&mut self, channel: &ChannelName) {
        self.unsubscribed.insert(channel.as_str().into());
        let repeated =
            self.repeated.entry(channel.clone()).or_insert(Repeated { unanswered: 1, ..Repeated::default() });
        repeated.is_confirmed = false;
    }

    /// A subscription was sent, and the server has this long to answer.
    pub(super) fn handle_sent(&mut self, channel: &ChannelName, timeout: Duration, now: Instant) {
        self.unsubscribed.remove(channel.as_str());
        if let Some(repeated) = self.repeated.get_mut(channel) {
            repeated.unanswered = repeated.unanswered.saturating_add(1);
            // As late as an answer after which the client had already tried again.
            repeated.until = Some(now + timeout * 2);
        }
    }

    /// Whether a success of this channel may be that of an attempt which was given up.
    pub(super) fn is_repeated(&self, channel: &ChannelName) -> bool {
        self.repeated.contains_key(channel)
    }

    /// The server has confirmed one of the attempts, and thereby the channel, unless the attempt `is_late`: abandoned
    /// and not repeated yet.
    pub(super) fn handle_succeeded(&mut self, channel: &ChannelName, is_late: bool) {
        let Some(repeated) = self.repeated.get_mut(channel) else { return };
        repeated.unanswered = repeated.unanswered.saturating_sub(1);
        repeated.is_confirmed |= !is_late;
        if repeated.unanswered == 0 {
            self.repeated.remove(channel);
        }
    }

    /// Whatever arrives for this channel from now on is not an answer to an earlier attempt.
    pub(super) fn forget(&mut self, channel: &str) {
        self.repeated.remove(channel);
    }

    /// Returns the channels that seem to be subscribed while the answer to their latest attempt is awaited.
    pub(super) fn doubtful(&mut self, now: Instant) -> Vec<ChannelName> {
        self.repeated.retain(|_, repeated| repeated.until.is_none_or(|until| now <= until));
        self.repeated.iter().filter(|(_, repeated)| repeated.is_confirmed).map(|(channel, _)| channel.clone()).collect()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// What is known about the attempts of one channel: whether each is answered, in the order of sending.
    #[derive(Default)]
    struct Reference {
        is_unsubscribed: bool,
        attempts: Option<Attempts>,
    }

    struct Attempts {
        answered: Vec<bool>,
        last_sent: Option<Duration>,
        seems_subscribed: bool,
    }

    impl Reference {
        fn step(&mut self, step: usize, now: Duration) {
            match step {
                0 => {
                    self.is_unsubscribed = true;
                    let first = || Attempts { answered: vec![false], last_sent: None, seems_subscribed: false };
                    self.attempts.get_or_insert_with(first).seems_subscribed = false;
                }
                1 => {
                    self.is_unsubscribed = false;
                    if let Some(attempts) = &mut self.attempts {
                        attempts.answered.push(false);
                        attempts.last_sent = Some(now);
                    }
                }
                // A success does not say which attempt it answers; the server answers in order.
                2 | 3 => {
                    if let Some(attempts) = &mut self.attempts {
                        if let Some(answered) = attempts.answered.iter_mut().find(|answered| !**answered) {
                            *answered = true;
                        }
                        attempts.seems_subscribed |= step == 2;
                    }
                    self.attempts.take_if(|attempts| attempts.answered.iter().all(|answered| *answered));
                }
                4 => self.attempts = None,
                _ => {}
            }
        }

        fn doubtful(&mut self, now: Duration) -> bool {
            self.attempts.take_if(|attempts| attempts.last_sent.is_some_and(|sent| now > sent + 2 * TIMEOUT));
            self.attempts.as_ref().is_some_and(|attempts| attempts.seems_subscribed)
        }
    }

    /// An attempt is abandoned, one is sent, a success comes that is not late or is, everything is forgotten, or time
    /// passes.
    const STEPS: usize = 7;

    #[test]
    fn successes_are_counted_against_attempts_in_every_order_of_steps() {
        let channel = ChannelName::new("c").unwrap();
        let other = ChannelName::new("other").unwrap();
        for sequence in 0..STEPS.pow(6) {
            let (mut strays, mut reference, mut now) = (Strays::default(), Reference::default(), Duration::ZERO);
            strays.give_up(&other);
            for place in 0..6 {
                let step = sequence / STEPS.pow(place) % STEPS;
                let at = Instant::from_elapsed(now);
                match step {
                    0 => strays.give_up(&channel),
                    1 => strays.handle_sent(&channel, TIMEOUT, at),
                    2 | 3 => strays.handle_succeeded(&channel, step == 3),
                    4 => strays.forget("c"),
                    // Twice the timeout, and a moment more.
                    5 => now += 2 * TIMEOUT,
                    _ => now += Duration::from_nanos(1),
                }
                reference.step(step, now);
                assert_eq!(strays.is_repeated(&channel), reference.attempts.is_some());
                assert_eq!(strays.len(), 1 + usize::from(reference.is_unsubscribed));
            }
            let doubtful = strays.doubtful(Instant::from_elapsed(now));
            assert_eq!(doubtful, Vec::from_iter(reference.doubtful(now).then(|| channel.clone())), "{sequence}");
            assert_eq!(strays.is_repeated(&channel), reference.attempts.is_some());
            assert!(strays.is_repeated(&other));
        }
    }
}
