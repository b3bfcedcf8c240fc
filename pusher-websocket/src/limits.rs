//! How much a peer may send, and how much may wait for it.

/// Bounds of a connection. The defaults are those of [`Limits::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) max_frame_len: u64,
    pub(crate) max_message_len: usize,
    pub(crate) oversized: Oversized,
    pub(crate) max_fragments: u32,
    pub(crate) max_output_len: usize,
}

/// What to do with a message that is larger than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oversized {
    /// Skip it without keeping a byte, report its length, and stay connected. A skipped message is not checked for
    /// UTF-8.
    Skip,
    /// Close the connection with code 1009.
    Close,
}

impl Limits {
    /// Returns the defaults: messages and frames of at most 16 MiB, at most 131,072 frames in a message, and at most 16
    /// MiB of output; larger messages close the connection.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_frame_len: DEFAULT_LEN as u64,
            max_message_len: DEFAULT_LEN,
            oversized: Oversized::Close,
            max_fragments: 128 * 1_024,
            max_output_len: DEFAULT_LEN,
        }
    }

    /// Sets the largest payload of a single data frame, in bytes. A message with a larger frame is oversized.
    #[must_use]
    pub const fn max_frame_len(mut self, len: u64) -> Self {
        self.max_frame_len = len;
        self
    }

    /// Sets the largest message, in bytes, with all its frames together.
    #[must_use]
    pub const fn max_message_len(mut self, len: usize) -> Self {
        self.max_message_len = len;
        self
    }

    /// Sets what happens to larger messages.
    #[must_use]
    pub const fn oversized(mut self, oversized: Oversized) -> Self {
        self.oversized = oversized;
        self
    }

    /// Sets how many frames a message may have. A message with more frames closes the connection with code 1008.
    /// Without this limit, a peer could send empty frames at little cost and keep the receiver busy forever.
    #[must_use]
    pub const fn max_fragments(mut self, fragments: u32) -> Self {
        self.max_fragments = fragments;
        self
    }

    /// Sets how many encoded bytes may wait for a peer that does not read. Answers to pings and the close frame need
    /// less than 300 additional bytes.
    #[must_use]
    pub const fn max_output_len(mut self, len: usize) -> Self {
        self.max_output_len = len;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

const DEFAULT_LEN: usize = 16 * 1_024 * 1_024;
