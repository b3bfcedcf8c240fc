//! Successes that do not say what they answer, on one socket.
//!
//! An answer names a channel, but not which of several tries it belongs to. A try that was given up may still be answered, and
//! so a success may be that of an earlier try, while the latest one is still to be refused.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::{ChannelName, Instant, Text};

#[derive(Default)]
pub(super) struct Strays {
    /// Names whose success is not waited for, or not any more: the server was told to unsubscribe them, and was not asked to
    /// subscribe them since.
    unsubscribed: BTreeSet<Text>,
    /// Channels that are asked for again, or will be, though an earlier try was not answered.
    repeated: BTreeMap<ChannelName, Repeated>,
}

#[derive(Default)]
struct Repeated {
    /// Tries that were not answered: those that were given up, and the latest one.
    unanswered: u32,
    /// Until when the answer to the latest try is waited for, once that was sent.
    until: Option<Instant>,
    /// Whether a success has come since, of whichever try.
    is_confirmed: bool,
}

impl Strays {
    /// The server was told to unsubscribe a name. Returns whether that is new.
    pub(super) fn insert(&mut self, name: Text) -> bool {
        self.unsubscribed.insert(name)
    }

    /// Names that were unsubscribed.
    pub(super) fn len(&self) -> usize {
        self.unsubscribed.len()
    }

    /// A try is given up that the server may still answer.
    pub(super) fn give_up(&mut self, channel: &ChannelName) {
        self.unsubscribed.insert(channel.as_str().into());
        let repeated =
            self.repeated.entry(channel.clone()).or_insert(Repeated { unanswered: 1, ..Repeated::default() });
        repeated.is_confirmed = false;
    }

    /// The server was asked for a channel, and has so long to answer.
    pub(super) fn handle_sent(&mut self, channel: &ChannelName, timeout: Duration, now: Instant) {
        self.unsubscribed.remove(channel.as_str());
        if let Some(repeated) = self.repeated.get_mut(channel) {
            repeated.unanswered = repeated.unanswered.saturating_add(1);
            // As late as an answer that made the client try again.
            repeated.until = Some(now + timeout * 2);
        }
    }

    /// The server has confirmed one of the tries, and with that the channel, unless it `is_late`: given up and not tried again yet.
    pub(super) fn handle_succeeded(&mut self, channel: &ChannelName, is_late: bool) {
        let Some(repeated) = self.repeated.get_mut(channel) else { return };
        repeated.unanswered = repeated.unanswered.saturating_sub(1);
        repeated.is_confirmed |= !is_late;
        if repeated.unanswered == 0 {
            self.repeated.remove(channel);
        }
    }

    /// Whatever comes for this channel now, it is not an answer to an earlier try.
    pub(super) fn forget(&mut self, channel: &str) {
        self.repeated.remove(channel);
    }

    /// Returns those that seem to be subscribed while the answer to their latest try is waited for.
    pub(super) fn doubtful(&mut self, now: Instant) -> Vec<ChannelName> {
        self.repeated.retain(|_, repeated| repeated.until.is_none_or(|until| now <= until));
        self.repeated.iter().filter(|(_, repeated)| repeated.is_confirmed).map(|(channel, _)| channel.clone()).collect()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
