//! What a session does while all goes well.

use std::time::Duration;

use pusher_proto::{ClientEventName, Data, Event, Instant};
use pusher_session::{Action, Session};
use tungstenite::Message;

use crate::stage::{Stage, channel, config};

#[test]
fn connects_subscribes_and_receives_events() {
    let mut stage = Stage::new();
    stage.session.connect();
    stage.session.subscribe(channel("news"));
    stage.session.subscribe(channel("private-orders"));
    stage.settle();
    stage.publish("news", "hi");
    stage.publish("private-orders", r#"{"id":7}"#);
    let succeeded = "pusher:subscription_succeeded";
    assert_eq!(stage.events(), [succeeded, succeeded, "published", "published"]);
    let payloads = stage.actions.iter().filter_map(|action| match action {
        Action::Emit(Event::Channel(event)) => Some(event.data().text().into_owned()),
        _ => None,
    });
    assert_eq!(payloads.collect::<Vec<_>>(), ["hi", r#"{"id":7}"#]);
}

#[test]
fn sends_client_events() {
    let mut stage = Stage::connected();
    stage.session.subscribe(channel("private-room"));
    stage.settle();
    let [name, other] = ["private-room", "news"].map(channel);
    let event = ClientEventName::new("client-typing").unwrap();
    let data = Data::from_json(r#""ann""#).unwrap();
    assert!(stage.session.trigger(&other, &event, &data, stage.now).is_err());
    stage.session.trigger(&name, &event, &data, stage.now).unwrap();
    stage.settle();
    assert_eq!(stage.last_error(), "");
    stage.settle();
    let sent = r#"{"event":"client-typing","channel":"private-room","data":"ann"}"#;
    assert_eq!(stage.heard.last().unwrap(), sent);
}

#[test]
fn an_oversized_message_is_reported_and_the_connection_stays() {
    let mut stage = Stage::connected();
    stage.line().send(Message::text("x".repeat(33_000)));
    stage.publish("news", "hi");
    assert_eq!(stage.last_error(), "the server broke the protocol: a frame of 33000 bytes exceeds the limit of 32768");
    assert_eq!(stage.events(), ["error", "published"]);
    assert_eq!(stage.lines.len(), 1);
}

#[test]
fn a_long_silence_is_ended_by_pings_that_the_server_answers() {
    let mut stage = Stage::connected();
    stage.advance(Duration::from_secs(600));
    assert_eq!(stage.events(), Vec::<&str>::new());
    assert!(stage.session.client().stats().pings >= 4);
    assert!(stage.session.client().state().is_connected());
}

#[test]
fn parts_of_a_message_keep_a_slow_connection_alive() {
    let mut stage = Stage::with(config().pong_timeout(Duration::from_secs(5)).max_frame_len(1_000_000));
    stage.session.connect();
    stage.settle();
    stage.actions.clear();
    stage.server.set_silent(true);
    let mut bytes = vec![0x81, 0x7f];
    bytes.extend(200_000_u64.to_be_bytes());
    stage.line().pipe.give_client(&bytes);
    // The message is on its way for far longer than the server may take to answer a ping.
    for _ in 0..100 {
        stage.advance(Duration::from_secs(2));
        stage.line().pipe.give_client(&[b'x'; 2_000]);
    }
    stage.settle();
    assert!(stage.session.client().state().is_connected());
    assert_eq!(stage.events(), ["error"], "the message is not JSON, and nothing came before it");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_does_not() {
    let request = |seed| {
        let mut session = Session::new(config().build().unwrap(), [seed; 32]);
        session.connect();
        let socket = std::iter::from_fn(|| session.poll_action(Instant::ZERO)).find_map(|action| match action {
            Action::Connect(socket, _) => Some(socket),
            _ => None,
        });
        session.poll_output(socket.unwrap()).to_vec()
    };
    assert_eq!(request(1), request(1));
    assert_ne!(request(1), request(2), "the key is part of the request");
}

#[test]
fn debug_shows_no_seed() {
    let session = Session::new(config().build().unwrap(), [7; 32]);
    assert_eq!(format!("{session:?}"), "Session { now: Instant(0ns), state: Initialized, socket: None, .. }");
}
