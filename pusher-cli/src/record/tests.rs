use std::path::Path;
use std::sync::Arc;

use pusher_tokio::pusher_proto::signing::{App, MasterKey};
use pusher_tokio::pusher_proto::{AuthRequest, Frame, Instant};
use pusher_tokio::{AuthError, AuthResponse, ChannelName, CloseFrame, CloseReason, SocketId, Text, TransportError};

use super::edge::Edge;
use super::file::Reader;
use super::format::{Input, Line};
use super::redact::filler;
use super::replay::{Replay, Stop};
use crate::failure::Failure;

const RECORDED: &str = include_str!("../../tests/cli/reconnect.txt");
const REAL_KEY: &str = "278d425bdf160c739803";

#[test]
fn every_input_is_read_as_it_was_written() {
    let http = TransportError::Http {
        status: 503,
        retry_after: Some(std::time::Duration::from_millis(1_500)),
        location: Some("/a".into()),
        excerpt: "no\nway".into(),
    };
    let failed = |error: TransportError| Input::Closed(CloseReason::Failed(error));
    let auth = |answer: Result<AuthResponse, AuthError>| Input::Auth("7".into(), answer);
    let refused = AuthError::Http { status: 403, excerpt: "no \"way\"".into(), retry_after: None };
    let signed = AuthResponse::new("k:5").channel_data("{\"user_id\":\"1\"}").shared_secret("s").user_data("{}");
    let table = [
        Input::Connect,
        Input::Disconnect,
        Input::Subscribe(ChannelName::new("private-a").unwrap()),
        Input::Signin,
        Input::Open,
        Input::Part,
        Input::Skipped(u64::MAX),
        Input::Timeout,
        Input::Frame(Frame::Ping),
        Input::Frame(Frame::Pong),
        Input::Frame(Frame::Binary(Default::default())),
        Input::Frame(Frame::Text("{\"event\":\"a b\"} ".into())),
        Input::Frame(Frame::Text("{\n\t\"event\":\"\u{85}\"\r\n}".into())),
        Input::Frame(Frame::Text("ping".into())),
        Input::Frame(Frame::Text("\"{}\"".into())),
        Input::Frame(Frame::Text("".into())),
        Input::Closed(CloseReason::Closed(None)),
        Input::Closed(CloseReason::Closed(Some(CloseFrame::new(4200, "re\"start")))),
        Input::Closed(CloseReason::Dropped),
        Input::Closed(CloseReason::FrameTooLarge),
        Input::Closed(CloseReason::TlsUnavailable),
        failed(TransportError::Dns("a".into())),
        failed(TransportError::Io("b".into())),
        failed(TransportError::Tls("c".into())),
        failed(TransportError::Upgrade("d".into())),
        failed(TransportError::WebSocket("e".into())),
        failed(http),
        auth(Ok(AuthResponse::new("k:5"))),
        auth(Ok(signed)),
        auth(Err(AuthError::Network("gone".into()))),
        auth(Err(AuthError::Timeout)),
        auth(Err(refused.at("http://h/auth"))),
        auth(Err(AuthError::InvalidJson { excerpt: "<".into() })),
        auth(Err(AuthError::MissingAuth { excerpt: "{}".into() })),
        auth(Err(AuthError::BadSecret)),
        auth(Err(AuthError::Handler("no".into()))),
        auth(Err(AuthError::NotConfigured)),
    ];
    let at = Instant::from_elapsed(std::time::Duration::from_micros(12_345_678));
    for input in table {
        let line = input.line(at);
        assert!(line.starts_with("12.345678 ") && !line.contains(char::is_control), "{line:?}");
        assert_eq!(Line::read(&line), Ok(Line::Input(at, input)), "{line}");
    }
}

