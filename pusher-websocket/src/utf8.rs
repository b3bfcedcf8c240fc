//! Text that arrives in pieces.

use alloc::string::String;
use core::str;

use crate::error::Violation;

/// A text that grows piece by piece. Every byte is checked once, when it arrives, so that an error is found at once.
pub(crate) struct Utf8 {
    text: String,
    /// The start of a character whose end has not arrived yet.
    cut: [u8; 4],
    cut_len: usize,
}

impl Utf8 {
    pub(crate) const fn new() -> Self {
        Self { text: String::new(), cut: [0; 4], cut_len: 0 }
    }

    /// Appends a piece. The caller has reserved the capacity.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while self.cut_len > 0 {
            let [next, rest @ ..] = bytes else { return Ok(()) };
            self.cut[self.cut_len] = *next;
            self.cut_len += 1;
            bytes = rest;
            let start = &self.cut[..self.cut_len];
            match str::from_utf8(start) {
                Ok(character) => {
                    self.text.push_str(character);
                    self.cut_len = 0;
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(Violation::Utf8),
            }
        }
        let (whole, start) = bytes.split_at(bytes.len() - cut_len(bytes));
        self.text.push_str(str::from_utf8(whole).map_err(|_| Violation::Utf8)?);
        // Some byte sequences cannot become a character, such as those of surrogates.
        if !start.is_empty() && str::from_utf8(start).is_err_and(|error| error.error_len().is_some()) {
            return Err(Violation::Utf8);
        }
        self.cut[..start.len()].copy_from_slice(start);
        self.cut_len = start.len();
        Ok(())
    }

    pub(crate) fn text_mut(&mut self) -> &mut String {
        &mut self.text
    }

    /// The number of received bytes.
    pub(crate) fn len(&self) -> usize {
        self.text.len() + self.cut_len
    }

    pub(crate) fn finish(self) -> Result<String, Violation> {
        if self.cut_len == 0 { Ok(self.text) } else { Err(Violation::Utf8) }
    }
}

/// How many bytes at the end are the start of an incomplete character.
fn cut_len(bytes: &[u8]) -> usize {
    for (back, byte) in (1..=3).zip(bytes.iter().rev()) {
        let width = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            0..=0x7f => 1,
        };
        return if width > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    fn push(pieces: &[&[u8]]) -> Result<String, Violation> {
        let mut text = Utf8::new();
        for piece in pieces {
            text.push(piece)?;
        }
        text.finish()
    }

    #[test]
    fn text_is_the_same_wherever_it_is_cut() {
        let text = "κόσμε \u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}";
        for (first, second) in (0..=text.len()).flat_map(|end| (0..=end).map(move |start| (start, end))) {
            let bytes = text.as_bytes();
            let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            assert_eq!(push(&pieces), Ok(text.to_string()), "cut at {first} and {second}");
        }
    }

    #[test]
    fn what_is_not_utf8_is_found_with_the_first_byte_that_cannot_be_right() {
        let table: [&[u8]; 12] = [
            b"\x80",
            b"\xbf",
            b"\xc0",
            b"\xc1",
            b"\xf5",
            b"\xff",
            b"\xe0\x9f",
            b"\xed\xa0",
            b"\xf0\x8f",
            b"\xf4\x90",
            b"\xc3\x28",
            b"\xe2\x82\x28",
        ];
        for wrong in table {
            let (last, start) = wrong.split_last().unwrap();
            let mut text = Utf8::new();
            assert_eq!(text.push(start), Ok(()), "{wrong:x?}");
            assert_eq!(text.push(&[*last]), Err(Violation::Utf8), "{wrong:x?}");
            let inside: Vec<u8> = [b"abc", wrong, b"abc"].concat();
            assert_eq!(Utf8::new().push(&inside), Err(Violation::Utf8), "{wrong:x?}");
            assert_eq!(Utf8::new().push(wrong), Err(Violation::Utf8), "{wrong:x?}");
        }
    }

    #[test]
    fn a_text_must_not_end_inside_of_a_character() {
        for start in [&b"\xc3"[..], b"a\xe2", b"\xe2\x82", b"\xf0\x9f\x98"] {
            assert_eq!(push(&[start]), Err(Violation::Utf8), "{start:x?}");
        }
    }
}
