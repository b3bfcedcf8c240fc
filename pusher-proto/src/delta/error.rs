//! What can be wrong with a delta.

/// Why a delta cannot be applied: what is wrong, and where.
///
/// Unless a field says otherwise, `at` is an offset in the delta, in bytes, after base64 has been decoded.
///
/// # Examples
///
/// ```
/// use pusher_proto::delta::{Algorithm, DeltaError};
///
/// let error = Algorithm::Fossil.apply(b"base", b"9\n9@0,", 100).unwrap_err();
/// assert_eq!(error, DeltaError::CopyPastEnd { at: 2, end: 9, len: 4 });
/// assert_eq!(error.to_string(), "the copy at byte 2 of the delta ends at 9, but its source has 4 bytes");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The text that should contain the delta is not base64.
    #[error("the delta is not base64")]
    Base64,
    /// The delta ends too early.
    #[error("the delta ends at byte {at}, before {expected}")]
    Truncated {
        /// Where it ends, or where the part that is cut off begins.
        at: usize,
        /// What is missing.
        expected: &'static str,
    },
    /// The format does not allow what the delta contains.
    #[error("expected {expected} at byte {at} of the delta")]
    Malformed {
        /// Where it stands.
        at: usize,
        /// What the format has there.
        expected: &'static str,
    },
    /// The delta uses a part of the format that Sockudo does not use.
    #[error("{feature} (byte {at} of the delta) is not supported")]
    Unsupported {
        /// Where the delta says so.
        at: usize,
        /// The part of the format.
        feature: &'static str,
    },
    /// The output would be longer than the limit. Nothing has been allocated for the part beyond the limit.
    #[error("an output of {len} bytes exceeds the limit of {max}")]
    TooLong {
        /// Bytes that the delta announces.
        len: usize,
        /// Bytes that the caller allows.
        max: usize,
    },
    /// A copy reaches beyond what it copies from: the base, or what has been written so far.
    #[error("the copy at byte {at} of the delta ends at {end}, but its source has {len} bytes")]
    CopyPastEnd {
        /// Where the copy stands.
        at: usize,
        /// The end of what it copies.
        end: usize,
        /// Bytes that can be copied from.
        len: usize,
    },
    /// The delta writes more or less than it announces.
    #[error("the output is not as long as announced ({announced} bytes), which shows at byte {at} of the delta")]
    Length {
        /// Where the output becomes too long, or ends too early.
        at: usize,
        /// Bytes that the output should have.
        announced: usize,
    },
    /// The output is not the one that the delta was made for. Mostly, the base is a different one.
    #[error("the checksum is {actual:08x} instead of {announced:08x} (byte {at} of the delta)")]
    Checksum {
        /// Where the checksum stands.
        at: usize,
        /// The checksum in the delta.
        announced: u32,
        /// The checksum of the output.
        actual: u32,
    },
    /// The output is not UTF-8.
    #[error("the output is not UTF-8 at its byte {at}")]
    NotUtf8 {
        /// Offset in the output.
        at: usize,
    },
    /// The output is empty. No event is.
    #[error("the output is empty")]
    Empty,
}
