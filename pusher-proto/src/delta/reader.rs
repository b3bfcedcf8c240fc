//! A position in a delta.

use super::DeltaError;

/// Reads bytes in order and knows where it is in the whole delta.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    /// The delta, up to the end of the part that is read.
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn byte(&mut self, expected: &'static str) -> Result<u8, DeltaError> {
        let byte = self.peek().ok_or(DeltaError::Truncated { at: self.at, expected })?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn bytes(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8], DeltaError> {
        let bytes = self.bytes[self.at..].get(..len).ok_or(DeltaError::Truncated { at: self.at, expected })?;
        self.at += len;
        Ok(bytes)
    }

    /// Skips the next bytes and returns a reader of them, whose positions are those in the whole delta.
    pub(super) fn part(&mut self, len: usize, expected: &'static str) -> Result<Self, DeltaError> {
        let start = self.at;
        self.bytes(len, expected)?;
        Ok(Self { bytes: &self.bytes[..self.at], at: start })
    }

    pub(super) fn malformed(&self, expected: &'static str) -> DeltaError {
        DeltaError::Malformed { at: self.at, expected }
    }
}
