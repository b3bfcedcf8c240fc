//! The upgrade to a WebSocket.

use super::*;

#[test]
fn what_comes_together_with_the_upgrade_is_not_lost() {
    let pipe = Pipe::default();
    let mut handshake = Handshake::new(pipe.clone(), &request(), limits());
    assert!(handshake.poll(Waker::noop()).is_pending());
    let upgrade = String::from_utf8(pipe.sent()).unwrap();
    assert!(upgrade.starts_with("GET /app/key?protocol=7&"), "{upgrade}");
    assert!(upgrade.contains("Host: [::1]\r\n"), "{upgrade}");
    assert!(upgrade.to_lowercase().contains("\r\norigin: https://example.com\r\n"), "{upgrade}");
    let (first, first_frame) = text(10);
    let (second, second_frame) = text(200);
    let answer = switching_protocols(&upgrade);
    let bytes = [answer.as_bytes(), &first, &second[..50]].concat();
    let (start, end) = bytes.split_at(40);
    pipe.give(start);
    assert!(handshake.poll(Waker::noop()).is_pending());
    pipe.give(end);
    let Poll::Ready(Ok(mut socket)) = handshake.poll(Waker::noop()) else { panic!("the handshake is complete") };
    assert_eq!(socket.read(), Poll::Ready(Received::Frame(first_frame)));
    assert_eq!(socket.read(), Poll::Pending);
    pipe.give(&second[50..]);
    assert_eq!(socket.read(), Poll::Ready(Received::Frame(second_frame)));
}

#[test]
fn a_refused_upgrade_reports_status_location_retry_after_and_the_start_of_the_body() {
    let table = [
        (
            "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nsorry",
            TransportError::Http {
                status: 503,
                retry_after: Some(Duration::from_secs(7)),
                location: None,
                excerpt: "sorry".into(),
            },
        ),
        (
            "HTTP/1.1 301 Moved\r\nLocation: https://example.com/\r\n\r\n",
            TransportError::Http {
                status: 301,
                retry_after: None,
                location: Some("https://example.com/".into()),
                excerpt: "".into(),
            },
        ),
    ];
    for (answer, error) in table {
        let pipe = Pipe::default();
        let mut handshake = Handshake::new(pipe.clone(), &request(), limits());
        assert!(handshake.poll(Waker::noop()).is_pending());
        pipe.give(answer.as_bytes());
        pipe.0.lock().unwrap().is_closed = true;
        let Poll::Ready(Err(reason)) = handshake.poll(Waker::noop()) else { panic!("the upgrade was refused") };
        assert_eq!(reason, CloseReason::Failed(error));
    }
}

#[test]
fn a_stream_that_ends_before_the_answer_is_reported_as_such() {
    let closed = CloseReason::Failed(TransportError::Upgrade("closed before it answered the upgrade".into()));
    for answer in ["", "HTTP/1.1 101 Switching Proto"] {
        let pipe = Pipe::default();
        let mut handshake = Handshake::new(pipe.clone(), &request(), limits());
        pipe.give(answer.as_bytes());
        pipe.0.lock().unwrap().is_closed = true;
        assert!(matches!(handshake.poll(Waker::noop()), Poll::Ready(Err(reason)) if reason == closed));
    }
    let ends = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    for error in ends {
        let pipe = Pipe::default();
        let mut handshake = Handshake::new(pipe.clone(), &request(), limits());
        pipe.0.lock().unwrap().error = Some(error);
        assert!(matches!(handshake.poll(Waker::noop()), Poll::Ready(Err(reason)) if reason == closed));
    }
}

#[test]
fn an_answer_that_is_not_an_upgrade_says_what_is_wrong() {
    let table = [
        ("SSH-2.0-OpenSSH\r\n", "the answer to the upgrade is not HTTP/1.1: it begins with other words"),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "the answer to the upgrade has no valid Upgrade header"),
    ];
    for (answer, text) in table {
        let pipe = Pipe::default();
        let mut handshake = Handshake::new(pipe.clone(), &request(), limits());
        pipe.give(answer.as_bytes());
        let Poll::Ready(Err(reason)) = handshake.poll(Waker::noop()) else { panic!("{answer} does not upgrade") };
        assert_eq!(reason, CloseReason::Failed(TransportError::Upgrade(text.into())));
    }
}

#[test]
fn a_server_that_answers_without_end_is_read_in_turns() {
    let pipe = Pipe::default();
    pipe.0.lock().unwrap().floods = true;
    let bytes = b"HTTP/1.1 103 Early Hints\r\n\r\n";
    let flood = Flood { pipe, bytes, at: 0, reads: Arc::default() };
    let reads = Arc::clone(&flood.reads);
    let mut handshake = Handshake::new(flood, &request(), limits());
    let ended = loop {
        match handshake.poll(Waker::noop()) {
            Poll::Ready(ended) => break ended,
            Poll::Pending => assert!(*reads.lock().unwrap() <= 64),
        }
    };
    let text = "the answer to the upgrade has too many headers";
    assert_eq!(ended.err(), Some(CloseReason::Failed(TransportError::Upgrade(text.into()))));
}

#[test]
fn a_host_header_of_the_application_takes_the_place_of_ours_and_others_are_all_sent() {
    let endpoint =
        Endpoint::host("::1").tls(false).header("Host", "front.example").header("X-A", "1").header("X-A", "2");
    let pipe = Pipe::default();
    assert!(Handshake::new(pipe.clone(), &request_to(endpoint), limits()).poll(Waker::noop()).is_pending());
    let upgrade = String::from_utf8(pipe.sent()).unwrap().to_lowercase();
    let lines = |start| upgrade.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>();
    assert_eq!(lines("host: "), ["host: front.example"]);
    assert_eq!(lines("x-a: "), ["x-a: 1", "x-a: 2"]);
    assert_eq!(lines("user-agent: "), [concat!("user-agent: pusher-rust/", env!("CARGO_PKG_VERSION"))]);
}

#[test]
fn a_user_agent_of_the_application_replaces_ours() {
    let endpoint = Endpoint::host("h").tls(false).header("user-agent", "app/1");
    let pipe = Pipe::default();
    assert!(Handshake::new(pipe.clone(), &request_to(endpoint), limits()).poll(Waker::noop()).is_pending());
    let upgrade = String::from_utf8(pipe.sent()).unwrap();
    let agents: Vec<_> = upgrade.lines().filter(|line| line.to_lowercase().starts_with("user-agent:")).collect();
    assert_eq!(agents, ["user-agent: app/1"]);
}

#[test]
fn the_host_header_names_the_port_unless_it_is_the_default_one() {
    let table = [
        (Endpoint::host("h").tls(false).ws_port(80), "h"),
        (Endpoint::host("h").tls(false).ws_port(443), "h:443"),
        (Endpoint::host("h").tls(true).wss_port(443), "h"),
        (Endpoint::host("h").tls(true).wss_port(80), "h:80"),
        (Endpoint::host("::1").tls(false).ws_port(6001), "[::1]:6001"),
    ];
    for (endpoint, host) in table {
        let pipe = Pipe::default();
        assert!(Handshake::new(pipe.clone(), &request_to(endpoint), limits()).poll(Waker::noop()).is_pending());
        let upgrade = String::from_utf8(pipe.sent()).unwrap();
        assert!(upgrade.contains(&format!("\r\nHost: {host}\r\n")), "{upgrade}");
    }
}
