//! Why a call was not created.

use alloc::string::String;

use super::super::InvalidRequest;
use crate::{ChannelName, InvalidName};

/// Why a call of the HTTP API was not created: every server would refuse it, or it would not have the intended effect.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
///
/// use pusher_proto::signing::{App, InvalidCall};
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let call = app.publish(["chat"], "", "hello").sign(Duration::from_secs(1_700_000_000));
/// assert_eq!(call.err(), Some(InvalidCall::EventName { len: 0 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCall {
    /// The event is for no channel.
    #[error("an event needs at least one channel")]
    NoChannel,
    /// The event is for too many channels.
    #[error("an event can be published on at most {max} channels at once, not {len}: split the call")]
    TooManyChannels {
        /// Channels that were named.
        len: usize,
        /// Channels that may be named.
        max: usize,
    },
    /// The name is not a channel name.
    #[error("{name:?} is not a channel name: {reason}")]
    Channel {
        /// The start of the name.
        name: String,
        /// What is wrong with it.
        reason: InvalidName,
    },
    /// Hosted Pusher, soketi and Sockudo do not accept the name.
    #[error(
        "{channel} is longer than 200 characters, or contains characters other than A-Z a-z 0-9 _ - = @ , . ; \
         (App::relaxed_channel_names allows such names, for servers that accept them)"
    )]
    ChannelNotPortable {
        /// The channel.
        channel: ChannelName,
    },
    /// The event's name is empty or longer than 200 bytes.
    #[error("an event name must have 1 to 200 bytes, not {len}")]
    EventName {
        /// Bytes that it has.
        len: usize,
    },
    /// The event's name begins with `pusher:` or `pusher_internal:`; clients would mistake it for one of the server's
    /// own.
    #[error("event names that begin with pusher: or pusher_internal: are reserved for the protocol")]
    ReservedEventName,
    /// The data cannot be serialised as JSON.
    #[error("the data cannot be serialized as JSON: {0}")]
    Data(String),
    /// The data is longer than [`App::max_event_len`](super::App::max_event_len), perhaps only once it is encrypted.
    #[error("the data to send has {len} bytes, more than {max} (App::max_event_len sets the limit of your server)")]
    DataTooLarge {
        /// Bytes that it has; for an encrypted channel, after encryption.
        len: usize,
        /// Bytes that it may have.
        max: usize,
    },
    /// The channel is encrypted and the application has no master key.
    #[error("{channel} is encrypted: set App::encryption_master_key")]
    NoMasterKey {
        /// The channel.
        channel: ChannelName,
    },
    /// The channel is encrypted and this program was built without encryption.
    #[error("{channel} is encrypted: enable the feature `encryption`")]
    NoEncryption {
        /// The channel.
        channel: ChannelName,
    },
    /// An encrypted channel has its own key, so its event cannot be for other channels.
    #[error(
        "{channel} is encrypted with a key of its own and must be the only channel: publish on the others separately"
    )]
    EncryptedWithOthers {
        /// The encrypted channel.
        channel: ChannelName,
    },
    /// The batch has no event.
    #[error("a batch must have at least one event")]
    NoEvent,
    /// The batch has too many events.
    #[error("a batch can have at most {max} events, not {len}: split it")]
    TooManyEvents {
        /// Events that it has.
        len: usize,
        /// Events that it may have.
        max: usize,
    },
    /// An event of a batch must have exactly one channel.
    #[error("each event of a batch must have exactly one channel, not {len}")]
    BatchChannels {
        /// Channels that were named.
        len: usize,
    },
    /// The id of the user is empty, contains a control character, or cannot be part of a path.
    #[error("a user id must not be empty, `.` or `..`, and must not contain control characters")]
    UserId,
    /// The id of the excluded socket does not have the form `digits.digits`.
    #[error("a socket id must have the form digits.digits")]
    SocketId,
    /// Only presence channels have users.
    #[error("{channel} is not a presence channel: only those have users")]
    NotPresence {
        /// The channel.
        channel: ChannelName,
    },
    /// Only presence channels have a user count.
    #[error("user_count is only available for presence channels: request names that start with presence-")]
    UserCountWithoutPresence,
    /// The call cannot be signed, because its signature would be valid for another call too.
    #[error(transparent)]
    Request(InvalidRequest),
}
