//! The source of all randomness: a seed, or bytes from the caller.

use std::time::Duration;

/// An endless source of choices, from a seed or from a fuzzer's bytes.
///
/// Every choice takes one or two bytes, whatever the source is, so that a run from a seed can be repeated, and shortened, as
/// bytes. When the bytes run out, every further choice is the first one, which should be harmless.
///
/// # Examples
///
/// ```
/// use pusher_test::Choices;
///
/// let mut choices = Choices::from_seed(7);
/// let drawn = [choices.below(100), choices.below(1_000)];
/// let (bytes, _) = choices.into_record();
/// assert_eq!(bytes.len(), 3);
///
/// let mut again = Choices::from_bytes(bytes);
/// assert_eq!([again.below(100), again.below(1_000)], drawn);
/// assert!(again.is_exhausted());
/// assert_eq!(again.below(100), 0);
/// ```
#[derive(Clone, Debug)]
pub struct Choices {
    source: Source,
    taken: Vec<u8>,
    marks: Vec<usize>,
}

#[derive(Clone, Debug)]
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
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { source: Source::Bytes(bytes.into().into_iter()), taken: Vec::new(), marks: Vec::new() }
    }

    /// Returns a number below `n`, which is at most 65,536; zero if `n` is zero. Takes two bytes if `n` is above 256.
    pub fn below(&mut self, n: usize) -> usize {
        if n <= 256 {
            return usize::from(self.byte()) * n / 256;
        }
        let wide = usize::from(self.byte()) * 256 + usize::from(self.byte());
        wide * n / 65_536
    }

    /// Returns `true` `of_256` times in 256.
    pub fn chance(&mut self, of_256: u8) -> bool {
        usize::from(self.byte()) + usize::from(of_256) > 255
    }

    /// Returns one of the values.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Returns a time of `low` to `high` milliseconds, which is at most 65,535 ms longer than `low`.
    ///
    /// # Panics
    ///
    /// If `high` is less than `low`.
    pub fn millis(&mut self, low: usize, high: usize) -> Duration {
        let spread = self.below((high - low + 1).min(65_536));
        Duration::from_millis((low + spread) as u64)
    }

    /// Returns the index of one of the weights, with a probability proportional to it, or `None` if their sum is zero.
    pub fn weighted(&mut self, weights: impl Iterator<Item = usize> + Clone) -> Option<usize> {
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

    /// Says that a step begins here: the choices up to the next mark can be left out together.
    pub fn mark(&mut self) {
        self.marks.push(self.taken.len());
    }

    /// Whether all bytes have been taken. A seed never ends.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        match &self.source {
            Source::Seed(_) => false,
            Source::Bytes(bytes) => bytes.len() == 0,
        }
    }

    /// Returns the bytes of the choices so far, and the positions of the marks in them.
    #[must_use]
    pub fn into_record(self) -> (Vec<u8>, Vec<usize>) {
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
