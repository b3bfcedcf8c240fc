//! Encrypted channels: their keys, and the events that wait for a newer one.

#[cfg_attr(not(feature = "encryption"), path = "no_cipher.rs")]
mod cipher;
mod vault;

pub(crate) use cipher::Key;
pub(crate) use vault::{Opened, Vault};
