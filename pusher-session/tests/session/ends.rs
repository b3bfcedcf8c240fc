//! How sockets end.

use std::time::Duration;

use pusher_proto::{ClientEventName, CloseReason, ConnectionState, Data, Event, Instant, TransportError};
use pusher_session::Action;

use crate::stage::{Next, Stage, channel, config};

/// When the session tries again, after now.
fn delay(stage: &Stage) -> Duration {
    match stage.session.client().state() {
        ConnectionState::Waiting { retry_at, .. } => retry_at.since(stage.now),
        state => panic!("it does not wait: {state:?}"),
    }
}

fn is_connected(stage: &Stage) -> bool {
    stage.session.client().state().is_connected()
}

#[test]
fn a_refused_upgrade_says_its_status_and_its_retry_after_is_obeyed() {
    let refusal = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 25\r\nContent-Length: 4\r\n\r\nbusy";
    let until_the_end = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 25\r\n\r\nbusy";
    for answer in [&refusal[..], until_the_end] {
        let mut stage = Stage::new();
        stage.next_stream = Next::Answers(answer);
        stage.session.connect();
        stage.settle();
        let refused = "the connection failed: the server refused the WebSocket upgrade with HTTP status 503: busy";
        assert_eq!(stage.last_error(), refused);
        assert!(stage.lines.is_empty());
        assert!(delay(&stage) >= Duration::from_secs(25), "{:?}", delay(&stage));
        stage.advance(delay(&stage));
        assert!(is_connected(&stage));
    }
}

#[test]
fn a_stream_that_cannot_be_opened_is_tried_again_later() {
    let table = [TransportError::Io("connection refused".into()), TransportError::Dns("no such host".into())];
    for error in table {
        let mut stage = Stage::new();
        stage.next_stream = Next::Fails(CloseReason::Failed(error.clone()));
        stage.session.connect();
        stage.settle();
        assert_eq!(stage.last_error(), format!("the connection failed: {error}"));
        stage.advance(delay(&stage));
        assert!(is_connected(&stage));
    }
}

#[test]
fn a_stream_that_ends_during_the_upgrade_says_so() {
    let mut stage = Stage::new();
    stage.next_stream = Next::Answers(b"HTTP/1.1 101 Swit");
    stage.session.connect();
    stage.settle();
    assert_eq!(stage.last_error(), "the connection failed: closed before it answered the upgrade");
}

