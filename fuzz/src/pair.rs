//! Clients and servers against each other.

use pusher_tests::simulation::{Choices, run};

/// Lets the bytes decide about everything that happens in the simulation.
///
/// # Panics
///
/// When an invariant is broken.
pub fn pair(data: &[u8]) {
    let outcome = run(Choices::from_bytes(data.to_vec()), false);
    assert!(outcome.violation.is_none(), "{:?}", outcome.violation);
}
