//! Properties of the state machines of the protocol and the WebSocket for any input: no panic, no unbounded growth, no
//! deadline that does not advance.
//!
//! Each function takes the bytes of a fuzzer, so that a finding can be replayed on stable Rust: the tests play the
//! corpus in every run.

mod auth;
mod delta;
mod end;
mod envelope;
mod line;
mod naive;
mod pair;
mod resume;
mod secretbox;
mod server;
mod session;
mod transcripts;
#[path = "../../pusher-websocket/tests/websocket/tungstenite_peer.rs"]
mod tungstenite_peer;
mod websocket;

pub use auth::auth;
pub use delta::delta;
pub use envelope::envelope;
pub use pair::pair;
pub use resume::resume;
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
