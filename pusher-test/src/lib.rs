#![cfg_attr(docsrs, feature(doc_cfg))]
// The examples of the README need these features.
#![cfg_attr(feature = "tokio", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "tokio"),
    doc = "Tests for everything that is built on the Pusher Channels client. The README has examples."
)]

#[cfg(feature = "simulation")]
pub use pusher_driver;
pub use pusher_proto;

#[cfg(feature = "arbitrary")]
pub mod arbitrary;
mod choices;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod generate;
pub mod guide;
#[cfg(feature = "simulation")]
mod memory;
pub mod network;
#[cfg(feature = "simulation")]
mod simulation;
pub mod story;
#[cfg(feature = "proptest")]
pub mod strategy;
#[cfg(feature = "simulation")]
mod threads;
#[cfg(feature = "tokio")]
pub mod tokio;
pub mod transcript;
pub mod world;

pub use choices::Choices;
#[cfg(feature = "simulation")]
pub use memory::Network;
#[cfg(feature = "simulation")]
pub use simulation::{Simulation, Task};
#[cfg(feature = "simulation")]
pub use threads::{JoinHandle, Threads};
