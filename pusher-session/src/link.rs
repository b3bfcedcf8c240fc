//! One socket: the upgrade, the open WebSocket, and its end.

use alloc::boxed::Box;
use alloc::vec;
use core::mem;

use pusher_proto::{CloseFrame, CloseReason, ConnectRequest, Frame, Text};
use pusher_websocket::{Handshake, Limits, Message, Received, WebSocket};

use crate::adapter::{close_frame, closed, failed, not_sent, not_upgraded, upgrade_request, violated};
use crate::random::Random;

/// A socket from the first byte of the upgrade request to the last one of its close frame.
///
/// What was read is kept until [`next`](Self::next) takes it, so that the end of a stream comes after its last bytes.
pub(crate) struct Link {
    stage: Stage,
    /// How the stream ended.
    ended: Option<CloseReason>,
}

enum Stage {
    Upgrading(Box<Upgrading>),
    Open(Open),
    /// There is no WebSocket; the reason, until it is taken.
    Failed(Option<CloseReason>),
}

struct Upgrading {
    handshake: Handshake,
    /// Bytes of the request that have been written.
    written: usize,
    buffer: Box<[u8]>,
    /// What the open WebSocket needs.
    limits: Limits,
    random: Random,
}

struct Open {
    socket: Box<WebSocket<Random>>,
    /// Whether [`Input::Opened`] was taken.
    is_told: bool,
    /// Bytes received when a sign of life was last reported.
    reported: u64,
}

/// What the core must be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Opened,
    Frame(Frame),
    /// A message of this many bytes was larger than the limit.
    Skipped(u64),
    /// Bytes of a message that is not complete.
    Part,
    /// The socket is of no more use. A close frame for the server may be waiting.
    Over(CloseReason),
}

impl Link {
    pub(crate) fn new(request: &ConnectRequest, limits: Limits, mut random: Random) -> Self {
        let stage = match Handshake::new(&upgrade_request(request), random.draw()) {
            Ok(handshake) => {
                let buffer = vec![0; READ_LEN].into_boxed_slice();
                Stage::Upgrading(Box::new(Upgrading { handshake, written: 0, buffer, limits, random }))
            }
            Err(error) => Stage::Failed(Some(failed(&error))),
        };
        Self { stage, ended: None }
    }

    pub(crate) fn read_buffer(&mut self) -> &mut [u8] {
        match &mut self.stage {
            Stage::Upgrading(upgrading) => &mut upgrading.buffer,
            Stage::Open(open) => open.socket.read_buffer(),
            Stage::Failed(_) => &mut [],
        }
    }

    pub(crate) fn handle_read(&mut self, len: usize) {
        match mem::replace(&mut self.stage, Stage::Failed(None)) {
            Stage::Upgrading(upgrading) => self.stage = upgrading.read(len),
            Stage::Open(mut open) => {
                open.socket.handle_read(len);
                self.stage = Stage::Open(open);
            }
            failed @ Stage::Failed(_) => self.stage = failed,
        }
    }

    /// Nothing more will be read from the stream.
    pub(crate) fn handle_end(&mut self, reason: CloseReason) {
        self.ended.get_or_insert(reason);
    }

    /// Returns the next input.
    pub(crate) fn next(&mut self) -> Option<Input> {
        match &mut self.stage {
            Stage::Upgrading(upgrading) => match self.ended.take()? {
                // The end of the stream may complete a refusal.
                CloseReason::Dropped => Some(Input::Over(not_upgraded(upgrading.handshake.handle_end()))),
                reason => Some(Input::Over(reason)),
            },
            // The reason stays: a socket whose stream is gone has nothing to linger for.
            Stage::Open(open) => open.next().or_else(|| self.ended.clone().map(Input::Over)),
            Stage::Failed(reason) => reason.take().map(Input::Over),
        }
    }

