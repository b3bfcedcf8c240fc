//! What several test suites share.

pub mod hot_path;
#[path = "../simulation/harness/mod.rs"]
pub mod simulation;
pub mod world;
