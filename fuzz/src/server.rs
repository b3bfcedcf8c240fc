//! Frames and time for the model server.

use std::time::Duration;

use pusher_proto::server::{Action, ConnectionId, Server, ServerConfig};
use pusher_proto::signing::App;
use pusher_proto::{Frame, Instant};

/// Lines of text as frames of two connections in turn; an empty line lets time pass.
pub fn server(data: &[u8]) {
    let app = App::new("1", "key", "secret").expect("an application");
    let mut server = Server::new(ServerConfig::new(app), 1);
    let ends = [ConnectionId::new(1), ConnectionId::new(2)];
    let mut now = Instant::ZERO;
    for end in ends {
        server.handle_open(end, "/app/key?protocol=7", now);
    }
    for (number, line) in String::from_utf8_lossy(data).split('\n').enumerate() {
        if line.is_empty() {
            now = now + Duration::from_secs(7);
            server.handle_timeout(now);
        } else {
            server.handle_frame(ends[number % 2], Frame::Text(line.into()), now);
        }
        for _ in 0..MAX_ACTIONS {
            match server.poll_action(now) {
                Some(Action::Send(_, text)) => {
                    serde_json::from_str::<serde_json::Value>(&text).expect("what is sent is JSON");
                }
                Some(_) => {}
                None => break,
            }
        }
        assert!(server.poll_action(now).is_none(), "the server never stops");
    }
}

/// Most actions of one drain.
const MAX_ACTIONS: usize = 10_000;
