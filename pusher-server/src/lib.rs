#![doc = include_str!("../README.md")]

mod activity;
mod auth;
mod failure;
mod handle;
mod http;
mod hub;
mod journal;
mod line;
mod message;
mod options;
pub mod origin;
mod pages;
mod report;
mod server;
mod socket;
#[cfg(test)]
mod tests;

pub use activity::{Activities, Activity};
pub use handle::{ConnectionState, Handle, WaitError};
pub use journal::{Mark, Received, ReceivedMessages};
pub use message::Message;
pub use options::Options;
pub use pusher_proto;
pub use server::Server;
