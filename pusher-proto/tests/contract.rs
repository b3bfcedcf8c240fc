//! The contract with a runtime, as the crate's documentation writes it: one test for each rule.

use std::time::Duration;

use pusher_proto::{
    Action, AuthError, AuthResponse, ChannelName, Client, ClientEventName, CloseFrame, CloseReason, Config,
    ConfigBuilder, ConnectionError, Data, Endpoint, Event, Frame, Instant, ProtocolError, SocketEpoch, Text,
};

const GREETING: &str = r#"{"event":"pusher:connection_established","data":{"socket_id":"1.2","activity_timeout":120}}"#;

fn config() -> ConfigBuilder {
    Config::builder("key", Endpoint::cluster("eu"))
}

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).expect("tests name channels as servers do")
}

fn drain(client: &mut Client, now: Instant) -> Vec<Action> {
    std::iter::from_fn(|| client.poll_action(now)).collect()
}

/// The socket that the client wants to be opened.
fn opening(config: ConfigBuilder) -> (Client, SocketEpoch, Vec<Action>) {
    let mut client = Client::new(config.build().expect("tests use valid values"), 1);
    client.connect();
    let actions = drain(&mut client, Instant::ZERO);
    let socket = actions.iter().find_map(|action| match action {
        Action::Connect(socket, _) => Some(*socket),
        _ => None,
    });
    (client, socket.expect("a client that connects opens a socket"), actions)
}

fn connected() -> (Client, SocketEpoch) {
    let (mut client, socket, _) = opening(config());
    client.handle_open(socket, Instant::ZERO);
    client.handle_frame(socket, Frame::Text(GREETING.into()), Instant::ZERO);
    drain(&mut client, Instant::ZERO);
    assert!(client.state().is_connected());
    (client, socket)
}

fn receive(client: &mut Client, socket: SocketEpoch, text: &str) {
    client.handle_frame(socket, Frame::Text(text.into()), Instant::ZERO);
}

fn sent(actions: &[Action]) -> Vec<(SocketEpoch, &str)> {
    let sent = actions.iter().filter_map(|action| match action {
        Action::Send(socket, text) => Some((*socket, text.as_str())),
        _ => None,
    });
    sent.collect()
}

/// One word for each action.
fn words(actions: &[Action]) -> Vec<&'static str> {
    let word = |action: &Action| match action {
        Action::Connect(..) => "connect",
        Action::Send(..) => "send",
        Action::Close(..) => "close",
        Action::RequestAuth(_) => "request",
        Action::CancelAuth(_) => "cancel",
        Action::Schedule(_) => "schedule",
        Action::Emit(_) => "emit",
    };
    actions.iter().map(word).collect()
}

fn scheduled(actions: &[Action]) -> Vec<Instant> {
    let times = actions.iter().filter_map(|action| match action {
        Action::Schedule(at) => Some(*at),
        _ => None,
    });
    times.collect()
}

/// The default.
const PONG_TIMEOUT: Duration = Duration::from_secs(30);

const AFTER_A_MINUTE: Instant = Instant::from_elapsed(Duration::from_secs(60));

#[test]
fn a_connect_that_fails_at_once_may_be_answered_inside_the_drain() {
    let mut client = Client::new(config().build().unwrap(), 1);
    client.connect();
    let mut actions = Vec::new();
    while let Some(action) = client.poll_action(Instant::ZERO) {
        if let Action::Connect(socket, _) = &action {
            client.handle_close(*socket, CloseReason::Dropped, Instant::ZERO);
        }
        actions.push(action);
    }
    assert_eq!(words(&actions), ["emit", "connect", "emit", "emit", "schedule"]);
}

#[test]
fn a_wish_inside_a_drain_takes_effect_in_it() {
    let (mut client, socket) = connected();
    client.subscribe(channel("news"));
    let mut actions = Vec::new();
    while let Some(action) = client.poll_action(Instant::ZERO) {
        if sent(std::slice::from_ref(&action)).len() == 1 {
            client.disconnect();
        }
        actions.push(action);
    }
    assert!(actions.contains(&Action::Close(socket, CloseFrame::new(1000, ""))), "{actions:?}");
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let (mut client, socket) = connected();
    client.handle_frame(socket, Frame::Ping, AFTER_A_MINUTE);
    client.handle_timeout(Instant::ZERO);
    drain(&mut client, Instant::ZERO);
    assert!(client.poll_timeout().unwrap() > AFTER_A_MINUTE);
}

