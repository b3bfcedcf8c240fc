//! The results and bounds of reading.

use super::*;

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
    assert_eq!(reason, CloseReason::Failed(TransportError::WebSocket("a message has more than 131072 frames".into())));
    let sent = socket.stream.pipe.sent();
    assert_eq!((sent[0], &unmasked(&sent)[..2]), (CLOSE, &1008_u16.to_be_bytes()[..]));
}

#[test]
fn a_server_that_breaks_a_rule_is_told_which_one() {
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
fn the_loop_has_all_of_the_socket_and_is_woken_by_its_stream() {
    let pipe = Pipe::default();
    let mut socket = pipe.open();
    let asks =
        |pipe: &Pipe, waker: &Waker| pipe.0.lock().unwrap().waker.take().is_some_and(|known| known.will_wake(waker));
    let wakers = [(); 3].map(|()| Waker::from(Arc::new(NoTask)));
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
