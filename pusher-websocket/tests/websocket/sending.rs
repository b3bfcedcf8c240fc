//! Sending, and the closing handshake.

use pusher_websocket::{CloseFrame, Limits, Message, Received, SendError, WebSocket};

use crate::play::{BINARY, CLOSE, Masks, Outcome, PING, PONG, TEXT, close, close_payload, frame, frames, open, read};

fn close_frame(code: u16, reason: &str) -> CloseFrame {
    CloseFrame { code, reason: reason.into() }
}

/// Writes everything that waits.
fn write(socket: &mut WebSocket<Masks>) -> Vec<(u8, Vec<u8>)> {
    let sent = frames(socket.poll_output());
    let len = socket.poll_output().len();
    socket.handle_written(len);
    assert!(socket.is_flushed());
    sent
}

#[test]
fn messages_of_every_length_are_masked_and_written_in_order() {
    let mut socket = open(Limits::new());
    let lens = [0, 1, 7, 8, 125, 126, 127, 65_535, 65_536, 70_003];
    for len in lens {
        socket.send_text(&"é".repeat(len / 2)).unwrap();
        socket.send_binary(&vec![0xa5; len]).unwrap();
    }
    let expected: Vec<_> =
        lens.iter().flat_map(|len| [(TEXT, "é".repeat(len / 2).into_bytes()), (BINARY, vec![0xa5; *len])]).collect();
    assert_eq!(write(&mut socket), expected);
}

#[test]
fn every_frame_has_a_mask_of_its_own() {
    let mut next = 0;
    let mut socket = WebSocket::new(Limits::new(), b"", || {
        next += 1;
        [next; 4]
    });
    socket.send_text("\0").unwrap();
    socket.send_text("\0").unwrap();
    assert_eq!(socket.poll_output(), [TEXT, 0x81, 1, 1, 1, 1, 1, TEXT, 0x81, 2, 2, 2, 2, 2]);
}

#[test]
fn a_stream_may_take_any_number_of_bytes_at_a_time() {
    for step in [1, 2, 3, 7, 100, 10_000] {
        let mut socket = open(Limits::new());
        let mut bytes = Vec::new();
        for number in 0..50_usize {
            socket.send_text(&number.to_string().repeat(number)).unwrap();
            let output = socket.poll_output();
            let len = output.len().min(step);
            bytes.extend_from_slice(&output[..len]);
            socket.handle_written(len);
        }
        while !socket.is_flushed() {
            let output = socket.poll_output();
            let len = output.len().min(step);
            bytes.extend_from_slice(&output[..len]);
            socket.handle_written(len);
        }
        let expected: Vec<_> =
            (0..50_usize).map(|number| (TEXT, number.to_string().repeat(number).into_bytes())).collect();
        assert_eq!(frames(&bytes), expected, "{step} at a time");
    }
}

#[test]
fn what_waits_is_bounded_and_a_message_that_does_not_fit_is_not_sent_in_part() {
    let mut socket = open(Limits::new().max_output_len(1_000));
    assert_eq!(socket.send_text(&"x".repeat(900)), Ok(()));
    assert_eq!(socket.send_text(&"x".repeat(100)), Err(SendError::Full));
    assert_eq!(socket.send_binary(&[0; 100]), Err(SendError::Full));
    assert_eq!(socket.send_text("short"), Ok(()));
    // A pong and a close always fit.
    read(&mut socket, &frame(PING, "p"), &mut Outcome::default());
    socket.close(Some(&close_frame(1000, "")));
    let sent: Vec<u8> = write(&mut socket).into_iter().map(|(first, _)| first).collect();
    assert_eq!(sent, [TEXT, TEXT, PONG, CLOSE]);
}

#[test]
fn a_pong_waits_behind_much_output_and_answers_the_latest_ping() {
    let mut socket = open(Limits::new());
    socket.send_text(&"x".repeat(100_000)).unwrap();
    let waiting = socket.poll_output().len();
    for number in 0..10 {
        read(&mut socket, &frame(PING, [number]), &mut Outcome::default());
        assert_eq!(socket.poll_output().len(), waiting);
    }
    socket.handle_written(waiting);
    assert!(!socket.is_flushed());
    assert_eq!(write(&mut socket), [(PONG, vec![9])]);
}

