//! Code that several test suites share.

pub mod hot_path;
#[path = "../simulation/harness/mod.rs"]
pub mod simulation;
pub mod transcripts;
pub use pusher_test::{network, world};
