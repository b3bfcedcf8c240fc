//! How much channels may hold back.

/// How many events and bytes one channel may hold back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

impl Room {
    /// At most `events` and `bytes`, and what the other channels leave of 64 MiB. `all` is what all channels hold for the
    /// same reason, of which this one holds `own`.
    pub(crate) fn new(events: usize, bytes: usize, all: usize, own: usize) -> Self {
        Self { events, bytes: bytes.min(MAX_ALL_HELD_BYTES.saturating_sub(all - own)) }
    }
}

/// Bytes of events that all channels together may hold back for one reason, since a server can make all of them wait at
/// once.
const MAX_ALL_HELD_BYTES: usize = 64 * 1_024 * 1_024;
