//! The upgrade: the request, and every answer.

use std::time::Duration;

use pusher_websocket::{
    Handshake, HandshakeError, InvalidRequest, MAX_EXCERPT_LEN, MAX_HEAD_LEN, Refusal, Request, Upgraded,
};

/// The key of the RFC's example (section 1.3).
const KEY: [u8; 16] = *b"the sample nonce";

const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

fn handshake() -> Handshake {
    Handshake::new(&Request::new("example.com", "/chat?x=1"), KEY).expect("the request is valid")
}

fn answered(headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 101 Switching Protocols\r\n{headers}\r\n").into_bytes()
}

/// In one piece and byte by byte, with the same result.
fn answer_to(request: &Request, bytes: &[u8]) -> Result<Option<Upgraded>, HandshakeError> {
    let whole = Handshake::new(request, KEY).expect("the request is valid").handle_read(bytes);
    let mut slow = Handshake::new(request, KEY).expect("the request is valid");
    let mut pieces =
        bytes.chunks(1).map(|piece| slow.handle_read(piece)).skip_while(|result| matches!(result, Ok(None)));
    match (&whole, pieces.next().unwrap_or(Ok(None))) {
        // What follows the answer does not belong to the handshake.
        (Ok(Some(upgraded)), Ok(Some(slow))) => assert_eq!(upgraded.protocol, slow.protocol),
        (whole, slow) => assert_eq!(*whole, slow),
    }
    whole
}

fn answer(bytes: &[u8]) -> Result<Option<Upgraded>, HandshakeError> {
    answer_to(&Request::new("example.com", "/"), bytes)
}

#[test]
fn the_request_is_what_section_4_1_asks_for() {
    let request = Request::new("example.com:8080", "/app/key?protocol=7")
        .header("Origin", "https://example.com")
        .header("X-A", "1")
        .header("X-A", "2")
        .default_header("User-Agent", "test/1");
    let handshake = Handshake::new(&request, KEY).unwrap();
    let expected = "GET /app/key?protocol=7 HTTP/1.1\r\nHost: example.com:8080\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
        Origin: https://example.com\r\nX-A: 1\r\nX-A: 2\r\nUser-Agent: test/1\r\n\r\n";
    assert_eq!(str::from_utf8(handshake.request()), Ok(expected));
}

#[test]
fn headers_of_the_application_replace_defaults_and_the_host() {
    let request = Request::new("example.com", "/")
        .default_header("User-Agent", "test/1")
        .header("user-agent", "mine")
        .header("HOST", "front.example");
    let handshake = Handshake::new(&request, KEY).unwrap();
    let text = str::from_utf8(handshake.request()).unwrap().to_lowercase();
    assert_eq!((text.matches("host: ").count(), text.matches("user-agent: ").count()), (1, 1));
    assert!(text.contains("host: front.example\r\n") && text.contains("user-agent: mine\r\n"), "{text}");
}

#[test]
fn no_header_is_sent_twice_in_whatever_case_the_application_writes_it() {
    let names = ["Host", "User-Agent", "Origin", "Sec-WebSocket-Protocol", "X-App"];
    let reserved = ["Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Content-Length"];
    for name in names.iter().chain(&reserved) {
        for written in [(*name).to_owned(), name.to_lowercase(), name.to_uppercase(), name.replace('s', "S")] {
            for default in [(*name).to_owned(), name.to_lowercase(), "X-Other".into()] {
                let request = Request::new("h", "/").header(&written, "own").default_header(&default, "default");
                let handshake = Handshake::new(&request, KEY);
                if reserved.contains(name) {
                    assert!(matches!(handshake, Err(InvalidRequest::ReservedHeader(_))), "{written}");
                    continue;
                }
                let handshake = handshake.unwrap();
                let text = str::from_utf8(handshake.request()).unwrap();
                let mut fields: Vec<_> = text.lines().skip(1).filter_map(|line| line.split_once(": ")).collect();
                let own = fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
                assert!(own.map(|(_, value)| *value).eq(["own"]), "{written} beside {default}: {text}");
                fields.sort_by_key(|(name, _)| name.to_lowercase());
                assert!(fields.is_sorted_by(|one, next| !one.0.eq_ignore_ascii_case(next.0)), "{text}");
            }
        }
    }
}

