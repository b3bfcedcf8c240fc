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
