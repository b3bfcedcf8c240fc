//! Every MUST of RFC 6455 about a client's frames, section by section. The handshake has its own table.

use pusher_websocket::{Limits, Oversized, Violation};

use crate::play::{
    BEGIN, BINARY, CLOSE, END, GO_ON, Outcome, PING, PONG, TEXT, binary, close, close_payload, failed, frame, play_any,
    received, text,
};

fn check(title: &str, frames: &[Vec<u8>], expected: &Outcome) {
    assert_eq!(play_any(LIMITS, &frames.concat()), *expected, "{title}");
}

const LIMITS: Limits = Limits::new().max_message_len(100_000).max_frame_len(80_000);

#[test]
fn frames_that_break_a_rule_end_the_connection() {
    let table: [(&str, Vec<u8>, Violation); 25] = [
        ("5.1: a server must not mask", vec![TEXT, 0x81, 1, 2, 3, 4, 5], Violation::Masked),
        ("5.1: nor an empty frame", vec![PING, 0x80, 1, 2, 3, 4], Violation::Masked),
        ("5.2: RSV1 must be 0", frame(TEXT | 0x40, "x"), Violation::ReservedBits),
        ("5.2: RSV2 must be 0", frame(TEXT | 0x20, "x"), Violation::ReservedBits),
        ("5.2: RSV3 must be 0", frame(TEXT | 0x10, "x"), Violation::ReservedBits),
        ("5.2: … in control frames", frame(PING | 0x40, "x"), Violation::ReservedBits),
        ("5.2: … in continuations", [frame(BEGIN, "x"), frame(END | 0x40, "x")].concat(), Violation::ReservedBits),
        ("5.2: data opcode 3", frame(0x83, "x"), Violation::ReservedOpcode(3)),
        ("5.2: data opcode 7", frame(0x87, "x"), Violation::ReservedOpcode(7)),
        ("5.2: control opcode 11", frame(0x8b, "x"), Violation::ReservedOpcode(11)),
        ("5.2: control opcode 15", frame(0x8f, "x"), Violation::ReservedOpcode(15)),
        ("5.2: 125 in 16 bits", [vec![BINARY, 126, 0, 125], vec![0; 125]].concat(), Violation::LengthEncoding),
        ("5.2: 65,535 in 64 bits", vec![BINARY, 127, 0, 0, 0, 0, 0, 0, 255, 255], Violation::LengthEncoding),
        ("5.2: the highest bit must be 0", vec![BINARY, 127, 128, 0, 0, 0, 0, 0, 0, 0], Violation::LengthRange),
        ("5.4: nothing to continue", frame(END, "x"), Violation::ContinuesNothing),
        ("5.4: nothing to continue, not even in part", frame(GO_ON, "x"), Violation::ContinuesNothing),
        ("5.4: a message in a message", [frame(BEGIN, "x"), frame(TEXT, "y")].concat(), Violation::Interleaved),
        ("5.4: a first part in a message", [frame(BEGIN, "x"), frame(BEGIN, "y")].concat(), Violation::Interleaved),
        ("5.5: control frames have 125 bytes", frame(PING, [0; 126]), Violation::ControlLength),
        ("5.5: … also a close", frame(CLOSE, [0; 126]), Violation::ControlLength),
        ("5.5: control frames are whole", frame(0x09, ""), Violation::ControlFragmented),
        ("5.5: … also a close", frame(0x08, ""), Violation::ControlFragmented),
        ("5.5.1: half a code", frame(CLOSE, [3]), Violation::CloseLength),
        ("5.5.1: a reason is UTF-8", frame(CLOSE, b"\x03\xe8\xff"), Violation::Utf8),
        ("8.1: a text is UTF-8", frame(TEXT, b"\xff"), Violation::Utf8),
    ];
    for (title, bytes, violation) in table {
        check(title, std::slice::from_ref(&bytes), &failed([], violation));
        // What arrived before counts, and what arrives after does not.
        let around = [frame(TEXT, "before"), bytes, frame(TEXT, "after")];
        check(title, &around, &failed([text("before")], violation));
    }
}

#[test]
fn codes_of_close_frames_are_those_of_section_7_4() {
    let all = 0..=u16::MAX;
    for code in all {
        let bytes = frame(CLOSE, close_payload(code, "why"));
        let outcome = crate::play::play(LIMITS, [&bytes[..]]);
        let is_valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let expected = if is_valid {
            received([close(code, "why")], [(CLOSE, code.to_be_bytes().into())])
        } else {
            failed([], Violation::CloseCode(code))
        };
        assert_eq!(outcome, expected, "{code}");
    }
}

