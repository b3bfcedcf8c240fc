//! The same bytes read by `tungstenite`.

use std::io::{Cursor, ErrorKind, Read, Write};

use bytes::Bytes;
use pusher_websocket::{CloseFrame, Message, Violation};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

/// What `tungstenite` reads, and whether it then finds an error.
pub(crate) fn read(bytes: &[u8], max_len: usize) -> (Vec<Message>, bool) {
    let config = WebSocketConfig::default()
        .read_buffer_size(4_096)
        .max_message_size(Some(max_len))
        .max_frame_size(Some(max_len));
    let mut context = WebSocketContext::new(Role::Client, Some(config));
    let mut stream = Stream(Cursor::new(bytes));
    let mut messages = Vec::new();
    loop {
        match context.read(&mut stream) {
            Ok(tungstenite::Message::Text(text)) => {
                messages.push(Message::Text(Bytes::from(text).try_into().expect("a text is UTF-8")));
            }
            Ok(tungstenite::Message::Binary(bytes)) => messages.push(Message::Binary(bytes)),
            Ok(tungstenite::Message::Ping(_)) => messages.push(Message::Ping),
            Ok(tungstenite::Message::Pong(_)) => messages.push(Message::Pong),
            Ok(tungstenite::Message::Close(frame)) => {
                let frame =
                    frame.map(|frame| CloseFrame { code: frame.code.into(), reason: frame.reason.as_str().into() });
                messages.push(Message::Close(frame));
                return (messages, false);
            }
            Ok(tungstenite::Message::Frame(_)) => {}
            Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return (messages, false),
            Err(_) => return (messages, true),
        }
    }
}

/// Compares what this crate and `tungstenite` read from the same bytes.
///
/// # Panics
///
/// If they differ in something that RFC 6455 determines.
pub(crate) fn compare(ours: &[Message], violation: Option<Violation>, bytes: &[u8], max_len: usize) {
    let (theirs, has_failed) = read(bytes, max_len);
    match violation {
        None => {
            assert!(!has_failed, "only tungstenite finds something wrong: {ours:?} of {bytes:x?}");
            match (ours.split_last(), theirs.split_last()) {
                // It considers 1014 a reserved code and replaces it by 1002.
                (Some((Message::Close(Some(frame)), ours)), Some((Message::Close(Some(_)), theirs)))
                    if frame.code == 1014 =>
                {
                    assert_eq!(ours, theirs, "{bytes:x?}");
                }
                _ => assert_eq!(ours, theirs, "{bytes:x?}"),
            }
        }
        // It does not check whether a length could be encoded in fewer bytes, not even that of a control frame.
        Some(Violation::LengthEncoding | Violation::ControlLength) => {
            assert!(theirs.starts_with(ours), "{ours:?} {theirs:?} {bytes:x?}");
        }
        // It replaces codes that must not be sent by 1002, if the reason is UTF-8.
        Some(Violation::CloseCode(_)) => match theirs.split_last() {
            Some((Message::Close(_), theirs)) => assert_eq!(ours, theirs, "{bytes:x?}"),
            _ => assert!(has_failed && ours == theirs, "{bytes:x?}"),
        },
        // We may find it before the whole frame has arrived.
        Some(_) => assert_eq!(ours, theirs, "{bytes:x?}"),
    }
}

struct Stream<'a>(Cursor<&'a [u8]>);

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer) {
            Ok(0) => Err(ErrorKind::WouldBlock.into()),
            other => other,
        }
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