#[test]
fn calls_for_an_older_socket_or_an_unknown_request_have_no_effect() {
    let (mut client, old) = connected();
    client.subscribe(channel("private-orders"));
    let actions = drain(&mut client, Instant::ZERO);
    let Some(Action::RequestAuth(request)) =
        actions.into_iter().find(|action| matches!(action, Action::RequestAuth(_)))
    else {
        panic!("a private channel is authorized");
    };
    client.handle_auth(request.id, Err(AuthError::Handler("no".into())), Instant::ZERO);
    client.handle_close(old, CloseReason::Dropped, Instant::ZERO);
    drain(&mut client, AFTER_A_MINUTE);
    client.handle_timeout(AFTER_A_MINUTE);
    drain(&mut client, AFTER_A_MINUTE);
    let (before, stats) = (client.state().clone(), client.stats());
    receive(&mut client, old, GREETING);
    client.handle_open(old, AFTER_A_MINUTE);
    client.handle_skipped(old, 1 << 30, AFTER_A_MINUTE);
    client.handle_part(old, AFTER_A_MINUTE);
    client.handle_close(old, CloseReason::Dropped, AFTER_A_MINUTE);
    client.handle_auth(request.id, Ok(AuthResponse::new("key:5a")), AFTER_A_MINUTE);
    assert_eq!(drain(&mut client, AFTER_A_MINUTE), []);
    assert_eq!((client.state(), client.stats()), (&before, stats));
}

#[test]
fn a_drain_gives_the_actions_in_their_order() {
    let (mut client, socket) = connected();
    client.subscribe(channel("private-orders"));
    client.subscribe(channel("news"));
    assert_eq!(words(&drain(&mut client, Instant::ZERO)), ["send", "request"]);
    // Another server: the old socket is closed, and its authorization is not needed any more.
    client.switch(pusher_proto::AppKey::new("other").unwrap(), Endpoint::cluster("us2").into());
    let actions = drain(&mut client, Instant::ZERO);
    assert_eq!(words(&actions), ["close", "emit", "connect", "cancel"]);
    assert!(matches!(&actions[0], Action::Close(closed, _) if *closed == socket));
}

