//! Clients and servers against each other.

use pusher_tests::simulation::{Choices, run};

/// Runs the simulation with choices from these bytes.
///
/// # Panics
///
/// If an invariant is violated.
pub fn pair(data: &[u8]) {
    let outcome = run(Choices::from_bytes(data.to_vec()), false);
    assert!(outcome.violation.is_none(), "{:?}", outcome.violation);
}
