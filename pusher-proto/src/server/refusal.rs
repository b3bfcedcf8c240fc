//! Why a message of a client has no effect. The connection stays.

use alloc::string::String;

use crate::{ChannelName, InvalidName, SocketId};

/// Becomes a `pusher:error`. The texts are those of hosted Pusher where they are known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Messages must be JSON objects with an event")]
    NotAnEvent,
    #[error("Binary messages are not supported")]
    Binary,
    #[error("A message of {len} bytes is larger than {max} bytes")]
    MessageTooLarge { len: usize, max: usize },
    /// The name is an excerpt.
    #[error("Unknown event {0}")]
    UnknownEvent(String),
    #[error("{0} needs data with a channel, and strings in it")]
    InvalidData(&'static str),
    /// The name is an excerpt.
    #[error("Invalid channel name {name}: {reason}")]
    ChannelName { name: String, reason: InvalidName },
    #[error("Invalid channel name {0}: it has more than 164 characters or others than A-Z a-z 0-9 _ - = @ , . ;")]
    NameNotPortable(ChannelName),
    #[error("Existing subscription to channel {0}")]
    AlreadySubscribed(ChannelName),
    #[error("No current subscription to channel {0}, or subscription in progress")]
    NotSubscribed(ChannelName),
    #[error("Over the limit of {max} subscriptions for a connection, cannot subscribe to channel {channel}")]
    TooManySubscriptions { channel: ChannelName, max: usize },
    #[error("Auth value for subscription to {0} is invalid: should be of format 'key:signature'")]
    MalformedAuth(ChannelName),
    /// The key is an excerpt.
    #[error("Invalid key in subscription auth data: '{key}' is not the key for subscription to {channel}")]
    WrongKey { channel: ChannelName, key: String },
    /// The signature is an excerpt.
    #[error("Invalid signature: Expected HMAC SHA256 hex digest of {socket_id}:{channel}{}, but got {signature}", if *.with_data { ":channel_data" } else { "" })]
    WrongSignature { socket_id: SocketId, channel: ChannelName, with_data: bool, signature: String },
    #[error("Subscription to {0} needs channel_data: a JSON object with a user_id")]
    InvalidMember(ChannelName),
    #[error("The user_id for {0} is longer than 128 characters")]
    UserIdTooLong(ChannelName),
    #[error("The channel_data for {0} is larger than 1024 bytes")]
    MemberTooLarge(ChannelName),
    #[error("Channel {channel} has {max} members and is full")]
    ChannelFull { channel: ChannelName, max: usize },
    #[error("To send client events, you must enable this feature for the application")]
    ClientEventsDisabled,
    #[error("Client event rejected - invalid name: {0}")]
    ClientEventName(InvalidName),
    #[error("Client event rejected - only supported on private and presence channels")]
    ClientEventOnPublicChannel,
    #[error("Client event rejected - you aren't subscribed to this channel")]
    ClientEventNotSubscribed,
    #[error("The data content of this event exceeds the allowed maximum ({max} bytes)")]
    ClientEventTooLarge { max: usize },
    #[error("Client event rejected due to rate limit")]
    ClientEventRate,
}

impl Refusal {
    /// The code (Pusher protocol, *Error codes*); hosted Pusher has none for most errors.
    pub(super) const fn code(&self) -> Option<u16> {
        match self {
            Self::ClientEventRate => Some(4301),
            Self::NotAnEvent
            | Self::Binary
            | Self::MessageTooLarge { .. }
            | Self::UnknownEvent(_)
            | Self::InvalidData(_)
            | Self::ChannelName { .. }
            | Self::NameNotPortable(_)
            | Self::AlreadySubscribed(_)
            | Self::NotSubscribed(_)
            | Self::TooManySubscriptions { .. }
            | Self::MalformedAuth(_)
            | Self::WrongKey { .. }
            | Self::WrongSignature { .. }
            | Self::InvalidMember(_)
            | Self::UserIdTooLong(_)
            | Self::MemberTooLarge(_)
            | Self::ChannelFull { .. }
            | Self::ClientEventsDisabled
            | Self::ClientEventName(_)
            | Self::ClientEventOnPublicChannel
            | Self::ClientEventNotSubscribed
            | Self::ClientEventTooLarge { .. } => None,
        }
    }
}
