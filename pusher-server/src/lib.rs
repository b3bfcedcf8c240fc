#![doc = include_str!("../README.md")]

mod activity;
mod auth;
mod failure;
mod handle;
mod http;
mod hub;
mod options;
pub mod origin;
mod pages;
mod report;
mod server;
mod socket;
#[cfg(test)]
mod tests;

pub use activity::{Activities, Activity};
pub use handle::{ConnectionState, Handle};
pub use options::Options;
pub use pusher_proto;
pub use server::Server;
