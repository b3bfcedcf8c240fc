//! How large messages may be.

use pusher_proto::Config;
use pusher_websocket::Oversized;

/// How large messages may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(super) max_message_len: usize,
}

impl Limits {
    /// Returns the limits that fit a configuration: messages up to
    /// [`max_frame_len`](pusher_proto::ConfigBuilder::max_frame_len). Larger ones are skipped without holding them.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { max_message_len: config.max_frame_len() }
    }

    pub(super) const fn of_websocket(self) -> pusher_websocket::Limits {
        pusher_websocket::Limits::new()
            .max_message_len(self.max_message_len)
            .max_frame_len(self.max_message_len as u64)
            .oversized(Oversized::Skip)
            .max_output_len(MAX_WRITE_BUFFER_LEN)
    }
}

/// Bytes that may wait for a peer that does not read.
pub(super) const MAX_WRITE_BUFFER_LEN: usize = 16 * 1_024 * 1_024;
