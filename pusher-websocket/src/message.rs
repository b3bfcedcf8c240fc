//! Received messages.

use bytes::Bytes;
use bytestring::ByteString;

use crate::close::CloseFrame;

/// The result of [`WebSocket::poll_message`](crate::WebSocket::poll_message).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message. There may be more.
    Message(Message),
    /// The call has reached its limit of work; let other tasks run, and then call again.
    More,
    /// Everything that was received has been read.
    Drained,
}

/// A message of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// Text; a slice of the read buffer if it arrived in one piece.
    Text(ByteString),
    /// Bytes; a slice of the read buffer if they arrived in one piece.
    Binary(Bytes),
    /// A ping. The answer is part of the output.
    Ping,
    /// A pong, solicited or not.
    Pong,
    /// The peer's close frame and its content. The answer is part of the output, and no message follows.
    Close(Option<CloseFrame>),
    /// A message that was larger than the limit has been skipped ([`Oversized::Skip`](crate::Oversized::Skip)).
    Skipped {
        /// Its whole length in bytes.
        len: u64,
    },
}
