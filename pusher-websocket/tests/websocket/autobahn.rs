//! The cases of the [Autobahn test suite](https://github.com/crossbario/autobahn-testsuite), sections 1 to 7, 9 and 10,
//! as tables: what its server sends, and how a client must react. The sizes of section 9 are scaled down.

use pusher_websocket::{Limits, Message, Violation};

use crate::play::{
    BEGIN, BINARY, CLOSE, END, GO_ON, Outcome, PING, PONG, TEXT, binary, close, close_payload, failed, frame, play,
    play_any, received, text,
};

fn check(case: &str, frames: &[Vec<u8>], expected: &Outcome) {
    assert_eq!(play_any(Limits::new(), &frames.concat()), *expected, "case {case}");
}

fn pong(payload: impl AsRef<[u8]>) -> (u8, Vec<u8>) {
    (PONG, payload.as_ref().to_vec())
}

#[test]
fn section_1_messages_of_every_length() {
    for len in [0, 125, 126, 127, 128, 65_535, 65_536] {
        let payload = "*".repeat(len);
        check(&format!("1.1, {len}"), &[frame(TEXT, &payload)], &received([text(&payload)], []));
        let payload = vec![0xfe; len];
        check(&format!("1.2, {len}"), &[frame(BINARY, &payload)], &received([binary(&payload)], []));
    }
    let payload = "*".repeat(65_536);
    let chopped = play(Limits::new(), frame(TEXT, &payload).chunks(997));
    assert_eq!(chopped, received([text(&payload)], []), "1.1.8");
}

#[test]
fn section_2_pings_and_pongs() {
    let binary_payload = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff";
    check("2.1", &[frame(PING, "")], &received([Message::Ping], [pong("")]));
    check("2.2", &[frame(PING, "Hello, world!")], &received([Message::Ping], [pong("Hello, world!")]));
    check("2.3", &[frame(PING, binary_payload)], &received([Message::Ping], [pong(binary_payload)]));
    check("2.4 and 2.6", &[frame(PING, [0xfe; 125])], &received([Message::Ping], [pong([0xfe; 125])]));
    check("2.5", &[frame(PING, [0xfe; 126])], &failed([], Violation::ControlLength));
    check("2.7", &[frame(PONG, "")], &received([Message::Pong], []));
    check("2.8", &[frame(PONG, "unsolicited pong payload")], &received([Message::Pong], []));
    let both = [frame(PONG, "unsolicited"), frame(PING, "ping payload")];
    check("2.9", &both, &received([Message::Pong, Message::Ping], [pong("ping payload")]));
    let pings: Vec<_> = (0..10).map(|number| frame(PING, format!("payload-{number}"))).collect();
    check("2.10 and 2.11", &pings, &received([const { Message::Ping }; 10], [pong("payload-9")]));
}

#[test]
fn section_3_reserved_bits() {
    let hello = || frame(TEXT, "Hello, world!");
    let failed = |before: &[Message]| failed(before, Violation::ReservedBits);
    check("3.1", &[frame(TEXT | 0x10, "Hello, world!")], &failed(&[]));
    for (case, bits) in [("3.2", 0x20), ("3.3", 0x30), ("3.4", 0x40)] {
        check(case, &[hello(), frame(TEXT | bits, "*"), frame(PING, "")], &failed(&[text("Hello, world!")]));
    }
    check("3.5", &[frame(BINARY | 0x50, [0xff; 8])], &failed(&[]));
    check("3.6", &[frame(PING | 0x60, "Hello, world!")], &failed(&[]));
    check("3.7", &[frame(CLOSE | 0x70, "")], &failed(&[]));
}

#[test]
fn section_4_reserved_opcodes() {
    for (opcode, payload) in
        [(3, ""), (4, "reserved"), (5, ""), (6, ""), (7, ""), (11, ""), (12, "x"), (13, ""), (15, "")]
    {
        let violation = Violation::ReservedOpcode(opcode);
        check("4.1.1, 4.2.1", &[frame(0x80 | opcode, payload)], &failed([], violation));
        let after = [frame(TEXT, "Hello, world!"), frame(0x80 | opcode, payload), frame(PING, "")];
        check("4.1.3, 4.2.3", &after, &failed([text("Hello, world!")], violation));
    }
}