#[test]
fn a_request_that_would_say_something_else_is_not_sent() {
    let request = |host, target| Request::new(host, target);
    let header = |name, value| Request::new("h", "/").header(name, value);
    let table = [
        (request("a b", "/"), InvalidRequest::Host("a b".into())),
        (request("", "/"), InvalidRequest::Host(String::new())),
        (request("h", "chat"), InvalidRequest::Target),
        (request("h", "/a b"), InvalidRequest::Target),
        (request("h", "/a\r\nX: y"), InvalidRequest::Target),
        (header("", "x"), InvalidRequest::HeaderName(String::new())),
        (header("X: secret", "x"), InvalidRequest::HeaderName("X".into())),
        (header("X", "a\r\nY: b"), InvalidRequest::HeaderValue("X".into())),
        (header("Host", "a\nb"), InvalidRequest::HeaderValue("Host".into())),
        (header("connection", "close"), InvalidRequest::ReservedHeader("connection".into())),
        (header("Sec-WebSocket-Extensions", "x"), InvalidRequest::ReservedHeader("Sec-WebSocket-Extensions".into())),
        (header("Content-Length", "5"), InvalidRequest::ReservedHeader("Content-Length".into())),
    ];
    for (request, expected) in table {
        assert_eq!(Handshake::new(&request, KEY).err(), Some(expected));
    }
}

#[test]
fn values_of_headers_are_not_printed() {
    let request = Request::new("h", "/?token=hidden").header("Authorization", "hidden");
    let printed = format!("{request:?}{:?}", Handshake::new(&request, KEY).unwrap());
    assert!(printed.contains("Authorization") && !printed.contains("hidden"), "{printed}");
}

#[test]
fn answers_in_every_valid_form_upgrade() {
    let table = [
        format!("Upgrade: websocket\r\nConnection: Upgrade\r\n{ACCEPT}"),
        format!("Upgrade: WebSocket\r\nConnection: upgrade\r\n{ACCEPT}"),
        format!("Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n{ACCEPT}"),
        format!("Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: ,, UPGRADE ,\r\n{ACCEPT}"),
        "upgrade:websocket\r\nCONNECTION:\tUpgrade \r\nsec-websocket-accept:s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r\n"
            .to_owned(),
        format!("Upgrade: websocket\r\nConnection: Upgrade\r\n{ACCEPT}Sec-WebSocket-Extensions: \r\nDate: now\r\n"),
    ];
    for headers in table {
        let bytes = [&answered(&headers)[..], b"\x81\x02hi"].concat();
        let expected = Upgraded { leftover: b"\x81\x02hi"[..].into(), protocol: None };
        assert_eq!(answer(&bytes), Ok(Some(expected)), "{headers}");
    }
}

#[test]
fn an_answer_of_101_that_misses_something_is_no_upgrade() {
    let both = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let table = [
        (format!("Connection: Upgrade\r\n{ACCEPT}"), HandshakeError::Header("Upgrade")),
        (format!("Upgrade: h2c\r\nConnection: Upgrade\r\n{ACCEPT}"), HandshakeError::Header("Upgrade")),
        (format!("Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n{ACCEPT}"), HandshakeError::Header("Upgrade")),
        (format!("Upgrade: websocket\r\n{ACCEPT}"), HandshakeError::Header("Connection")),
        (format!("Upgrade: websocket\r\nConnection: keep-alive\r\n{ACCEPT}"), HandshakeError::Header("Connection")),
        (format!("Upgrade: websocket\r\nConnection: xUpgrade\r\n{ACCEPT}"), HandshakeError::Header("Connection")),
        (both.to_owned(), HandshakeError::Header("Sec-WebSocket-Accept")),
        (format!("{both}Sec-WebSocket-Accept: x\r\n"), HandshakeError::Header("Sec-WebSocket-Accept")),
        (format!("{both}{}", ACCEPT.replace("s3p", "S3P")), HandshakeError::Header("Sec-WebSocket-Accept")),
        (format!("{both}{ACCEPT}Sec-WebSocket-Accept: x\r\n"), HandshakeError::Header("Sec-WebSocket-Accept")),
        (format!("{both}{ACCEPT}Sec-WebSocket-Extensions: permessage-deflate\r\n"), HandshakeError::Extension),
        (format!("{both}{ACCEPT}Sec-WebSocket-Protocol: chat\r\n"), HandshakeError::Subprotocol),
        (format!("{both}{ACCEPT}Sec-WebSocket-Protocol: \r\n"), HandshakeError::Subprotocol),
    ];
    for (headers, expected) in table {
        assert_eq!(answer(&answered(&headers)), Err(expected), "{headers}");
    }
}

