//! The built program, as a user runs it, against servers on real sockets.

#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod auth_server;
mod console;
mod demo;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod doctor;
mod failures;
mod help;
mod inspect;
mod listen;
mod listening;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod load;
mod outages;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod profiles;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod record;
mod recovery;
mod secrets;
mod serve;
#[cfg(unix)]
mod signals;
mod signature;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod support;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod terms;
#[expect(clippy::unwrap_used, reason = "only tests call it")]
mod tls;
mod trigger;
