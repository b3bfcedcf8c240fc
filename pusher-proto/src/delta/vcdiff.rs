//! VCDIFF (RFC 3284), as xdelta3 writes it: with the default code table, without secondary compression, and with or
//! without a checksum for each window.
//!
//! A delta is a header and windows. Each window copies from a segment of the base (or of the output so far) and from
//! itself, and has its instructions, addresses and literal bytes in three sections.

use alloc::vec::Vec;

use super::DeltaError;
use super::instructions::{Addresses, Instruction, Operation, instructions, number};
use super::reader::Reader;

/// The first three bytes of every delta: `VCD` with the high bits set (RFC 3284, 4.1).
pub(super) const MAGIC: [u8; 3] = [0xd6, 0xc3, 0xc4];

/// Applies `delta` to `base`.
pub(super) fn apply(base: &[u8], delta: &[u8], max_len: usize) -> Result<Vec<u8>, DeltaError> {
    let mut delta = Reader::new(delta);
    header(&mut delta)?;
    let mut output = Vec::new();
    while !delta.is_at_end() {
        window(&mut delta, base, &mut output, max_len)?;
    }
    if output.is_empty() { Err(DeltaError::Empty) } else { Ok(output) }
}

fn header(delta: &mut Reader<'_>) -> Result<(), DeltaError> {
    for expected in MAGIC {
        if delta.byte(START)? != expected {
            return Err(DeltaError::Malformed { at: 0, expected: START });
        }
    }
    let at = delta.at();
    if delta.byte("the version")? != 0 {
        return Err(DeltaError::Unsupported { at, feature: "this version of VCDIFF" });
    }
    let at = delta.at();
    let indicator = delta.byte("the header indicator")?;
    if indicator & HEADER_DECOMPRESS != 0 {
        return Err(DeltaError::Unsupported { at, feature: SECONDARY });
    }
    if indicator & HEADER_CODE_TABLE != 0 {
        return Err(DeltaError::Unsupported { at, feature: "a code table of its own" });
    }
    if indicator & !HEADER_APPLICATION != 0 {
        return Err(DeltaError::Malformed { at, expected: "a known header indicator" });
    }
    if indicator & HEADER_APPLICATION != 0 {
        // xdelta3 notes file names here, which nothing depends on.
        let len = number(delta)?;
        delta.bytes(len, "the end of the application header")?;
    }
    Ok(())
}

fn window(delta: &mut Reader<'_>, base: &[u8], output: &mut Vec<u8>, max_len: usize) -> Result<(), DeltaError> {
    let at = delta.at();
    let indicator = delta.byte("a window indicator")?;
    if indicator & !(WINDOW_SOURCE | WINDOW_TARGET | WINDOW_CHECKSUM) != 0 {
        return Err(DeltaError::Malformed { at, expected: "a known window indicator" });
    }
    let segment = segment(delta, indicator, base, output.len(), at)?;
    let len = number(delta)?;
    let mut body = delta.part(len, "the end of the window")?;
    let target_len = number(&mut body)?;
    let end = output.len().saturating_add(target_len);
    if end > max_len {
        return Err(DeltaError::TooLong { len: end, max: max_len });
    }
    let at = body.at();
    if body.byte("the delta indicator")? != 0 {
        return Err(DeltaError::Unsupported { at, feature: SECONDARY });
    }
    let [data, code, addresses] = [number(&mut body)?, number(&mut body)?, number(&mut body)?];
    let sum_at = body.at();
    let sum = if indicator & WINDOW_CHECKSUM == 0 { None } else { Some(body.bytes(4, "the checksum")?) };
    let window = Window {
        segment,
        data: body.part(data, "the end of the data section")?,
        code: body.part(code, "the end of the instruction section")?,
        addresses: body.part(addresses, "the end of the address section")?,
        recent: Addresses::new(),
        start: output.len(),
        end,
    };
    if !body.is_at_end() {
        return Err(body.malformed("the end of the window"));
    }
    let start = window.start;
    window.run(output)?;
    if let Some(sum) = sum {
        let announced = sum.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        let actual = adler32(&output[start..]);
        if actual != announced {
            return Err(DeltaError::Checksum { at: sum_at, announced, actual });
        }
    }
    Ok(())
}

/// Reads which bytes the window of this indicator (at `at`) can copy.
fn segment<'b>(
    delta: &mut Reader<'_>,
    indicator: u8,
    base: &'b [u8],
    written: usize,
    at: usize,
) -> Result<Segment<'b>, DeltaError> {
    let of_base = indicator & WINDOW_SOURCE != 0;
    let of_output = indicator & WINDOW_TARGET != 0;
    if of_base && of_output {
        return Err(DeltaError::Malformed { at, expected: "a segment of either the base or the output" });
    }
    if !of_base && !of_output {
        return Ok(Segment::Base(&[]));
    }
    let at = delta.at();
    let len = number(delta)?;
    let start = number(delta)?;
    let end = start.saturating_add(len);
    let source_len = if of_base { base.len() } else { written };
    if end > source_len {
        return Err(DeltaError::CopyPastEnd { at, end, len: source_len });
    }
    Ok(if of_base { Segment::Base(&base[start..end]) } else { Segment::Output { start, len } })
}

