//! A page of a channel's history.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::HistoryQuery;
use crate::{ChannelEvent, DecryptionError, Position, Text};

/// A page of the messages that the server remembers of a channel.
///
/// # Examples
///
/// Reads back, page by page, for as long as there is more:
///
/// ```
/// use pusher_proto::{ChannelName, Client, HistoryPage};
///
/// fn show(client: &mut Client, channel: &ChannelName, page: &HistoryPage) {
///     for item in page.items() {
///         match item.event() {
///             Ok(event) => println!("{} {}: {}", item.published_at_ms(), event.event(), event.data().text()),
///             Err(error) => println!("{} cannot be read: {error}", item.position().serial()),
///         }
///     }
///     if let Some(query) = page.next() {
///         let _ = client.request_history(channel, query);
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    pub(crate) items: Vec<HistoryItem>,
    pub(crate) next: Option<Box<HistoryQuery>>,
    pub(crate) has_more: bool,
    pub(crate) is_complete: bool,
    pub(crate) is_truncated_by_retention: bool,
}

impl HistoryPage {
    /// Returns the messages, in the order of the query: the newest first, unless it says
    /// [`oldest_first`](HistoryQuery::oldest_first). At most 1,000.
    #[must_use]
    pub fn items(&self) -> &[HistoryItem] {
        &self.items
    }

    /// Returns the messages, as [`items`](Self::items).
    #[must_use]
    pub fn into_items(self) -> Vec<HistoryItem> {
        self.items
    }

    /// Returns the query for the page that follows, or `None` at the end.
    #[must_use]
    pub fn next(&self) -> Option<HistoryQuery> {
        self.next.as_deref().cloned()
    }

    /// Whether the server has further messages for this query.
    #[must_use]
    pub const fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether the server says that this page is all that it has for the query, and that it has forgotten nothing.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether the server has forgotten messages that the query asks for, because they were too many or too old.
    #[must_use]
    pub const fn is_truncated_by_retention(&self) -> bool {
        self.is_truncated_by_retention
    }

    /// Roughly how many bytes the page holds.
    pub(crate) fn weight(&self) -> usize {
        let events = self.items.iter().map(|item| item.event.as_ref().map_or(0, ChannelEvent::len));
        self.items.len() * size_of::<HistoryItem>() + events.sum::<usize>()
    }
}

/// A message of a channel's history.
///
/// # Examples
///
/// ```
/// use pusher_proto::HistoryItem;
///
/// fn text(item: &HistoryItem) -> String {
///     let event = item.event().map_or_else(ToString::to_string, |event| event.data().text().into_owned());
///     format!("{}: {event}", item.position().serial())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryItem {
    pub(crate) position: Position,
    pub(crate) published_at_ms: u64,
    pub(crate) message_id: Option<Text>,
    pub(crate) event: Result<ChannelEvent, DecryptionError>,
}

impl HistoryItem {
    /// Returns the place of the message in the history. It is that of the live event, unless the server keeps versions of
    /// messages that are edited: then history has a stream of its own.
    #[must_use]
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// Returns when the message was published, in milliseconds since the Unix epoch by the server's clock.
    #[must_use]
    pub const fn published_at_ms(&self) -> u64 {
        self.published_at_ms
    }

    /// Returns the id of the message ([`ChannelEvent::message_id`]), which is known for encrypted events too.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }

    /// Returns the message as the event that it was, or that its last version is. It keeps the buffer of the whole page;
    /// [`ChannelEvent::detached`] gives it one of its own.
    ///
    /// # Errors
    ///
    /// On an encrypted channel, if neither the current key nor the one before opens the payload. No newer key is requested
    /// for it.
    pub const fn event(&self) -> Result<&ChannelEvent, &DecryptionError> {
        self.event.as_ref()
    }
}
