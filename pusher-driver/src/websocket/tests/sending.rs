//! Sending, and closing a WebSocket.

use super::*;

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
    // A peer that is busy for a while does not lose messages.
    for _ in 0..200 {
        assert_eq!(socket.send(&"x".repeat(20_000).into()), Ok(()));
    }
    let text = Text::from("x".repeat(MAX_OUTPUT_LEN / 2));
    assert_eq!(socket.send(&text), Ok(()));
    assert_eq!(socket.flush(), Poll::Pending);
    let error = CloseReason::Failed(TransportError::Io("the server does not read".into()));
    assert_eq!(socket.send(&text), Err(error));
}

/// A stream that keeps what was written until it is flushed, as those with TLS do.
struct Holding {
    pipe: Pipe,
    held: Vec<u8>,
    /// The most bytes of one call.
    most: usize,
    /// How often a call is refused before one succeeds.
    refusals: usize,
    refused: usize,
    /// Whether the last call was interrupted, as every second one is.
    is_interrupted: bool,
}

impl Holding {
    fn is_ready(&mut self) -> io::Result<()> {
        self.is_interrupted = !self.is_interrupted;
        if self.is_interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.refused < self.refusals {
            self.refused += 1;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.refused = 0;
        Ok(())
    }
}

impl NonBlocking for Holding {
    fn set_waker(&mut self, waker: &Waker) {
        self.pipe.set_waker(waker);
    }
}

impl Read for Holding {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pipe.read(buffer)
    }
}

impl Write for Holding {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.is_ready()?;
        let len = bytes.len().min(self.most);
        self.held.extend(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.held.is_empty() {
            self.is_ready()?;
            let len = self.held.len().min(self.most);
            self.pipe.write_all(&self.held[..len])?;
            self.held.drain(..len);
        }
        Ok(())
    }
}

#[test]
fn what_a_stream_keeps_until_it_is_flushed_is_sent_however_often_it_refuses() {
    for (most, refusals) in [(1, 0), (1, 2), (7, 1), (1_000, 3), (usize::MAX, 0), (usize::MAX, 1)] {
        let pipe = Pipe::default();
        let holding =
            Holding { pipe: pipe.clone(), held: Vec::new(), most, refusals, refused: 0, is_interrupted: false };
        let mut handshake = Handshake::new(holding, &request(), limits());
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            assert!(handshake.poll(Waker::noop()).is_pending());
            request.append(&mut pipe.sent());
        }
        pipe.give(switching_protocols(&String::from_utf8(request).unwrap()).as_bytes());
        let Poll::Ready(Ok(mut socket)) = handshake.poll(Waker::noop()) else { panic!("the handshake is complete") };
        for len in [1, 100, 5, 2 * WRITE_BUFFER_LEN, 1] {
            assert_eq!(socket.send(&"x".repeat(len).into()), Ok(()));
            let mut flushes = 0;
            while socket.flush() == Poll::Pending {
                flushes += 1;
                assert!(flushes < 1_000_000, "it never ends");
            }
            let header = if len > 125 { 8 } else { 6 };
            assert_eq!(pipe.sent().len(), header + len, "{most} bytes at a time, {refusals} refusals");
        }
        socket.close(&CloseFrame { code: 1000, reason: Text::default() });
        for _ in 0..100 * (refusals + 1) {
            assert_eq!(socket.poll_close(Waker::noop()), Poll::Pending);
        }
        assert_eq!(pipe.sent()[0], CLOSE);
    }
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
