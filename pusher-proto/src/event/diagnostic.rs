//! Events that are only worth logging.

use crate::{AuthError, AuthId, ChannelName, Instant, Text};

/// Something worth logging that requires no action.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ChannelName, Diagnostic};
///
/// let diagnostic = Diagnostic::NameNotPortable { channel: ChannelName::new("chat room")? };
/// assert_eq!(diagnostic.channel().map(ChannelName::as_str), Some("chat room"));
/// println!("{diagnostic}");
/// # Ok::<(), pusher_proto::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Diagnostic {
    /// A binary message arrived; the protocol has none.
    #[error("ignored a binary message")]
    BinaryFrame,
    /// The server used an internal event that this client does not know.
    #[error("ignored the unknown internal event {0}")]
    UnknownInternalEvent(Text),
    /// An event arrived for a channel that is not, or no longer, subscribed.
    #[error("ignored event {event} on {channel}, which is not subscribed")]
    NotSubscribed {
        /// The channel.
        channel: Text,
        /// The event.
        event: Text,
    },
    /// An event of the connection itself named a channel: a publisher may have forged it.
    #[error("ignored event {event} on {channel}: it is valid only without a channel")]
    NotOfChannel {
        /// The channel.
        channel: Text,
        /// The event.
        event: Text,
    },
    /// An event on an encrypted channel has a name that Pusher reserves; the payloads of such events are never
    /// encrypted.
    #[error("ignored event {event} on {channel}, which is not encrypted")]
    NotEncrypted {
        /// The channel.
        channel: ChannelName,
        /// The event.
        event: Text,
    },
    /// The server greeted the client a second time, with a different socket id.
    #[error("ignored a second greeting with the socket id {0}")]
    SecondGreeting(Text),
    /// The client asked for recovery, but the server greeted it in version 1 of the protocol. Everything else works; gaps are
    /// reported as [`ContinuityLost`](crate::Event::ContinuityLost).
    #[error("the server speaks protocol version 1, which cannot replay messages")]
    RecoveryUnsupported,
    /// An authorization came too late.
    #[error("dropped the answer to authorization request {0}, which is no longer awaited")]
    StaleAuth(AuthId),
    /// A request for a newer key of an encrypted channel failed. It is repeated while events wait for the key.
    #[error("the request for a newer key of {channel} failed: {error}")]
    KeyRetry {
        /// The channel.
        channel: ChannelName,
        /// When.
        retry_at: Instant,
        /// Why.
        error: AuthError,
    },
    /// Events for a user arrived before the sign-in was confirmed, and then the sign-in failed.
    #[error("dropped {count} events for a user who is not signed in")]
    UserEventsDropped {
        /// Events.
        count: usize,
    },
    /// The signature was made with an application key other than this client's.
    #[error("the authorization of {channel} is for another application key")]
    ForeignKey {
        /// The channel.
        channel: ChannelName,
    },
    /// The success of a presence subscription had no list of members.
    #[error("the subscription to {channel} was confirmed without a member list")]
    NoMembers {
        /// The channel.
        channel: ChannelName,
    },
    /// A member list has reached its limit of 64 MiB of text; members who join later are not on it.
    #[error("the member list of {channel} is full")]
    RosterFull {
        /// The channel.
        channel: ChannelName,
    },
    /// Hosted Pusher does not accept this name.
    #[error("hosted Pusher does not accept the channel name {channel}")]
    NameNotPortable {
        /// The channel.
        channel: ChannelName,
    },
    /// A client event is larger than hosted Pusher accepts. It was sent; the server may refuse it, and then it is lost.
    #[error("a client event of {len} bytes is larger than {max}")]
    ClientEventLen {
        /// Bytes that it has.
        len: usize,
        /// Bytes that it should have.
        max: usize,
    },
    /// More client events than hosted Pusher accepts. They were sent; the server may refuse them, and then they are lost.
    #[error("more than {max} client events per second")]
    ClientEventRate {
        /// Events that should be sent.
        max: u32,
    },
    /// Client events that waited for a subscription were dropped because the channel was unsubscribed or the connection
    /// was lost.
    #[error("dropped {count} waiting client events of {channel}")]
    ClientEventsDropped {
        /// The channel.
        channel: ChannelName,
        /// Events.
        count: usize,
    },
}

impl Diagnostic {
    /// Returns the channel that it is about, if that is one of the application's.
    #[must_use]
    pub fn channel(&self) -> Option<&ChannelName> {
        match self {
            Self::NotEncrypted { channel, .. }
            | Self::KeyRetry { channel, .. }
            | Self::ForeignKey { channel }
            | Self::NoMembers { channel }
            | Self::RosterFull { channel }
            | Self::NameNotPortable { channel }
            | Self::ClientEventsDropped { channel, .. } => Some(channel),
            Self::BinaryFrame
            | Self::UnknownInternalEvent(_)
            | Self::NotSubscribed { .. }
            | Self::NotOfChannel { .. }
            | Self::SecondGreeting(_)
            | Self::RecoveryUnsupported
            | Self::StaleAuth(_)
            | Self::UserEventsDropped { .. }
            | Self::ClientEventLen { .. }
            | Self::ClientEventRate { .. } => None,
        }
    }
}
