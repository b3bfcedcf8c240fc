//! It does not matter where reads end.

use proptest::prelude::*;
use pusher_websocket::{Limits, Oversized};

use crate::differential::any_frame;
use crate::play::{GO_ON, PING, TEXT, frame, open, play, play_any, read};

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_bytes_give_the_same_messages_wherever_they_are_split(
        frames in prop::collection::vec(any_frame(), 0..8),
        skip: bool,
        pieces in prop::collection::vec(1..60_usize, 1..20),
    ) {
        let oversized = if skip { Oversized::Skip } else { Oversized::Close };
        let limits = Limits::new().max_message_len(1_000).oversized(oversized);
        let bytes = frames.concat();
        let whole = play_any(limits, &bytes);
        let mut rest = &bytes[..];
        let mut split = Vec::new();
        for len in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*len).min(rest.len()));
            split.push(piece);
            rest = behind;
        }
        prop_assert_eq!(play(limits, split), whole);
    }
}

#[test]
fn the_buffer_grows_under_load_and_shrinks_when_little_comes_without_losing_a_byte() {
    let mut socket = open(Limits::new());
    let mut outcome = crate::play::Outcome::default();
    let mut expected = Vec::new();
    let mut lens = Vec::new();
    let texts: Vec<String> = (0..6_000).map(|number: usize| "x".repeat(number * 7 % 1_000)).collect();
    let bytes: Vec<u8> = texts.iter().flat_map(|text| frame(TEXT, text)).collect();
    read(&mut socket, &bytes[..1], &mut outcome);
    lens.push(socket.read_buffer_len());
    read(&mut socket, &bytes[1..], &mut outcome);
    lens.push(socket.read_buffer_len());
    expected.extend(texts.iter().map(|text| crate::play::text(text)));
    // Large reads keep it large.
    for _ in 0..100 {
        read(&mut socket, &frame(TEXT, "y".repeat(20_000)), &mut outcome);
        expected.push(crate::play::text(&"y".repeat(20_000)));
        assert_eq!(socket.read_buffer_len(), 64 * 1_024);
    }
    for _ in 0..100 {
        let bytes = frame(TEXT, "z".repeat(100));
        read(&mut socket, &bytes[..60], &mut outcome);
        read(&mut socket, &bytes[60..], &mut outcome);
        expected.push(crate::play::text(&"z".repeat(100)));
        lens.push(socket.read_buffer_len());
    }
    assert_eq!((outcome.messages, outcome.violation), (expected, None));
    lens.dedup();
    assert_eq!(lens, [4_096, 65_536, 16_384, 4_096]);
}

#[test]
fn what_came_with_the_upgrade_is_read_first() {
    let bytes = [frame(TEXT, "first"), frame(TEXT, "x".repeat(10_000)), frame(TEXT, "last")].concat();
    for at in [0, 1, 2, 7, 8, 100, 9_000, bytes.len()] {
        let (leftover, rest) = bytes.split_at(at);
        let mask: crate::play::Masks = || [0; 4];
        let mut socket = pusher_websocket::WebSocket::new(Limits::new(), leftover, mask);
        let mut outcome = crate::play::Outcome::default();
        while let pusher_websocket::Received::Message(message) = socket.poll_message().unwrap() {
            outcome.messages.push(message);
        }
        read(&mut socket, rest, &mut outcome);
        let expected = ["first", &"x".repeat(10_000), "last"].map(crate::play::text);
        assert_eq!((outcome.messages.as_slice(), outcome.violation), (expected.as_slice(), None), "{at}");
        assert_eq!(socket.bytes_received(), bytes.len() as u64);
    }
}

#[test]
fn a_call_handles_a_bounded_number_of_frames() {
    let mut socket = open(Limits::new());
    let frames = [frame(0x01, ""), frame(GO_ON, "").repeat(1_000)].concat();
    let buffer = socket.read_buffer();
    buffer[..frames.len()].copy_from_slice(&frames);
    socket.handle_read(frames.len());
    let mut calls = 0;
    while socket.poll_message() == Ok(pusher_websocket::Received::More) {
        calls += 1;
    }
    assert!((1_001 / 64..=2_002 / 64 + 1).contains(&calls), "{calls} calls for 1,001 frames");
}

#[test]
fn bytes_of_a_message_that_is_not_complete_are_counted() {
    let mut socket = open(Limits::new());
    let large = frame(TEXT, "x".repeat(100_000));
    for (number, piece) in (1..).zip(large.chunks(1_000)) {
        read(&mut socket, piece, &mut crate::play::Outcome::default());
        assert_eq!(socket.bytes_received(), (number * 1_000).min(large.len() as u64));
    }
    read(&mut socket, &frame(PING, "")[..1], &mut crate::play::Outcome::default());
    assert_eq!(socket.bytes_received(), large.len() as u64 + 1);
}

#[test]
fn a_message_says_how_much_memory_it_keeps_alive() {
    let mut socket = open(Limits::new());
    let mut outcome = crate::play::Outcome::default();
    read(&mut socket, &frame(TEXT, "slice"), &mut outcome);
    assert_eq!(socket.backing_len(), socket.read_buffer_len());
    let bytes = frame(TEXT, "x".repeat(50_000));
    read(&mut socket, &bytes, &mut outcome);
    assert_eq!(socket.backing_len(), 50_000, "it has a buffer of its own");
    let bytes = [frame(0x01, "a"), frame(0x80, "b")].concat();
    read(&mut socket, &bytes, &mut outcome);
    assert_eq!(socket.backing_len(), 2);
}
