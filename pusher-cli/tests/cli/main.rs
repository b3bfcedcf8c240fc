//! The built program, as a user runs it, against servers on real sockets.

mod demo;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod doctor;
mod failures;
mod help;
mod inspect;
mod listen;
mod listening;
mod outages;
mod secrets;
mod serve;
#[cfg(unix)]
mod signals;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod support;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod tls;
mod trigger;
