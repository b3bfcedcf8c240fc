//! The instructions of VCDIFF: what a code byte means, and how the address of a copy is written (RFC 3284, 5).

use super::DeltaError;
use super::reader::Reader;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Writes bytes of the data section.
    Add,
    /// Writes one byte of the data section several times.
    Run,
    /// Copies from the source segment or from what has been written. The mode says how the address is written.
    Copy { mode: u8 },
}

/// One instruction. A size of 0 means that the size follows the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) operation: Operation,
    pub(super) size: u8,
}

/// The one or two instructions of a code byte in the default code table (RFC 3284, 5.6). The table is regular, so this
/// computes its entries.
pub(super) const fn instructions(code: u8) -> (Instruction, Option<Instruction>) {
    match code {
        0 => (Instruction { operation: Operation::Run, size: 0 }, None),
        1..=18 => (add(code - 1), None),
        19..=162 => {
            let (mode, column) = ((code - 19) / 16, (code - 19) % 16);
            // The first column has the copies whose size follows, the other columns those of 4 to 18 bytes.
            (copy(mode, if column == 0 { 0 } else { column + 3 }), None)
        }
        163..=234 => {
            let (mode, column) = ((code - 163) / 12, (code - 163) % 12);
            (add(column / 3 + 1), Some(copy(mode, column % 3 + 4)))
        }
        235..=246 => {
            let (mode, column) = ((code - 235) / 4 + 6, (code - 235) % 4);
            (add(column + 1), Some(copy(mode, 4)))
        }
        247..=255 => (copy(code - 247, 4), Some(add(1))),
    }
}

const fn add(size: u8) -> Instruction {
    Instruction { operation: Operation::Add, size }
}

const fn copy(mode: u8, size: u8) -> Instruction {
    Instruction { operation: Operation::Copy { mode }, size }
}

/// Recent addresses of copies in a window (RFC 3284, 5.3).
pub(super) struct Addresses {
    near: [usize; NEAR],
    next: usize,
    same: [usize; SAME * 256],
}

impl Addresses {
    pub(super) const fn new() -> Self {
        Self { near: [0; NEAR], next: 0, same: [0; SAME * 256] }
    }

    /// Reads the address of a copy that writes to `here`. It is always before `here`.
    pub(super) fn read(&mut self, mode: u8, here: usize, section: &mut Reader<'_>) -> Result<usize, DeltaError> {
        let at = section.at();
        let mode = usize::from(mode);
        let address = if mode == 0 {
            number(section)?
        } else if mode == 1 {
            // A distance of zero is refused below.
            here.checked_sub(number(section)?).ok_or(DeltaError::Malformed { at, expected: "an earlier address" })?
        } else if let Some(near) = self.near.get(mode - 2) {
            near.saturating_add(number(section)?)
        } else {
            // The default code table has no mode beyond those of `same`.
            self.same[(mode - 2 - NEAR) * 256 + usize::from(section.byte("an address")?)]
        };
        if address >= here {
            return Err(DeltaError::CopyPastEnd { at, end: address.saturating_add(1), len: here });
        }
        self.near[self.next] = address;
        self.next = (self.next + 1) % NEAR;
        self.same[address % self.same.len()] = address;
        Ok(address)
    }
}

/// Reads a number: seven bits in each byte, the most significant ones first; all bytes but the last have the high bit.
pub(super) fn number(section: &mut Reader<'_>) -> Result<usize, DeltaError> {
    let start = section.at();
    let mut number = 0_usize;
    loop {
        let byte = section.byte("the end of a number")?;
        if number >> (usize::BITS - 7) != 0 {
            return Err(DeltaError::Malformed { at: start, expected: "a number that fits into memory" });
        }
        number = number << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
}

/// Sizes of the two caches of addresses with the default code table.
const NEAR: usize = 4;
const SAME: usize = 3;

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    /// The table as the RFC lists it: loops over types, modes and sizes.
    #[test]
    fn the_computed_instructions_are_those_of_the_default_code_table() {
        let mut table = vec![(Instruction { operation: Operation::Run, size: 0 }, None)];
        table.extend((0..=17).map(|size| (add(size), None)));
        for mode in 0..9 {
            table.push((copy(mode, 0), None));
            table.extend((4..=18).map(|size| (copy(mode, size), None)));
        }
        for mode in 0..6 {
            table.extend((1..=4).flat_map(|first| (4..=6).map(move |second| (add(first), Some(copy(mode, second))))));
        }
        for mode in 6..9 {
            table.extend((1..=4).map(|first| (add(first), Some(copy(mode, 4)))));
        }
        table.extend((0..9).map(|mode| (copy(mode, 4), Some(add(1)))));
        assert_eq!((0..=255).map(instructions).collect::<Vec<_>>(), table);
    }

    #[test]
    fn reads_numbers_of_seven_bits_a_byte() {
        // The example of RFC 3284, 2.
        assert_eq!(number(&mut Reader::new(&[0xba, 0xef, 0x9a, 0x15])), Ok(123_456_789));
        assert_eq!(number(&mut Reader::new(&[0x80, 0x80, 0x00])), Ok(0));
        let truncated = DeltaError::Truncated { at: 1, expected: "the end of a number" };
        assert_eq!(number(&mut Reader::new(&[0x80])), Err(truncated));
        let long = DeltaError::Malformed { at: 0, expected: "a number that fits into memory" };
        assert_eq!(number(&mut Reader::new(&[0xff; 20])), Err(long));
    }

    #[test]
    fn addresses_are_absolute_relative_or_recent() {
        let mut addresses = Addresses::new();
        let mut read = |mode, bytes: &[u8]| addresses.read(mode, 1_000, &mut Reader::new(bytes));
        assert_eq!(read(0, &[0x87, 0x00]), Ok(896));
        assert_eq!(read(1, &[100]), Ok(900));
        assert_eq!(read(2, &[3]), Ok(899));
        assert_eq!(read(3, &[4]), Ok(904));
        // 899 is 131 modulo 768.
        assert_eq!(read(6, &[131]), Ok(899));
        assert_eq!(read(8, &[255]), Ok(0));
        let past = Err(DeltaError::CopyPastEnd { at: 0, end: 1_001, len: 1_000 });
        assert_eq!((read(1, &[0]), read(0, &[0x87, 0x68])), (past.clone(), past));
        let early = Err(DeltaError::Malformed { at: 0, expected: "an earlier address" });
        assert_eq!(read(1, &[0x87, 0x69]), early);
    }
}
