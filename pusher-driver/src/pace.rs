//! How much is read from a stream at a time.

/// Counts reads, and decides when a stream that always has more should pause.
///
/// TLS, HTTP and WebSocket libraries read in loops until the stream returns `WouldBlock`. A peer that sends as fast as
/// they read would keep them in this loop, and everything else on the thread would have to wait: deadlines, other
/// sockets, the application's `shutdown`. Adapters therefore count reads below all libraries: a stream that
/// [pauses](Self::pauses) returns `WouldBlock` once although it may have more, and wakes its reader.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    max_reads: u32,
    max_bytes: usize,
    reads: u32,
    bytes: usize,
}

impl Pace {
    /// For a TCP stream below all libraries: 256 reads or 256 KiB.
    ///
    /// This is more than one turn of a WebSocket, which has its own limits, so that usually only one of the two pauses.
    #[must_use]
    pub const fn stream() -> Self {
        Self::new(256, 256 * 1_024)
    }

    /// For what one turn of the loop reads from a WebSocket: 64 reads or 64 KiB. Waiting events should still be in the
    /// CPU cache when their consumer runs.
    #[cfg(feature = "websocket")]
    pub(crate) const fn turn() -> Self {
        Self::new(64, 64 * 1_024)
    }

    const fn new(max_reads: u32, max_bytes: usize) -> Self {
        Self { max_reads, max_bytes, reads: 0, bytes: 0 }
    }

    /// Whether the stream should return `WouldBlock` now instead of reading. If so, counting starts over.
    pub const fn pauses(&mut self) -> bool {
        let pauses = self.reads >= self.max_reads || self.bytes >= self.max_bytes;
        if pauses {
            self.rest();
        }
        pauses
    }

    /// Counts a read of `len` bytes.
    pub const fn count(&mut self, len: usize) {
        self.reads = self.reads.saturating_add(1);
        self.bytes = self.bytes.saturating_add(len);
    }

    /// Starts over, because the stream itself returned `WouldBlock`.
    pub const fn rest(&mut self) {
        self.reads = 0;
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_pauses_once_after_many_reads_or_bytes() {
        let mut pace = Pace::stream();
        for _ in 0..2 {
            for _ in 0..256 {
                assert!(!pace.pauses());
                pace.count(1);
            }
            assert!(pace.pauses());
        }
        for _ in 0..2 {
            pace.count(255 * 1_024);
            assert!(!pace.pauses());
            pace.count(1_024);
            assert!(pace.pauses());
        }
    }

    #[test]
    fn a_stream_that_has_no_more_from_time_to_time_never_pauses() {
        let mut pace = Pace::stream();
        for _ in 0..1_000 {
            assert!(!pace.pauses());
            pace.count(200 * 1_024);
            pace.rest();
        }
    }
}
