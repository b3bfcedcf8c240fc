//! What comes out of a connection.

use bytes::Bytes;
use bytestring::ByteString;

use crate::close::CloseFrame;

/// What a call of [`WebSocket::poll_message`](crate::WebSocket::poll_message) found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message. There may be more.
    Message(Message),
    /// The call has done its share of work; call again, and let others have their turn before.
    More,
    /// Everything that was received is read.
    Drained,
}

/// A message of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// Text, a slice of the read buffer where it came in one piece.
    Text(ByteString),
    /// Bytes, a slice of the read buffer where they came in one piece.
    Binary(Bytes),
    /// A ping. The answer is part of the output.
    Ping,
    /// A pong, whether asked for or not.
    Pong,
    /// The peer's close frame, with what it says. The answer is part of the output, and nothing follows.
    Close(Option<CloseFrame>),
    /// A message that was larger than the limit has been skipped ([`Oversized::Skip`](crate::Oversized::Skip)).
    Skipped {
        /// Its whole length in bytes.
        len: u64,
    },
}
