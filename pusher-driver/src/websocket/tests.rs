use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Context;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pusher_proto::{Action, Client, ConnectRequest, Endpoint, Instant};
use sha1::{Digest, Sha1};

use super::*;

/// A stream whose peer is the test.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Ends>>);

#[derive(Default)]
struct Ends {
    to_client: VecDeque<u8>,
    from_client: Vec<u8>,
    is_closed: bool,
    is_stuffed: bool,
    is_flushed: bool,
    /// Whether the peer never stops, see [`Flood`].
    floods: bool,
    /// Who waits for the stream.
    waker: Option<Waker>,
    /// What every call fails with.
    error: Option<io::ErrorKind>,
}

impl Pipe {
    fn give(&self, bytes: &[u8]) {
        self.0.lock().unwrap().to_client.extend(bytes);
    }

    fn sent(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap().from_client)
    }

    fn open(&self) -> WebSocket<Self> {
        let mut handshake = Handshake::new(self.clone(), &request(), limits());
        assert!(handshake.poll(Waker::noop()).is_pending());
        self.give(switching_protocols(&String::from_utf8(self.sent()).unwrap()).as_bytes());
        let Poll::Ready(Ok(socket)) = handshake.poll(Waker::noop()) else { panic!("the handshake is complete") };
        socket
    }
}

impl NonBlocking for Pipe {
    fn set_waker(&mut self, waker: &Waker) {
        self.0.lock().unwrap().waker = Some(waker.clone());
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ends = self.0.lock().unwrap();
        if let Some(error) = ends.error {
            return Err(error.into());
        }
        if ends.to_client.is_empty() && !ends.is_closed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        ends.to_client.read(buffer)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut ends = self.0.lock().unwrap();
        if let Some(error) = ends.error {
            return Err(error.into());
        }
        if ends.is_stuffed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        ends.is_flushed = false;
        ends.from_client.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap().is_flushed = true;
        Ok(())
    }
}

fn limits() -> Limits {
    Limits { max_message_len: 1_000_000 }
}

fn request() -> ConnectRequest {
    request_to(Endpoint::host("::1").ws_port(80).tls(false).header("Origin", "https://example.com"))
}

fn request_to(endpoint: Endpoint) -> ConnectRequest {
    let mut client = Client::new(Config::new("key", endpoint).unwrap(), 1);
    client.connect();
    loop {
        match client.poll_action(Instant::ZERO) {
            Some(Action::Connect(_, request)) => return request,
            Some(_) => {}
            None => panic!("a client that connects opens a socket"),
        }
    }
}

fn switching_protocols(request: &str) -> String {
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    let accept = STANDARD.encode(accept);
    // As behind some proxies.
    let headers = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
    format!("HTTP/1.1 101 Switching Protocols\r\n{headers}Sec-WebSocket-Accept: {accept}\r\n\r\n")
}