#[test]
fn frames_that_keep_the_rules_are_taken() {
    let long = "x".repeat(70_000);
    let answer = |code: u16| (CLOSE, code.to_be_bytes().to_vec());
    let table = [
        ("5.2: an empty text", vec![frame(TEXT, "")], received([text("")], [])),
        (
            "5.2: 7, 16 and 64 bits of length",
            vec![frame(TEXT, &long[..125]), frame(TEXT, &long[..126]), frame(BINARY, &long)],
            received([text(&long[..125]), text(&long[..126]), binary(long.as_bytes())], []),
        ),
        (
            "5.4: fragments make one message",
            vec![frame(BEGIN, "a"), frame(GO_ON, "b"), frame(END, "c")],
            received([text("abc")], []),
        ),
        ("5.4: empty fragments", vec![frame(BEGIN, ""), frame(GO_ON, ""), frame(END, "")], received([text("")], [])),
        (
            "5.4: control frames between fragments",
            vec![frame(BEGIN, "a"), frame(PING, "p"), frame(PONG, "q"), frame(END, "c")],
            received(
                [pusher_websocket::Message::Ping, pusher_websocket::Message::Pong, text("ac")],
                [(PONG, b"p".into())],
            ),
        ),
        (
            "5.4: a close between fragments",
            vec![frame(BEGIN, "a"), frame(CLOSE, ""), frame(END, "c")],
            received([pusher_websocket::Message::Close(None)], [(CLOSE, vec![])]),
        ),
        (
            "5.5.1: nothing counts after a close",
            vec![frame(CLOSE, close_payload(1000, "")), frame(TEXT, "x"), frame(0x8f, "")],
            received([close(1000, "")], [answer(1000)]),
        ),
        (
            "5.5.3: a pong repeats the payload, of the latest ping at least",
            vec![frame(PING, "1"), frame(PING, [7; 125])],
            received([pusher_websocket::Message::Ping, pusher_websocket::Message::Ping], [(PONG, vec![7; 125])]),
        ),
        (
            "5.5.3: a pong that was not asked for",
            vec![frame(PONG, "x")],
            received([pusher_websocket::Message::Pong], []),
        ),
        (
            "5.5: a ping is answered before a close",
            vec![frame(PING, "p"), frame(CLOSE, close_payload(4001, "no"))],
            received([pusher_websocket::Message::Ping, close(4001, "no")], [(PONG, b"p".into()), answer(4001)]),
        ),
        (
            "8.1: a character in two frames",
            vec![frame(BEGIN, b"\xc3"), frame(PING, ""), frame(END, b"\xa9")],
            received([pusher_websocket::Message::Ping, text("é")], [(PONG, vec![])]),
        ),
    ];
    for (title, frames, expected) in table {
        check(title, &frames, &expected);
    }
}

#[test]
fn a_message_beyond_a_limit_ends_the_connection_or_is_skipped() {
    let max = Limits::new().max_message_len(10).max_frame_len(8);
    let table: [(&str, Vec<u8>, Option<u64>); 6] = [
        ("a frame at its limit", frame(TEXT, [b'x'; 8]), None),
        ("a frame beyond its limit", frame(TEXT, [b'x'; 9]), Some(9)),
        ("a message at its limit", [frame(BEGIN, "12345"), frame(END, "67890")].concat(), None),
        ("a message beyond its limit", [frame(BEGIN, "12345"), frame(END, "678901")].concat(), Some(11)),
        (
            "many frames",
            [frame(BEGIN, "12345"), frame(GO_ON, "678901"), frame(PING, ""), frame(END, "2")].concat(),
            Some(12),
        ),
        ("a large frame", frame(BINARY, [0xff; 70_000]), Some(70_000)),
    ];
    for (title, bytes, len) in table {
        let closed = play_any(max, &bytes);
        match (len, closed.violation) {
            (None, None) => assert_eq!(closed.messages.len(), 1, "{title}"),
            (Some(len), Some(Violation::TooLarge { len: known })) => {
                assert!(known <= len && known > 8, "{title}: {known}");
                assert_eq!(closed, failed([], Violation::TooLarge { len: known }), "{title}");
            }
            other => panic!("{title}: {other:?}"),
        }
        let skipped = play_any(max.oversized(Oversized::Skip), &[&bytes[..], &frame(TEXT, "next")].concat());
        assert_eq!((skipped.violation, skipped.messages.last()), (None, Some(&text("next"))), "{title}");
        let told = skipped.messages.iter().find_map(|message| match message {
            pusher_websocket::Message::Skipped { len } => Some(*len),
            _ => None,
        });
        assert_eq!(told, len, "{title}");
    }
}

#[test]
fn a_message_has_a_bounded_number_of_frames() {
    let limits = Limits::new().max_fragments(3);
    let three = [frame(BEGIN, "a"), frame(GO_ON, ""), frame(END, "c")].concat();
    assert_eq!(play_any(limits, &three.repeat(2)), received([text("ac"), text("ac")], []));
    let four = [frame(BEGIN, "a"), frame(GO_ON, ""), frame(GO_ON, ""), frame(END, "c")].concat();
    assert_eq!(play_any(limits, &four), failed([], Violation::TooManyFragments { max: 3 }));
    assert_eq!(
        play_any(limits.max_message_len(0).oversized(Oversized::Skip), &four),
        failed([], Violation::TooManyFragments { max: 3 })
    );
}

#[test]
fn a_text_ends_the_connection_with_the_first_byte_that_cannot_be_right() {
    let table: [(&str, &[u8]); 4] = [
        ("in the middle of a frame that has not ended", b"\x81\x20abc\xff"),
        ("in a character that was cut by a frame", b"\x01\x01\xc3\x80\x01\x28"),
        ("in a start of a character that goes nowhere", b"\x01\x02\xed\xa0"),
        ("at the end of a message in a character", b"\x01\x01a\x80\x01\xc3"),
    ];
    for (title, bytes) in table {
        let (last, start) = bytes.split_last().unwrap();
        assert_eq!(play_any(LIMITS, start).violation, None, "{title}: too early");
        let outcome = play_any(LIMITS, &[start, &[*last]].concat());
        assert_eq!(outcome, failed([], Violation::Utf8), "{title}");
    }
}
