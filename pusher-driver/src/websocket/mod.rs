//! The WebSocket by tungstenite, over any non-blocking stream, so that adapters only provide the stream.

mod convert;
mod paced;

use std::fmt;
use std::io::{self, Read, Write};
use std::task::{Poll, Waker};

use pusher_proto::{CloseFrame, CloseReason, Config, ConnectRequest, Text, TransportError};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{ClientHandshake, Error, Message, Utf8Bytes};

use self::convert::{close_code, close_reason, frame, upgrade_request};
use self::paced::{MAX_FRAGMENTS, Paced, Stop};
use crate::received::Received;

/// A stream that says `WouldBlock` and remembers whom to wake then.
pub trait NonBlocking: Read + Write + Send + 'static {
    /// Sets whom to wake when the stream is ready again.
    fn set_waker(&mut self, waker: &Waker);
}

/// How large messages may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    max_message_len: usize,
}

impl Limits {
    /// Returns the limits that fit a configuration. The core reports a frame that is too large for it and goes on, so
    /// this limit, which ends the connection, is a last resort.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { max_message_len: MIN_LIMIT.max(config.max_frame_len().saturating_mul(4)) }
    }

    fn config(self, read_buffer_len: usize) -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(read_buffer_len)
            .write_buffer_size(WRITE_BUFFER_LEN)
            .max_write_buffer_size(MAX_WRITE_BUFFER_LEN)
            .max_message_size(Some(self.max_message_len))
            .max_frame_size(Some(self.max_message_len))
    }
}

/// An HTTP upgrade on its way.
pub struct Handshake<S: NonBlocking> {
    /// `None` once it has ended.
    upgrade: Option<Result<Upgrade<S>, Error>>,
    limits: Limits,
}

type Upgrade<S> = MidHandshake<ClientHandshake<Paced<S>>>;

impl<S: NonBlocking> Handshake<S> {
    /// Starts the upgrade on a stream that is connected to the server.
    #[must_use]
    pub fn new(stream: S, request: &ConnectRequest, limits: Limits) -> Self {
        let paced = Paced::new(stream, Some(READ_BUFFER_LENS[0]));
        let config = limits.config(READ_BUFFER_LENS[0]);
        let upgrade = upgrade_request(request).and_then(|request| ClientHandshake::start(paced, request, Some(config)));
        Self { upgrade: Some(upgrade), limits }
    }

    /// Goes on with the upgrade, until it says how it ended. One call does a bounded amount of work; if there is more, it
    /// wakes.
    pub fn poll(&mut self, waker: &Waker) -> Poll<Result<WebSocket<S>, CloseReason>> {
        let mut upgrade = match self.upgrade.take() {
            Some(Ok(upgrade)) => upgrade,
            Some(Err(error)) => return Poll::Ready(Err(close_reason(error))),
            None => return Poll::Ready(Err(CloseReason::Dropped)),
        };
        upgrade.get_mut().get_mut().stream.set_waker(waker);
        match upgrade.handshake() {
            Ok((socket, _)) => Poll::Ready(Ok(WebSocket::new(socket.into_inner(), self.limits))),
            Err(HandshakeError::Interrupted(mut upgrade)) => {
                if upgrade.get_mut().get_mut().take_stop() == Stop::Yielded {
                    waker.wake_by_ref();
                }
                self.upgrade = Some(Ok(upgrade));
                Poll::Pending
            }
            Err(HandshakeError::Failure(error)) => Poll::Ready(Err(close_reason(error))),
        }
    }
}

/// An open WebSocket.
///
/// Its read buffer is small while little comes, and grows when reads fill it.
pub struct WebSocket<S: NonBlocking> {
    stream: Paced<S>,
    context: WebSocketContext,
    limits: Limits,
    /// Place in [`READ_BUFFER_LENS`].
    size: usize,
    /// Reads in a row that a smaller buffer would have served.
    calm: u32,
}

impl<S: NonBlocking> WebSocket<S> {
    /// Nothing of the stream has been read beyond the upgrade.
    fn new(stream: Paced<S>, limits: Limits) -> Self {
        let context = WebSocketContext::new(Role::Client, Some(limits.config(READ_BUFFER_LENS[0])));
        Self { stream, context, limits, size: 0, calm: 0 }
    }

    /// Sets whom to wake when the stream is ready again.
    pub fn set_waker(&mut self, waker: &Waker) {
        self.stream.stream.set_waker(waker);
    }

