//! The source of all randomness: a seed, or bytes from the caller.

use std::time::Duration;

/// An endless source of choices. Every choice takes one or two bytes, whatever the source is, so that a run from a seed
/// can be repeated, and shortened, as bytes. When the bytes run out, every further choice is the first one, which is
/// always harmless.
pub struct Choices {
    source: Source,
    taken: Vec<u8>,
    marks: Vec<usize>,
}

enum Source {
    /// The state of a generator.
    Seed(u64),
    Bytes(std::vec::IntoIter<u8>),
}

impl Choices {
    /// Draws from a pseudo-random generator.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self { source: Source::Seed(seed), taken: Vec::new(), marks: Vec::new() }
    }

    /// Takes the bytes in order.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { source: Source::Bytes(bytes.into_iter()), taken: Vec::new(), marks: Vec::new() }
    }

    /// One of `n`, which is at most 65,536.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        if n <= 256 {
            return usize::from(self.byte()) * n / 256;
        }
        let wide = usize::from(self.byte()) * 256 + usize::from(self.byte());
        wide * n / 65_536
    }

    /// True `of_256` times in 256.
    pub(crate) fn chance(&mut self, of_256: u8) -> bool {
        usize::from(self.byte()) + usize::from(of_256) > 255
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A time of `low` to `high` milliseconds.
    pub(crate) fn millis(&mut self, low: usize, high: usize) -> Duration {
        let spread = self.below((high - low + 1).min(65_536));
        Duration::from_millis((low + spread) as u64)
    }

    /// The index of one of the weights, with a probability proportional to it.
    pub(crate) fn weighted(&mut self, weights: impl Iterator<Item = usize> + Clone) -> Option<usize> {
        let sum = weights.clone().sum();
        if sum == 0 {
            return None;
        }
        let mut at = self.below(sum);
        for (index, weight) in weights.enumerate() {
            if at < weight {
                return Some(index);
            }
            at -= weight;
        }
        None
    }

    /// A step begins here: the choices up to the next mark can be left out together.
    pub(crate) fn mark(&mut self) {
        self.marks.push(self.taken.len());
    }

    /// Whether there is nothing left to choose from.
    pub(crate) fn is_exhausted(&self) -> bool {
        match &self.source {
            Source::Seed(_) => false,
            Source::Bytes(bytes) => bytes.len() == 0,
        }
    }

    /// The choices so far, and where steps begin.
    pub(crate) fn into_record(self) -> (Vec<u8>, Vec<usize>) {
        (self.taken, self.marks)
    }

    fn byte(&mut self) -> u8 {
        let byte = match &mut self.source {
            Source::Seed(state) => (split_mix(state) >> 56) as u8,
            Source::Bytes(bytes) => bytes.next().unwrap_or(0),
        };
        self.taken.push(byte);
        byte
    }
}

/// `SplitMix64` (Steele, Lea and Flood, *Fast Splittable Pseudorandom Number Generators*).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
