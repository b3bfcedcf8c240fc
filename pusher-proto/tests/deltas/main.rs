//! Deltas: of recordings, of an encoder, and of a hostile server.

#![cfg(feature = "delta")]

mod encoder;
mod hostile;
mod random;
mod tools;