#[test]
fn a_reset_socket_is_replaced_and_what_was_read_before_counts() {
    let mut stage = Stage::connected();
    let socket = stage.socket();
    stage.line().send(tungstenite::Message::text(r#"{"event":"last","channel":"news","data":"1"}"#));
    stage.line().is_ended = true;
    stage.settle();
    assert_eq!(stage.events()[..2], ["last", "error"]);
    assert_eq!(stage.last_error(), "the connection ended: dropped without a close frame");
    stage.advance(Duration::from_secs(5));
    assert!(is_connected(&stage));
    assert!(stage.socket() > socket);
    assert_eq!(stage.events()[2..], ["pusher:continuity_lost", "pusher:subscription_succeeded"]);
}

#[test]
fn a_socket_whose_stream_is_gone_is_not_kept_for_a_goodbye() {
    let mut stage = Stage::connected();
    let socket = stage.socket();
    stage.line().is_ended = true;
    stage.settle();
    assert!(stage.actions.contains(&Action::Close(socket)), "{:?}", stage.actions);
    stage.session.disconnect();
    stage.settle();
    assert!(!stage.session.has_streams());
}

#[test]
fn a_close_of_the_server_is_answered_before_the_stream_goes() {
    let mut stage = Stage::connected();
    stage.line().close(4200, "restart");
    stage.settle();
    assert_eq!(stage.closes, [Some(4200)]);
    let closes = stage.actions.iter().filter(|action| matches!(action, Action::Close(_))).count();
    assert_eq!((closes, stage.last_error().as_str()), (1, "the connection ended: closed with 4200: restart"));
    stage.advance(Duration::from_secs(5));
    assert!(is_connected(&stage));
    assert_eq!(stage.lines.len(), 1);
}

#[test]
fn a_disconnected_session_says_goodbye_and_drops_the_stream_when_the_server_has_answered() {
    let mut stage = Stage::connected();
    stage.session.disconnect();
    stage.settle();
    assert_eq!(stage.closes, [Some(1000)]);
    assert!(stage.lines.is_empty() && !stage.session.has_streams());
}

#[test]
fn a_server_that_answers_no_close_frame_is_waited_for_until_the_close_timeout() {
    let mut stage = Stage::connected();
    stage.is_cut = true;
    stage.session.disconnect();
    stage.settle();
    assert_eq!(stage.session.poll_timeout(), Some(stage.now + Duration::from_secs(5)));
    stage.advance(Duration::from_millis(4_999));
    assert!(stage.session.has_streams());
    stage.advance(Duration::from_millis(1));
    assert!(stage.lines.is_empty() && !stage.session.has_streams());
}

#[test]
fn a_new_stream_is_opened_while_an_earlier_one_says_goodbye() {
    let mut stage = Stage::connected();
    stage.is_cut = true;
    for lines in [2, 3, 4, 5, 5, 5] {
        stage.session.disconnect();
        stage.settle();
        stage.session.connect();
        stage.settle();
        // Only open sockets have a goodbye to say, so the next one must open.
        stage.is_cut = false;
        let socket = stage.socket();
        let others: Vec<_> = stage.lines.keys().copied().filter(|other| *other != socket).collect();
        let kept: Vec<_> = others.iter().map(|other| (*other, stage.lines.remove(other).unwrap())).collect();
        stage.settle();
        stage.lines.extend(kept);
        assert!(is_connected(&stage));
        stage.is_cut = true;
        assert_eq!(stage.lines.len(), lines);
    }
    stage.advance(Duration::from_secs(5));
    assert_eq!(stage.lines.len(), 1);
}

#[test]
fn a_stream_that_does_not_open_in_time_is_given_up() {
    let mut stage = Stage::with(config().handshake_timeout(Duration::from_secs(8)));
    stage.is_cut = true;
    stage.session.connect();
    stage.settle();
    stage.advance(Duration::from_millis(7_999));
    assert_eq!(stage.lines.len(), 1);
    stage.advance(Duration::from_millis(1));
    assert_eq!(stage.events(), ["error"]);
    assert!(stage.lines.is_empty(), "there is nothing to wait for");
}

#[test]
fn a_dead_connection_is_replaced_without_waiting_for_its_goodbye() {
    let mut stage = Stage::connected();
    let (dead, seen) = (stage.socket(), stage.now);
    stage.is_cut = true;
    while stage.lines.len() < 2 {
        stage.advance(Duration::from_secs(1));
        assert!(stage.now.since(seen) < Duration::from_secs(200));
    }
    stage.lines.remove(&dead);
    stage.is_cut = false;
    stage.settle();
    assert!(is_connected(&stage));
}

#[test]
fn broken_framing_ends_the_socket_with_a_close_frame() {
    let mut stage = Stage::connected();
    stage.line().pipe.give_client(&[0xf0, 0x00]);
    stage.settle();
    assert_eq!(
        stage.last_error(),
        "the connection failed: invalid WebSocket framing: reserved bits are set in a frame"
    );
    assert_eq!(stage.closes, [Some(1002)]);
}

#[test]
fn a_server_that_does_not_read_is_left() {
    let mut stage = Stage::connected();
    stage.session.subscribe(channel("private-room"));
    stage.settle();
    stage.is_cut = true;
    let (name, event) = (channel("private-room"), ClientEventName::new("client-x").unwrap());
    let data = Data::from_json(format!("{:?}", "x".repeat(10_000))).unwrap();
    let sent = (0..2_000).take_while(|_| {
        let is_sent = stage.session.trigger(&name, &event, &data, stage.now).is_ok();
        stage.settle();
        is_sent
    });
    let sent = sent.count();
    assert!((1_600..1_700).contains(&sent), "{sent}");
    assert_eq!(stage.last_error(), "the connection failed: the server does not read");
}

#[test]
fn every_connect_is_followed_by_one_close() {
    let mut stage = Stage::new();
    stage.next_stream = Next::Fails(CloseReason::Dropped);
    stage.session.connect();
    stage.advance(Duration::from_secs(10));
    stage.line().close(4200, "");
    stage.advance(Duration::from_secs(10));
    stage.line().is_ended = true;
    stage.advance(Duration::from_secs(10));
    stage.session.disconnect();
    stage.session.connect();
    stage.advance(Duration::from_secs(10));
    stage.session.disconnect();
    stage.advance(Duration::from_secs(10));
    let mut open = Vec::new();
    for action in &stage.actions {
        match action {
            Action::Connect(socket, _) => open.push(*socket),
            Action::Close(socket) => {
                let at = open.iter().position(|other| other == socket).expect("it is open, and not closed twice");
                open.remove(at);
            }
            _ => {}
        }
    }
    assert_eq!(open, []);
    assert!(stage.actions.iter().filter(|action| matches!(action, Action::Connect(..))).count() >= 5);
}

#[test]
fn what_comes_for_a_socket_that_is_gone_changes_nothing() {
    let mut stage = Stage::connected();
    let socket = stage.socket();
    stage.session.disconnect();
    stage.settle();
    stage.actions.clear();
    let session = &mut stage.session;
    assert!(session.read_buffer(socket).is_empty());
    assert!(session.poll_output(socket).is_empty());
    session.handle_read(socket, 100);
    session.handle_bytes(socket, b"\x81\x02hi");
    session.handle_written(socket, 100);
    session.handle_end(socket, CloseReason::Dropped);
    assert_eq!(session.poll_action(stage.now), None);
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let mut stage = Stage::connected();
    stage.advance(Duration::from_secs(100));
    stage.session.disconnect();
    stage.is_cut = true;
    while stage.session.poll_action(Instant::ZERO).is_some() {}
    assert_eq!(stage.session.poll_timeout(), Some(stage.now + Duration::from_secs(5)));
}

#[test]
fn the_end_of_a_stream_counts_behind_its_last_bytes() {
    let mut stage = Stage::connected();
    let (socket, now) = (stage.socket(), stage.now);
    let text = br#"{"event":"last","channel":"news","data":"1"}"#;
    stage.session.handle_bytes(socket, &[&[0x81, text.len() as u8], &text[..]].concat());
    stage.session.handle_end(socket, CloseReason::Dropped);
    stage.actions.extend(std::iter::from_fn(|| stage.session.poll_action(now)));
    assert_eq!(stage.events()[..2], ["last", "error"]);
}

#[test]
fn an_answer_that_was_read_counts_however_late_the_session_is_polled() {
    let late = Duration::from_secs(3_600);
    // The answers to the upgrade, to a subscription, and to a ping.
    let mut stage = Stage::new();
    stage.session.connect();
    stage.sleep(late);
    assert_eq!((is_connected(&stage), stage.last_error()), (true, String::new()));
    stage.session.subscribe(channel("news"));
    stage.sleep(late);
    assert_eq!(stage.events(), ["pusher:subscription_succeeded"]);
    stage.actions.clear();
    stage.now = stage.session.poll_timeout().unwrap();
    stage.sleep(late);
    assert_eq!(stage.session.client().stats().pings, 1);
    assert_eq!((is_connected(&stage), stage.events(), stage.lines.len()), (true, vec![], 1));
}

#[test]
fn wishes_of_an_event_count_for_the_next_message() {
    let mut stage = Stage::connected();
    for number in 1..=3 {
        let text = format!(r#"{{"event":"number","channel":"news","data":"{number}"}}"#);
        stage.line().send(tungstenite::Message::text(text));
    }
    let (socket, now) = (stage.socket(), stage.now);
    let bytes = stage.line().pipe.take_client(usize::MAX);
    stage.session.handle_bytes(socket, &bytes);
    let mut received = Vec::new();
    while let Some(action) = stage.session.poll_action(now) {
        if let Action::Emit(Event::Channel(event)) = action {
            received.push(event.data().text().into_owned());
            stage.session.unsubscribe(&channel("news"));
        }
    }
    assert_eq!(received, ["1"]);
}

/// Nothing gets through, while the application disconnects and connects, and streams end or are closing.
#[test]
fn nothing_happens_before_the_announced_time() {
    let calls: [fn(&mut Stage); 5] = [
        |_| {},
        |stage| stage.session.disconnect(),
        |stage| stage.session.connect(),
        |stage| {
            stage.session.disconnect();
            stage.settle();
            stage.session.connect();
        },
        |stage| {
            if let Some(socket) = stage.lines.keys().next_back().copied() {
                stage.session.handle_end(socket, CloseReason::Dropped);
            }
        },
    ];
    for story in 0..5_usize.pow(3) {
        let mut stage = Stage::connected();
        stage.is_cut = true;
        let mut announced = None;
        for turn in 0..400 {
            // A call each second.
            if turn % 20 == 0 && turn < 60 {
                calls[story / 5_usize.pow(turn / 20) % 5](&mut stage);
                stage.settle();
                announced = stage.session.poll_timeout();
            }
            stage.now = stage.now + Duration::from_millis(50);
            let before = stage.actions.len();
            stage.settle();
            let is_due = announced.is_some_and(|at| at <= stage.now);
            assert!(is_due || stage.actions.len() == before, "{story}: {:?}", &stage.actions[before..]);
            announced = stage.session.poll_timeout();
            assert!(announced.is_none_or(|at| at > stage.now), "{story}: {announced:?} at {:?}", stage.now);
        }
    }
}