#[test]
fn the_server_may_choose_one_of_the_subprotocols_that_were_offered() {
    let request = Request::new("h", "/").header("Sec-WebSocket-Protocol", "a, b").header("sec-websocket-protocol", "c");
    let both = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let table: [(&str, Result<Option<&str>, HandshakeError>); 5] = [
        ("", Ok(None)),
        ("Sec-WebSocket-Protocol: b\r\n", Ok(Some("b"))),
        ("Sec-WebSocket-Protocol: c\r\n", Ok(Some("c"))),
        ("Sec-WebSocket-Protocol: B\r\n", Err(HandshakeError::Subprotocol)),
        ("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n", Err(HandshakeError::Subprotocol)),
    ];
    for (header, expected) in table {
        let answered = answer_to(&request, &answered(&format!("{both}{ACCEPT}{header}")));
        let chosen = answered.map(|upgraded| upgraded.unwrap().protocol);
        assert_eq!(chosen, expected.map(|protocol| protocol.map(str::to_owned)), "{header}");
    }
}

fn refusal(status: u16, excerpt: &str) -> Refusal {
    Refusal { status, location: None, retry_after: None, excerpt: excerpt.to_owned() }
}

#[test]
fn a_refusal_says_status_location_when_to_come_back_and_how_its_body_begins() {
    let long = "é".repeat(600);
    let chunked = "4\r\nbusy\r\n8;x=y\r\n, sorry!\r\n0\r\n\r\n";
    let table = [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found and more".to_owned(), refusal(404, "not found")),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), refusal(204, "")),
        ("HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n".to_owned(), refusal(200, "")),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://example.com/app \r\nContent-Length: 0\r\n\r\n".to_owned(),
            Refusal { location: Some("https://example.com/app".into()), ..refusal(302, "") },
        ),
        (
            format!("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"),
            Refusal { retry_after: Some(Duration::from_secs(7)), ..refusal(503, "busy, sorry!") },
        ),
        (
            "HTTP/1.0 429 Slow\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\nContent-Length: 1\r\n\r\nx".to_owned(),
            refusal(429, "x"),
        ),
        (format!("HTTP/1.1 403 Forbidden\r\nContent-Length: 1200\r\n\r\n{long}"), refusal(403, &long[..1_024])),
        (format!("HTTP/1.1 403 Forbidden\r\n\r\nx{long}"), refusal(403, &format!("x{}", &long[..1_022]))),
        (
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n".to_owned(),
            refusal(401, ""),
        ),
    ];
    for (bytes, expected) in table {
        assert_eq!(answer(bytes.as_bytes()), Err(HandshakeError::Refused(expected)), "{bytes}");
    }
}

/// A page, in each of the ways in which a server can say where it ends, with the largest number of bytes in a chunk.
fn framed(page: &[u8], chunk_len: Option<usize>, says_len: bool) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 500 Oh\r\n".to_vec();
    match chunk_len {
        Some(len) => {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in page.chunks(len) {
                bytes.extend(format!("{:X}; x=y\r\n", chunk.len()).into_bytes());
                bytes.extend([chunk, b"\r\n"].concat());
            }
            bytes.extend(b"0\r\n\r\n");
        }
        None if says_len => bytes.extend([format!("Content-Length: {}\r\n\r\n", page.len()).as_bytes(), page].concat()),
        None => bytes.extend([b"\r\n", page].concat()),
    }
    bytes
}

