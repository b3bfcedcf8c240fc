//! Runs every program like a user, against a server on a real socket.

#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod backend;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod embedded;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod support;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod terminal;
