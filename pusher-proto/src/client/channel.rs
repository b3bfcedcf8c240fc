//! What the application sees of a channel.

use super::members::{Member, Members};
use super::presence::Roster;
use super::subscriptions::Entry;
use crate::ChannelName;

/// A channel that the application wants.
#[derive(Clone, Copy)]
pub struct Channel<'a> {
    name: &'a ChannelName,
    entry: &'a Entry,
}

impl<'a> Channel<'a> {
    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &'a ChannelName {
        self.name
    }

    /// Whether the server has confirmed it on this connection.
    #[must_use]
    pub fn is_subscribed(&self) -> bool {
        self.entry.is_subscribed()
    }

    /// Returns how many connections are subscribed, if the server tells.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.entry.count()
    }

    /// Returns the members of a presence channel. While it is not subscribed they are the last that were known.
    #[must_use]
    pub fn members(&self) -> Option<&'a Members> {
        self.entry.presence().map(Roster::members)
    }

    /// Returns ourselves among the members of a presence channel.
    #[must_use]
    pub fn me(&self) -> Option<Member> {
        self.entry.presence()?.me()
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.entry.is_wanted()
    }
}

impl<'a> From<(&'a ChannelName, &'a Entry)> for Channel<'a> {
    fn from((name, entry): (&'a ChannelName, &'a Entry)) -> Self {
        Self { name, entry }
    }
}