#[test]
fn messages_that_were_triggered_before_a_disconnect_come_before_the_close() {
    let (mut client, socket) = connected();
    let room = channel("private-room");
    client.subscribe(room.clone());
    let actions = drain(&mut client, Instant::ZERO);
    let Some(Action::RequestAuth(request)) =
        actions.into_iter().find(|action| matches!(action, Action::RequestAuth(_)))
    else {
        panic!("a private channel is authorized");
    };
    client.handle_auth(request.id, Ok(AuthResponse::new("key:5a")), Instant::ZERO);
    drain(&mut client, Instant::ZERO);
    receive(&mut client, socket, r#"{"event":"pusher_internal:subscription_succeeded","channel":"private-room"}"#);
    drain(&mut client, Instant::ZERO);
    let bye = ClientEventName::new("client-bye").unwrap();
    client.trigger(&room, &bye, &Data::from_json("1").unwrap(), Instant::ZERO).unwrap();
    client.disconnect();
    assert_eq!(words(&drain(&mut client, Instant::ZERO))[..2], ["send", "close"]);
}

#[test]
fn what_was_not_sent_on_a_socket_that_failed_is_subscribed_on_the_next_one() {
    let (mut client, first) = connected();
    client.subscribe(channel("news"));
    let actions = drain(&mut client, Instant::ZERO);
    let subscribe = r#"{"event":"pusher:subscribe","data":{"channel":"news"}}"#;
    assert_eq!(sent(&actions), [(first, subscribe)]);
    // The socket has failed meanwhile, so the runtime has dropped the message.
    client.handle_close(first, CloseReason::Dropped, Instant::ZERO);
    drain(&mut client, Instant::ZERO);
    client.handle_timeout(AFTER_A_MINUTE);
    let actions = drain(&mut client, AFTER_A_MINUTE);
    let Some(Action::Connect(second, _)) = actions.iter().find(|action| matches!(action, Action::Connect(..))) else {
        panic!("the client reconnects");
    };
    client.handle_frame(*second, Frame::Text(GREETING.into()), AFTER_A_MINUTE);
    assert_eq!(sent(&drain(&mut client, AFTER_A_MINUTE)), [(*second, subscribe)]);
}

#[test]
fn a_close_while_opening_needs_no_answer() {
    let (mut client, socket, _) = opening(config());
    client.disconnect();
    let actions = drain(&mut client, Instant::ZERO);
    assert_eq!(words(&actions), ["close", "emit"]);
    client.handle_open(socket, Instant::ZERO);
    client.handle_close(socket, CloseReason::Dropped, Instant::ZERO);
    assert_eq!(drain(&mut client, Instant::ZERO), []);
}

#[test]
fn the_next_socket_may_be_opened_before_the_last_one_has_closed() {
    let (mut client, _) = connected();
    client.disconnect();
    assert!(words(&drain(&mut client, Instant::ZERO)).contains(&"close"));
    client.connect();
    assert!(words(&drain(&mut client, Instant::ZERO)).contains(&"connect"));
}

#[test]
fn a_schedule_stays_until_an_earlier_one_or_its_time_comes() {
    let (mut client, socket, actions) = opening(config());
    let first = scheduled(&actions);
    assert_eq!(first.len(), 1);
    assert_eq!(client.poll_timeout(), Some(first[0]));
    // Later deadlines are not announced, earlier ones are.
    receive(&mut client, socket, GREETING);
    assert_eq!(scheduled(&drain(&mut client, Instant::ZERO)), []);
    client.subscribe(channel("news"));
    drain(&mut client, Instant::ZERO);
    assert!(client.poll_timeout().unwrap() >= first[0]);
    // Too early: nothing happens but another announcement.
    client.handle_timeout(Instant::ZERO);
    let actions = drain(&mut client, Instant::ZERO);
    assert_eq!(words(&actions), ["schedule"]);
    assert_eq!(scheduled(&actions)[0], client.poll_timeout().unwrap());
}

#[test]
fn an_opening_that_takes_too_long_is_closed_by_the_client() {
    let (mut client, socket, _) = opening(config().handshake_timeout(Duration::from_secs(60)));
    client.handle_timeout(AFTER_A_MINUTE);
    let actions = drain(&mut client, AFTER_A_MINUTE);
    assert_eq!(actions[0], Action::Close(socket, CloseFrame::new(1000, "")));
    assert!(actions.contains(&Action::Emit(Event::ConnectionError(ConnectionError::HandshakeTimeout))));
}

#[test]
fn an_authorization_that_takes_too_long_is_cancelled_by_the_client() {
    let (mut client, _) = connected();
    client.subscribe(channel("private-orders"));
    let actions = drain(&mut client, Instant::ZERO);
    let Some(Action::RequestAuth(request)) =
        actions.into_iter().find(|action| matches!(action, Action::RequestAuth(_)))
    else {
        panic!("a private channel is authorized");
    };
    client.handle_timeout(AFTER_A_MINUTE);
    let actions = drain(&mut client, AFTER_A_MINUTE);
    assert!(actions.contains(&Action::CancelAuth(request.id)), "{actions:?}");
}

#[test]
fn a_message_that_is_handed_over_before_the_timeout_counts_before_the_deadline() {
    for answers in [false, true] {
        let (mut client, socket) = connected();
        let ping_at = loop {
            let at = client.poll_timeout().unwrap();
            client.handle_timeout(at);
            if sent(&drain(&mut client, at)) == [(socket, r#"{"event":"pusher:ping","data":{}}"#)] {
                break at;
            }
        };
        let too_late = ping_at + PONG_TIMEOUT;
        if answers {
            client.handle_frame(socket, Frame::Text(r#"{"event":"pusher:pong"}"#.into()), too_late);
        }
        client.handle_timeout(too_late);
        drain(&mut client, too_late);
        assert_eq!(client.state().is_connected(), answers);
    }
}

#[test]
fn an_event_lies_in_the_buffer_of_its_frame_until_it_is_detached() {
    let (mut client, socket) = connected();
    client.subscribe(channel("news"));
    drain(&mut client, Instant::ZERO);
    receive(&mut client, socket, r#"{"event":"pusher_internal:subscription_succeeded","channel":"news"}"#);
    drain(&mut client, Instant::ZERO);
    let text = Text::from(String::from(r#"{"event":"published","channel":"news","data":"hi"}"#));
    let buffer = text.as_bytes().as_ptr_range();
    client.handle_frame(socket, Frame::Text(text.clone()), Instant::ZERO);
    let Some(Action::Emit(Event::Channel(event))) = client.poll_action(Instant::ZERO) else { panic!("an event") };
    assert!(buffer.contains(&event.event().as_ptr()));
    assert!(!buffer.contains(&event.detached().event().as_ptr()));
}

#[test]
fn an_oversized_message_is_an_error_and_the_connection_stays() {
    let (mut client, socket) = connected();
    let max = client.config().max_frame_len();
    client.handle_skipped(socket, 20_000_000, Instant::ZERO);
    let error = ConnectionError::Protocol(ProtocolError::FrameTooLarge { len: 20_000_000, max });
    assert_eq!(drain(&mut client, Instant::ZERO), [Action::Emit(Event::ConnectionError(error))]);
    assert!(client.state().is_connected());
}
