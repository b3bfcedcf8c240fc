//! Every program, as a user runs it, against a server on a real socket.

#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod backend;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod support;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod terminal;
