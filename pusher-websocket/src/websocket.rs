//! The connection after the upgrade.

use core::fmt;

use crate::buffer::Buffer;
use crate::close::CloseFrame;
use crate::error::{SendError, Violation};
use crate::frame::{Control, Header, Opcode};
use crate::limits::{Limits, Oversized};
use crate::message::{Message, Received};
use crate::output::{MAX_HEADER_LEN, Masks, Output};
use crate::partial::{Partial, Promise};

/// The client's side of an open WebSocket, without its stream.
///
/// To receive, read bytes from the stream into [`read_buffer`](Self::read_buffer), report them with
/// [`handle_read`](Self::handle_read), and take messages from [`poll_message`](Self::poll_message). To send, call
/// [`send_text`](Self::send_text) or [`send_binary`](Self::send_binary), write the bytes of
/// [`poll_output`](Self::poll_output), which also contain answers to pings and close frames, to the stream, and report
/// with [`handle_written`](Self::handle_written) how many of them it accepted.
///
/// # Examples
///
/// ```
/// use pusher_websocket::{Limits, Message, Received, WebSocket};
///
/// // The masks of a real client are random.
/// let mut socket = WebSocket::new(Limits::new(), b"", || [1, 2, 3, 4]);
/// let hello = b"\x81\x05hello";
/// socket.read_buffer()[..hello.len()].copy_from_slice(hello);
/// socket.handle_read(hello.len());
/// assert_eq!(socket.poll_message(), Ok(Received::Message(Message::Text("hello".into()))));
/// assert_eq!(socket.poll_message(), Ok(Received::Drained));
///
/// socket.send_text("hi")?;
/// assert_eq!(socket.poll_output(), b"\x81\x82\x01\x02\x03\x04ik");
/// socket.handle_written(8);
/// assert_eq!(socket.poll_output(), b"");
/// # Ok::<(), pusher_websocket::SendError>(())
/// ```
pub struct WebSocket<M> {
    limits: Limits,
    buffer: Buffer,
    place: Place,
    /// The message in progress.
    partial: Option<Partial>,
    /// Its frames so far.
    fragments: u32,
    phase: Phase,
    output: Output<M>,
    bytes_received: u64,
    backing_len: usize,
}

/// The position of the next byte in the sequence of frames.
#[derive(Clone, Copy)]
enum Place {
    Header,
    /// In the payload of a data frame that arrives in pieces or is part of a fragmented message.
    Payload {
        rest: u64,
        is_final: bool,
    },
}

/// The progress of the closing handshake (RFC 6455, section 7.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The client's close frame is part of the output; the peer's has not arrived.
    Closing,
    /// Both close frames exist, or the peer broke a rule and was answered with a close frame. Whatever it sends is
    /// dropped.
    Closed,
}

impl<M: Masks> WebSocket<M> {
    /// Creates the connection. `leftover` contains the bytes that arrived together with the answer to the upgrade.
    #[must_use]
    pub fn new(limits: Limits, leftover: &[u8], masks: M) -> Self {
        Self {
            limits,
            buffer: Buffer::new(leftover),
            place: Place::Header,
            partial: None,
            fragments: 0,
            phase: Phase::Open,
            output: Output::new(masks),
            bytes_received: leftover.len() as u64,
            backing_len: 0,
        }
    }

    /// Returns the buffer to read into, which has 2 to 64 KiB and is never empty. Before you read again, call
    /// [`poll_message`](Self::poll_message) until it returns [`Received::Drained`]; otherwise the buffer grows.
    pub fn read_buffer(&mut self) -> &mut [u8] {
        self.buffer.room()
    }

    /// The first `len` bytes of the [read buffer](Self::read_buffer) have been read from the stream.
    pub fn handle_read(&mut self, len: usize) {
        self.bytes_received = self.bytes_received.saturating_add(len as u64);
        self.buffer.fill(len);
    }

    /// The stream has no more for now: frees the [read buffer](Self::read_buffer) if it has its smallest size and is empty, so
    /// that idle connections have none. The next call of `read_buffer` allocates it again.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_websocket::{Limits, WebSocket};
    ///
    /// let mut socket = WebSocket::new(Limits::new(), b"", || [1, 2, 3, 4]);
    /// assert_eq!(socket.read_buffer().len(), 4_096);
    /// socket.rest();
    /// assert_eq!(socket.read_buffer_len(), 0);
    /// ```
    pub fn rest(&mut self) {
        self.buffer.rest();
    }

