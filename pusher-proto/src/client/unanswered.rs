//! Attributes errors without a channel to a subscription or a sign-in.
//!
//! Several servers refuse a subscription with a `pusher:error` that names no channel, and use the same codes for other
//! purposes. An error is attributed to a subscription only if no other can be meant; otherwise it is held until later
//! answers or the deadline decide.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::wire::read;
use crate::{ChannelName, Instant, ServerError};

/// What an error frame is about, as far as the frame itself shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Complaint<'a> {
    /// A channel that the frame names in its own field, as soketi does.
    Channel(&'a str),
    /// Hosted Pusher: the channel is already subscribed.
    Existing(&'a str),
    /// Hosted Pusher: the channel to unsubscribe is not subscribed.
    NotSubscribed,
    /// The client sends too much, or too fast.
    Pace,
    /// Something that is neither a subscription nor a sign-in.
    Other,
    /// Unknown.
    Something,
}

impl<'a> Complaint<'a> {
    /// Reads an error frame. `triggered_lately` is whether a client event may be what it is about.
    pub(crate) fn read(error: &'a ServerError, channel: Option<&'a str>, triggered_lately: bool) -> Self {
        if error.message.starts_with(NO_SUBSCRIPTION) {
            return Self::NotSubscribed;
        }
        let existing = error.message.strip_prefix(EXISTING_SUBSCRIPTION).map(str::trim);
        match (existing, channel) {
            (Some(existing), None) => Self::Existing(existing),
            (Some(existing), Some(channel)) if existing == channel => Self::Existing(existing),
            // An error with a channel is not about any other channel.
            (_, Some(channel)) => Self::Channel(channel),
            (None, None) => match error.code {
                // Sockudo and soketi answer all excess messages with the code that hosted Pusher uses for client
                // events.
                Some(CLIENT_EVENT_REJECTED | OVER_CAPACITY) if !triggered_lately => Self::Pace,
                Some(CLIENT_EVENT_REJECTED | OVER_CAPACITY | WATCHLIST_TOO_LONG) => Self::Other,
                Some(_) | None if error.message.contains(read::SERVER_TO_USER) => Self::Other,
                Some(_) | None => Self::Something,
            },
        }
    }
}

/// What the client requested from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Channel(ChannelName),
    Signin,
}

/// What the server has not answered yet, in the order of sending.
#[derive(Default)]
pub(crate) struct Unanswered {
    last: u64,
    sent: BTreeMap<u64, Asked>,
    held: Option<Held>,
    /// The number of the sign-in, and until when its answer is awaited, even if the application abandons it.
    signin: Option<(u64, Instant)>,
}

struct Held {
    error: ServerError,
    /// Only messages sent up to this number can be meant.
    up_to: u64,
    /// Whether it may be the answer to one subscription; otherwise it is only a probable cause of missing answers.
    is_answer: bool,
}

impl Unanswered {
    /// The connection is lost, so no answer will come.
    pub(crate) fn leave(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn push_channel(&mut self, channel: ChannelName) -> u64 {
        self.push(Asked::Channel(channel))
    }

    pub(crate) fn push_signin(&mut self, deadline: Instant) {
        self.signin = Some((self.push(Asked::Signin), deadline));
    }

    /// Subscriptions that the server has not answered.
    pub(crate) fn channels(&self) -> usize {
        self.sent.len() - usize::from(self.signin.is_some())
    }

    /// What `error` is certainly about; if this is unknown, the error is held.
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
            self.held = Some(Held { error: error.clone(), up_to: self.last, is_answer: true });
        }
        None
    }

    /// Keeps an error as the probable cause for everything that stays unanswered, even when it is sent again.
    pub(crate) fn hold_cause(&mut self, error: &ServerError) {
        if !self.sent.is_empty() {
            self.held = Some(Held { error: error.clone(), up_to: u64::MAX, is_answer: false });
        }
    }

    /// Removes and returns the unanswered subscriptions, which are sent again and get new numbers.
    pub(crate) fn take_channels(&mut self) -> Vec<ChannelName> {
        let signin = self.signin.and_then(|(order, _)| self.sent.remove_entry(&order));
        let taken = core::mem::replace(&mut self.sent, signin.into_iter().collect()).into_values();
        let channel = |asked| match asked {
            Asked::Channel(channel) => Some(channel),
            Asked::Signin => None,
        };
        taken.filter_map(channel).collect()
    }

    /// Servers answer in order: if a later subscription was answered and exactly one earlier was not, the held error is
    /// the answer to that one.
    pub(crate) fn answered(&mut self, order: u64) -> Option<(Asked, ServerError)> {
        self.sent.remove(&order)?;
        self.settle();
        let held = self.held.as_ref().filter(|held| held.is_answer)?;
        let mut earlier = self.sent.range(..order.min(held.up_to.saturating_add(1)));
        let (Some((_, asked)), None) = (earlier.next(), earlier.next()) else { return None };
        let asked = asked.clone();
        self.held.take().map(|held| (asked, held.error))
    }

    /// The sign-in was answered, which may show what an earlier error was about.
    pub(crate) fn signin_answered(&mut self) -> Option<(Asked, ServerError)> {
        let (order, _) = self.signin.take()?;
        self.answered(order)
    }

    /// A subscription was not answered in time; returns the held error that may be the reason.
    pub(crate) fn expired(&mut self, order: u64) -> Option<ServerError> {
        self.sent.remove(&order);
        let cause = self.held.as_ref().filter(|held| order <= held.up_to).map(|held| held.error.clone());
        self.settle();
        cause
    }

    /// The held error, if it is the probable cause for everything that is unanswered.
    pub(crate) fn cause(&self) -> Option<ServerError> {
        self.held.as_ref().filter(|held| !held.is_answer).map(|held| held.error.clone())
    }

    /// Whether the sign-in was not answered in time, and the held error that may be the reason.
    pub(crate) fn expire_signin(&mut self, now: Instant) -> Option<Option<ServerError>> {
        let (order, _) = self.signin.take_if(|(_, deadline)| *deadline <= now)?;
        Some(self.expired(order))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.signin.map(|(_, deadline)| deadline)
    }

    fn settle(&mut self) {
        if self.sent.is_empty() {
            self.held = None;
            // An empty tree keeps half a kilobyte until it is cleared.
            self.sent.clear();
        }
    }

    fn push(&mut self, asked: Asked) -> u64 {
        self.last += 1;
        self.sent.insert(self.last, asked);
        self.last
    }
}

impl Asked {
    /// Whether the message names this channel, and not just one whose name begins or ends in the same way.
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

/// Hosted Pusher's answer to a second subscription to a channel.
const EXISTING_SUBSCRIPTION: &str = "Existing subscription to channel ";

/// Hosted Pusher's answer to an unsubscribe for a subscription that it does not know.
const NO_SUBSCRIPTION: &str = "No current subscription to channel ";

/// Code of an error about a client event, which fails no subscription.
const CLIENT_EVENT_REJECTED: u32 = 4301;

/// Code of an error about a sign-in, which fails no subscription.
const WATCHLIST_TOO_LONG: u32 = 4302;

/// Code of an overloaded server. Most servers close the connection with it.
const OVER_CAPACITY: u32 = 4100;

#[cfg(test)]
mod tests;