    /// # Errors
    ///
    /// If the socket is of no more use.
    pub(crate) fn send(&mut self, text: &Text) -> Result<(), CloseReason> {
        match &mut self.stage {
            Stage::Open(open) => open.socket.send_text(text).map_err(not_sent),
            // The core sends nothing before the server's greeting.
            Stage::Upgrading(_) | Stage::Failed(_) => Ok(()),
        }
    }

    pub(crate) fn close(&mut self, frame: &CloseFrame) {
        if let Stage::Open(open) = &mut self.stage {
            open.socket.close(Some(&close_frame(frame)));
        }
    }

    /// Whether a close frame can be sent or awaited.
    pub(crate) fn can_linger(&self) -> bool {
        matches!(self.stage, Stage::Open(_)) && self.ended.is_none()
    }

    /// Discards what still arrives. Returns whether both sides have closed, or nothing more can be done.
    pub(crate) fn is_done(&mut self) -> bool {
        let Stage::Open(open) = &mut self.stage else { return true };
        loop {
            match open.socket.poll_message() {
                // This is the server's answer to our close. After a close by the server, nothing follows, and it ends the stream.
                Ok(Received::Message(Message::Close(_))) | Err(_) => return true,
                Ok(Received::Message(_) | Received::More) => {}
                Ok(Received::Drained) => return self.ended.is_some(),
            }
        }
    }

    pub(crate) fn poll_output(&mut self) -> &[u8] {
        match &mut self.stage {
            Stage::Upgrading(upgrading) => &upgrading.handshake.request()[upgrading.written..],
            Stage::Open(open) => open.socket.poll_output(),
            Stage::Failed(_) => &[],
        }
    }

    pub(crate) fn handle_written(&mut self, len: usize) {
        match &mut self.stage {
            Stage::Upgrading(upgrading) => {
                upgrading.written = upgrading.handshake.request().len().min(upgrading.written.saturating_add(len));
            }
            Stage::Open(open) => open.socket.handle_written(len),
            Stage::Failed(_) => {}
        }
    }
}

impl Upgrading {
    fn read(mut self: Box<Self>, len: usize) -> Stage {
        let len = len.min(self.buffer.len());
        match self.handshake.handle_read(&self.buffer[..len]) {
            Ok(None) => Stage::Upgrading(self),
            Ok(Some(upgraded)) => {
                let socket = Box::new(WebSocket::new(self.limits, &upgraded.leftover, self.random));
                Stage::Open(Open { socket, is_told: false, reported: 0 })
            }
            Err(error) => Stage::Failed(Some(not_upgraded(error))),
        }
    }
}

impl Open {
    fn next(&mut self) -> Option<Input> {
        if !mem::replace(&mut self.is_told, true) {
            return Some(Input::Opened);
        }
        let message = loop {
            match self.socket.poll_message() {
                Ok(Received::Message(message)) => break message,
                // Frames that complete no message. The caller bounds their number by what it reads at a time.
                Ok(Received::More) => {}
                Ok(Received::Drained) => {
                    let received = self.socket.bytes_received();
                    return (mem::replace(&mut self.reported, received) != received).then_some(Input::Part);
                }
                Err(violation) => return Some(Input::Over(violated(violation))),
            }
        };
        // A message is a sign of life, so the start of the next one is not reported.
        self.reported = self.socket.bytes_received();
        Some(match message {
            Message::Text(text) => Input::Frame(Frame::Text(text.into())),
            Message::Binary(bytes) => Input::Frame(Frame::Binary(bytes)),
            Message::Ping => Input::Frame(Frame::Ping),
            Message::Pong => Input::Frame(Frame::Pong),
            Message::Skipped { len } => Input::Skipped(len),
            Message::Close(frame) => Input::Over(closed(frame)),
            // Nothing else has arrived yet.
            _ => Input::Part,
        })
    }
}

/// Bytes that are read at a time during the upgrade. A response has a few hundred.
const READ_LEN: usize = 1_024;
