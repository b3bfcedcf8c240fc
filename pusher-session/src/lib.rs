#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod adapter;
mod link;
mod random;
mod session;

#[cfg(feature = "std")]
pub use adapter::close_reason;
pub use pusher_proto;
pub use session::{Action, Session};