#[test]
fn an_excerpt_is_the_same_for_every_length_and_framing_of_a_page() {
    let lens = [0, 1, 2, 100, 1_021, 1_022, 1_023, 1_024, 1_025, 1_026, 1_027, 2_048, 4_095, 40_000];
    // Characters of one to four bytes, of which each may be cut anywhere at the end.
    for (len, character) in lens.into_iter().flat_map(|len| ['a', 'é', '€', '😀'].map(|character| (len, character)))
    {
        let padding = len % character.len_utf8();
        let page = format!("{}{}", "x".repeat(padding), character.to_string().repeat(len / character.len_utf8()));
        assert_eq!(page.len(), len);
        let end = (0..=len.min(MAX_EXCERPT_LEN)).rev().find(|end| page.is_char_boundary(*end)).unwrap();
        let expected = refusal(500, &page[..end]);
        let chunked = [16, 255, 256, 1_023, 1_024, 1_025, 65_536].map(|len| (Some(len), false));
        for (chunk_len, says_len) in chunked.into_iter().chain([(None, true), (None, false)]) {
            let bytes = framed(page.as_bytes(), chunk_len, says_len);
            for piece_len in [7, 1_024, usize::MAX] {
                let (refused, read) = refused(&bytes, piece_len);
                assert_eq!(
                    refused,
                    HandshakeError::Refused(expected.clone()),
                    "{len} {character} {chunk_len:?} {says_len}"
                );
                // A page that is long, or does not end, must not hold up the refusal.
                let most = if chunk_len.is_some() { 4 * MAX_EXCERPT_LEN } else { MAX_EXCERPT_LEN };
                assert!(read < HEAD_LEN + most + piece_len.min(bytes.len()), "{read} bytes for {len}, {chunk_len:?}");
            }
        }
        // Chunks of a byte have several bytes of their own for each of the page, of which less is shown then.
        let (HandshakeError::Refused(refused), _) = refused(&framed(page.as_bytes(), Some(1), false), 7) else {
            panic!("it is a refusal")
        };
        assert!(page.starts_with(&refused.excerpt), "{refused:?}");
        assert!(refused.excerpt.len() >= len.min(100), "{refused:?}");
    }
}

/// More than the heads above have.
const HEAD_LEN: usize = 60;

/// What a refusal says whose bytes arrive in pieces, and how many bytes had been read then.
fn refused(bytes: &[u8], piece_len: usize) -> (HandshakeError, usize) {
    let (mut handshake, mut read) = (handshake(), 0);
    for piece in bytes.chunks(piece_len) {
        read += piece.len();
        match handshake.handle_read(piece) {
            Ok(None) => {}
            result => return (result.expect_err("it is a refusal"), read),
        }
    }
    (handshake.handle_end(), read)
}

#[test]
fn the_end_of_the_stream_ends_the_body_or_the_upgrade() {
    let table = [
        ("", HandshakeError::Closed),
        ("HTTP/1.1 101 Switching", HandshakeError::Closed),
        ("HTTP/1.1 500 Oh\r\n\r\nit broke", HandshakeError::Refused(refusal(500, "it broke"))),
        ("HTTP/1.1 500 Oh\r\nContent-Length: 100\r\n\r\nit broke", HandshakeError::Refused(refusal(500, "it broke"))),
        (
            "HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nit b",
            HandshakeError::Refused(refusal(500, "it b")),
        ),
    ];
    for (bytes, expected) in table {
        let mut handshake = handshake();
        assert_eq!(handshake.handle_read(bytes.as_bytes()), Ok(None), "{bytes}");
        assert_eq!(handshake.handle_end(), expected, "{bytes}");
        assert_eq!(handshake.handle_read(b"more"), Err(HandshakeError::Closed));
    }
    assert_eq!(HandshakeError::Closed.to_string(), "closed before it answered the upgrade");
}

#[test]
fn what_is_not_http_is_refused_as_soon_as_it_arrives() {
    let table: [&[u8]; 6] =
        [b"SSH-2.0-x\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"<", b"HTTP/2", b"\r\nhttp", b"HTTP/1.1 abc\r\n\r\n"];
    for bytes in table {
        assert!(matches!(answer(bytes), Err(HandshakeError::NotHttp(_))), "{bytes:?}");
    }
    let old = String::from_utf8(answered(ACCEPT)).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    assert!(matches!(answer(old.as_bytes()), Err(HandshakeError::NotHttp(_))));
}

#[test]
fn a_head_is_bounded_together_with_the_interim_answers_before_it() {
    let padding = format!("X: {}\r\n", "x".repeat(MAX_HEAD_LEN));
    assert_eq!(answer(&answered(&padding)), Err(HandshakeError::HeadTooLong));
    assert_eq!(handshake().handle_read(&answered(&padding)[..MAX_HEAD_LEN]), Ok(None), "it is not too long yet");
    let many = "X: y\r\n".repeat(1_000);
    assert_eq!(answer(&answered(&many)), Err(HandshakeError::HeadTooLong));
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(MAX_HEAD_LEN / 28 + 1);
    assert_eq!(answer(interim.as_bytes()), Err(HandshakeError::HeadTooLong));
    let body = "x".repeat(2 * MAX_EXCERPT_LEN);
    let Err(HandshakeError::Refused(refusal)) = answer(format!("HTTP/1.1 500 Oh\r\n\r\n{body}").as_bytes()) else {
        panic!("it is a refusal")
    };
    assert_eq!(refusal.excerpt.len(), MAX_EXCERPT_LEN);
}
