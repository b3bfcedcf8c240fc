#![doc = include_str!("../README.md")]

mod auth;
mod failure;
mod handle;
mod http;
mod hub;
mod options;
mod server;
mod socket;
#[cfg(test)]
mod tests;

pub use handle::Handle;
pub use options::Options;
pub use pusher_proto;
pub use server::Server;
