//! Frames as a person reads them, without signatures.

use pusher_tokio::pusher_proto::Frame;
use pusher_tokio::{CloseReason, with_causes};

use crate::output::{self, DIM, printable, time_of_day};

/// Where a frame goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    Sent,
    Received,
}

/// Writes a text message to standard error.
pub(crate) fn show(direction: Direction, text: &str) {
    let masked = masked(text);
    let shown: String = masked.chars().take(MAX_SHOWN).collect();
    let rest = if shown.len() < masked.len() { format!("… {} bytes", text.len()) } else { String::new() };
    write(direction, &format!("{}{rest}", printable(&shown)));
}

/// Writes any message from the server to standard error.
pub(crate) fn show_received(frame: &Frame) {
    match frame {
        Frame::Text(text) => show(Direction::Received, text),
        Frame::Binary(bytes) => write(Direction::Received, &format!("{} binary bytes", bytes.len())),
        Frame::Ping => write(Direction::Received, "WebSocket ping"),
        Frame::Pong => write(Direction::Received, "WebSocket pong"),
    }
}

/// Writes the end of a socket to standard error.
pub(crate) fn show_end(direction: Direction, reason: &CloseReason) {
    write(direction, &printable(&with_causes(reason).to_string()));
}

fn write(direction: Direction, text: &str) {
    let arrow = match direction {
        Direction::Sent => '→',
        Direction::Received => '←',
    };
    output::remark(format_args!("{DIM}{}  {arrow} {text}{DIM:#}", time_of_day()));
}

/// Returns a message with `…` instead of signatures and shared secrets. A quote inside a JSON string is escaped, so the
/// name of a field is found only where it is a field.
fn masked(message: &str) -> String {
    let mut masked = message.to_owned();
    for field in SECRET_FIELDS {
        let mut pieces = masked.split(field);
        let mut rest = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let mut is_escaped = false;
            let end = piece.find(|c: char| {
                let ends = c == '"' && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                ends
            });
            rest += field;
            rest.push('…');
            rest += &piece[end.unwrap_or(piece.len())..];
        }
        masked = rest;
    }
    masked
}

/// What comes before secrets in messages of the client.
const SECRET_FIELDS: [&str; 3] = [r#""auth":""#, r#""shared_secret":""#, r#""token":""#];

/// Characters of a message. More do not fit on a screen.
const MAX_SHOWN: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_not_shown() {
        let table = [
            (r#"{"data":{"channel":"c","auth":"k:5a"}}"#, r#"{"data":{"channel":"c","auth":"…"}}"#),
            (r#"{"auth":"k:\"5a","x":1}"#, r#"{"auth":"…","x":1}"#),
            (r#"{"data":"{\"auth\":1}"}"#, r#"{"data":"{\"auth\":1}"}"#),
            (r#"{"auth":"5a"#, r#"{"auth":"…"#),
            (
                r#"{"shared_secret":"5a","x":"auth","auth":"5a","token":"5a","auth":"5a"}"#,
                r#"{"shared_secret":"…","x":"auth","auth":"…","token":"…","auth":"…"}"#,
            ),
            ("", ""),
        ];
        for (message, expected) in table {
            assert_eq!(masked(message), expected);
        }
    }
}
