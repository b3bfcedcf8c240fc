//! Bytes that wait to be written.

use alloc::vec::Vec;

use crate::close::{CloseFrame, fitting, may_be_sent};
use crate::frame::{FINAL, LEN_16, LEN_64, MASKED, MAX_CONTROL_LEN};

/// The source of the masks of frames: one mask for each frame, from a strong source of randomness that the peer cannot
/// predict (RFC 6455, section 5.3), such as the operating system. Implemented by any `FnMut() -> [u8; 4]`.
pub trait Masks {
    /// Returns the next mask.
    fn next_mask(&mut self) -> [u8; 4];
}

impl<F: FnMut() -> [u8; 4]> Masks for F {
    fn next_mask(&mut self) -> [u8; 4] {
        self()
    }
}

/// Encoded frames, one after the other.
pub(crate) struct Output<M> {
    bytes: Vec<u8>,
    /// How many bytes have been written.
    written: usize,
    masks: M,
    /// The payload of the latest unanswered ping. Earlier pings need no answer (section 5.5.3).
    ping: Option<Ping>,
}

struct Ping {
    payload: [u8; MAX_CONTROL_LEN as usize],
    len: usize,
}

impl<M: Masks> Output<M> {
    pub(crate) const fn new(masks: M) -> Self {
        Self { bytes: Vec::new(), written: 0, masks, ping: None }
    }

    pub(crate) fn answer_ping(&mut self, payload: &[u8]) {
        let mut ping = Ping { payload: [0; MAX_CONTROL_LEN as usize], len: payload.len() };
        ping.payload[..payload.len()].copy_from_slice(payload);
        self.ping = Some(ping);
    }

    pub(crate) fn close(&mut self, frame: Option<&CloseFrame>) {
        self.encode_pong();
        match frame.filter(|frame| may_be_sent(frame.code)) {
            Some(frame) => {
                let reason = fitting(&frame.reason);
                self.encode(OPCODE_CLOSE, &[&frame.code.to_be_bytes(), reason.as_bytes()]);
            }
            None => self.encode(OPCODE_CLOSE, &[]),
        }
    }

    pub(crate) fn encode_text(&mut self, text: &str) {
        self.encode(OPCODE_TEXT, &[text.as_bytes()]);
    }

    pub(crate) fn encode_binary(&mut self, bytes: &[u8]) {
        self.encode(OPCODE_BINARY, &[bytes]);
    }

    /// The number of waiting bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0 && self.ping.is_none()
    }

    /// Returns the waiting bytes.
    pub(crate) fn bytes(&mut self) -> &[u8] {
        // While a peer sends pings but does not read, there is only one pong in the output.
        if self.ping.is_some() && self.len() <= PONG_BEHIND {
            self.encode_pong();
        }
        &self.bytes[self.written..]
    }

    pub(crate) fn advance(&mut self, len: usize) {
        self.written = (self.written + len).min(self.bytes.len());
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_LEN);
            self.written = 0;
        } else if self.written > self.bytes.len() / 2 {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }

    fn encode_pong(&mut self) {
        if let Some(ping) = self.ping.take() {
            self.encode(OPCODE_PONG, &[&ping.payload[..ping.len]]);
        }
    }

    fn encode(&mut self, opcode: u8, parts: &[&[u8]]) {
        let len = parts.iter().map(|part| part.len()).sum();
        let mask = self.masks.next_mask();
        self.bytes.reserve(MAX_HEADER_LEN + len);
        self.bytes.push(FINAL | opcode);
        match len {
            0..=125 => self.bytes.push(MASKED | len.to_le_bytes()[0]),
            126..=0xffff => {
                self.bytes.push(MASKED | LEN_16);
                let [low, high, ..] = len.to_le_bytes();
                self.bytes.extend_from_slice(&[high, low]);
            }
            _ => {
                self.bytes.push(MASKED | LEN_64);
                self.bytes.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        self.bytes.extend_from_slice(&mask);
        let start = self.bytes.len();
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        apply(mask, &mut self.bytes[start..]);
    }
}

/// Masks a payload in place.
fn apply(mask: [u8; 4], payload: &mut [u8]) {
    let [a, b, c, d] = mask;
    // Blocks of a constant size compile to vector instructions.
    let wide = [a, b, c, d, a, b, c, d];
    let mut blocks = payload.chunks_exact_mut(wide.len());
    for block in &mut blocks {
        for (byte, mask) in block.iter_mut().zip(wide) {
            *byte ^= mask;
        }
    }
    for (byte, mask) in blocks.into_remainder().iter_mut().zip(wide) {
        *byte ^= mask;
    }
}

const OPCODE_TEXT: u8 = 0x1;
const OPCODE_BINARY: u8 = 0x2;
const OPCODE_CLOSE: u8 = 0x8;
const OPCODE_PONG: u8 = 0xa;

/// Longest header of a frame with a mask, in bytes.
pub(crate) const MAX_HEADER_LEN: usize = 14;

/// Bytes that may wait before a pong; while there are more, only the payload of the latest ping is kept.
const PONG_BEHIND: usize = 1_024;

/// Capacity that an empty buffer keeps for later frames, in bytes.
const KEPT_LEN: usize = 4 * 1_024;
