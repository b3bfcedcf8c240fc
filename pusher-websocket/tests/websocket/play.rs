//! A connection whose peer is a list of bytes.

use pusher_websocket::{CloseFrame, Limits, Message, Received, Violation, WebSocket};

pub(crate) type Masks = fn() -> [u8; 4];

/// The result of a peer's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) messages: Vec<Message>,
    pub(crate) violation: Option<Violation>,
    /// Frames to send: first byte and payload, without the mask.
    pub(crate) sent: Vec<(u8, Vec<u8>)>,
}

pub(crate) fn open(limits: Limits) -> WebSocket<Masks> {
    WebSocket::new(limits, b"", || MASK)
}

/// Plays pieces as if they were read one after the other. Nothing is written before the end.
pub(crate) fn play<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut socket = open(limits);
    let mut outcome = Outcome::default();
    for piece in pieces {
        read(&mut socket, piece, &mut outcome);
    }
    outcome.sent = frames(socket.poll_output());
    outcome
}

/// Reads bytes and all messages in them.
pub(crate) fn read(socket: &mut WebSocket<Masks>, mut bytes: &[u8], outcome: &mut Outcome) {
    while !bytes.is_empty() {
        let buffer = socket.read_buffer();
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        socket.handle_read(len);
        bytes = &bytes[len..];
        loop {
            match socket.poll_message() {
                Ok(Received::Message(message)) => outcome.messages.push(message),
                Ok(Received::More) => {}
                Ok(Received::Drained) => break,
                Err(violation) => assert_eq!(outcome.violation.replace(violation), None, "one is enough"),
            }
        }
    }
}

/// In one piece, split in two at every position, and byte by byte, all with the same result.
pub(crate) fn play_any(limits: Limits, bytes: &[u8]) -> Outcome {
    let whole = play(limits, [bytes]);
    assert_eq!(play(limits, bytes.chunks(1)), whole, "byte by byte: {bytes:x?}");
    for at in (0..bytes.len()).step_by(bytes.len() / 256 + 1) {
        let (start, end) = bytes.split_at(at);
        assert_eq!(play(limits, [start, end]), whole, "in two at {at}: {bytes:x?}");
    }
    whole
}

/// Splits a client's output into frames.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        assert_eq!(second & 0x80, 0x80, "every frame of a client is masked");
        let (len, rest) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk().expect("a header is whole"))), &rest[2..]),
            127 => (u64::from_be_bytes(*rest.first_chunk().expect("a header is whole")), &rest[8..]),
            len => (u64::from(len), rest),
        };
        let (mask, rest) = rest.split_at(4);
        let (payload, rest) = rest.split_at(usize::try_from(len).expect("a length fits"));
        frames.push((*first, payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "frames are whole");
    frames
}

/// A frame as a server sends it.
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(u8::try_from(len).expect("it is in range")),
        len @ 126..=0xffff => {
            frame.push(126);
            frame.extend(u16::try_from(len).expect("it is in range").to_be_bytes());
        }
        len => {
            frame.push(127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

pub(crate) fn text(text: &str) -> Message {
    Message::Text(text.into())
}

pub(crate) fn binary(bytes: &[u8]) -> Message {
    Message::Binary(bytes.to_vec().into())
}

pub(crate) fn close(code: u16, reason: &str) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

/// Messages without a violation after them.
pub(crate) fn received(messages: impl Into<Vec<Message>>, sent: impl Into<Vec<(u8, Vec<u8>)>>) -> Outcome {
    Outcome { messages: messages.into(), violation: None, sent: sent.into() }
}

/// Messages, and then the answer to a violation.
pub(crate) fn failed(messages: impl Into<Vec<Message>>, violation: Violation) -> Outcome {
    let sent = vec![(CLOSE, violation.close_code().to_be_bytes().into())];
    Outcome { messages: messages.into(), violation: Some(violation), sent }
}

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;
/// The first frame of a fragmented text.
pub(crate) const BEGIN: u8 = 0x01;
pub(crate) const GO_ON: u8 = 0x00;
pub(crate) const END: u8 = 0x80;

const MASK: [u8; 4] = [0x12, 0xf4, 0x56, 0x9a];
