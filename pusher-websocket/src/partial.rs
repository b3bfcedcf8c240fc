//! An incomplete message.

use alloc::vec::Vec;

use bytes::Bytes;
use bytestring::ByteString;

use crate::error::Violation;
use crate::frame::Opcode;
use crate::message::Message;
use crate::utf8::Utf8;

/// The received part of a message.
pub(crate) enum Partial {
    Text(Utf8),
    Binary(Vec<u8>),
    /// The message is too large, so only its length is kept.
    Skipped {
        len: u64,
    },
}

impl Partial {
    pub(crate) const fn new(opcode: Opcode) -> Self {
        match opcode {
            Opcode::Binary => Self::Binary(Vec::new()),
            Opcode::Text | Opcode::Continuation | Opcode::Control(_) => Self::Text(Utf8::new()),
        }
    }

    /// Bytes that have arrived, or have been announced if the message is skipped.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Binary(bytes) => bytes.len() as u64,
            Self::Skipped { len } => *len,
        }
    }

    /// Appends the received part of a frame.
    pub(crate) fn push(&mut self, bytes: &[u8], promise: Promise) -> Result<(), Violation> {
        match self {
            Self::Text(text) => {
                // The start of an incomplete character is kept beside the text and is moved into it later.
                let cut_len = text.len() - text.text_mut().len();
                let own = text.text_mut();
                own.reserve_exact(promise.additional(own.len(), own.capacity(), cut_len + bytes.len()));
                text.push(bytes)
            }
            Self::Binary(own) => {
                own.reserve_exact(promise.additional(own.len(), own.capacity(), bytes.len()));
                own.extend_from_slice(bytes);
                Ok(())
            }
            Self::Skipped { .. } => Ok(()),
        }
    }

    /// Returns the message, and the length in bytes of the allocation that it is part of.
    pub(crate) fn finish(self) -> Result<(Message, usize), Violation> {
        Ok(match self {
            Self::Text(text) => {
                let mut text = text.finish()?;
                if is_roomy(text.len(), text.capacity()) {
                    text.shrink_to_fit();
                }
                let capacity = text.capacity();
                (Message::Text(ByteString::from(text)), capacity)
            }
            Self::Binary(mut bytes) => {
                if is_roomy(bytes.len(), bytes.capacity()) {
                    bytes.shrink_to_fit();
                }
                let capacity = bytes.capacity();
                (Message::Binary(Bytes::from(bytes)), capacity)
            }
            Self::Skipped { len } => (Message::Skipped { len }, 0),
        })
    }
}

/// What will follow the received bytes, as far as headers announce it.
#[derive(Clone, Copy)]
pub(crate) struct Promise {
    /// Bytes of the frame.
    pub(crate) rest: usize,
    /// Whether the message ends with the frame.
    pub(crate) is_final: bool,
    /// The maximum length of the message, in bytes.
    pub(crate) max_len: usize,
}

impl Promise {
    /// How many bytes to reserve beyond `len` for `more` that have arrived.
    ///
    /// An announcement costs the peer nothing, so it is believed only up to [`BELIEVED_LEN`]. Beyond that, the
    /// allocation doubles as bytes actually arrive, and ends exactly where the message ends.
    fn additional(self, len: usize, capacity: usize, more: usize) -> usize {
        let needed = len.saturating_add(more);
        if needed <= capacity {
            return 0;
        }
        let double = capacity.saturating_mul(2);
        let promised = needed.saturating_add(self.rest);
        let target = match promised.min(BELIEVED_LEN.max(double)) {
            end if self.is_final => end,
            part => part.max(double).min(self.max_len),
        };
        target.max(needed) - len
    }
}

/// Whether so much of an allocation is empty that it is worth moving the content.
const fn is_roomy(len: usize, capacity: usize) -> bool {
    capacity - len > len / 4
}

/// How many bytes are allocated because a header announces them, before they have arrived.
const BELIEVED_LEN: usize = 64 * 1_024;
