//! Counters.

use core::time::Duration;

/// Counters since the client was made, and what waits now.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Client, Config, Endpoint, Stats};
///
/// let client = Client::new(Config::new("app-key", Endpoint::cluster("eu"))?, 1);
/// assert_eq!(client.stats(), Stats::default());
/// # Ok::<(), pusher_proto::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sockets that were opened.
    pub sockets: u64,
    /// Connections that the server greeted.
    pub connections: u64,
    /// Connections after the first one.
    pub reconnects: u64,
    /// Requests for authorization that failed: refused by the application's server, not answered in time, or not possible. A
    /// request that is repeated counts each time it fails.
    pub failed_authorizations: u64,
    /// WebSocket messages that arrived, control frames included.
    pub frames: u64,
    /// Bytes of text in the messages that arrived, without headers of WebSocket frames.
    pub bytes_received: u64,
    /// Bytes of text in the messages that were handed over to be sent.
    pub bytes_sent: u64,
    /// Events of channels that were taken for the application.
    pub events: u64,
    /// Events that were counted in [`Event::Lagged`](crate::Event::Lagged) because too many waited. Handles count what each of their streams has
    /// lost, too.
    pub missed: u64,
    /// Events that wait now: to be polled, and for the streams of handles. An event that waits for several streams counts for
    /// each.
    pub queued: u64,
    /// Bytes that the waiting events hold, roughly.
    pub queued_bytes: u64,
    /// Pings that were sent.
    pub pings: u64,
    /// Time between the latest answered ping and its answer.
    pub last_round_trip: Option<Duration>,
}
