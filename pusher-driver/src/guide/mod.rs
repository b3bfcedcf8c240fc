//! Guides, one page for each task.
//!
//! The guides are the same for every adapter; each exports all names used here. The examples are asynchronous. In
//! `pusher-blocking`, omit `.await`: streams are iterators, and `subscribed` and `signed_in` take a time limit.

#[doc = include_str!("authorization.md")]
pub mod authorization {}
#[doc = include_str!("back_pressure.md")]
pub mod back_pressure {}
#[doc = include_str!("backend.md")]
pub mod backend {}
#[doc = include_str!("encryption.md")]
pub mod encryption {}
#[doc = include_str!("errors.md")]
pub mod errors {}
#[doc = include_str!("gaps.md")]
pub mod gaps {}
#[doc = include_str!("life.md")]
pub mod life {}
#[doc = include_str!("logging.md")]
pub mod logging {}
#[doc = include_str!("migrating.md")]
pub mod migrating {}
#[doc = include_str!("presence.md")]
pub mod presence {}
#[doc = include_str!("sign_in.md")]
pub mod sign_in {}
#[doc = include_str!("testing.md")]
pub mod testing {}