/// What a window can copy besides its own output.
enum Segment<'a> {
    Base(&'a [u8]),
    /// A part of what earlier windows have written.
    Output {
        start: usize,
        len: usize,
    },
}

impl Segment<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Base(bytes) => bytes.len(),
            Self::Output { len, .. } => *len,
        }
    }

    /// Appends a part of the segment, which is inside of it.
    fn copy(&self, start: usize, len: usize, output: &mut Vec<u8>) {
        match self {
            Self::Base(bytes) => output.extend_from_slice(&bytes[start..start + len]),
            Self::Output { start: first, .. } => output.extend_from_within(first + start..first + start + len),
        }
    }
}

struct Window<'a> {
    segment: Segment<'a>,
    data: Reader<'a>,
    code: Reader<'a>,
    addresses: Reader<'a>,
    recent: Addresses,
    /// Where the output of this window begins and ends in the whole output.
    start: usize,
    end: usize,
}

impl Window<'_> {
    fn run(mut self, output: &mut Vec<u8>) -> Result<(), DeltaError> {
        while !self.code.is_at_end() {
            let (first, second) = instructions(self.code.byte("an instruction")?);
            self.execute(first, output)?;
            if let Some(second) = second {
                self.execute(second, output)?;
            }
        }
        if output.len() < self.end {
            return Err(DeltaError::Length { at: self.code.at(), announced: self.end });
        }
        for rest in [&self.data, &self.addresses] {
            if !rest.is_at_end() {
                return Err(rest.malformed("the end of the section"));
            }
        }
        Ok(())
    }

    fn execute(&mut self, instruction: Instruction, output: &mut Vec<u8>) -> Result<(), DeltaError> {
        let at = self.code.at();
        let len = match instruction.size {
            0 => number(&mut self.code)?,
            size => usize::from(size),
        };
        // Before anything is written: a run of any length takes a few bytes.
        if len > self.end - output.len() {
            return Err(DeltaError::Length { at, announced: self.end });
        }
        match instruction.operation {
            Operation::Add => output.extend_from_slice(self.data.bytes(len, "the bytes to add")?),
            Operation::Run => {
                let byte = self.data.byte("the byte to repeat")?;
                output.resize(output.len() + len, byte);
            }
            Operation::Copy { mode } => {
                let here = self.segment.len() + output.len() - self.start;
                let address = self.recent.read(mode, here, &mut self.addresses)?;
                self.copy(address, len, output);
            }
        }
        Ok(())
    }

    /// Copies from the segment and the output of this window, which the address counts as one text. The copy may reach
    /// into what it writes: then it repeats it.
    fn copy(&self, address: usize, len: usize, output: &mut Vec<u8>) {
        let of_segment = self.segment.len().saturating_sub(address).min(len);
        if of_segment > 0 {
            self.segment.copy(address, of_segment, output);
        }
        let from = self.start + (address + of_segment).saturating_sub(self.segment.len());
        let mut rest = len - of_segment;
        while rest > 0 {
            // What has been repeated can be repeated again, so each turn copies twice as much as the one before.
            let turn = rest.min(output.len() - from);
            output.extend_from_within(from..from + turn);
            rest -= turn;
        }
    }
}

/// The checksum of a window: Adler-32, as in zlib.
fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for chunk in bytes.chunks(ADLER_CHUNK) {
        for &byte in chunk {
            a += u32::from(byte);
            b += a;
        }
        a %= ADLER_MODULUS;
        b %= ADLER_MODULUS;
    }
    b << 16 | a
}

const START: &str = "the first bytes of VCDIFF";
const SECONDARY: &str = "secondary compression";

/// Bits of the header indicator; the third one is an extension of xdelta3.
const HEADER_DECOMPRESS: u8 = 1;
const HEADER_CODE_TABLE: u8 = 2;
const HEADER_APPLICATION: u8 = 4;

/// Bits of a window indicator; the third one is an extension of xdelta3.
const WINDOW_SOURCE: u8 = 1;
const WINDOW_TARGET: u8 = 2;
const WINDOW_CHECKSUM: u8 = 4;

/// The largest prime number below 2^16, and how many bytes can be added before a sum has to be reduced (RFC 1950).
const ADLER_MODULUS: u32 = 65_521;
const ADLER_CHUNK: usize = 5_552;
