//! The header of a frame (RFC 6455, section 5.2).

use crate::error::Violation;

/// The header of a frame that a server may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) opcode: Opcode,
    pub(crate) is_final: bool,
    /// Bytes of the header itself.
    pub(crate) len: usize,
    pub(crate) payload_len: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Control(Control),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Close,
    Ping,
    Pong,
}

impl Header {
    /// Reads the header at the start of `bytes`; `None` until it is complete.
    #[inline]
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(Violation::ReservedBits);
        }
        let opcode = match first & 0x0f {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Control(Control::Close),
            0x9 => Opcode::Control(Control::Ping),
            0xa => Opcode::Control(Control::Pong),
            other => return Err(Violation::ReservedOpcode(other)),
        };
        if second & MASKED != 0 {
            return Err(Violation::Masked);
        }
        let is_final = first & FINAL != 0;
        let short = second & 0x7f;
        if matches!(opcode, Opcode::Control(_)) {
            if !is_final {
                return Err(Violation::ControlFragmented);
            }
            if short > MAX_CONTROL_LEN {
                return Err(Violation::ControlLength);
            }
        }
        let (len, payload_len) = match short {
            LEN_16 => {
                let Some(bytes) = rest.first_chunk() else { return Ok(None) };
                (4, u64::from(u16::from_be_bytes(*bytes)))
            }
            LEN_64 => {
                let Some(bytes) = rest.first_chunk() else { return Ok(None) };
                (10, u64::from_be_bytes(*bytes))
            }
            len => (2, u64::from(len)),
        };
        if payload_len >> 63 != 0 {
            return Err(Violation::LengthRange);
        }
        if len != header_len(payload_len) {
            return Err(Violation::LengthEncoding);
        }
        Ok(Some(Self { opcode, is_final, len, payload_len }))
    }
}

/// Length of the shortest header without a mask.
const fn header_len(payload_len: u64) -> usize {
    match payload_len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

/// First byte of the only or last frame of a message.
pub(crate) const FINAL: u8 = 0x80;

/// Set in the second byte of every frame of a client.
pub(crate) const MASKED: u8 = 0x80;

/// The length follows in 16 bits.
pub(crate) const LEN_16: u8 = 126;

/// The length follows in 64 bits.
pub(crate) const LEN_64: u8 = 127;

/// Longest payload of a control frame, in bytes (section 5.5).
pub(crate) const MAX_CONTROL_LEN: u8 = 125;

const RESERVED: u8 = 0x70;
