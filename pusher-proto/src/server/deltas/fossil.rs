//! Deltas in the format of the version control system Fossil.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Returns what turns `base` into `target`: copies where a block of the base occurs, and literal text between them.
pub(super) fn encode(base: &[u8], target: &[u8]) -> Vec<u8> {
    // Of equal blocks, the first one is used.
    let blocks: BTreeMap<&[u8], usize> =
        base.chunks_exact(BLOCK_LEN).enumerate().rev().map(|(index, block)| (block, index * BLOCK_LEN)).collect();
    let mut delta = Vec::new();
    write_number(&mut delta, target.len());
    delta.push(b'\n');
    // Everything before `written` is in the delta, and no block of the base begins between `written` and `at`.
    let (mut written, mut at) = (0, 0);
    while let Some(block) = target.get(at..at + BLOCK_LEN) {
        let Some(&found) = blocks.get(block) else {
            at += 1;
            continue;
        };
        let before = base[..found].iter().rev().zip(target[written..at].iter().rev());
        let more = before.take_while(|(one, other)| one == other).count();
        let (from, start) = (found - more, at - more);
        let len = base[from..].iter().zip(&target[start..]).take_while(|(one, other)| one == other).count();
        write_literal(&mut delta, &target[written..start]);
        write_number(&mut delta, len);
        delta.push(b'@');
        write_number(&mut delta, from);
        delta.push(b',');
        at = start + len;
        written = at;
    }
    write_literal(&mut delta, &target[written..]);
    write_number(&mut delta, sum(target) as usize);
    delta.push(b';');
    delta
}

fn write_literal(delta: &mut Vec<u8>, text: &[u8]) {
    if !text.is_empty() {
        write_number(delta, text.len());
        delta.push(b':');
        delta.extend_from_slice(text);
    }
}

/// Writes a number in digits of 6 bits, the highest one first.
fn write_number(delta: &mut Vec<u8>, number: usize) {
    let digits = (0..usize::BITS).step_by(6).map(|shift| number >> shift).take_while(|rest| *rest > 0).count().max(1);
    delta.extend((0..digits).rev().map(|digit| DIGITS[number >> (6 * digit) & 63]));
}

/// The sum of the words of 32 bits, of which the last one is filled with zeros.
fn sum(text: &[u8]) -> u32 {
    let bytes = text.iter().enumerate().map(|(at, byte)| u32::from(*byte) << (24 - 8 * (at % 4)));
    bytes.fold(0, u32::wrapping_add)
}

const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/// The shortest text that is copied, as in Fossil itself.
const BLOCK_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[cfg(feature = "delta")]
    #[test]
    fn every_delta_gives_its_target() {
        let text = |seed: u64, len: usize| -> Vec<u8> {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..len).map(|_| random.u8(..)).collect()
        };
        let base = text(1, 300);
        let mut targets = Vec::from([base.clone(), text(2, 1), text(2, 300), [&base[..], &base[..]].concat()]);
        targets.extend((0..300).step_by(7).map(|at| [&base[at..], b"new", &base[..at]].concat()));
        targets.extend((1..20).map(|len| base[300 - len..].to_vec()));
        targets.push([0xff; 1_000].to_vec());
        for (number, target) in targets.iter().enumerate() {
            for base in [&base[..], b"", &target[..target.len() / 2]] {
                let delta = encode(base, target);
                let output = crate::delta::Algorithm::Fossil.apply(base, &delta, 10_000);
                assert_eq!(output.as_ref(), Ok(target), "target {number}, base of {} bytes", base.len());
            }
        }
    }

    #[test]
    fn only_what_is_new_is_literal() {
        let base = "{\"symbol\":\"BTC\",\"price\":60000,\"note\":\"a long text that stays\"}";
        let target = base.replace("60000", "60007");
        let delta = encode(base.as_bytes(), target.as_bytes());
        assert_eq!(format!("{}", delta.escape_ascii()), "z\\nS@0,1:7X@T,3q8RS3;");
    }
}
