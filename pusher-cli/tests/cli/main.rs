//! The built program, as a user runs it, against servers on real sockets.

mod demo;
mod failures;
mod help;
mod listen;
mod serve;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod support;
