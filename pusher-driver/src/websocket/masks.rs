//! Masks of frames.

use pusher_websocket::Masks;

use crate::random::random_number;

/// Masks from the operating system, requested in blocks: a system call for each frame would cost more than the frame.
pub(super) struct OsMasks {
    block: [u8; BLOCK_LEN],
    used: usize,
}

impl OsMasks {
    pub(super) const fn new() -> Self {
        Self { block: [0; BLOCK_LEN], used: BLOCK_LEN }
    }
}

impl Masks for OsMasks {
    fn next_mask(&mut self) -> [u8; 4] {
        if self.used == BLOCK_LEN {
            self.used = 0;
            if getrandom::fill(&mut self.block).is_err() {
                // The upgrade's key came from the same source, so this does not happen. Even then, hashes with random
                // keys of the standard library cannot be predicted by a peer.
                for bytes in self.block.chunks_exact_mut(size_of::<u64>()) {
                    bytes.copy_from_slice(&random_number().to_ne_bytes());
                }
            }
        }
        let mask = self.block[self.used..].first_chunk().copied().unwrap_or_default();
        self.used += 4;
        mask
    }
}

const BLOCK_LEN: usize = 128;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_mask_is_another() {
        let mut masks = OsMasks::new();
        let drawn: BTreeSet<_> = (0..1_000).map(|_| masks.next_mask()).collect();
        assert!(drawn.len() > 990, "{} of 1,000", drawn.len());
    }
}
