//! Which subscription, or sign-in, an error without a channel is about.
//!
//! Several servers refuse a subscription with a `pusher:error` that names no channel, and use the same codes for other
//! things. An error is pinned on a subscription only where no other can be meant; otherwise it waits until later answers
//! or the deadline decide.

use alloc::collections::BTreeMap;

use crate::{ChannelName, ServerError};

/// What the server was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Channel(ChannelName),
    Signin,
}

/// What the server has not answered, in sending order.
#[derive(Default)]
pub(crate) struct Unanswered {
    last: u64,
    sent: BTreeMap<u64, Asked>,
    held: Option<Held>,
}

struct Held {
    error: ServerError,
    /// Only what was sent up to here can be meant.
    up_to: u64,
}

impl Unanswered {
    pub(crate) fn push(&mut self, asked: Asked) -> u64 {
        self.last += 1;
        self.sent.insert(self.last, asked);
        self.last
    }

    pub(crate) fn len(&self) -> usize {
        self.sent.len()
    }

    /// What `error` is surely about. Otherwise the error is held.
    pub(crate) fn blame(&mut self, error: &ServerError, triggered_lately: bool) -> Option<Asked> {
        let mut named = self.sent.values().filter(|asked| asked.is_named_in(&error.message));
        if let (Some(asked), None) = (named.next(), named.next()) {
            return Some(asked.clone());
        }
        let mut all = self.sent.values();
        if let (Some(asked), None, false) = (all.next(), all.next(), triggered_lately) {
            return Some(asked.clone());
        }
        if !self.sent.is_empty() {
            self.held = Some(Held { error: error.clone(), up_to: self.last });
        }
        None
    }

    /// Servers answer in order: when a later one was answered and exactly one earlier was not, the held error is its
    /// answer.
    pub(crate) fn answered(&mut self, order: u64) -> Option<(Asked, ServerError)> {
        self.sent.remove(&order)?;
        let held = self.held.as_ref()?;
        let mut earlier = self.sent.range(..order.min(held.up_to.saturating_add(1)));
        let (Some((_, asked)), None) = (earlier.next(), earlier.next()) else { return None };
        let asked = asked.clone();
        self.held.take().map(|held| (asked, held.error))
    }

    /// Nobody answered this one; returns the held error that may be the reason.
    pub(crate) fn expired(&mut self, order: u64) -> Option<ServerError> {
        self.sent.remove(&order);
        let held = self.held.as_ref()?;
        (order <= held.up_to).then(|| held.error.clone())
    }
}

impl Asked {
    /// Whether the message names it, and not just a channel whose name begins or ends the same.
    fn is_named_in(&self, message: &str) -> bool {
        let Self::Channel(channel) = self else { return false };
        let inside_name =
            |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
        message.match_indices(channel.as_str()).any(|(start, name)| {
            let bytes = message.as_bytes();
            let before = start.checked_sub(1).and_then(|at| bytes.get(at));
            !inside_name(before) && !inside_name(bytes.get(start + name.len()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Asked {
        Asked::Channel(ChannelName::new(text).unwrap())
    }

    fn error(message: &str) -> ServerError {
        ServerError { code: Some(4009), message: message.into() }
    }

    fn unanswered(channels: &[&str]) -> Unanswered {
        let mut unanswered = Unanswered::default();
        for channel in channels {
            unanswered.push(name(channel));
        }
        unanswered
    }

    #[test]
    fn an_error_that_names_one_channel_is_about_it() {
        let mut both = unanswered(&["private-a", "private-a-b"]);
        assert_eq!(both.blame(&error("no access to private-a-b."), true), Some(name("private-a-b")));
        assert_eq!(both.blame(&error("no access to private-a."), true), Some(name("private-a")));
        assert_eq!(both.blame(&error("neither private-a nor private-a-b"), true), None);
    }

    #[test]
    fn the_only_one_unanswered_is_meant_unless_a_client_event_may_be() {
        let mut one = unanswered(&["private-a"]);
        assert_eq!(one.blame(&error("no"), true), None);
        assert_eq!(one.blame(&error("no"), false), Some(name("private-a")));
        assert_eq!(unanswered(&[]).blame(&error("no"), false), None);
    }

    #[test]
    fn a_held_error_falls_on_the_only_earlier_one_when_a_later_is_answered() {
        let mut three = unanswered(&["a", "b", "c"]);
        assert_eq!(three.blame(&error("no"), false), None);
        assert_eq!(three.answered(1), None);
        assert_eq!(three.answered(3), Some((name("b"), error("no"))));
    }

    #[test]
    fn a_held_error_is_not_about_what_was_sent_after_it() {
        let mut two = unanswered(&["a", "b"]);
        assert_eq!(two.blame(&error("no"), false), None);
        let (c, d) = (two.push(name("c")), two.push(name("d")));
        assert_eq!((two.answered(1), two.answered(2)), (None, None));
        assert_eq!(two.answered(d), None);
        assert_eq!(two.expired(c), None);
    }

    #[test]
    fn a_held_error_is_the_probable_cause_at_the_deadline() {
        let mut two = unanswered(&["a", "b"]);
        assert_eq!(two.blame(&error("no"), false), None);
        assert_eq!(two.expired(1), Some(error("no")));
    }
}
