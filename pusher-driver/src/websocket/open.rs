//! An open WebSocket over a non-blocking stream.

use std::fmt;
use std::io;
use std::task::{Context, Poll, Waker};

use pusher_proto::{CloseFrame, CloseReason, Frame, Text};
use pusher_session::adapter::{close_frame, close_reason, closed, not_sent, violated};
use pusher_websocket::{Message, Violation};

use super::limits::Limits;
use super::masks::OsMasks;
use super::stream::NonBlocking;
use crate::io::{flush, read, write};
use crate::pace::Pace;
use crate::socket::{Received, Socket};

/// An open WebSocket.
pub struct WebSocket<S: NonBlocking> {
    pub(super) stream: S,
    socket: pusher_websocket::WebSocket<OsMasks>,
    pace: Pace,
    /// Bytes received when a sign of life was last reported.
    reported: u64,
    /// Whether the stream may hold back what was written.
    is_flushed: bool,
}

impl<S: NonBlocking> WebSocket<S> {
    pub(super) fn new(stream: S, limits: Limits, leftover: &[u8], masks: OsMasks) -> Self {
        let socket = pusher_websocket::WebSocket::new(limits.0, leftover, masks);
        Self { stream, socket, pace: Pace::turn(), reported: 0, is_flushed: true }
    }

    /// Sets the task to wake when the stream is ready again.
    pub fn set_waker(&mut self, waker: &Waker) {
        self.stream.set_waker(waker);
    }

    /// Reads the next message. Answers to pings are sent with the next [`flush`](Self::flush).
    ///
    /// One call does a bounded amount of work, whatever the peer sends: it returns [`Received::Yielded`] when there is more.
    pub fn read(&mut self) -> Poll<Received> {
        loop {
            if let Some(received) = self.next_ready() {
                return Poll::Ready(received);
            }
            match self.fill() {
                Ok(Fill::Some) => {}
                Ok(Fill::Nothing) => {
                    let bytes_received = self.socket.bytes_received();
                    if self.reported == bytes_received {
                        return Poll::Pending;
                    }
                    self.reported = bytes_received;
                    return Poll::Ready(Received::Part);
                }
                Ok(Fill::Paused) => return Poll::Ready(Received::Yielded),
                Err(reason) => return Poll::Ready(Received::Closed(reason)),
            }
        }
    }

    /// Returns the next message from what has already been read, or that there are too many frames without a complete
    /// one, or what is wrong with them.
    fn next_ready(&mut self) -> Option<Received> {
        match self.socket.poll_message() {
            Ok(pusher_websocket::Received::Message(message)) => {
                // The message is a sign of life, so the beginning of the next one need not be reported.
                self.reported = self.socket.bytes_received();
                Some(received(message))
            }
            Ok(pusher_websocket::Received::More) => Some(Received::Yielded),
            Ok(pusher_websocket::Received::Drained) => None,
            Err(violation) => Some(Received::Closed(self.fail(violation))),
        }
    }

    /// Takes a text message; [`flush`](Self::flush) sends it.
    ///
    /// # Errors
    ///
    /// If the stream has failed, or more bytes wait than there would be if the peer were reading.
    pub fn send(&mut self, text: &Text) -> Result<(), CloseReason> {
        self.socket.send_text(text).map_err(not_sent)?;
        if self.socket.poll_output().len() < WRITE_BUFFER_LEN {
            return Ok(());
        }
        match self.flush() {
            Poll::Ready(result) => result,
            // It waits in the buffer.
            Poll::Pending => Ok(()),
        }
    }

