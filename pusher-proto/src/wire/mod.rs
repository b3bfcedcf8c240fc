//! The wire format: JSON in and out, no state.

pub(crate) mod envelope;
pub(crate) mod history;
pub(crate) mod message;
pub(crate) mod names;
pub(crate) mod object;
pub(crate) mod presence;
pub(crate) mod protocol;
pub(crate) mod read;
pub(crate) mod resume;
pub(crate) mod rewind;
pub(crate) mod v2;
pub(crate) mod write;
