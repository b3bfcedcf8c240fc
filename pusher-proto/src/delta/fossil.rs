//! The delta format of the version control system Fossil.
//!
//! A delta is text, apart from the literal bytes in it: the length of the output and a line feed; commands, each of which
//! begins with a number; and a checksum of the output.
//!
//! | Command | Meaning |
//! |---|---|
//! | `N@OFFSET,` | copies N bytes of the base |
//! | `N:BYTES` | writes the N bytes that follow |
//! | `SUM;` | the end, and the checksum |

use alloc::vec::Vec;

use super::DeltaError;
use super::reader::Reader;

/// Applies `delta` to `base`.
pub(super) fn apply(base: &[u8], delta: &[u8], max_len: usize) -> Result<Vec<u8>, DeltaError> {
    let mut delta = Reader::new(delta);
    let len = number(&mut delta)? as usize;
    if len > max_len {
        return Err(DeltaError::TooLong { len, max: max_len });
    }
    let at = delta.at();
    if delta.byte("a line feed")? != b'\n' {
        return Err(DeltaError::Malformed { at, expected: "a line feed" });
    }
    if len == 0 {
        return Err(DeltaError::Empty);
    }
    // The announced length may be a lie that costs the peer nothing, so the buffer grows to it only as it is filled.
    let mut output = Vec::with_capacity(len.min(base.len()));
    loop {
        let at = delta.at();
        let count = number(&mut delta)?;
        let command = delta.at();
        let source = match delta.byte(COMMAND)? {
            b'@' => copied(base, count as usize, at, &mut delta)?,
            b':' => delta.bytes(count as usize, "the end of the literal bytes")?,
            b';' => {
                check(&output, len, count, at)?;
                return if delta.is_at_end() { Ok(output) } else { Err(delta.malformed("the end of the delta")) };
            }
            _ => return Err(DeltaError::Malformed { at: command, expected: COMMAND }),
        };
        if source.len() > len - output.len() {
            return Err(DeltaError::Length { at, announced: len });
        }
        output.extend_from_slice(source);
    }
}

/// Reads the rest of the copy that begins at `at`.
fn copied<'b>(base: &'b [u8], len: usize, at: usize, delta: &mut Reader<'_>) -> Result<&'b [u8], DeltaError> {
    let start = number(delta)? as usize;
    let comma = delta.at();
    if delta.byte("a comma")? != b',' {
        return Err(DeltaError::Malformed { at: comma, expected: "a comma" });
    }
    let end = start.saturating_add(len);
    base.get(start..end).ok_or(DeltaError::CopyPastEnd { at, end, len: base.len() })
}

/// Checks the complete output.
fn check(output: &[u8], len: usize, announced: u32, at: usize) -> Result<(), DeltaError> {
    if output.len() != len {
        return Err(DeltaError::Length { at, announced: len });
    }
    let actual = checksum(output);
    if actual == announced { Ok(()) } else { Err(DeltaError::Checksum { at, announced, actual }) }
}

/// Reads a number: digits of six bits, the most significant one first.
fn number(delta: &mut Reader<'_>) -> Result<u32, DeltaError> {
    let start = delta.at();
    let mut number = 0_u32;
    while let Some(digit) = delta.peek().and_then(digit) {
        if number >> (u32::BITS - DIGIT_BITS) != 0 {
            return Err(DeltaError::Malformed { at: start, expected: "a number of at most 32 bits" });
        }
        number = number << DIGIT_BITS | digit;
        delta.byte("a digit")?;
    }
    if delta.at() > start {
        return Ok(number);
    }
    if delta.is_at_end() {
        return Err(DeltaError::Truncated { at: start, expected: "a number" });
    }
    Err(delta.malformed("a number"))
}

/// The value of one of the 64 digits, which are in the order of their bytes.
fn digit(byte: u8) -> Option<u32> {
    let value = match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'Z' => byte - b'A' + 10,
        b'_' => 36,
        b'a'..=b'z' => byte - b'a' + 37,
        b'~' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// The sum of all words of four bytes, the most significant byte first; the last word is filled with zeros.
fn checksum(bytes: &[u8]) -> u32 {
    let word = |chunk: &[u8]| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_be_bytes(word)
    };
    bytes.chunks(4).map(word).fold(0, u32::wrapping_add)
}

const COMMAND: &str = "`@`, `:` or `;`";

const DIGIT_BITS: u32 = 6;
