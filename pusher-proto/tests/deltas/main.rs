//! Deltas: of recordings, of an encoder, and of a hostile server.

#![cfg(feature = "delta")]

mod bases;
mod encoder;
mod hostile;
mod random;
mod recorded;
mod tools;
