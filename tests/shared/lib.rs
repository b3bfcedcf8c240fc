//! What several test suites share.

pub mod hot_path;
