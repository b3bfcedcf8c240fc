//! Clients in memory: a runtime of the driver whose sockets, time and HTTP are the model's.

mod backend;
mod hub;
mod network;
mod runtime;
mod socket;
mod time;

#[cfg(feature = "tokio")]
pub(crate) use hub::Shared;
pub use network::Network;
pub(crate) use time::{Time, Work};