fn server_frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first_byte];
    match payload.len() {
        len @ 0..=125 => frame.push(len as u8),
        len @ 126..=0xffff => {
            frame.push(126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// Payload of a short frame of the client, which is masked.
fn unmasked(frame: &[u8]) -> Vec<u8> {
    let (mask, masked) = frame[2..].split_at(4);
    masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

fn text(len: usize) -> (Vec<u8>, Frame) {
    let text = "x".repeat(len);
    (server_frame(TEXT, text.as_bytes()), Frame::Text(text.into()))
}

/// A stream that always has more of the same.
struct Flood {
    pipe: Pipe,
    bytes: &'static [u8],
    at: usize,
    reads: Arc<Mutex<usize>>,
}

impl Flood {
    /// An open socket that goes on with such frames, and how often it was read.
    fn open(bytes: &'static [u8]) -> (WebSocket<Self>, Arc<Mutex<usize>>) {
        let reads = Arc::new(Mutex::new(0));
        let pipe = Pipe::default();
        let flood = Self { pipe: pipe.clone(), bytes, at: 0, reads: Arc::clone(&reads) };
        let mut handshake = Handshake::new(flood, &request(), limits());
        assert!(handshake.poll(Waker::noop()).is_pending());
        pipe.give(switching_protocols(&String::from_utf8(pipe.sent()).unwrap()).as_bytes());
        let Poll::Ready(Ok(socket)) = handshake.poll(Waker::noop()) else { panic!("the handshake is complete") };
        pipe.0.lock().unwrap().floods = true;
        (socket, reads)
    }
}

impl NonBlocking for Flood {
    fn set_waker(&mut self, waker: &Waker) {
        self.pipe.set_waker(waker);
    }
}

impl Read for Flood {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.pipe.0.lock().unwrap().floods {
            return self.pipe.read(buffer);
        }
        *self.reads.lock().unwrap() += 1;
        for byte in &mut *buffer {
            *byte = self.bytes[self.at];
            self.at = (self.at + 1) % self.bytes.len();
        }
        Ok(buffer.len())
    }
}

impl Write for Flood {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pipe.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl std::task::Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An empty frame that neither begins nor ends a message.
const CONTINUATION: [u8; 2] = [0x00, 0x00];
const TEXT: u8 = 0x81;
const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;

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
        let Poll::Ready(Err(reason)) = handshake.poll(Waker::noop()) else { panic!("{answer} is no upgrade") };
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
fn a_message_says_how_much_memory_it_keeps() {
    let pipe = Pipe::default();
    let mut socket = pipe.open();
    for (len, memory) in [(100, 4_096), (5_000, 5_000), (100, 16_384), (60_000, 60_000), (100, 65_536)] {
        let (bytes, frame) = text(len);
        pipe.give(&bytes);
        assert_eq!(socket.read(), Poll::Ready(Received::Frame(frame)));
        assert_eq!(socket.read(), Poll::Pending);
        assert_eq!(socket.read_buffer_len(), memory, "{len} bytes");
    }
}

#[test]
fn a_message_beyond_the_limit_is_skipped_and_the_connection_stays() {
    let pipe = Pipe::default();
    let mut socket = pipe.open();
    pipe.give(&text(1_000_001).0);
    let (bytes, frame) = text(10);
    pipe.give(&bytes);
    loop {
        match socket.read() {
            Poll::Ready(Received::Yielded) => {}
            other => {
                assert_eq!(other, Poll::Ready(Received::Skipped(1_000_001)));
                break;
            }
        }
    }
    assert_eq!(socket.read(), Poll::Ready(Received::Frame(frame)));
}

#[test]
fn parts_of_a_message_are_reported_as_they_arrive() {
    let pipe = Pipe::default();
    let mut socket = pipe.open();
    let (bytes, frame) = text(10_000);
    for part in bytes[..9_000].chunks(1_000) {
        pipe.give(part);
        assert_eq!(socket.read(), Poll::Ready(Received::Part));
        assert_eq!(socket.read(), Poll::Pending);
    }
    pipe.give(&bytes[9_000..]);
    assert_eq!(socket.read(), Poll::Ready(Received::Frame(frame)));
}

#[test]
fn a_ping_frame_is_answered_with_a_pong_frame() {
    let pipe = Pipe::default();
    let mut socket = pipe.open();
    pipe.give(&server_frame(PING, b"are you there"));
    assert_eq!(socket.read(), Poll::Ready(Received::Frame(Frame::Ping)));
    assert_eq!(socket.flush(), Poll::Ready(Ok(())));
    let sent = pipe.sent();
    assert_eq!((sent[0], unmasked(&sent).as_slice()), (0x8a, b"are you there".as_slice()));
}

#[test]
fn every_end_has_its_reason() {
    let close = |payload: &[u8]| server_frame(CLOSE, payload);
    let reset = CloseReason::Dropped;
    let closed = |code, reason: &str| CloseReason::Closed(Some(CloseFrame { code, reason: reason.into() }));
    let table = [
        (close(b"\x0f\xa1no app"), closed(4001, "no app")),
        (close(b"\x10\x68"), closed(4200, "")),
        (close(b""), CloseReason::Closed(None)),
        (Vec::new(), reset),
    ];
    for (bytes, expected) in table {
        let pipe = Pipe::default();
        let mut socket = pipe.open();
        pipe.give(&bytes);
        pipe.0.lock().unwrap().is_closed = true;
        assert_eq!(socket.read(), Poll::Ready(Received::Closed(expected)));
        assert!(socket.poll_close(Waker::noop()).is_ready());
    }
}

#[test]
fn a_peer_that_never_stops_is_read_in_turns() {
    let (mut socket, reads) = Flood::open(&[0x82, 2, 0, 0]);
    for _ in 0..3 {
        let begin = *reads.lock().unwrap();
        let mut frames = 0;
        while let Poll::Ready(Received::Frame(_)) = socket.read() {
            frames += 1;
        }
        let reads = *reads.lock().unwrap() - begin;
        assert!((1..=64).contains(&reads), "{reads} reads");
        assert!((1_000..100_000).contains(&frames), "{frames} messages");
    }
}

#[test]
fn a_message_that_never_ends_is_read_in_turns_up_to_a_bound() {
    let (mut socket, reads) = Flood::open(&CONTINUATION);
    socket.stream.pipe.give(&[0x01, 0x00]);
    socket.stream.pipe.0.lock().unwrap().floods = false;
    assert_eq!(socket.read(), Poll::Ready(Received::Part));
    socket.stream.pipe.0.lock().unwrap().floods = true;
    let mut turns = 0;
    let reason = loop {
        let begin = *reads.lock().unwrap();
        match socket.read() {
            Poll::Ready(Received::Yielded) => turns += 1,
            Poll::Ready(Received::Closed(reason)) => break reason,
            other => panic!("{other:?}"),
        }
        let reads = *reads.lock().unwrap() - begin;
        assert!(reads <= 64, "{reads} reads in one turn");
    };
    assert!(turns > 1, "{turns} turns");
    assert_eq!(reason, CloseReason::Failed(TransportError::WebSocket("a message in more than 131072 frames".into())));
    let sent = socket.stream.pipe.sent();
    assert_eq!((sent[0], &unmasked(&sent)[..2]), (CLOSE, &1008_u16.to_be_bytes()[..]));
}

#[test]
fn a_close_that_is_ignored_is_waited_for_in_turns() {
    let (mut socket, reads) = Flood::open(&[0x82, 2, 0, 0]);
    socket.close(&CloseFrame { code: 1000, reason: Text::default() });
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    for turn in 1..=3 {
        let begin = *reads.lock().unwrap();
        assert_eq!(socket.poll_close(&waker), Poll::Pending);
        let reads = *reads.lock().unwrap() - begin;
        assert!((1..=64).contains(&reads), "{reads} reads in one turn");
        assert_eq!(wakes.0.load(Ordering::Relaxed), turn, "it wants another turn");
    }
}

#[test]
fn a_close_is_answered_and_an_answer_ends_ours() {
    let pipe = Pipe::default();
    let mut socket = pipe.open();
    socket.close(&CloseFrame { code: 1000, reason: Text::default() });
    assert_eq!(pipe.sent()[0], CLOSE);
    assert_eq!(socket.poll_close(Waker::noop()), Poll::Pending);
    pipe.give(&text(5_000).0);
    pipe.give(&server_frame(CLOSE, b"\x03\xe8"));
    assert_eq!(socket.poll_close(Waker::noop()), Poll::Ready(()));

    let pipe = Pipe::default();
    let mut socket = pipe.open();
    pipe.give(&server_frame(CLOSE, b"\x03\xe8"));
    assert!(matches!(socket.read(), Poll::Ready(Received::Closed(CloseReason::Closed(Some(_))))));
    assert_eq!(socket.poll_close(Waker::noop()), Poll::Pending);
    assert_eq!(pipe.sent()[0], CLOSE);
    pipe.0.lock().unwrap().is_closed = true;
    assert_eq!(socket.poll_close(Waker::noop()), Poll::Ready(()));
}

#[test]
fn what_the_stream_does_not_take_waits_up_to_a_bound() {
    let pipe = Pipe::default();
    let mut socket = pipe.open();
    pipe.0.lock().unwrap().is_stuffed = true;
    // A peer that is busy for a while costs nobody a message.
    for _ in 0..200 {
        assert_eq!(socket.send(&"x".repeat(20_000).into()), Ok(()));
    }
    let text = Text::from("x".repeat(MAX_WRITE_BUFFER_LEN / 2));
    assert_eq!(socket.send(&text), Ok(()));
    assert_eq!(socket.flush(), Poll::Pending);
    let error = CloseReason::Failed(TransportError::Io("the server does not read".into()));
    assert_eq!(socket.send(&text), Err(error));
}

#[test]
fn what_the_stream_does_not_take_is_sent_before_the_close_ends() {
    let pipe = Pipe::default();
    let mut socket = pipe.open();
    pipe.0.lock().unwrap().is_stuffed = true;
    assert_eq!(socket.send(&"x".into()), Ok(()));
    socket.close(&CloseFrame { code: 1000, reason: Text::default() });
    assert_eq!(socket.poll_close(Waker::noop()), Poll::Pending);
    assert_eq!(pipe.sent(), [0; 0]);
    pipe.0.lock().unwrap().is_stuffed = false;
    assert_eq!(socket.poll_close(Waker::noop()), Poll::Pending);
    let sent = pipe.sent();
    let kinds: Vec<u8> = [0, 7].map(|at| sent[at]).into();
    assert_eq!((kinds, sent.len()), ([TEXT | 0x80, CLOSE].into(), 7 + 8));
}

#[test]
fn a_server_that_breaks_the_rules_is_told_which() {
    let table: [(&[u8], u16); 2] = [(&server_frame(TEXT, b"\xff"), 1007), (&server_frame(0x83, b""), 1002)];
    for (bytes, code) in table {
        let pipe = Pipe::default();
        let mut socket = pipe.open();
        pipe.give(bytes);
        assert!(matches!(socket.read(), Poll::Ready(Received::Closed(_))));
        let sent = pipe.sent();
        assert_eq!((sent[0], &unmasked(&sent)[..2]), (CLOSE, &code.to_be_bytes()[..]));
    }
}

#[test]
fn an_error_of_the_stream_is_the_end_of_the_connection() {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    let failed = CloseReason::Failed(TransportError::Io(io::Error::from(TimedOut).to_string()));
    let table = [
        (BrokenPipe, CloseReason::Dropped),
        (ConnectionAborted, CloseReason::Dropped),
        (ConnectionReset, CloseReason::Dropped),
        (UnexpectedEof, CloseReason::Dropped),
        (TimedOut, failed),
    ];
    for (error, reason) in table {
        let break_off = |pipe: &Pipe| pipe.0.lock().unwrap().error = Some(error);
        let pipe = Pipe::default();
        let mut socket = pipe.open();
        break_off(&pipe);
        assert_eq!(socket.read(), Poll::Ready(Received::Closed(reason.clone())));
        assert!(socket.poll_close(Waker::noop()).is_ready());
        let pipe = Pipe::default();
        let mut socket = pipe.open();
        break_off(&pipe);
        assert_eq!(socket.send(&"x".into()), Ok(()));
        assert_eq!(socket.flush(), Poll::Ready(Err(reason.clone())));
        assert_eq!(socket.send(&"x".repeat(WRITE_BUFFER_LEN).into()), Err(reason));
        assert!(socket.poll_close(Waker::noop()).is_ready());
    }
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

#[cfg(feature = "async")]
#[test]
fn the_loop_has_all_of_the_socket_and_is_woken_by_its_stream() {
    use crate::runtime::Socket;

    let pipe = Pipe::default();
    let mut socket = pipe.open();
    let asks =
        |pipe: &Pipe, waker: &Waker| pipe.0.lock().unwrap().waker.take().is_some_and(|known| known.will_wake(waker));
    let wakers = [(); 3].map(|()| Waker::from(Arc::new(Nobody)));
    assert_eq!(socket.poll_frame(&mut Context::from_waker(&wakers[0])), Poll::Pending);
    assert!(asks(&pipe, &wakers[0]));
    assert_eq!(Socket::send(&mut socket, "hello".into()), Ok(()));
    assert_eq!(pipe.sent(), [0; 0]);
    assert_eq!(socket.poll_flush(&mut Context::from_waker(&wakers[1])), Poll::Ready(Ok(())));
    assert!(asks(&pipe, &wakers[1]));
    assert!(pipe.0.lock().unwrap().is_flushed);
    assert_eq!(unmasked(&pipe.sent()), b"hello");
    Socket::close(&mut socket, CloseFrame { code: 1000, reason: Text::default() });
    assert_eq!(pipe.sent()[0], CLOSE);
    assert_eq!(Socket::poll_close(&mut socket, &mut Context::from_waker(&wakers[2])), Poll::Pending);
    assert!(asks(&pipe, &wakers[2]));
}

struct Nobody;

impl std::task::Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}
