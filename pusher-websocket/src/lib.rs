#![no_std]
#![doc = include_str!("../README.md")]

extern crate alloc;

mod buffer;
mod close;
mod error;
mod frame;
mod handshake;
mod limits;
mod message;
mod output;
mod partial;
mod utf8;
mod websocket;

pub use close::CloseFrame;
pub use error::{SendError, Violation};
pub use handshake::{
    Handshake, HandshakeError, InvalidRequest, MAX_EXCERPT_LEN, MAX_HEAD_LEN, Refusal, Request, Upgraded,
};
pub use limits::{Limits, Oversized};
pub use message::{Message, Received};
pub use output::Masks;
pub use websocket::WebSocket;
