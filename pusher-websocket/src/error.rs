//! Violations by a peer, and why a message cannot be sent.

/// A rule of RFC 6455 that the peer broke, or a limit that it exceeded. The connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A reserved bit is set although no extension was agreed on (section 5.2).
    #[error("reserved bits are set in a frame")]
    ReservedBits,
    /// The opcode is reserved (section 5.2).
    #[error("a frame has the reserved opcode {0}")]
    ReservedOpcode(u8),
    /// The frame is masked, which servers must not do (section 5.1).
    #[error("the server masked a frame")]
    Masked,
    /// The length is not written in as few bytes as possible (section 5.2).
    #[error("the length of a frame is not encoded minimally")]
    LengthEncoding,
    /// The length has its highest bit set (section 5.2).
    #[error("the length of a frame is out of range")]
    LengthRange,
    /// A control frame has more than 125 bytes (section 5.5).
    #[error("a control frame is too long")]
    ControlLength,
    /// A control frame is fragmented (section 5.5).
    #[error("a control frame is fragmented")]
    ControlFragmented,
    /// There is no message for a continuation frame to continue (section 5.4).
    #[error("a continuation frame has no message to continue")]
    ContinuesNothing,
    /// A new message begins inside a fragmented one (section 5.4).
    #[error("a message begins inside another one")]
    Interleaved,
    /// A text, or the reason of a close, is not UTF-8 (section 8.1).
    #[error("a text is not UTF-8")]
    Utf8,
    /// A close frame has a payload of one byte (section 5.5.1).
    #[error("a close frame has an incomplete code")]
    CloseLength,
    /// A close frame has a code that must not be sent (section 7.4).
    #[error("a close frame has the invalid code {0}")]
    CloseCode(u16),
    /// A message has more frames than the limit allows.
    #[error("a message has more than {max} frames")]
    TooManyFragments {
        /// The limit.
        max: u32,
    },
    /// A message or frame is larger than the limit.
    #[error("a message of at least {len} bytes is larger than the limit")]
    TooLarge {
        /// Its length in bytes, as far as it is known.
        len: u64,
    },
}

impl Violation {
    /// Returns the code of the close frame that is the answer (RFC 6455, section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Utf8 => 1007,
            Self::TooManyFragments { .. } => 1008,
            Self::TooLarge { .. } => 1009,
            Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::Masked
            | Self::LengthEncoding
            | Self::LengthRange
            | Self::ControlLength
            | Self::ControlFragmented
            | Self::ContinuesNothing
            | Self::Interleaved
            | Self::CloseLength
            | Self::CloseCode(_) => 1002,
        }
    }
}

/// Why a message was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A close frame was sent or received, or the peer broke a rule.
    #[error("the connection is closing")]
    Closing,
    /// More bytes would wait than [`Limits::max_output_len`](crate::Limits::max_output_len) allows.
    #[error("the peer does not read")]
    Full,
}
