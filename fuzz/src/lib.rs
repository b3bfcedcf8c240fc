//! What any input may do to the machines of the protocol and of the WebSocket: no panic, no growth without bound, no deadline that stands still.
//!
//! Each body takes the bytes of a fuzzer, so that a finding can be replayed on stable Rust: the package of tests plays the
//! corpus in every run.

mod auth;
mod end;
mod envelope;
mod line;
mod naive;
mod pair;
mod secretbox;
mod server;
mod session;
mod transcripts;
#[path = "../../pusher-websocket/tests/websocket/tungstenite_peer.rs"]
mod tungstenite_peer;
mod websocket;

pub use auth::auth;
pub use envelope::envelope;
pub use pair::pair;
pub use secretbox::secretbox;
pub use server::server;
pub use session::{session, session_with};
pub use transcripts::transcripts;
pub use websocket::websocket;

use end::End;

/// Lines of text as frames of a connection with a channel of each kind.
pub fn frames(data: &[u8]) {
    let mut end = End::connected();
    for line in String::from_utf8_lossy(data).split('\n') {
        end.receive(line);
        end.check();
    }
}