    /// Returns the next received message.
    ///
    /// One call handles at most 64 frames, and only what has been read, so a peer cannot keep the caller busy with
    /// frames that complete no message. If a call ends early for this reason, it returns [`Received::More`].
    ///
    /// # Errors
    ///
    /// If the peer breaks a rule. The output then contains a close frame with the reason, and whatever else the peer
    /// sends is dropped.
    pub fn poll_message(&mut self) -> Result<Received, Violation> {
        if self.phase == Phase::Closed {
            self.buffer.clear();
            return Ok(Received::Drained);
        }
        self.next_message().inspect_err(|violation| self.fail(*violation))
    }

    /// Queues a text message for sending.
    ///
    /// # Errors
    ///
    /// If the connection is closing, or too much waits for the peer to read. The message is not sent in this case.
    pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
        self.check_room(text.len())?;
        self.output.encode_text(text);
        Ok(())
    }

    /// Queues a binary message for sending.
    ///
    /// # Errors
    ///
    /// As for [`send_text`](Self::send_text).
    pub fn send_binary(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.check_room(bytes.len())?;
        self.output.encode_binary(bytes);
        Ok(())
    }

    /// Starts the closing handshake; does nothing if it has already started.
    ///
    /// A code that must not be sent (RFC 6455, section 7.4) is left out together with the reason, and a reason of more
    /// than 123 bytes is truncated at a character boundary.
    pub fn close(&mut self, frame: Option<&CloseFrame>) {
        if self.phase == Phase::Open {
            self.phase = Phase::Closing;
            self.output.close(frame);
        }
    }

    /// Returns the bytes to write next; empty if there are none.
    pub fn poll_output(&mut self) -> &[u8] {
        self.output.bytes()
    }

    /// The stream has accepted the first `len` bytes of the [output](Self::poll_output).
    pub fn handle_written(&mut self, len: usize) {
        self.output.advance(len);
    }

    /// Whether everything has been written.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.output.is_empty()
    }

    /// Whether the closing handshake is complete, or the peer broke a rule. Once the output is written, wait for the peer to
    /// close the stream, or close it yourself after some time (RFC 6455, section 7.1.1).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Returns how many bytes were received, including parts of messages, which are a sign of life before a large
    /// message is complete.
    #[must_use]
    pub const fn bytes_received(&self) -> u64 {
        self.bytes_received
    }

    /// Returns the size in bytes of the allocation that the last text or binary message is part of. Keeping the message
    /// keeps the whole allocation alive, so copy a small message if you keep it for a long time.
    #[must_use]
    pub const fn backing_len(&self) -> usize {
        self.backing_len
    }

    /// Returns the size in bytes of the read buffer.
    #[must_use]
    pub fn read_buffer_len(&self) -> usize {
        self.buffer.len()
    }

    fn next_message(&mut self) -> Result<Received, Violation> {
        for _ in 0..FRAMES_PER_CALL {
            match self.place {
                Place::Header => {
                    let unread = self.buffer.unread();
                    let Some(header) = Header::read(unread)? else { return Ok(Received::Drained) };
                    let payload = &unread[header.len..];
                    let whole = usize::try_from(header.payload_len).ok().and_then(|len| payload.get(..len));
                    match (header.opcode, whole) {
                        (Opcode::Control(_), None) => return Ok(Received::Drained),
                        (Opcode::Control(control), Some(_)) => {
                            return self.read_control(control, header).map(Received::Message);
                        }
                        (Opcode::Text | Opcode::Binary, Some(payload))
                            if header.is_final && self.partial.is_none() && self.takes(&header, 0) =>
                        {
                            let len = payload.len();
                            return self.read_whole(header, len).map(Received::Message);
                        }
                        (Opcode::Text | Opcode::Binary | Opcode::Continuation, _) => self.begin_frame(&header)?,
                    }
                }
                Place::Payload { rest, is_final } => {
                    if !self.read_part(rest, is_final)? {
                        return Ok(Received::Drained);
                    }
                    if let Some(partial) = self.partial.take_if(|_| is_final) {
                        let (message, backing_len) = partial.finish()?;
                        self.backing_len = backing_len;
                        return Ok(Received::Message(message));
                    }
                }
            }
        }
        Ok(Received::More)
    }

    /// The usual case: a message that arrived in one piece is a slice of the read buffer.
    #[inline]
    fn read_whole(&mut self, header: Header, len: usize) -> Result<Message, Violation> {
        self.backing_len = self.buffer.len();
        let payload = self.buffer.cut(header.len, len);
        if header.opcode == Opcode::Binary {
            return Ok(Message::Binary(payload));
        }
        payload.try_into().map(Message::Text).map_err(|_| Violation::Utf8)
    }

    fn read_control(&mut self, control: Control, header: Header) -> Result<Message, Violation> {
        self.buffer.skip(header.len);
        // Control frames have at most 125 bytes, all of which have arrived.
        let len = usize::try_from(header.payload_len).unwrap_or_default();
        let payload = &self.buffer.unread()[..len];
        let message = match control {
            Control::Ping => {
                if self.phase == Phase::Open {
                    self.output.answer_ping(payload);
                }
                Message::Ping
            }
            Control::Pong => Message::Pong,
            Control::Close => {
                let frame = CloseFrame::read(payload)?;
                if self.phase == Phase::Open {
                    // The answer repeats the code (section 5.5.1).
                    let answer = frame.as_ref().map(|frame| CloseFrame { code: frame.code, reason: "".into() });
                    self.output.close(answer.as_ref());
                }
                self.phase = Phase::Closed;
                self.partial = None;
                Message::Close(frame)
            }
        };
        self.buffer.skip(len);
        Ok(message)
    }

    fn begin_frame(&mut self, header: &Header) -> Result<(), Violation> {
        let mut partial = match (header.opcode, self.partial.take()) {
            (Opcode::Continuation, Some(partial)) => partial,
            (Opcode::Continuation, None) => return Err(Violation::ContinuesNothing),
            (_, Some(_)) => return Err(Violation::Interleaved),
            (opcode, None) => {
                self.fragments = 0;
                Partial::new(opcode)
            }
        };
        self.fragments += 1;
        let max = self.limits.max_fragments;
        if self.fragments > max {
            return Err(Violation::TooManyFragments { max });
        }
        let len = partial.len();
        if matches!(partial, Partial::Skipped { .. }) || !self.takes(header, len) {
            let len = len.saturating_add(header.payload_len);
            match self.limits.oversized {
                Oversized::Close => return Err(Violation::TooLarge { len }),
                Oversized::Skip => partial = Partial::Skipped { len },
            }
        }
        self.partial = Some(partial);
        self.place = Place::Payload { rest: header.payload_len, is_final: header.is_final };
        self.buffer.skip(header.len);
        Ok(())
    }

    /// Reads the received part of a frame. Returns whether the frame is complete.
    fn read_part(&mut self, rest: u64, is_final: bool) -> Result<bool, Violation> {
        let unread = self.buffer.unread();
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(unread.len());
        let rest = rest - len as u64;
        if let Some(partial) = &mut self.partial {
            let max_len = self.limits.max_message_len;
            let promise = Promise { rest: usize::try_from(rest).unwrap_or(usize::MAX), is_final, max_len };
            partial.push(&unread[..len], promise)?;
        }
        self.buffer.skip(len);
        self.place = if rest == 0 { Place::Header } else { Place::Payload { rest, is_final } };
        Ok(rest == 0)
    }

    /// Whether a data frame that follows `len` bytes of its message is within the limits.
    fn takes(&self, header: &Header, len: u64) -> bool {
        header.payload_len <= self.limits.max_frame_len
            && len.saturating_add(header.payload_len) <= self.limits.max_message_len as u64
    }

    fn check_room(&self, len: usize) -> Result<(), SendError> {
        if self.phase != Phase::Open {
            return Err(SendError::Closing);
        }
        let len = len.saturating_add(self.output.len()).saturating_add(MAX_HEADER_LEN);
        if len <= self.limits.max_output_len { Ok(()) } else { Err(SendError::Full) }
    }

    /// Sends a close frame with what the peer did wrong (section 7.1.7).
    fn fail(&mut self, violation: Violation) {
        self.close(Some(&CloseFrame { code: violation.close_code(), reason: "".into() }));
        self.phase = Phase::Closed;
        self.partial = None;
        self.buffer.clear();
    }
}

impl<M> fmt::Debug for WebSocket<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("limits", &self.limits)
            .field("bytes_received", &self.bytes_received)
            .finish_non_exhaustive()
    }
}

/// How many frames one call handles if they complete no message.
const FRAMES_PER_CALL: usize = 64;