#[test]
fn section_5_fragments() {
    let (one, two) = ("fragment1", "fragment2");
    let both = || text("fragment1fragment2");
    check("5.1", &[frame(0x09, one), frame(END, two)], &failed([], Violation::ControlFragmented));
    check("5.2", &[frame(0x0a, one), frame(END, two)], &failed([], Violation::ControlFragmented));
    check("5.3 to 5.5", &[frame(BEGIN, one), frame(END, two)], &received([both()], []));
    let with_ping = [frame(BEGIN, one), frame(PING, "ping payload"), frame(END, two)];
    check("5.6 to 5.8", &with_ping, &received([Message::Ping, both()], [pong("ping payload")]));
    for first in [END, GO_ON] {
        let stray = [frame(first, "non-continuation payload"), frame(TEXT, "Hello, world!")];
        check("5.9 to 5.14", &stray, &failed([], Violation::ContinuesNothing));
    }
    let behind = [frame(BEGIN, one), frame(END, two), frame(GO_ON, "fragment3"), frame(TEXT, "fragment4")];
    check("5.15", &behind, &failed([both()], Violation::ContinuesNothing));
    for first in [GO_ON, END] {
        let broken = [frame(first, "fragment1"), frame(BEGIN, "fragment2"), frame(END, "fragment3")];
        check("5.16, 5.17", &[&broken[..], &broken].concat(), &failed([], Violation::ContinuesNothing));
    }
    check("5.18", &[frame(BEGIN, one), frame(TEXT, two)], &failed([], Violation::Interleaved));
    let parts: Vec<_> = [
        frame(BEGIN, "1"),
        frame(GO_ON, "2"),
        frame(PING, "a"),
        frame(GO_ON, "3"),
        frame(GO_ON, "4"),
        frame(PING, "b"),
        frame(END, "5"),
    ]
    .into();
    check("5.19, 5.20", &parts, &received([Message::Ping, Message::Ping, text("12345")], [pong("b")]));
}

/// As one frame, with one byte per frame, and split at every position.
fn check_text(case: &str, payload: &[u8], is_valid: bool) {
    let expected = match std::str::from_utf8(payload) {
        Ok(valid) if is_valid => received([text(valid)], []),
        Err(_) if !is_valid => failed([], Violation::Utf8),
        _ => panic!("case {case} is the other way round"),
    };
    check(case, &[frame(TEXT, payload)], &expected);
    let bytewise: Vec<_> = payload.iter().map(|byte| frame(GO_ON, [*byte])).collect();
    check(case, &[vec![frame(BEGIN, "")], bytewise, vec![frame(END, "")]].concat(), &expected);
    for at in 0..=payload.len() {
        check(case, &[frame(BEGIN, &payload[..at]), frame(END, &payload[at..])], &expected);
    }
}