#[test]
fn with_redacted_data_refusals_and_the_ends_of_sockets_say_nothing_about_users() {
    let mut edge = Edge::new(REAL_KEY, [], true);
    let request = AuthRequest::channel(ChannelName::new("private-a").unwrap(), SocketId::new("1.2").unwrap());
    let excerpt = || r#"{"user":"zoë"}"#.to_owned();
    for (error, shown) in [
        (
            AuthError::Http { status: 403, excerpt: excerpt(), retry_after: None },
            AuthError::Http { status: 403, excerpt: "x".repeat(14), retry_after: None },
        ),
        (
            AuthError::MissingAuth { excerpt: excerpt() }.at("http://h/auth"),
            AuthError::MissingAuth { excerpt: "x".repeat(14) }.at("http://h/auth"),
        ),
        (AuthError::InvalidJson { excerpt: excerpt() }, AuthError::InvalidJson { excerpt: "x".repeat(14) }),
        (
            AuthError::Network("#server-to-user-zoe: gone".into()),
            AuthError::Network("#server-to-user-user-1: gone".into()),
        ),
    ] {
        assert_eq!(edge.answer(&request, Err(error)), Err(shown));
    }
    let close = |reason: &str| CloseReason::Closed(Some(CloseFrame::new(4009, reason)));
    assert_eq!(edge.closed(close("no #server-to-user-zoe, bye")), close("no #server-to-user-user-1, bye"));
}

