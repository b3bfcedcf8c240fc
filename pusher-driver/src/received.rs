//! What reading a socket gives.

use pusher_proto::{CloseReason, Frame};

/// What reading a WebSocket gives when it does not have to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Frame(Frame),
    /// A message of so many bytes was larger than the limit and has been skipped.
    Skipped(u64),
    /// Bytes of a message that is not complete yet. The socket may have more.
    Part,
    /// As much was read as a peer may send in one turn, without completing a message. The socket has more, which it gives in
    /// the loop's next turn.
    Yielded,
    /// The connection has ended, or failed. It only closes from now on.
    Closed(CloseReason),
}
