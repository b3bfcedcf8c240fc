//! Channels: what is wanted, what is asked of the server, and what is told.

pub(super) mod roster;
