//! Deltas: events that Sockudo sends as a difference to an earlier event (Sockudo, Protocol V2).
//!
//! [`Bases`] keeps the events that differences refer to and rebuilds whole frames. [`Algorithm`] applies a single
//! delta. Both take any input: what is wrong with it is reported, memory is bounded by limits of the caller, and the
//! work is proportional to the lengths of delta and output.

mod bases;
mod error;
mod fossil;
mod instructions;
mod marks;
mod reader;
mod vcdiff;

use alloc::string::String;
use alloc::vec::Vec;

pub use bases::{Bases, Limits, Lost, LostBase};
pub use error::DeltaError;

/// A format of deltas. A server uses one of them for all connections.
///
/// # Examples
///
/// ```
/// use pusher_proto::delta::Algorithm;
///
/// let output = Algorithm::Fossil.apply(b"price: 100 EUR", b"E\n7@0,3:2504@A,1WBfcQ;", 1_000)?;
/// assert_eq!(output, b"price: 250 EUR");
/// # Ok::<(), pusher_proto::delta::DeltaError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// The format of the version control system Fossil, `fossil` in Sockudo.
    Fossil,
    /// RFC 3284, `xdelta3` or `vcdiff` in Sockudo: with the default code table, without secondary compression.
    Vcdiff,
}

impl Algorithm {
    /// Returns the algorithm that Sockudo calls by this name, or `None` if it is not a known one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "fossil" => Some(Self::Fossil),
            "xdelta3" | "vcdiff" => Some(Self::Vcdiff),
            _ => None,
        }
    }

    /// Returns the algorithm that this delta looks like: every VCDIFF delta begins with the same three bytes, which
    /// cannot begin a Fossil delta.
    #[must_use]
    pub fn of(delta: &[u8]) -> Self {
        if delta.starts_with(&vcdiff::MAGIC) { Self::Vcdiff } else { Self::Fossil }
    }

    /// Applies a delta to its base. The output has at most `max_len` bytes.
    ///
    /// # Errors
    ///
    /// If the delta is not of this format, does not fit the base, or has a wrong checksum; if the output would exceed
    /// the limit, or is empty.
    pub fn apply(self, base: &[u8], delta: &[u8], max_len: usize) -> Result<Vec<u8>, DeltaError> {
        match self {
            Self::Fossil => fossil::apply(base, delta, max_len),
            Self::Vcdiff => vcdiff::apply(base, delta, max_len),
        }
    }

    /// Applies a delta to a text. The output has at most `max_len` bytes.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply), or if the output is not UTF-8.
    pub fn apply_to_text(self, base: &str, delta: &[u8], max_len: usize) -> Result<String, DeltaError> {
        let output = self.apply(base.as_bytes(), delta, max_len)?;
        String::from_utf8(output).map_err(|error| DeltaError::NotUtf8 { at: error.utf8_error().valid_up_to() })
    }
}
