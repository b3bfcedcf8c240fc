//! Whole sessions against a server in memory, with a clock of their own.
#![cfg(feature = "std")]

mod ends;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod pipe;
mod sessions;
mod splits;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod stage;
