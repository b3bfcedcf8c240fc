//! Why a message of a client has no effect, and what a dialect does about it.

use alloc::string::String;

use crate::{ChannelName, CloseFrame, InvalidName, SocketId, Text};

/// The texts are those of hosted Pusher where they are known.
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
    #[error("The data of {0} must be an object of strings, among them a channel")]
    InvalidData(&'static str),
    /// The data is a string whose content is not such an object either.
    #[error("The data of {0} must be an object of strings, among them a channel")]
    DataString(&'static str),
    /// The name is an excerpt.
    #[error("Invalid channel name {name}: {reason}")]
    ChannelName { name: String, reason: InvalidName },
    #[error(
        "Invalid channel name {channel}: it is longer than {max} characters, or contains characters other than A-Z a-z 0-9 _ - = @ , . ;"
    )]
    NameNotPortable { channel: ChannelName, max: usize },
    #[error("Existing subscription to channel {0}")]
    AlreadySubscribed(ChannelName),
    #[error("No current subscription to channel {0}, or subscription in progress")]
    NotSubscribed(ChannelName),
    #[error("Over the limit of {max} subscriptions for a connection, cannot subscribe to channel {channel}")]
    TooManySubscriptions { channel: ChannelName, max: usize },
    #[error("Auth value for subscription to {0} is invalid: should be of format 'key:signature'")]
    NoAuth(ChannelName),
    #[error("Auth value for subscription to {0} is invalid: should be of format 'key:signature'")]
    MalformedAuth(ChannelName),
    /// The key is an excerpt.
    #[error("Invalid key in subscription auth data: '{key}' is not the key for subscription to {channel}")]
    WrongKey { channel: ChannelName, key: String },
    /// The signature is an excerpt.
    #[error("Invalid signature: Expected HMAC SHA256 hex digest of {socket_id}:{channel}{}, but got {signature}", if *.with_data { ":channel_data" } else { "" })]
    WrongSignature { socket_id: SocketId, channel: ChannelName, with_data: bool, signature: String },
    /// The channel of a user is for that user.
    #[error("Not signed in as the user of {0}")]
    NotSignedIn(ChannelName),
    /// The user who subscribes is unknown.
    #[error("Subscription to {0} needs channel_data: a JSON object with a user_id")]
    NoMember(ChannelName),
    #[error("Subscription to {0} needs channel_data: a JSON object with a user_id")]
    InvalidMember(ChannelName),
    /// The subscriber was added, but the member list cannot be written.
    #[error("A member of {0} has no user_info")]
    MemberWithoutInfo(ChannelName),
    #[error("Channel {0} cannot have members and a cache")]
    NoPresenceCache(ChannelName),
    #[error("The user_id for {channel} is longer than {max} characters")]
    UserIdTooLong { channel: ChannelName, max: usize },
    #[error("The channel_data for {channel} is larger than {max} bytes")]
    MemberTooLarge { channel: ChannelName, max: usize },
    #[error("Channel {channel} has {max} members and is full")]
    ChannelFull { channel: ChannelName, max: usize },
    #[error("To sign users in, you must enable this feature for the application")]
    SigninDisabled,
    #[error("Invalid signature: Expected HMAC SHA256 hex digest of {socket_id}::user::user_data")]
    InvalidSignin { socket_id: SocketId },
    #[error("The user_data of a signin must be a JSON object with an id")]
    InvalidUser,
    #[error("The watchlist has more than 100 users")]
    WatchlistTooLong,
    #[error("To send client events, you must enable this feature for the application")]
    ClientEventsDisabled(ChannelName),
    #[error("Client event rejected - invalid name: {0}")]
    ClientEventName(InvalidName),
    #[error("Client event rejected - only supported on private and presence channels")]
    ClientEventOnPublicChannel(ChannelName),
    #[error("Client event rejected - you aren't subscribed to this channel")]
    ClientEventNotSubscribed { channel: ChannelName, socket_id: SocketId },
    #[error("The data content of this event exceeds the allowed maximum ({max} bytes)")]
    ClientEventTooLarge { channel: ChannelName, max: usize },
    #[error("Client event rejected due to rate limit")]
    ClientEventRate(ChannelName),
}

