//! Bytes from a server, during and after the upgrade.

use pusher_websocket::{
    Handshake, HandshakeError, Limits, Message, Oversized, Received, Request, Violation, WebSocket,
};

use crate::tungstenite_peer::compare;

/// The first byte selects the test, the second one is the length of the pieces in which the rest arrives.
///
/// # Panics
///
/// If the result depends on how the bytes are split, or differs from that of `tungstenite`.
pub fn websocket(data: &[u8]) {
    let Some(([choice, piece], bytes)) = data.split_first_chunk() else { return };
    let piece = usize::from(*piece).max(1);
    match choice % 3 {
        0 => {
            let limits = Limits::new().max_message_len(MAX_LEN).max_frame_len(MAX_LEN as u64);
            let (messages, violation) = read(limits, bytes, bytes.len().max(1));
            assert_eq!(read(limits, bytes, piece), (messages.clone(), violation));
            compare(&messages, violation, bytes, MAX_LEN);
        }
        1 => {
            let limits = Limits::new().max_message_len(100).oversized(Oversized::Skip);
            let whole = read(limits, bytes, bytes.len().max(1));
            assert_eq!(read(limits, bytes, piece), whole);
            assert!(!matches!(whole.1, Some(Violation::TooLarge { .. })));
        }
        _ => assert_eq!(upgrade(bytes, piece), upgrade(bytes, bytes.len().max(1))),
    }
}

fn read(limits: Limits, bytes: &[u8], piece: usize) -> (Vec<Message>, Option<Violation>) {
    let mut socket = WebSocket::new(limits, b"", || [7; 4]);
    let mut messages = Vec::new();
    let mut violation = None;
    for mut piece in bytes.chunks(piece) {
        while !piece.is_empty() {
            let room = socket.read_buffer();
            let len = room.len().min(piece.len());
            room[..len].copy_from_slice(&piece[..len]);
            socket.handle_read(len);
            piece = &piece[len..];
            loop {
                match socket.poll_message() {
                    Ok(Received::Message(message)) => messages.push(message),
                    Ok(Received::More) => {}
                    Ok(Received::Drained) => break,
                    Err(error) => assert_eq!(violation.replace(error), None),
                }
            }
        }
        let sent = socket.poll_output().len();
        assert!(sent <= 256, "{sent} bytes of answers wait");
        socket.handle_written(sent);
    }
    (messages, violation)
}

/// The result of the upgrade with its leftover, which includes the rest of the input.
fn upgrade(bytes: &[u8], piece: usize) -> Result<Option<Vec<u8>>, HandshakeError> {
    let request = Request::new("example.com", "/");
    let mut handshake = Handshake::new(&request, *b"the sample nonce").expect("the request is valid");
    let mut at = 0;
    for piece in bytes.chunks(piece) {
        at += piece.len();
        if let Some(upgraded) = handshake.handle_read(piece)? {
            return Ok(Some([&upgraded.leftover, &bytes[at..]].concat()));
        }
    }
    match handshake.handle_end() {
        HandshakeError::Closed => Ok(None),
        error => Err(error),
    }
}

const MAX_LEN: usize = 2_000;
