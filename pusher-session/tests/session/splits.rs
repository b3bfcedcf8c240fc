//! However the bytes of a stream are cut into reads, the session does the same.

use std::time::Duration;

use pusher_session::Action;
use tungstenite::Message;

use crate::stage::{Stage, channel};

/// Plays a session with everything that a server can send.
fn play(read_len: usize, cut_at: usize) -> Stage {
    let mut stage = Stage::new();
    stage.read_len = read_len;
    stage.cut_at = cut_at;
    stage.session.connect();
    stage.session.subscribe(channel("news"));
    stage.session.subscribe(channel("private-orders"));
    stage.settle();
    stage.publish("news", "hi");
    stage.line().send(Message::Ping("are you there".into()));
    stage.publish("private-orders", &"x".repeat(130));
    // A fragmented message, with a ping between its parts.
    let text = br#"{"event":"parts","channel":"news","data":"1"}"#;
    let (start, end) = text.split_at(20);
    let header = |opcode: u8, payload: &[u8]| [&[opcode, payload.len() as u8], payload].concat();
    for bytes in [header(0x01, start), header(0x89, b""), header(0x80, end)] {
        stage.line().pipe.give_client(&bytes);
    }
    stage.settle();
    stage.line().send(Message::text("no JSON"));
    stage.line().close(4200, "restart");
    stage.advance(Duration::from_secs(10));
    stage.publish("news", "again");
    stage.session.disconnect();
    stage.settle();
    stage
}

/// What the session wanted done, and what it had counted.
fn outcome(stage: &Stage) -> (&[Action], String) {
    (&stage.actions, format!("{:?}", stage.session.client().stats()))
}

#[test]
fn every_split_of_the_bytes_gives_the_same_actions() {
    let whole = play(usize::MAX, usize::MAX);
    assert!(whole.bytes_read > 1_000 && whole.actions.len() > 15);
    assert!(!whole.session.has_streams());
    for cut_at in 0..=whole.bytes_read {
        let cut = play(usize::MAX, cut_at);
        assert_eq!(outcome(&cut), outcome(&whole), "cut at {cut_at}");
    }
    for read_len in [1, 2, 3, 7, 64] {
        assert_eq!(outcome(&play(read_len, usize::MAX)), outcome(&whole), "{read_len} bytes at a time");
    }
}

#[test]
fn an_oversized_message_in_small_reads_is_reported_once() {
    for read_len in [1_000, 4_096, usize::MAX] {
        let mut stage = Stage::connected();
        stage.read_len = read_len;
        stage.line().send(Message::text("x".repeat(100_000)));
        stage.publish("news", "hi");
        assert_eq!(stage.events(), ["error", "published"], "{read_len}");
    }
}
