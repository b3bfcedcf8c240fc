//! Which part of a channel's history to read.

use crate::Text;

/// Which messages of a channel to read: a page of the newest ones by default.
///
/// All bounds are inclusive, and a message has to be within all of them.
///
/// # Examples
///
/// The messages of one hour, the oldest first, in pages of at most 50:
///
/// ```
/// use pusher_proto::HistoryQuery;
///
/// let noon = 1_795_867_200_000;
/// let query = HistoryQuery::default().oldest_first().start_time_ms(noon).end_time_ms(noon + 3_600_000).limit(50);
/// assert_ne!(query, HistoryQuery::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a query does nothing until it is sent"]
pub struct HistoryQuery {
    pub(crate) limit: Option<u16>,
    pub(crate) is_oldest_first: bool,
    pub(crate) start_serial: Option<u64>,
    pub(crate) end_serial: Option<u64>,
    pub(crate) start_time_ms: Option<u64>,
    pub(crate) end_time_ms: Option<u64>,
    pub(crate) cursor: Option<Text>,
}

impl HistoryQuery {
    /// The largest number of messages in a page. Sockudo sends at most 100 by default.
    pub const MAX_LIMIT: u16 = 1_000;

    /// Sets how many messages a page has at most, from 1 to [`MAX_LIMIT`](Self::MAX_LIMIT); other numbers are brought into
    /// this range. The server may have a lower limit. Without this, it decides: 100 on Sockudo.
    ///
    /// A page is a single message of the connection, so it has to fit into
    /// [`max_frame_len`](crate::ConfigBuilder::max_frame_len).
    pub const fn limit(mut self, limit: u16) -> Self {
        self.limit = Some(match limit {
            0 => 1,
            limit if limit > Self::MAX_LIMIT => Self::MAX_LIMIT,
            limit => limit,
        });
        self
    }

    /// Reads from the oldest message to the newest one, instead of the other way round.
    pub const fn oldest_first(mut self) -> Self {
        self.is_oldest_first = true;
        self
    }

    /// Leaves out messages with a smaller number ([`Position::serial`](crate::Position::serial)).
    pub const fn start_serial(mut self, serial: u64) -> Self {
        self.start_serial = Some(serial);
        self
    }

    /// Leaves out messages with a greater number ([`Position::serial`](crate::Position::serial)).
    pub const fn end_serial(mut self, serial: u64) -> Self {
        self.end_serial = Some(serial);
        self
    }

    /// Leaves out messages that were published before this time, in milliseconds since the Unix epoch by the server's clock.
    pub const fn start_time_ms(mut self, time: u64) -> Self {
        self.start_time_ms = Some(time);
        self
    }

    /// Leaves out messages that were published after this time, in milliseconds since the Unix epoch by the server's clock.
    pub const fn end_time_ms(mut self, time: u64) -> Self {
        self.end_time_ms = Some(time);
        self
    }

    /// Continues behind an earlier page, which is what [`HistoryPage::next`](crate::HistoryPage::next) does. The other
    /// options must be the same as for that page, except the limit.
    pub fn cursor(mut self, cursor: impl Into<Text>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }
}
