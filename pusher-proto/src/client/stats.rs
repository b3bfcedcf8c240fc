//! Counters.

use core::time::Duration;

/// Counters since the client was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sockets that were opened.
    pub sockets: u64,
    /// Connections that the server greeted.
    pub connections: u64,
    /// WebSocket messages that arrived, control frames included.
    pub frames: u64,
    /// Events of channels that were taken for the application.
    pub events: u64,
    /// Events that were counted in [`Event::Lagged`](crate::Event::Lagged) because too many waited. Handles count what each of their streams has
    /// lost, too.
    pub missed: u64,
    /// Pings that were sent.
    pub pings: u64,
    /// Time between the latest answered ping and its answer.
    pub last_round_trip: Option<Duration>,
}
