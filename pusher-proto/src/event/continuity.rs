//! What is known about the events between two connections.

use core::fmt;

/// Why it cannot be proven that no event of a channel was missed
/// ([`Event::ContinuityLost`](crate::Event::ContinuityLost)).
///
/// # Examples
///
/// ```
/// use pusher_proto::LossReason;
///
/// assert_eq!(LossReason::Expired.to_string(), "the server no longer has the missed messages");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossReason {
    /// Recovery is not configured ([`ConfigBuilder::recovery`](crate::ConfigBuilder::recovery)).
    NotRequested,
    /// The server speaks version 1 of the protocol, which cannot replay messages.
    Unsupported,
    /// The server speaks version 2, but recovery is turned off.
    NotEnabled,
    /// The client knows no position in the channel.
    NoPosition,
    /// The server has started to count again, so the position means nothing to it.
    StreamReset,
    /// The server no longer has the missed messages: there were too many, or it took too long.
    Expired,
    /// The server has messages, but cannot prove that they are all.
    Unverifiable,
    /// The server could not read its messages. They may still exist.
    Unavailable,
    /// The server refused the request to replay messages, or failed for a reason that this client does not know.
    Refused,
    /// The server did not answer the request in time ([`Recovery::resume_timeout`](crate::Recovery::resume_timeout)).
    Timeout,
    /// More events arrived than may be held back ([`Recovery::held_messages`](crate::Recovery::held_messages)).
    Overflow,
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRequested => "recovery is not configured",
            Self::Unsupported => "the server cannot replay messages",
            Self::NotEnabled => "recovery is turned off on the server",
            Self::NoPosition => "no position in the channel is known",
            Self::StreamReset => "the server has started to count again",
            Self::Expired => "the server no longer has the missed messages",
            Self::Unverifiable => "the server cannot prove that it has all missed messages",
            Self::Unavailable => "the server could not read the missed messages",
            Self::Refused => "the server refused to replay messages",
            Self::Timeout => "the server did not answer in time",
            Self::Overflow => "too many events arrived during the recovery",
        })
    }
}

/// How it was proven that a channel has missed nothing ([`Event::Recovered`](crate::Event::Recovered)).
///
/// # Examples
///
/// ```
/// use pusher_proto::RecoverySource;
///
/// assert_eq!(RecoverySource::Cold.to_string(), "replayed from the server's history");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecoverySource {
    /// The channel was still at the client's position, so there was nothing to replay.
    Equal,
    /// The server has replayed messages from memory.
    Hot,
    /// The server has replayed messages from its history.
    Cold,
    /// The server has replayed messages and named a source that this client does not know.
    Other,
}

impl fmt::Display for RecoverySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "nothing was sent in the meantime",
            Self::Hot => "replayed from the server's memory",
            Self::Cold => "replayed from the server's history",
            Self::Other => "replayed by the server",
        })
    }
}
