//! The meaning of a frame from the server.

use alloc::string::String;

use super::envelope::Envelope;
use super::resume::Failure;
use super::rewind::Completion;
use super::{names, read};
use crate::{Data, Position, ServerError};

/// A frame of the protocol itself. Everything else is an event of the application.
#[derive(Debug, PartialEq)]
pub(crate) enum Message<'a> {
    /// The greeting.
    Established(read::Established),
    /// An error; some servers add which channel it is about.
    Error {
        channel: Option<&'a str>,
        error: ServerError,
    },
    Ping,
    Pong,
    Succeeded {
        channel: &'a str,
        data: &'a Data,
        /// The newest message of the channel, in version 2 and if recovery is on.
        position: Option<Position>,
    },
    SubscriptionError {
        channel: &'a str,
        error: ServerError,
    },
    Count {
        channel: &'a str,
        count: u64,
    },
    CacheMiss {
        channel: &'a str,
    },
    MemberAdded {
        channel: &'a str,
        id: String,
        info: String,
    },
    MemberRemoved {
        channel: &'a str,
        id: String,
    },
    SigninSuccess(&'a Data),
    /// Changes of the watchlist, which are handled with the sign-in.
    Watchlist,
    /// The answer to a request to replay messages, for all its channels.
    Resumed(&'a Data),
    /// The server cannot replay what this channel has missed. [`Resumed`](Self::Resumed) follows, and repeats it.
    ResumeFailed {
        channel: &'a str,
        failure: Failure,
    },
    /// The server has sent the old messages that a subscription asked for.
    Rewound {
        channel: &'a str,
        completion: Completion,
    },
    /// The server has accepted the token of the connection.
    TokenAccepted,
    /// The token of the connection has expired or was revoked.
    TokenExpired,
    /// The server sends deltas from now on.
    DeltasEnabled(&'a Data),
    /// An event that is the difference to an earlier one.
    Delta {
        channel: &'a str,
        data: &'a Data,
    },
    /// A page of the history of a channel.
    HistoryPage {
        channel: &'a str,
        data: &'a Data,
    },
    /// The event is valid only without a channel, but has one.
    NotOfChannel {
        channel: &'a str,
        event: &'a str,
    },
    /// An event between servers and client libraries that this client does not know.
    Unknown {
        event: &'a str,
    },
    /// A field that the event needs is missing.
    Missing {
        event: &'static str,
        field: &'static str,
    },
}

impl<'a> Message<'a> {
    /// Reads an envelope; `None` if it is an event of the application.
    #[inline]
    pub(crate) fn read(envelope: &'a Envelope) -> Option<Self> {
        let event = envelope.event();
        if names::may_be_reserved(event) { Self::read_reserved(envelope, event) } else { None }
    }

    /// Reads an envelope as if its event had this name.
    #[inline(never)]
    pub(crate) fn read_reserved(envelope: &'a Envelope, event: &'a str) -> Option<Self> {
        let data = &envelope.data;
        // A frame with the channel `""` has no channel, since no channel has this name.
        let channel = envelope.channel().unwrap_or_default();
        if !channel.is_empty() && names::is_of_connection(event) {
            return Some(Self::NotOfChannel { channel, event });
        }
        let missing = |event, field| Self::Missing { event, field };
        let message = match event {
            names::ESTABLISHED => Self::Established(read::established(data)),
            names::ERROR => {
                Self::Error { channel: Some(channel).filter(|name| !name.is_empty()), error: read::error(data) }
            }
            names::PING => Self::Ping,
            names::PONG => Self::Pong,
            names::SUCCEEDED => Self::Succeeded { channel, data, position: None },
            // The first is the name in the protocol, the second the one that Reverb's clients read.
            names::SUBSCRIPTION_ERROR | names::INTERNAL_SUBSCRIPTION_ERROR => {
                Self::SubscriptionError { channel, error: read::subscription_error(data) }
            }
            names::SUBSCRIPTION_COUNT => match read::subscription_count(data) {
                Some(count) => Self::Count { channel, count },
                None => missing(names::SUBSCRIPTION_COUNT, "subscription_count"),
            },
            names::CACHE_MISS => Self::CacheMiss { channel },
            names::MEMBER_ADDED => match read::member(data) {
                Some((id, info)) => Self::MemberAdded { channel, id, info },
                None => missing(names::MEMBER_ADDED, "user_id"),
            },
            names::MEMBER_REMOVED => match read::member(data) {
                Some((id, _)) => Self::MemberRemoved { channel, id },
                None => missing(names::MEMBER_REMOVED, "user_id"),
            },
            names::SIGNIN_SUCCESS => Self::SigninSuccess(data),
            names::WATCHLIST => Self::Watchlist,
            event if names::is_internal(event) => Self::Unknown { event },
            _ => return None,
        };
        Some(message)
    }
}

/// What a frame says about the signed-in user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserNotice<'a> {
    /// Changes of the watchlist.
    Watchlist,
    /// One change of the watchlist, as Sockudo sends it.
    Change,
    /// An event for the user whose channel this is.
    Event { channel: &'a str },
}

impl<'a> UserNotice<'a> {
    /// Reads an envelope about a user; the sign-in decides which user it is.
    pub(crate) fn read(envelope: &'a Envelope) -> Option<Self> {
        match (envelope.channel(), envelope.event()) {
            (None, names::ONLINE | names::OFFLINE) => Some(Self::Change),
            (None, names::WATCHLIST) => Some(Self::Watchlist),
            (Some(channel), event) if channel.starts_with(read::SERVER_TO_USER) => {
                if names::may_be_reserved(event) {
                    None
                } else {
                    Some(Self::Event { channel })
                }
            }
            (_, _) => None,
        }
    }
}