    /// Sends everything that waits.
    pub fn flush(&mut self) -> Poll<Result<(), CloseReason>> {
        match self.write() {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(close_reason(&error))),
        }
    }

    /// Begins to close. [`poll_close`](Self::poll_close) does the rest.
    pub fn close(&mut self, frame: &CloseFrame) {
        self.socket.close(Some(&close_frame(frame)));
        let _ = self.flush();
    }

    /// Completes when both sides have closed, or nothing more can be done. One call does a bounded amount of work; if
    /// there is more, it wakes the task.
    pub fn poll_close(&mut self, waker: &Waker) -> Poll<()> {
        self.set_waker(waker);
        if let Poll::Ready(Err(_)) = self.flush() {
            return Poll::Ready(());
        }
        loop {
            match self.socket.poll_message() {
                // The peer's answer to our close frame; after a close frame of the peer, nothing follows.
                Ok(pusher_websocket::Received::Message(Message::Close(_))) | Err(_) => return Poll::Ready(()),
                Ok(pusher_websocket::Received::Message(_)) => continue,
                Ok(pusher_websocket::Received::More) => {
                    waker.wake_by_ref();
                    return Poll::Pending;
                }
                Ok(pusher_websocket::Received::Drained) => {}
            }
            match self.fill() {
                Ok(Fill::Some) => {}
                Ok(Fill::Nothing) => return Poll::Pending,
                Ok(Fill::Paused) => {
                    waker.wake_by_ref();
                    return Poll::Pending;
                }
                Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Returns the size in bytes of the allocation that the last message is part of.
    #[must_use]
    pub const fn read_buffer_len(&self) -> usize {
        self.socket.backing_len()
    }

    /// Reads what the stream has into the buffer.
    fn fill(&mut self) -> Result<Fill, CloseReason> {
        if self.pace.pauses() {
            return Ok(Fill::Paused);
        }
        match read(&mut self.stream, self.socket.read_buffer()) {
            Ok(0) => Err(CloseReason::Dropped),
            Ok(len) => {
                self.pace.count(len);
                self.socket.handle_read(len);
                Ok(Fill::Some)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.pace.rest();
                self.socket.rest();
                Ok(Fill::Nothing)
            }
            Err(error) => Err(close_reason(&error)),
        }
    }

    fn write(&mut self) -> io::Result<()> {
        loop {
            let output = self.socket.poll_output();
            if output.is_empty() {
                break;
            }
            let len = write(&mut self.stream, output)?;
            self.socket.handle_written(len);
            self.is_flushed = false;
        }
        if !self.is_flushed {
            flush(&mut self.stream)?;
            self.is_flushed = true;
        }
        Ok(())
    }

    /// Sends the close frame for a violation of the protocol by the peer.
    fn fail(&mut self, violation: Violation) -> CloseReason {
        // A stream that cannot accept the close frame now accepts it later, or has failed.
        let _ = self.flush();
        violated(violation)
    }
}

/// The result of reading into the buffer.
enum Fill {
    Some,
    /// The stream has no more for now.
    Nothing,
    /// As much was read as one turn may take.
    Paused,
}

fn received(message: Message) -> Received {
    match message {
        Message::Text(text) => Received::Frame(Frame::Text(text.into())),
        Message::Binary(bytes) => Received::Frame(Frame::Binary(bytes)),
        Message::Ping => Received::Frame(Frame::Ping),
        Message::Pong => Received::Frame(Frame::Pong),
        Message::Skipped { len } => Received::Skipped(len),
        Message::Close(frame) => Received::Closed(closed(frame)),
        // There is nothing else yet.
        _ => Received::Part,
    }
}

impl<S: NonBlocking> Socket for WebSocket<S> {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        self.set_waker(context.waker());
        self.read()
    }

    fn next_ready(&mut self) -> Option<Received> {
        Self::next_ready(self)
    }

    fn send(&mut self, text: Text) -> Result<(), CloseReason> {
        Self::send(self, &text)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        self.set_waker(context.waker());
        self.flush()
    }

    fn close(&mut self, frame: CloseFrame) {
        Self::close(self, &frame);
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Self::poll_close(self, context.waker())
    }
}

impl<S: NonBlocking> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("read_buffer_len", &self.read_buffer_len()).finish_non_exhaustive()
    }
}

/// Bytes that are collected before they are written without a flush.
pub(super) const WRITE_BUFFER_LEN: usize = 16 * 1_024;