#[test]
fn section_6_utf8_that_is_valid() {
    check("6.1.1", &[frame(TEXT, "")], &received([text("")], []));
    check("6.1.2", &[frame(BEGIN, ""), frame(GO_ON, ""), frame(END, "")], &received([text("")], []));
    check("6.1.3", &[frame(BEGIN, ""), frame(GO_ON, "middle"), frame(END, "")], &received([text("middle")], []));
    let table: [(&str, &[u8]); 22] = [
        ("6.2", "Hello-µ@ßöäüàá-UTF-8!!".as_bytes()),
        ("6.5", "κόσμε".as_bytes()),
        ("6.6.2", b"\xce\xba"),
        ("6.6.5", b"\xce\xba\xe1\xbd\xb9"),
        ("6.6.7", b"\xce\xba\xe1\xbd\xb9\xcf\x83"),
        ("6.6.9", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc"),
        ("6.6.11", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"),
        ("6.7.1", b"\x00"),
        ("6.7.2", b"\xc2\x80"),
        ("6.7.3", b"\xe0\xa0\x80"),
        ("6.7.4", b"\xf0\x90\x80\x80"),
        ("6.9.1", b"\x7f"),
        ("6.9.2", b"\xdf\xbf"),
        ("6.9.3", b"\xef\xbf\xbf"),
        ("6.9.4", b"\xf4\x8f\xbf\xbf"),
        ("6.11.1", b"\xed\x9f\xbf"),
        ("6.11.2", b"\xee\x80\x80"),
        ("6.11.3", b"\xef\xbf\xbd"),
        ("6.11.4", b"\xf4\x8f\xbf\xbf"),
        ("6.22.1", b"\xef\xbf\xbe"),
        ("6.22.34", b"\xf4\x8f\xbf\xbe"),
        ("6.23.1", b"\xef\xbf\xbd"),
    ];
    for (case, payload) in table {
        check_text(case, payload, true);
    }
    for plane in 0_u32..=16 {
        for end in [0xfffe, 0xffff] {
            let character = char::from_u32(plane << 16 | end).expect("a noncharacter is a character");
            check_text("6.22", character.to_string().as_bytes(), true);
        }
    }
}

#[test]
fn section_6_utf8_that_is_not_valid() {
    let table: [(&str, &[u8]); 48] = [
        ("6.3", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"),
        ("6.6.1", b"\xce"),
        ("6.6.3", b"\xce\xba\xe1"),
        ("6.6.4", b"\xce\xba\xe1\xbd"),
        ("6.6.6", b"\xce\xba\xe1\xbd\xb9\xcf"),
        ("6.6.8", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce"),
        ("6.6.10", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce"),
        ("6.8.1", b"\xf8\x88\x80\x80\x80"),
        ("6.8.2", b"\xfc\x84\x80\x80\x80\x80"),
        ("6.10.1", b"\xf7\xbf\xbf\xbf"),
        ("6.10.2", b"\xfb\xbf\xbf\xbf\xbf"),
        ("6.10.3", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
        ("6.11.5", b"\xf4\x90\x80\x80"),
        ("6.12.1", b"\x80"),
        ("6.12.2", b"\xbf"),
        ("6.12.3", b"\x80\xbf"),
        ("6.12.8", b"\x80\xbf\x80\xbf\x80\xbf\x80\xbf"),
        ("6.13.1", b"\xc0 \xc1 \xc2 \xdf "),
        ("6.13.2", b"\xe0 \xe7 \xef "),
        ("6.13.3", b"\xf0 \xf3 \xf7 "),
        ("6.13.4", b"\xf8 \xfb "),
        ("6.13.5", b"\xfc \xfd "),
        ("6.14.1", b"\xc0"),
        ("6.14.2", b"\xe0\x80"),
        ("6.14.3", b"\xf0\x80\x80"),
        ("6.14.6", b"\xdf"),
        ("6.14.7", b"\xef\xbf"),
        ("6.14.8", b"\xf7\xbf\xbf"),
        ("6.15", b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf"),
        ("6.16.1", b"\xfe"),
        ("6.16.2", b"\xff"),
        ("6.16.3", b"\xfe\xfe\xff\xff"),
        ("6.17.1", b"\xc0\xaf"),
        ("6.17.2", b"\xe0\x80\xaf"),
        ("6.17.3", b"\xf0\x80\x80\xaf"),
        ("6.17.4", b"\xf8\x80\x80\x80\xaf"),
        ("6.17.5", b"\xfc\x80\x80\x80\x80\xaf"),
        ("6.18.1", b"\xc1\xbf"),
        ("6.18.2", b"\xe0\x9f\xbf"),
        ("6.18.3", b"\xf0\x8f\xbf\xbf"),
        ("6.19.1", b"\xc0\x80"),
        ("6.19.3", b"\xf0\x80\x80\x80"),
        ("6.20.1", b"\xed\xa0\x80"),
        ("6.20.2", b"\xed\xad\xbf"),
        ("6.20.7", b"\xed\xbf\xbf"),
        ("6.21.1", b"\xed\xa0\x80\xed\xb0\x80"),
        ("6.21.4", b"\xed\xad\xbf\xed\xbf\xbf"),
        ("6.21.8", b"\xed\xaf\xbf\xed\xbf\xbf"),
    ];
    for (case, payload) in table {
        check_text(case, payload, false);
    }
}

#[test]
fn section_6_4_failing_before_the_message_or_the_frame_ends() {
    let (valid, invalid) = ("κόσμε".as_bytes(), &b"\xf4\x90\x80\x80"[..]);
    let failed = failed([], Violation::Utf8);
    // The last part is not sent.
    check("6.4.1", &[frame(BEGIN, valid), frame(GO_ON, invalid)], &failed);
    check("6.4.2", &[frame(BEGIN, [valid, b"\xf4"].concat()), frame(GO_ON, b"\x90")], &failed);
    let whole = frame(TEXT, [valid, invalid, b"edited"].concat());
    let header = 2 + valid.len();
    check("6.4.3", &[whole[..header + 4].to_vec()], &failed);
    check("6.4.4", &[whole[..header + 2].to_vec()], &failed);
    check("6.4.4, one byte before", &[whole[..header + 1].to_vec()], &received([], []));
}

#[test]
fn section_7_closing() {
    let answer = |payload: &[u8]| (CLOSE, payload.to_vec());
    let normal = close_payload(1000, "");
    let hello = text("Hello World!");
    let ended = |before: &[Message]| received([before, &[close(1000, "")]].concat(), [answer(&normal)]);
    check("7.1.1", &[frame(TEXT, "Hello World!"), frame(CLOSE, &normal)], &ended(&[hello]));
    check("7.1.2", &[frame(CLOSE, &normal), frame(CLOSE, &normal)], &ended(&[]));
    check("7.1.3", &[frame(CLOSE, &normal), frame(PING, "")], &ended(&[]));
    check("7.1.4", &[frame(CLOSE, &normal), frame(TEXT, "Hello World!")], &ended(&[]));
    check("7.1.5", &[frame(BEGIN, "fragment1"), frame(CLOSE, &normal), frame(END, "fragment2")], &ended(&[]));
    let large = "BAsd7&jh23".repeat(26_000);
    let behind = [frame(TEXT, &large), frame(CLOSE, &normal), frame(PING, "")];
    assert_eq!(play(Limits::new(), [&behind.concat()[..]]), ended(&[text(&large)]), "7.1.6");
    check("7.3.1", &[frame(CLOSE, "")], &received([Message::Close(None)], [answer(&[])]));
    check("7.3.2", &[frame(CLOSE, "a")], &failed([], Violation::CloseLength));
    check("7.3.3", &[frame(CLOSE, &normal)], &ended(&[]));
    let reason = "*".repeat(123);
    let longest = received([close(1000, &reason)], [answer(&normal)]);
    check(
        "7.3.4",
        &[frame(CLOSE, close_payload(1000, "Hello World!"))],
        &received([close(1000, "Hello World!")], [answer(&normal)]),
    );
    check("7.3.5", &[frame(CLOSE, close_payload(1000, &reason))], &longest);
    check("7.3.6", &[frame(CLOSE, close_payload(1000, &"*".repeat(124)))], &failed([], Violation::ControlLength));
    let broken = [&normal[..], b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"].concat();
    check("7.5.1", &[frame(CLOSE, broken)], &failed([], Violation::Utf8));
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        let payload = close_payload(code, "");
        check("7.7", &[frame(CLOSE, &payload)], &received([close(code, "")], [answer(&payload)]));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        let expected = failed([], Violation::CloseCode(code));
        check("7.9 and 7.13", &[frame(CLOSE, close_payload(code, ""))], &expected);
    }
}

#[test]
fn section_9_large_messages_in_frames_and_pieces_of_every_size() {
    let len = 1 << 20;
    let payload = "*é".repeat(len / 3);
    let whole = received([text(&payload)], []);
    assert_eq!(play(Limits::new(), [&frame(TEXT, &payload)[..]]), whole, "9.1");
    let bytes = received([binary(payload.as_bytes())], []);
    assert_eq!(play(Limits::new(), [&frame(BINARY, &payload)[..]]), bytes, "9.2");
    for fragment in [64, 256, 1_024, 4_096, 65_536, len] {
        let parts = payload.as_bytes().chunks(fragment).map(|part| frame(GO_ON, part)).collect::<Vec<_>>().concat();
        for (first, expected) in [(BEGIN, &whole), (0x02, &bytes)] {
            let message = [&frame(first, "")[..], &parts, &frame(END, "")].concat();
            assert_eq!(play(Limits::new(), [&message[..]]), *expected, "9.3 and 9.4, {fragment}");
        }
    }
    for piece in [64, 128, 256, 512, 1_024, 2_048] {
        assert_eq!(play(Limits::new(), frame(TEXT, &payload).chunks(piece)), whole, "9.5, {piece}");
        assert_eq!(play(Limits::new(), frame(BINARY, &payload).chunks(piece)), bytes, "9.6, {piece}");
    }
    for len in [0, 16, 64, 256, 1_024] {
        let payload = "*".repeat(len);
        let many = play(Limits::new(), [&frame(TEXT, &payload).repeat(1_000)[..]]);
        assert_eq!(many, received(vec![text(&payload); 1_000], []), "9.7 and 9.8, {len}");
    }
}

#[test]
fn section_10_a_message_in_frames_of_1300_bytes() {
    let payload = "*".repeat(65_536);
    let parts: Vec<_> = payload.as_bytes().chunks(1_300).map(|part| frame(GO_ON, part)).collect();
    check("10.1.1", &[vec![frame(BEGIN, "")], parts, vec![frame(END, "")]].concat(), &received([text(&payload)], []));
}
