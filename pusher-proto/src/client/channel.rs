//! The application's view of a channel.

use super::channels::Entry;
use super::presence::Roster;
use crate::ChannelName;
use crate::members::{Member, Members};

/// A channel that the application wants.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ChannelName, Client, Config, Endpoint};
///
/// let mut client = Client::new(Config::new("app-key", Endpoint::cluster("eu"))?, 1);
/// let room = ChannelName::new("presence-room").expect("a name");
/// client.subscribe(room.clone());
/// let channel = client.channel(&room).expect("the channel is wanted");
/// assert_eq!((channel.is_subscribed(), channel.members().map(|members| members.len())), (false, Some(0)));
/// # Ok::<(), pusher_proto::InvalidConfig>(())
/// ```
#[derive(Clone, Copy)]
pub struct Channel<'a> {
    name: &'a ChannelName,
    entry: &'a Entry,
}

impl<'a> Channel<'a> {
    /// Returns the name of the channel.
    #[must_use]
    pub fn name(&self) -> &'a ChannelName {
        self.name
    }

    /// Whether the server has confirmed the subscription on this connection.
    #[must_use]
    pub fn is_subscribed(&self) -> bool {
        self.entry.is_subscribed()
    }

    /// Returns how many connections are subscribed, if the server reports it.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.entry.count()
    }

    /// Returns the members of a presence channel, or `None` on a channel of another kind.
    ///
    /// While the channel is not subscribed, this is the last known list. Before the server has sent a list, it is
    /// empty, and [`knows_members`](Self::knows_members) returns false.
    #[must_use]
    pub fn members(&self) -> Option<&'a Members> {
        self.entry.presence().map(Roster::members)
    }

    /// Whether the server has sent the member list of this presence channel since the application subscribed.
    #[must_use]
    pub fn knows_members(&self) -> bool {
        self.entry.presence().is_some_and(Roster::is_known)
    }

    /// Returns this client's own member of a presence channel.
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
