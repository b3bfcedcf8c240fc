//! Counters.

use core::time::Duration;

/// Counters since the client was created, and the current queues.
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
    /// Opened sockets.
    pub sockets: u64,
    /// Connections that the server greeted.
    pub connections: u64,
    /// Connections after the first one.
    pub reconnects: u64,
    /// Failed authorization requests: refused by the application's server, not answered in time, or not possible. A
    /// repeated request counts each time it fails.
    pub failed_authorizations: u64,
    /// Received WebSocket messages, including control frames.
    pub frames: u64,
    /// Bytes of text in the received messages, without the headers of WebSocket frames.
    pub bytes_received: u64,
    /// Bytes of text in the messages that were passed on for sending.
    pub bytes_sent: u64,
    /// Channel events that were accepted for the application.
    pub events: u64,
    /// Events that were lost because too many were waiting, as reported by [`Event::Lagged`](crate::Event::Lagged). In
    /// the statistics of a handle, this includes what each of its client's streams has lost.
    pub missed: u64,
    /// Events that are waiting: to be polled, and in the streams of handles. An event that waits in several streams
    /// counts for each of them.
    pub queued: u64,
    /// Approximate size of the waiting events, in bytes.
    pub queued_bytes: u64,
    /// Sent pings.
    pub pings: u64,
    /// Time between the last answered ping and its answer.
    pub last_round_trip: Option<Duration>,
}
