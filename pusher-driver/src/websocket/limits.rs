//! Limits of message sizes.

use pusher_proto::Config;
use pusher_session::adapter;

/// Limits of message sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits(pub(super) pusher_websocket::Limits);

impl Limits {
    /// Returns the limits for a configuration: messages up to
    /// [`max_frame_len`](pusher_proto::ConfigBuilder::max_frame_len). Larger ones are skipped without being buffered.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self(adapter::limits(config))
    }
}
