//! The options of a subscription.

use core::num::NonZeroU32;

use crate::filter::CheckedFilter;
use crate::{ChannelKind, ChannelName, InvalidName};

/// What a subscription asks of a server that speaks version 2 of the protocol: old messages first, only some of the
/// messages, or their annotations. Give it to [`Client::subscribe_with`](crate::Client::subscribe_with).
///
/// On a server of version 1, or one on which the feature is not enabled, filters are ignored without a word, so an
/// application should not rely on them for anything but traffic.
///
/// # Examples
///
/// ```
/// use pusher_proto::filter::Filter;
/// use pusher_proto::{ChannelName, Client, Config, Endpoint, Recovery, Subscribe};
///
/// let endpoint = Endpoint::sockudo("realtime.example.com");
/// let config = Config::builder("app-key", endpoint).recovery(Recovery::default()).build()?;
/// let mut client = Client::new(config, 1);
/// client.subscribe_with(ChannelName::new("chat")?, Subscribe::rewind(20))?;
/// let bitcoin = Subscribe::default().filter(Filter::eq("asset", "BTC").check()?);
/// client.subscribe_with(ChannelName::new("trades")?, bitcoin)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "options do nothing until they are given to a subscription"]
pub struct Subscribe {
    pub(crate) filter: Option<CheckedFilter>,
    pub(crate) rewind: Option<NonZeroU32>,
    pub(crate) annotations: bool,
    may_hide_members: bool,
}

impl Subscribe {
    /// Asks for the last `count` messages of the channel, oldest first, before the live ones. With 0, it asks for none.
    ///
    /// They are marked by [`ChannelEvent::is_replayed`](crate::ChannelEvent::is_replayed), and
    /// [`Event::RewindComplete`](crate::Event::RewindComplete) follows. This applies to the first subscription: after a lost
    /// connection, the client asks for what it missed instead. The server must keep a history, and sends at most as many
    /// messages as its pages have (100 by default); otherwise it refuses the subscription.
    pub const fn rewind(count: u32) -> Self {
        Self { filter: None, rewind: NonZeroU32::new(count), annotations: false, may_hide_members: false }
    }

    /// Asks for each annotation of a message, such as a reaction, as an event
    /// ([`ChannelEvent::annotation`](crate::ChannelEvent::annotation)). Without this, the channel gets the counts only
    /// ([`ChannelEvent::annotation_summaries`](crate::ChannelEvent::annotation_summaries)).
    ///
    /// The server refuses the subscription unless the user is signed in with the capability `annotation_subscribe`, and
    /// annotations are enabled.
    pub fn annotations(self) -> Self {
        Self { annotations: true, ..self }
    }

    /// Asks for messages that the filter lets through. It also applies to messages that are replayed.
    pub fn filter(self, filter: CheckedFilter) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// Allows a filter on a presence channel, where it also hides who joins and leaves. The members are then those of the
    /// last subscription.
    pub fn allow_hidden_members(self) -> Self {
        Self { may_hide_members: true, ..self }
    }

    /// Whether anything is asked for.
    pub(crate) const fn is_plain(&self) -> bool {
        self.filter.is_none() && self.rewind.is_none() && !self.annotations
    }

    /// Checks whether the options make sense for a channel. `is_v2` says whether the client asks for version 2.
    pub(crate) fn check(&self, channel: &ChannelName, is_v2: bool) -> Result<(), InvalidSubscribe> {
        if !is_v2 && !self.is_plain() {
            return Err(InvalidSubscribe::NeedsRecovery);
        }
        if self.filter.is_some() && channel.kind() == ChannelKind::Presence && !self.may_hide_members {
            return Err(InvalidSubscribe::HidesMembers { channel: channel.clone() });
        }
        Ok(())
    }
}

/// Why a subscription with options was refused. Nothing has changed.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ChannelName, Client, Config, Endpoint, InvalidSubscribe, Subscribe};
///
/// let mut client = Client::new(Config::new("app-key", Endpoint::sockudo("realtime.example.com"))?, 1);
/// let refused = client.subscribe_with(ChannelName::new("chat")?, Subscribe::rewind(20));
/// assert_eq!(refused, Err(InvalidSubscribe::NeedsRecovery));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSubscribe {
    /// The name cannot be that of a channel.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Rewinds, filters and annotations belong to version 2 of the protocol, which this client does not ask for.
    #[error(
        "rewinds, filters and annotations need version 2 of the protocol: turn it on with `ConfigBuilder::recovery`"
    )]
    NeedsRecovery,
    /// A filter on a presence channel hides who joins and leaves.
    #[error("a filter on {channel} hides who joins and leaves: allow that with `Subscribe::allow_hidden_members`")]
    HidesMembers {
        /// The channel.
        channel: ChannelName,
    },
}