impl Refusal {
    /// The code on hosted Pusher (Pusher protocol, *Error codes*), which has none for most errors.
    pub(super) const fn code(&self) -> Option<u16> {
        match self {
            Self::ClientEventRate(_) => Some(4301),
            Self::WatchlistTooLong => Some(4302),
            Self::NotAnEvent
            | Self::Binary
            | Self::MessageTooLarge { .. }
            | Self::UnknownEvent(_)
            | Self::InvalidData(_)
            | Self::DataString(_)
            | Self::ChannelName { .. }
            | Self::NameNotPortable { .. }
            | Self::AlreadySubscribed(_)
            | Self::NotSubscribed(_)
            | Self::TooManySubscriptions { .. }
            | Self::NoAuth(_)
            | Self::MalformedAuth(_)
            | Self::WrongKey { .. }
            | Self::WrongSignature { .. }
            | Self::NotSignedIn(_)
            | Self::NoMember(_)
            | Self::InvalidMember(_)
            | Self::MemberWithoutInfo(_)
            | Self::NoPresenceCache(_)
            | Self::UserIdTooLong { .. }
            | Self::MemberTooLarge { .. }
            | Self::ChannelFull { .. }
            | Self::SigninDisabled
            | Self::InvalidSignin { .. }
            | Self::InvalidUser
            | Self::ClientEventsDisabled(_)
            | Self::ClientEventName(_)
            | Self::ClientEventOnPublicChannel(_)
            | Self::ClientEventNotSubscribed { .. }
            | Self::ClientEventTooLarge { .. } => None,
        }
    }
}

/// What a dialect answers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) says: Says,
    pub(super) then: Then,
}

/// What is sent to the client.
#[derive(Debug)]
pub(super) enum Says {
    Nothing,
    Error { code: Option<u16>, message: Text, channel: Option<ChannelName> },
    SubscriptionError { channel: ChannelName, kind: &'static str, status: u16, message: Text },
    Frame(Text),
}

/// What happens to the connection.
#[derive(Debug)]
pub(super) enum Then {
    Stay,
    Close(CloseFrame),
    Drop,
    /// The server's process ends, and with it every connection.
    Crash,
}

impl Answer {
    pub(super) const fn silence() -> Self {
        Self { says: Says::Nothing, then: Then::Stay }
    }

    pub(super) fn error(code: impl Into<Option<u16>>, message: impl Into<Text>) -> Self {
        let says = Says::Error { code: code.into(), message: message.into(), channel: None };
        Self { says, then: Then::Stay }
    }

    /// An error that names its channel.
    pub(super) fn about(mut self, channel: &ChannelName) -> Self {
        if let Says::Error { channel: named, .. } = &mut self.says {
            *named = Some(channel.clone());
        }
        self
    }

    pub(super) fn subscription_error(
        channel: &ChannelName,
        kind: &'static str,
        status: u16,
        message: impl Into<Text>,
    ) -> Self {
        let says = Says::SubscriptionError { channel: channel.clone(), kind, status, message: message.into() };
        Self { says, then: Then::Stay }
    }

    pub(super) const fn frame(text: &'static str) -> Self {
        Self { says: Says::Frame(Text::from_static(text)), then: Then::Stay }
    }

    pub(super) const fn close(code: u16, reason: &'static str) -> Self {
        let frame = CloseFrame { code, reason: Text::from_static(reason) };
        Self { says: Says::Nothing, then: Then::Close(frame) }
    }

    pub(super) fn then_close(self, code: u16) -> Self {
        Self { then: Then::Close(CloseFrame { code, reason: Text::default() }), ..self }
    }

    pub(super) const fn drop() -> Self {
        Self { says: Says::Nothing, then: Then::Drop }
    }

    pub(super) const fn crash() -> Self {
        Self { says: Says::Nothing, then: Then::Crash }
    }
}
