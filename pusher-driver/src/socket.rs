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

    /// Returns the next of what has been read already, without reading. It may always return nothing:
    /// [`poll_frame`](Self::poll_frame) returns it then, but one at a time is slower.
    fn next_ready(&mut self) -> Option<Received> {
        None
    }

    /// Takes a text message, to be sent by [`poll_flush`](Self::poll_flush) at the latest.
    ///
    /// # Errors
    ///
    /// When the socket has failed, or the peer has not read for a long time.
    fn send(&mut self, text: Text) -> Result<(), CloseReason>;

    /// Sends everything that waits.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CloseReason>>;

    /// Begins to close. Only [`poll_close`](Self::poll_close) is called afterwards.
    fn close(&mut self, frame: CloseFrame);

    /// Ends when both sides have closed, or nothing more can be done. One call does a bounded amount of work; if there is
    /// more, it wakes the task.
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()>;
}

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
