//! Random bytes, drawn from the seed of the caller.

use core::fmt;

use pusher_websocket::Masks;
use sha1::{Digest, Sha1};

/// Hashes of a secret seed and a counter. A peer cannot predict the next bytes from earlier ones, as RFC 6455 requires for
/// masks (section 10.3): it would have to find the seed from its hashes.
pub(crate) struct Random {
    seed: [u8; SEED_LEN],
    counter: u64,
    block: [u8; BLOCK_LEN],
    used: usize,
}

impl Random {
    pub(crate) const fn new(seed: [u8; SEED_LEN]) -> Self {
        Self { seed, counter: 0, block: [0; BLOCK_LEN], used: BLOCK_LEN }
    }

    /// Returns the next bytes.
    pub(crate) fn draw<const LEN: usize>(&mut self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        for byte in &mut bytes {
            if self.used == BLOCK_LEN {
                self.counter += 1;
                let hash = Sha1::new().chain_update(self.seed).chain_update(self.counter.to_le_bytes()).finalize();
                self.block = hash.into();
                self.used = 0;
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
        bytes
    }

    /// Returns another source, for one socket.
    pub(crate) fn fork(&mut self) -> Self {
        Self::new(self.draw())
    }
}

impl Masks for Random {
    fn next_mask(&mut self) -> [u8; 4] {
        self.draw()
    }
}

/// The seed is a secret.
impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random(…)")
    }
}

/// Bytes of a seed, which is then impossible to guess.
pub(crate) const SEED_LEN: usize = 32;

/// Bytes of a SHA-1 hash: the masks of five frames.
const BLOCK_LEN: usize = 20;

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::format;

    use super::*;

    #[test]
    fn masks_differ_from_each_other_and_from_seed_to_seed() {
        let mut drawn = BTreeSet::new();
        for seed in 0..10 {
            let mut random = Random::new([seed; SEED_LEN]);
            drawn.extend((0..100).map(|_| random.next_mask()));
        }
        assert_eq!(drawn.len(), 1_000);
    }

    #[test]
    fn no_two_sockets_have_a_mask_in_common_whatever_was_drawn_between_them() {
        let mut random = Random::new([7; SEED_LEN]);
        let mut drawn = BTreeSet::new();
        let mut count = 0;
        for between in 0..50 {
            for _ in 0..between {
                drawn.insert(random.next_mask());
            }
            let mut socket = random.fork();
            // More than a byte of the counter can count.
            drawn.extend((0..2_000).map(|_| socket.next_mask()));
            count += between + 2_000;
        }
        // Some are equal by chance: one in ten of these runs has more than this.
        assert!(drawn.len() + 5 >= count, "{} of {count}", drawn.len());
    }

    #[test]
    fn one_seed_gives_the_same_bytes_however_they_are_drawn() {
        let [mut whole, mut parts] = [Random::new([7; SEED_LEN]), Random::new([7; SEED_LEN])];
        let [first, second] = [parts.draw::<30>(), parts.draw::<30>()];
        assert_eq!(whole.draw::<60>(), *[first, second].concat());
        assert_ne!(whole.fork().draw::<60>(), whole.draw::<60>());
        assert_eq!(format!("{whole:?}"), "Random(…)");
    }
}
