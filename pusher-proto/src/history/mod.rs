//! What the server remembers of a channel: queries, and the pages that answer them.

mod page;
mod query;

use core::fmt;

pub use page::{HistoryItem, HistoryPage};
pub use query::HistoryQuery;

use crate::ServerError;

/// Identifies a request for a page of a channel's history.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Event, HistoryId};
///
/// /// Whether this event is the outcome of that request.
/// fn is_outcome(event: &Event, request: HistoryId) -> bool {
///     matches!(event, Event::History { id, .. } if *id == request)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HistoryId(pub(crate) u64);

impl fmt::Display for HistoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why a page of a channel's history cannot be had. Whether you can ask again depends on the reason; the client does not.
///
/// # Examples
///
/// ```
/// use pusher_proto::HistoryError;
///
/// /// Whether the same request may succeed later.
/// fn is_temporary(error: &HistoryError) -> bool {
///     matches!(error, HistoryError::NotConnected | HistoryError::NotSubscribed | HistoryError::Timeout)
/// }
///
/// assert!(is_temporary(&HistoryError::NotConnected) && !is_temporary(&HistoryError::Unsupported));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The client is not connected, or lost the connection before the answer.
    #[error("not connected")]
    NotConnected,
    /// The channel is not subscribed, or it was unsubscribed before the answer.
    #[error("the channel is not subscribed")]
    NotSubscribed,
    /// The server speaks version 1 of the protocol, which has no history, or version 2 was not asked for: it needs
    /// [`Recovery`](crate::Recovery).
    #[error("the server has no history on this connection")]
    Unsupported,
    /// Too many requests wait for an answer.
    #[error("too many requests for history wait for an answer")]
    QueueFull,
    /// History is turned off on the server, for this channel or for all.
    #[error("history is turned off on the server")]
    Disabled(#[source] ServerError),
    /// The server refused the request for another reason, such as a cursor of another query.
    #[error("the server refused the request")]
    Refused(#[source] ServerError),
    /// The server did not answer within 10 s, or within the limit of a method that has one. Requests that wait behind one
    /// that is not answered fail with it.
    #[error("the server did not answer in time")]
    Timeout,
    /// The answer is not a page of messages, or it has more than 1,000.
    #[error("the answer of the server is not a page of messages")]
    Unreadable,
}
