//! Values of the protocol from [`Choices`](crate::Choices): names, payloads, envelopes, and the frames of every dialect.
//!
//! The modules `strategy` and `arbitrary`, behind the features `proptest` and `arbitrary`, are made of these functions. Use
//! them directly with a fuzzer's bytes or a seed. Without choices, each returns a simple value.

mod envelope;
mod exchange;
mod frames;
mod names;

pub use envelope::{Envelope, envelope};
pub use exchange::conversation;
pub(crate) use exchange::{CHANNELS, MASTER_KEY, app, channel, permission};
pub use frames::{dialect, frame, hostile_frame, mutated};
pub use names::{
    channel_data, channel_name, client_event_name, event_name, invalid_channel_name, invalid_client_event_name, json,
    portable_channel_name, user_data,
};