#[test]
fn our_close_waits_for_the_answer_and_messages_still_come() {
    let mut socket = open(Limits::new());
    socket.close(Some(&close_frame(1000, "bye")));
    assert!(!socket.is_closed());
    assert_eq!((socket.send_text("x"), socket.send_binary(b"x")), (Err(SendError::Closing), Err(SendError::Closing)));
    let mut outcome = Outcome::default();
    read(
        &mut socket,
        &[frame(TEXT, "late"), frame(PING, "p"), frame(CLOSE, close_payload(1000, ""))].concat(),
        &mut outcome,
    );
    assert_eq!(outcome.messages, [Message::Text("late".into()), Message::Ping, close(1000, "")]);
    assert!(socket.is_closed());
    // Nothing is sent after a close: no pong, no second close.
    socket.close(Some(&close_frame(1001, "")));
    assert_eq!(write(&mut socket), [(CLOSE, close_payload(1000, "bye"))]);
}

#[test]
fn a_close_of_the_peer_is_answered_with_its_code() {
    for (payload, answer) in [(close_payload(4001, "no"), close_payload(4001, "")), (vec![], vec![])] {
        let mut socket = open(Limits::new());
        read(&mut socket, &frame(CLOSE, payload), &mut Outcome::default());
        assert!(socket.is_closed());
        assert_eq!(socket.send_text("x"), Err(SendError::Closing));
        assert_eq!(write(&mut socket), [(CLOSE, answer)]);
        assert_eq!(socket.poll_message(), Ok(Received::Drained));
    }
}

#[test]
fn a_close_that_we_send_is_always_valid() {
    let long = "é".repeat(100);
    let table = [
        (None, vec![]),
        (Some(close_frame(1005, "x")), vec![]),
        (Some(close_frame(1006, "")), vec![]),
        (Some(close_frame(999, "")), vec![]),
        (Some(close_frame(5000, "")), vec![]),
        (Some(close_frame(3000, "x")), close_payload(3000, "x")),
        // 61 characters of two bytes, since the 62nd would be split.
        (Some(close_frame(1000, &long)), close_payload(1000, &long[..122])),
    ];
    for (frame, payload) in table {
        let mut socket = open(Limits::new());
        socket.close(frame.as_ref());
        assert_eq!(write(&mut socket), [(CLOSE, payload)], "{frame:?}");
    }
}

/// A linear congruential generator: any irregular order will do.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

#[test]
fn messages_pongs_and_a_close_are_written_in_order_whatever_the_stream_takes_at_a_time() {
    for seed in 0..5_000 {
        let mut random = Random(seed);
        let max_len = [200, 1_500, 5_000][random.below(3)];
        let mut socket = open(Limits::new().max_output_len(max_len));
        let (mut written, mut sent, mut pings, mut is_closing) = (Vec::new(), Vec::new(), Vec::new(), false);
        let mut write = |socket: &mut WebSocket<Masks>, part: usize| {
            let output = socket.poll_output();
            let len = output.len() * part / 4;
            written.extend_from_slice(&output[..len]);
            socket.handle_written(len);
        };
        for number in 0..24 {
            match random.below(12) {
                0..=4 => {
                    let payload = vec![b'0' + number; [0, 3, 100, 126, 700][random.below(5)]];
                    let waiting = socket.poll_output().len();
                    // Room for the longest header.
                    let expected = match waiting + payload.len() + 14 <= max_len {
                        _ if is_closing => Err(SendError::Closing),
                        true => Ok(()),
                        false => Err(SendError::Full),
                    };
                    assert_eq!(socket.send_binary(&payload), expected, "seed {seed}: {waiting} of {max_len} wait");
                    sent.extend(expected.is_ok().then_some((BINARY, payload)));
                }
                5 | 6 => {
                    read(&mut socket, &frame(PING, [number]), &mut Outcome::default());
                    pings.extend((!is_closing).then_some(number));
                }
                7 if random.below(8) == 0 => {
                    socket.close(Some(&close_frame(1000, "")));
                    is_closing = true;
                }
                _ => write(&mut socket, random.below(5)),
            }
        }
        while !socket.is_flushed() {
            write(&mut socket, 4);
        }
        let mut frames = frames(&written);
        if is_closing {
            assert_eq!(frames.pop(), Some((CLOSE, close_payload(1000, ""))), "seed {seed}");
        }
        let (pongs, messages): (Vec<_>, Vec<_>) = frames.into_iter().partition(|(first, _)| *first == PONG);
        assert_eq!(messages, sent, "seed {seed}");
        let pongs: Vec<u8> = pongs.into_iter().map(|(_, payload)| payload[0]).collect();
        assert!(pongs.is_sorted_by(|one, next| one < next), "seed {seed}: {pongs:?}");
        assert!(pongs.iter().all(|pong| pings.contains(pong)), "seed {seed}: {pongs:?} to {pings:?}");
        assert_eq!(pongs.last(), pings.last(), "seed {seed}: the latest ping is answered");
    }
}
