//! However the bytes of a stream are cut into reads, the session does the same.

use std::time::Duration;

use pusher_proto::{ClientEventName, Data};
use pusher_session::Action;
use tungstenite::Message;

use crate::stage::{Random, Stage, channel};

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

/// Plays a story of random steps; its bytes may be cut into parts of any length in both directions. Returns how many client
/// events were accepted, too.
fn story(seed: u64, is_cut: bool) -> (Stage, usize) {
    let (mut random, mut accepted) = (Random(seed), 0);
    let mut stage = Stage::new();
    stage.cuts = is_cut.then_some(Random(!seed));
    stage.session.connect();
    stage.settle();
    for number in 0..30 {
        let name = ["news", "private-orders", "private-a"][random.below(3)];
        match random.below(22) {
            0 | 1 => stage.session.connect(),
            2..=5 => stage.session.subscribe(channel(name)),
            6 => stage.session.unsubscribe(&channel(name)),
            7..=10 => {
                let len = [1, 125, 126, 9_000][random.below(4)];
                stage.publish(name, &"x".repeat(len));
            }
            // The next stream begins after the end of this one, so that the server sees them in the same order.
            11 => {
                stage.session.disconnect();
                stage.settle();
            }
            12 | 13 => stage.advance(Duration::from_millis([1, 300, 2_000, 40_000][random.below(4)])),
            14 => stage.sleep(Duration::from_secs([1, 60, 600][random.below(3)])),
            15 | 16 => accepted += trigger(&mut stage, name, [1, 5_000][random.below(2)]),
            // The others need a stream.
            _ if stage.lines.is_empty() => {}
            17 => stage.line().send(Message::Ping("are you there".into())),
            18 => stage.line().send(Message::text(number.to_string())),
            19 => stage.line().send(Message::text("x".repeat(40_000))),
            // What is under way at the end of a stream may be lost, so nothing is.
            last => {
                stage.settle();
                match last {
                    20 if !stage.lines.is_empty() => stage.line().close([4200, 4100, 1000][random.below(3)], "restart"),
                    _ => {
                        for line in stage.lines.values_mut() {
                            line.send(Message::text("last"));
                            line.is_ended = true;
                        }
                    }
                }
                stage.settle();
            }
        }
        // Some steps come together.
        if random.below(3) > 0 {
            stage.settle();
        }
    }
    accepted += trigger(&mut stage, "private-orders", 5_000);
    stage.session.disconnect();
    stage.advance(Duration::from_secs(60));
    (stage, accepted)
}

/// Triggers a client event; returns how many were accepted, which is none if the channel is not subscribed.
fn trigger(stage: &mut Stage, name: &str, len: usize) -> usize {
    let event = ClientEventName::new("client-typing").expect("a valid name");
    let data = Data::from_serialize(&"x".repeat(len)).expect("valid data");
    stage.session.trigger(&channel(name), &event, &data, stage.now).is_ok().into()
}

#[test]
fn reads_and_writes_of_any_length_give_the_same_actions_in_every_story() {
    let mut sockets = 0;
    for seed in 0..STORIES {
        let ((whole, accepted), (cut, _)) = (story(seed, false), story(seed, true));
        let differs = cut.actions.iter().zip(&whole.actions).position(|(cut, whole)| cut != whole);
        assert_eq!(differs, None, "seed {seed}: {:.200?}", differs.map(|at| (&cut.actions[at], &whole.actions[at])));
        assert_eq!(outcome(&cut), outcome(&whole), "seed {seed}");
        let events = cut.heard.iter().filter(|text| text.contains("client-typing")).count();
        assert_eq!(events, accepted, "seed {seed}: what was accepted is sent before the end");
        assert_eq!((cut.heard, cut.closes), (whole.heard, whole.closes), "seed {seed}");
        assert!(!cut.session.has_streams(), "seed {seed}: every stream ends");
        sockets += whole.actions.iter().filter(|action| matches!(action, Action::Connect(..))).count();
    }
    assert!(sockets > 2 * STORIES as usize, "connections are lost in most stories: {sockets}");
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

const STORIES: u64 = 120;
