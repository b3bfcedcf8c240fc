//! An open WebSocket, as the loop uses it.

use std::task::{Context, Poll};

use pusher_proto::{CloseFrame, CloseReason, Frame, Text};

/// An open WebSocket.
pub trait Socket: Send + 'static {
    /// Reads the next message.
    ///
    /// One call does a bounded amount of work, whatever the peer sends: it returns [`Received::Yielded`] when there is
    /// more. Bytes of an incomplete message are reported once, as [`Received::Part`]. After [`Received::Closed`], only
    /// [`poll_close`](Self::poll_close) is called.
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Received>;

    /// Returns the next message that has already been read, without reading. An implementation may always return
    /// `None`; then [`poll_frame`](Self::poll_frame) returns the messages, but one at a time, which is slower.
    fn next_ready(&mut self) -> Option<Received> {
        None
    }

    /// Takes a text message, which [`poll_flush`](Self::poll_flush) sends at the latest.
    ///
    /// # Errors
    ///
    /// If the socket has failed, or the peer has not read for a long time.
    fn send(&mut self, text: Text) -> Result<(), CloseReason>;

    /// Sends everything that waits.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CloseReason>>;

    /// Begins to close. Only [`poll_close`](Self::poll_close) is called afterwards.
    fn close(&mut self, frame: CloseFrame);

    /// Completes when both sides have closed, or nothing more can be done. One call does a bounded amount of work; if
    /// there is more, it wakes the task.
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()>;
}

/// The result of reading from a WebSocket, unless it has to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Frame(Frame),
    /// A message of this many bytes was larger than the limit and has been skipped.
    Skipped(u64),
    /// Bytes of a message that is not complete yet. The socket may have more.
    Part,
    /// As much was read as a peer may send in one turn, without completing a message. The socket has more, which it
    /// returns in the loop's next turn.
    Yielded,
    /// The connection has ended, or failed. From now on, it can only be closed.
    Closed(CloseReason),
}