    /// Reads the next message. Answers to pings leave with the next call.
    ///
    /// One call does a bounded amount of work, whatever the peer sends: it returns [`Received::Yielded`] when there is more.
    pub fn read(&mut self) -> Poll<Received> {
        loop {
            match self.context.read(&mut self.stream) {
                Ok(Message::Close(peer)) => {
                    let peer = peer.as_ref().map(convert::peer_frame);
                    return Poll::Ready(Received::Closed(CloseReason::Closed(peer)));
                }
                Ok(message) => {
                    if let Some(frame) = frame(message) {
                        // The message is a sign of life; so the beginning of the next one need not be reported.
                        self.stream.take_part();
                        return Poll::Ready(Received::Frame(frame));
                    }
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => match self.stream.take_stop() {
                    Stop::Drained if self.stream.take_part() => return Poll::Ready(Received::Part),
                    Stop::Drained => {
                        self.calm_down();
                        return Poll::Pending;
                    }
                    Stop::Held => self.exchange_buffer((self.size + 1).min(READ_BUFFER_LENS.len() - 1)),
                    Stop::Yielded => return Poll::Ready(Received::Yielded),
                },
                Err(error) => return Poll::Ready(Received::Closed(self.fail(error))),
            }
        }
    }

    /// Takes a text message; [`flush`](Self::flush) sends it.
    ///
    /// # Errors
    ///
    /// When the stream has failed, or more waits than a peer that reads would leave.
    pub fn send(&mut self, text: &Text) -> Result<(), CloseReason> {
        match self.context.write(&mut self.stream, Message::Text(Utf8Bytes::from(text.as_str()))) {
            Ok(()) => Ok(()),
            // It waits in the buffer.
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(close_reason(error)),
        }
    }

    /// Sends everything that waits.
    pub fn flush(&mut self) -> Poll<Result<(), CloseReason>> {
        match self.context.flush(&mut self.stream) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(close_reason(error))),
        }
    }

    /// Begins to close. [`poll_close`](Self::poll_close) does the rest.
    pub fn close(&mut self, frame: &CloseFrame) {
        self.begin_close(CloseCode::from(frame.code), &frame.reason);
    }

    /// Ends when both sides have closed, or nothing more can be done. One call does a bounded amount of work; if there is
    /// more, it wakes.
    pub fn poll_close(&mut self, waker: &Waker) -> Poll<()> {
        self.set_waker(waker);
        // The library does not send by itself what the stream did not take when the close began.
        if let Poll::Ready(Err(_)) = self.flush() {
            return Poll::Ready(());
        }
        loop {
            match self.context.read(&mut self.stream) {
                // The peer's answer to our close; after a close of the peer's, nothing comes.
                Ok(Message::Close(_)) => return Poll::Ready(()),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => match self.stream.take_stop() {
                    Stop::Held => {}
                    Stop::Drained => return Poll::Pending,
                    Stop::Yielded => {
                        waker.wake_by_ref();
                        return Poll::Pending;
                    }
                },
                Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Returns the size in bytes of the read buffer.
    #[must_use]
    pub const fn read_buffer_len(&self) -> usize {
        READ_BUFFER_LENS[self.size]
    }

    /// Replaces the read buffer, which is empty. The library has no other way to change its size.
    fn exchange_buffer(&mut self, size: usize) {
        self.calm = 0;
        // What waits to be sent would go with the buffer, and so would the state of a close.
        let is_flushed = self.context.flush(&mut self.stream).is_ok();
        if size == self.size || !is_flushed || !self.context.can_write() {
            return;
        }
        self.size = size;
        self.context = WebSocketContext::new(Role::Client, Some(self.limits.config(READ_BUFFER_LENS[size])));
        let can_grow = size + 1 < READ_BUFFER_LENS.len();
        self.stream.set_buffer_len(can_grow.then_some(READ_BUFFER_LENS[size]));
    }

    /// Gives a large buffer back after a while of small reads.
    fn calm_down(&mut self) {
        let Some(smaller) = self.size.checked_sub(1) else { return };
        let is_small = self.stream.take_len() <= READ_BUFFER_LENS[smaller] / 2;
        self.calm = if is_small { self.calm + 1 } else { 0 };
        if self.calm >= CALM_READS && self.stream.is_at_boundary() {
            self.exchange_buffer(smaller);
        }
    }

    /// Tells the peer what is wrong with what it sent.
    fn fail(&mut self, error: Error) -> CloseReason {
        if self.stream.is_in_splinters() {
            self.begin_close(CloseCode::Policy, "");
            let text = format!("a message in more than {MAX_FRAGMENTS} frames");
            return CloseReason::Failed(TransportError::WebSocket(text));
        }
        if let Some(code) = close_code(&error) {
            self.begin_close(code, "");
        }
        close_reason(error)
    }

    fn begin_close(&mut self, code: CloseCode, reason: &str) {
        let frame = tungstenite::protocol::CloseFrame { code, reason: Utf8Bytes::from(reason) };
        // A stream that cannot take the frame now takes it later, or has failed.
        drop(self.context.close(&mut self.stream, Some(frame)));
    }
}

#[cfg(feature = "async")]
impl<S: NonBlocking> crate::runtime::Socket for WebSocket<S> {
    fn poll_frame(&mut self, context: &mut std::task::Context<'_>) -> Poll<Received> {
        self.set_waker(context.waker());
        self.read()
    }

    fn send(&mut self, text: Text) -> Result<(), CloseReason> {
        Self::send(self, &text)
    }

    fn poll_flush(&mut self, context: &mut std::task::Context<'_>) -> Poll<Result<(), CloseReason>> {
        self.set_waker(context.waker());
        self.flush()
    }

    fn close(&mut self, frame: CloseFrame) {
        Self::close(self, &frame);
    }

    fn poll_close(&mut self, context: &mut std::task::Context<'_>) -> Poll<()> {
        Self::poll_close(self, context.waker())
    }

    fn read_buffer_len(&self) -> usize {
        Self::read_buffer_len(self)
    }
}

impl<S: NonBlocking> fmt::Debug for Handshake<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<S: NonBlocking> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("read_buffer_len", &self.read_buffer_len()).finish_non_exhaustive()
    }
}

/// Largest message in bytes that is read at least, as tungstenite has it.
const MIN_LIMIT: usize = 64 * 1_024 * 1_024;

/// Sizes of the read buffer in bytes: the first one for a connection that idles, the last one as large as a read pays.
const READ_BUFFER_LENS: [usize; 3] = [4 * 1_024, 16 * 1_024, 64 * 1_024];

/// Small reads after which a large buffer is given back.
const CALM_READS: u32 = 16;

/// Bytes that are collected before they are written without a flush.
const WRITE_BUFFER_LEN: usize = 16 * 1_024;

/// Bytes that may wait for a peer that does not read.
const MAX_WRITE_BUFFER_LEN: usize = 16 * 1_024 * 1_024;

#[cfg(test)]
mod tests;
