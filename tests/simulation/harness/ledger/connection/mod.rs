//! The connection: its states, its sockets, and how often it is tried.

pub(super) mod attempts;
