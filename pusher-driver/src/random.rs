//! Numbers that differ from run to run.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Returns a number that a peer cannot predict: the hash of an empty input, with random keys of the standard library.
pub(crate) fn random_number() -> u64 {
    RandomState::new().build_hasher().finish()
}