#[test]
fn a_signature_stands_for_the_real_one_only_inside_of_the_program() {
    let mut edge = Edge::new(REAL_KEY, ["Bearer t0ken-1234".to_owned(), "sid=c00kie-1; a=b".to_owned()], false);
    let request = AuthRequest::channel(ChannelName::new("private-a").unwrap(), SocketId::new("1.2").unwrap());
    let real = format!("{REAL_KEY}:5af1");
    let answer = edge.answer(&request, Ok(AuthResponse::new(real.as_str()).channel_data("{}"))).unwrap();
    assert_eq!(answer.auth.expose(), "app-key:signature-1");
    let message = |auth: &str| Text::from(format!(r#"{{"data":{{"auth":"{auth}","channel_data":"{{}}"}}}}"#));
    assert_eq!(edge.send(message("app-key:signature-1")), message(&real));
    let foreign = edge.answer(&request, Ok(AuthResponse::new("0123456789abcdef0123:77aa77"))).unwrap();
    assert_eq!(foreign.auth.expose(), "other-key:signature-2");

    let mut shown = |text: &str| match edge.frame(Frame::Text(text.into())) {
        Frame::Text(text) => text.as_str().to_owned(),
        frame => format!("{frame:?}"),
    };
    assert_eq!(
        shown(&format!(r#"{{"event":"pusher:error","data":{{"message":"App key {REAL_KEY} got 77aa77"}}}}"#)),
        r#"{"data":{"message":"App key app-key got hidden"},"event":"pusher:error"}"#,
    );
    for event in ["pusher:error", "pusher:subscription_error", "pusher_internal:subscription_error"] {
        let inner = serde_json::Value::from(format!(r#"{{"error":"{REAL_KEY}"}}"#)).to_string();
        assert_eq!(
            shown(&format!(r#"{{"event":"{event}","data":{inner}}}"#)),
            format!(r#"{{"data":"{{\"error\":\"app-key\"}}","event":"{event}"}}"#),
        );
    }
    let reason = CloseReason::Closed(Some(CloseFrame::new(4001, format!("no {REAL_KEY}"))));
    assert_eq!(edge.closed(reason), CloseReason::Closed(Some(CloseFrame::new(4001, "no app-key"))));
    let mut orders = Edge::new("orders", [], false);
    let refusal = r#"{"event":"pusher:subscription_error","channel":"private-orders","data":{}}"#;
    assert_eq!(orders.frame(Frame::Text(refusal.into())), Frame::Text(refusal.into()));
    for text in
        [r#"{"event":"pusher:error","data":{"message":"no orders"}}"#, r#"{"event":"pusher:error","data":"no orders"}"#]
    {
        let Frame::Text(shown) = orders.frame(Frame::Text(text.into())) else { panic!("a text stays one") };
        assert!(shown.contains("no app-key"), "{shown}");
    }
    let mut spaced = Edge::new("my key+123", [], false);
    let page = |text: &str| CloseReason::Closed(Some(CloseFrame::new(4001, text)));
    assert_eq!(spaced.closed(page("GET /app/my%20key%2B123?x")), page("GET /app/app-key?x"));
    // The name of a field is not a secret, whatever the key is.
    let mut named = Edge::new("user_id", ["Bearer t0ken-1234".to_owned()], false);
    let answer =
        AuthResponse::new("user_id:5af1").channel_data(r#"{"user_id":"7","user_info":{"token":"t0ken-1234"}}"#);
    let answer = named.answer(&request, Ok(answer)).unwrap();
    assert_eq!(answer.channel_data.unwrap(), r#"{"user_id":"7","user_info":{"token":"hidden"}}"#);
    let error = AuthError::Handler("got t0ken-1234 and c00kie-1".into()).at(format!("http://h/{REAL_KEY}"));
    let error = edge.answer(&request, Err(error)).unwrap_err();
    assert_eq!(error, AuthError::Handler("got hidden and hidden".into()).at("http://h/app-key"));
}

/// The latest 256 signatures may still be sent, or come back in an error.
#[test]
fn however_much_was_signed_no_late_signature_is_shown_and_each_can_be_sent_once() {
    let request = AuthRequest::channel(ChannelName::new("private-a").unwrap(), SocketId::new("1.2").unwrap());
    for count in [1, 2, 255, 256, 257, 600] {
        let mut edge = Edge::new(REAL_KEY, [], false);
        let signature = |number: usize| format!("{:064x}", 0x5af1_0000 + number);
        let real = |number| format!("{REAL_KEY}:{}", signature(number));
        let shown: Vec<_> = (0..count)
            .map(|number| edge.answer(&request, Ok(AuthResponse::new(real(number)))).unwrap().auth.expose().to_owned())
            .collect();
        let latest = count.saturating_sub(256)..count;
        for number in latest.clone() {
            let (signature, text) = (signature(number), format!("invalid {}", real(number)));
            let error = format!(r#"{{"event":"pusher:error","data":{{"message":"{text}"}}}}"#);
            let said = [
                format!("{:?}", edge.frame(Frame::Text(error.into()))),
                format!("{:?}", edge.closed(CloseReason::Closed(Some(CloseFrame::new(4009, text.as_str()))))),
                format!("{:?}", edge.answer(&request, Err(AuthError::Handler(text.clone())))),
            ];
            for said in said {
                assert!(said.contains("invalid ") && !said.contains(&signature), "{number} of {count}: {said}");
            }
        }
        let message = |auth: &str| Text::from(format!(r#"{{"data":{{"auth":"{auth}"}}}}"#));
        for number in latest {
            assert_eq!(edge.send(message(&shown[number])), message(&real(number)), "{number} of {count}");
        }
    }
}

#[test]
fn keys_of_encrypted_channels_are_replaced_and_open_what_the_real_ones_open() {
    let channel = ChannelName::new("private-encrypted-a").unwrap();
    let request = AuthRequest::channel(channel.clone(), SocketId::new("1.2").unwrap());
    let mut edge = Edge::new(REAL_KEY, [], false);
    let [first, second, third] = [1, 2, 3].map(|byte| MasterKey::new([byte; 32]));
    let secret = |edge: &mut Edge, key: &MasterKey| {
        let response = AuthResponse::new("k:5").shared_secret(key.shared_secret(&channel));
        edge.answer(&request, Ok(response)).unwrap().shared_secret.unwrap().expose().to_owned()
    };
    let event = |key: &MasterKey| {
        let data = serde_json::Value::from(key.seal(&channel, r#"{"t":"tofu"}"#, [9; 24]).raw());
        format!(r#"{{"event":"e","channel":"{channel}","data":{data}}}"#)
    };
    let place = |edge: &mut Edge, key: &MasterKey| {
        let Frame::Text(text) = edge.frame(Frame::Text(event(key).into())) else { panic!("a text stays one") };
        let sealed_for = |place: u8| {
            let mut bytes = [0; 32];
            bytes[0] = place;
            let data = MasterKey::new(bytes).seal(&channel, &filler(r#"{"t":"tofu"}"#.len()), [9; 24]);
            text.contains(&serde_json::Value::from(data.raw()).to_string())
        };
        (0..9).find(|place| sealed_for(*place)).unwrap()
    };
    let stand_in = secret(&mut edge, &first);
    assert_ne!(stand_in, first.shared_secret(&channel).expose());
    assert_eq!(place(&mut edge, &first), 0);
    // The second key is known only after an event that it opens.
    assert_eq!(place(&mut edge, &second), 1);
    assert_ne!(secret(&mut edge, &second), stand_in);
    assert_eq!((place(&mut edge, &second), place(&mut edge, &first)), (1, 0));
    assert_eq!(secret(&mut edge, &first), stand_in);
    // No key that follows opens this one.
    let unknown = MasterKey::new([8; 32]);
    assert_eq!(place(&mut edge, &unknown), 2);
    secret(&mut edge, &third);
    assert_eq!((place(&mut edge, &third), place(&mut edge, &unknown)), (3, 4));
    let plain = r#"{"event":"e","channel":"private-encrypted-a","data":{"tofu":1}}"#;
    let hidden = r#"{"event":"e","channel":"private-encrypted-a","data":"xxxxxxxx"}"#;
    assert_eq!(edge.frame(Frame::Text(plain.into())), Frame::Text(hidden.into()));
    let garbage = r#"{"event":"e","channel":"private-encrypted-a","data":{"nonce":"?","ciphertext":"?"}}"#;
    assert_eq!(edge.frame(Frame::Text(garbage.into())), Frame::Text(garbage.into()));
    let broken = AuthResponse::new("k:5").shared_secret("no key");
    assert_eq!(edge.answer(&request, Ok(broken)).unwrap().shared_secret.unwrap().expose(), "invalid");
}

#[test]
fn redacted_data_keeps_its_length_and_its_users_apart() {
    let mut edge = Edge::new(REAL_KEY, [], true);
    let mut shown = |text: &str| match edge.frame(Frame::Text(text.into())) {
        Frame::Text(text) => text.as_str().to_owned(),
        frame => format!("{frame:?}"),
    };
    let table = [
        (
            r#"{"event":"e","channel":"presence-c","data":"{\"tofu\":1}","user_id":"ann","tags":{"tofu":1}}"#,
            r#"{"channel":"presence-c","data":"\"xxxxxxxx\"","event":"e","user_id":"user-1"}"#,
        ),
        (
            r#"{"event":"pusher_internal:member_added","channel":"presence-c","data":"{\"user_id\":\"bob\",\"user_info\":{\"n\":1}}"}"#,
            r#"{"channel":"presence-c","data":"{\"user_id\":\"user-2\",\"user_info\":\"xxxxx\"}","event":"pusher_internal:member_added"}"#,
        ),
        (
            r#"{"event":"pusher_internal:subscription_succeeded","channel":"presence-c","data":"{\"presence\":{\"count\":1,\"ids\":[\"ann\"],\"hash\":{\"ann\":{\"n\":1}}}}"}"#,
            r#"{"channel":"presence-c","data":"{\"presence\":{\"count\":1,\"hash\":{\"user-1\":\"xxxxx\"},\"ids\":[\"user-1\"]}}","event":"pusher_internal:subscription_succeeded"}"#,
        ),
        (
            r#"{"event":"pusher:signin_success","data":{"user_data":"{\"id\":\"ann\",\"name\":\"tofu\"}"}}"#,
            r#"{"data":{"user_data":"{\"id\":\"user-1\",\"name\":\"xxxx\"}"},"event":"pusher:signin_success"}"#,
        ),
        (
            r#"{"event":"pusher_internal:watchlist_events","data":{"events":[{"name":"online","user_ids":["bob"]}]}}"#,
            r#"{"data":{"events":[{"name":"online","user_ids":["user-2"]}]},"event":"pusher_internal:watchlist_events"}"#,
        ),
        (r#"{"event":"e","channel":"c","data":{"tofu":1}}"#, r#"{"channel":"c","data":"xxxxxxxx","event":"e"}"#),
        (
            r##"{"event":"e","channel":"#server-to-user-ann","data":"tofu"}"##,
            r##"{"channel":"#server-to-user-user-1","data":"\"xx\"","event":"e"}"##,
        ),
        (
            r##"{"event":"pusher:error","data":{"message":"no #server-to-user-ann"}}"##,
            r##"{"data":{"message":"no #server-to-user-user-1"},"event":"pusher:error"}"##,
        ),
        (r#"{"event":"pusher:ping","data":{}}"#, r#"{"event":"pusher:ping","data":{}}"#),
        ("tofu", "xxxx"),
        // What no server should send.
        (
            r#"{"event":"pusher_internal:watchlist_events","data":{"events":[1,"tofu",{"name":{"tofu":1}}]}}"#,
            r#"{"data":{"events":["","xxxx",{"name":"xxxxxxxx"}]},"event":"pusher_internal:watchlist_events"}"#,
        ),
        (
            r#"{"event":"pusher:signin_success","data":{"user_data":{"id":{"tofu":1},"name":"tofu"}}}"#,
            r#"{"data":{"user_data":{"id":"xxxxxxxx","name":"xxxx"}},"event":"pusher:signin_success"}"#,
        ),
        (
            r#"{"event":"pusher_internal:member_added","channel":"presence-c","data":"\"{\\\"user_id\\\":\\\"bob\\\"}\""}"#,
            r#"{"channel":"presence-c","data":"\"{\\\"user_id\\\":\\\"user-2\\\"}\"","event":"pusher_internal:member_added"}"#,
        ),
        (
            r#"{"event":"pusher_internal:subscription_succeeded","channel":"presence-c","data":{"presence":{"ids":"ann","hash":["tofu"]}}}"#,
            r#"{"channel":"presence-c","data":{"presence":{"hash":"xxxxxx","ids":"user-1"}},"event":"pusher_internal:subscription_succeeded"}"#,
        ),
        (
            r#"{"event":"pusher_internal:subscription_succeeded","channel":"presence-c","data":{"presence":{"count":0,"ids":[],"hash":[]}}}"#,
            r#"{"channel":"presence-c","data":{"presence":{"count":0,"hash":[],"ids":[]}},"event":"pusher_internal:subscription_succeeded"}"#,
        ),
        (
            r#"{"event":"pusher_internal:member_added","data":["tofu"]}"#,
            r#"{"data":"xxxxxx","event":"pusher_internal:member_added"}"#,
        ),
    ];
    for (text, expected) in table {
        assert_eq!(shown(text), expected, "{text}");
    }
    let request = AuthRequest::channel(ChannelName::new("presence-c").unwrap(), SocketId::new("1.2").unwrap());
    let app = App::new("1", REAL_KEY, "secret").unwrap();
    let signed = app.authorize_member(&request.socket_id, request.subject.channel().unwrap(), "ann", &"tofu").unwrap();
    let real = signed.channel_data.clone().unwrap();
    let answer = edge.answer(&request, Ok(signed)).unwrap();
    let shown = answer.channel_data.unwrap();
    assert_eq!(shown, r#"{"user_id":"user-1","user_info":"xxxx"}"#);
    let message = |data: &Text, auth: &str| {
        let data = serde_json::Value::from(data.as_str());
        Text::from(format!(r#"{{"data":{{"channel":"presence-c","auth":"{auth}","channel_data":{data}}}}}"#))
    };
    let own = r##"{"event":"pusher:subscribe","data":{"channel":"#server-to-user-user-1"}}"##;
    assert!(edge.send(own.into()).contains("\"#server-to-user-ann\""));
    let sent = edge.send(message(&shown, answer.auth.expose()));
    assert!(sent.contains(&serde_json::Value::from(real.as_str()).to_string()), "{sent}");
}

/// Replays a text.
fn replay(text: &[u8]) -> Result<bool, Stop> {
    let text = Box::new(std::io::Cursor::new(text.to_vec()));
    Replay::new(Reader::new(text, Path::new("session.txt"))?, false)?.run()
}

/// Why a text is not replayed.
fn refusal(text: &str) -> String {
    match replay(text.as_bytes()) {
        Err(Stop::Failure(failure)) => Failure::message(&failure).to_owned(),
        ended => format!("{ended:?}"),
    }
}

#[test]
fn what_is_damaged_is_refused_with_the_number_of_its_line() {
    let header: String = RECORDED.lines().take(6).map(|line| format!("{line}\n")).collect();
    let with = |line: &str| refusal(&format!("{header}{line}\n"));
    let table = [
        (refusal(""), "line 1: not a recording, which begins with \"pusher recording 1\""),
        (refusal("pusher recording 2\n"), "line 1: version \"2\" of the format; this program reads version 1"),
        (refusal("pusher recording 1\n= seed 1\n= seed 2\n"), "line 3: seed is given twice"),
        (refusal("pusher recording 1\n= tofu\n"), "line 2: unknown option \"tofu\""),
        (refusal("pusher recording 1\n= seed 1\n"), "line 3: the header has no server"),
        (
            refusal("pusher recording 1\n= seed 1\n= server tofu\n= client 1\nend\n"),
            "line 5: \"tofu\" is not a server URL, such as ws://host:port or wss://host/prefix",
        ),
        (with("tofu"), "line 7: \"tofu\" does not begin a line of a recording"),
        (with("1.5 ! connect"), "line 7: \"1.5\" is not a time such as 12.345678"),
        (with("99999999999.000000 +"), "line 7: 99999999999 s are longer than a recording can be"),
        (with("0.000001 ! dance"), "line 7: unknown input \"! dance\""),
        (with("0.000001 ! auth #1 {\"ok\":"), "line 7: EOF while parsing a value at line 1 column 6"),
        (with("0.000001 ! auth #1 \"timeout\""), "line 7: no authorization #1 is requested"),
        (
            with("0.000001 < end {\"closed\":[70000,\"\"]}"),
            "line 7: invalid value: integer `70000`, expected u16 at line 1 column 16",
        ),
        (with("0.000002 < ping\n0.000001 < ping"), "line 8: earlier than the input before"),
        (with("end\n0.000001 < ping"), "line 8: the recording has ended before"),
    ];
    for (message, expected) in table {
        assert_eq!(message, format!("session.txt, {expected}"));
    }
    let not_text = [header.as_bytes(), b"\xff\n"].concat();
    assert!(
        matches!(replay(&not_text), Err(Stop::Failure(failure)) if failure.message().ends_with("line 7: not UTF-8"))
    );
}

#[test]
fn a_recording_that_is_cut_off_anywhere_is_replayed_up_to_there() {
    let header = RECORDED.find("0.000").unwrap();
    for len in (header..RECORDED.len()).step_by(17) {
        let ended = replay(&RECORDED.as_bytes()[..len]);
        assert!(matches!(ended, Ok(false)), "cut after {len} bytes: {ended:?}");
    }
    assert!(matches!(replay(RECORDED.as_bytes()), Ok(true)));
}

#[test]
fn no_mutation_of_a_recording_makes_the_replay_panic() {
    let lines: Arc<[&str]> = RECORDED.lines().collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for _ in 0..3_000 {
        let mut mutated: Vec<String> = lines.iter().map(ToString::to_string).collect();
        for _ in 0..=random(3) {
            let [at, other] = [random(mutated.len()), random(mutated.len())];
            match random(5) {
                0 => drop(mutated.remove(at)),
                1 => mutated.swap(at, other),
                2 => mutated.insert(at, lines[other % lines.len()].to_owned()),
                _ => {
                    let mut bytes = std::mem::take(&mut mutated[at]).into_bytes();
                    if !bytes.is_empty() {
                        let place = random(bytes.len());
                        match random(3) {
                            0 => bytes[place] = u8::try_from(random(128)).unwrap(),
                            1 => bytes.truncate(place),
                            _ => drop(bytes.splice(place..place, *b"99999999")),
                        }
                    }
                    mutated[at] = String::from_utf8(bytes).unwrap_or_default();
                }
            }
        }
        if let Err(Stop::Failure(failure)) = replay((mutated.join("\n") + "\n").as_bytes()) {
            assert!(failure.message().starts_with("session.txt, line "), "{}", failure.message());
        }
    }
}
