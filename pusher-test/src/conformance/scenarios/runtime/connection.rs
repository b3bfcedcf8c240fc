//! Connecting, losing connections and reconnecting.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use pusher_proto::{Config, ConnectionError, ConnectionState, Endpoint, Event, FailReason, TransportError};

use crate::conformance::faults::{Cut, Flood, Flow};
use crate::conformance::runtime::Runtime;
use crate::conformance::stage::{PATIENCE, Stage, quick};
use crate::conformance::user::User;

pub(super) fn a_client_waits_for_a_server_that_is_not_up_yet<R: Runtime>(stage: &mut Stage<R>) {
    let setup = stage.setup(stage.direct_config());
    stage.stop_server();
    let mut user = stage.user_with(setup);
    let cause = user.until_waiting();
    assert!(
        matches!(cause, ConnectionError::Transport(TransportError::Io(_))),
        "expected TransportError::Io, since the connection was refused, but the cause is {cause:?}"
    );
    stage.start_server();
    user.until_connected();
    let _chat = user.subscribed("chat");
}

pub(super) fn a_channel_can_be_wanted_before_the_connection<R: Runtime>(stage: &mut Stage<R>) {
    let mut user = stage.user_at_rest(stage.setup(stage.config()));
    let mut chat = user.subscribe("private-chat");
    user.expect_none("no connection before connect is called", |event| matches!(event, Event::StateChanged { .. }));
    user.connect();
    chat.expect_success();
    stage.publish("private-chat", "1");
    chat.expect_text("1");
}

pub(super) fn the_upgrade_carries_prefix_and_headers_to_an_ipv6_address<R: Runtime>(stage: &mut Stage<R>) {
    // On a machine without IPv6, test the same over IPv4.
    let listener = TcpListener::bind("[::1]:0").or_else(|_| TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("the listener's address");
    let endpoint = Endpoint::host(address.ip().to_string())
        .ws_port(address.port())
        .tls(false)
        .path_prefix("realtime")
        .header("Origin", "https://example.com")
        .header("Authorization", "Bearer 1")
        .header("User-Agent", "test");
    let mut user = stage.user_with(stage.setup(quick(Config::builder("app-key", endpoint))));
    let (mut socket, head) = accept(&listener);
    let head = head.to_lowercase();
    let start = "get /realtime/app/app-key?protocol=7&";
    assert!(head.starts_with(start), "expected an upgrade request that begins with {start}, but it is {head}");
    for line in
        [&format!("host: {address}"), "origin: https://example.com", "authorization: bearer 1", "user-agent: test"]
    {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "expected the header {line}, but the request is {head}");
    }
    socket
        .write_all(b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nLocation: /busy\r\nContent-Length: 9\r\n\r\ncome back")
        .expect("the client reads the answer to its upgrade");
    let refused = TransportError::Http {
        status: 503,
        retry_after: Some(Duration::from_secs(7)),
        location: Some("/busy".into()),
        excerpt: "come back".into(),
    };
    assert_eq!(user.until_waiting(), ConnectionError::Transport(refused), "the server refused the upgrade");
}

/// The first connection, and the head of its request.
fn accept(listener: &TcpListener) -> (TcpStream, String) {
    listener.set_nonblocking(true).expect("a listener that does not block");
    let start = Instant::now();
    let mut socket = loop {
        match listener.accept() {
            Ok((socket, _)) => break socket,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("expected a connection within 20 s, but: {error}"),
        }
    };
    socket.set_nonblocking(false).and(socket.set_read_timeout(Some(PATIENCE))).expect("a socket with a time limit");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if let Err(error) = socket.read_exact(&mut byte) {
            panic!("expected an upgrade request, but after {:?}: {error}", String::from_utf8_lossy(&head));
        }
        head.extend(byte);
    }
    (socket, String::from_utf8_lossy(&head).into_owned())
}

pub(super) fn events_arrive_on_every_kind_of_channel<R: Runtime>(stage: &mut Stage<R>) {
    let mut user = stage.user();
    for channel in ["chat", "private-chat", "presence-chat", "cache-chat", "private-cache-chat", "presence-cache-chat"]
    {
        if !stage.supports(channel) {
            continue;
        }
        let mut subscription = user.subscribe(channel);
        subscription.expect_confirmed();
        stage.publish(channel, channel);
        let message = loop {
            match subscription.next_event() {
                Event::Channel(event) => break event,
                Event::SubscriptionSucceeded { .. } | Event::CacheMiss { .. } => {}
                event => panic!("expected an event of {channel}, but this came: {event:?}"),
            }
        };
        assert_eq!((message.channel().as_str(), &*message.data().text()), (channel, channel), "what was published");
    }
    drop(user.subscribed("private-encrypted-chat"));
}

pub(super) fn a_dropped_connection_is_replaced<R: Runtime>(stage: &mut Stage<R>) {
    recovers_from(stage, Cut::Drop);
}

pub(super) fn a_reset_connection_is_replaced<R: Runtime>(stage: &mut Stage<R>) {
    recovers_from(stage, Cut::Reset);
}

fn recovers_from<R: Runtime>(stage: &Stage<R>, cut: Cut) {
    let mut user = stage.user();
    let first = user.until_connected();
    let (mut chat, mut orders) = (user.subscribed("chat"), user.subscribed("private-orders"));
    stage.proxy().cut(cut);
    chat.expect_recovery(stage);
    orders.expect_recovery(stage);
    assert_ne!(user.until_connected(), first, "expected another connection, but it has the same id");
}

pub(super) fn a_silent_connection_is_noticed_and_replaced<R: Runtime>(stage: &mut Stage<R>) {
    // The pong timeout is what this scenario waits for.
    let config = stage.config().pong_timeout(Duration::from_millis(100));
    let mut user = stage.user_with(stage.setup(config));
    let mut chat = user.subscribed("chat");
    stage.proxy().set(Flow::Silence);
    let is_noticed = |event: &Event| *event == Event::ConnectionError(ConnectionError::PongTimeout);
    user.until("the silence is reported as ConnectionError::PongTimeout", is_noticed);
    stage.proxy().set(Flow::Pass);
    chat.expect_recovery(stage);
}

pub(super) fn a_message_that_never_ends_is_given_up<R: Runtime>(stage: &mut Stage<R>) {
    let mut user = stage.user();
    let mut chat = user.subscribed("chat");
    stage.proxy().flood(Flood::FRAGMENTS);
    let is_given_up = |event: &Event| {
        matches!(event, Event::ConnectionError(ConnectionError::Transport(TransportError::WebSocket(_))))
    };
    user.until("the message is given up with a TransportError::WebSocket", is_given_up);
    chat.expect_recovery(stage);
}

pub(super) fn a_message_that_never_ends_does_not_delay_shutdown<R: Runtime>(stage: &mut Stage<R>) {
    let mut user = stage.user();
    let _chat = user.subscribed("chat");
    stage.proxy().flood(Flood::FRAGMENTS);
    user.shut_down(Duration::from_millis(50));
}

pub(super) fn a_flood_that_continues_after_our_close_holds_nothing_up<R: Runtime>(stage: &mut Stage<R>) {
    let mut setup = stage.setup(stage.config());
    // Longer than the check for leftovers waits.
    setup.close_timeout = 3 * PATIENCE;
    let mut user = stage.user_with(setup);
    let _chat = user.subscribed("chat");
    stage.proxy().flood(Flood::PINGS);
    user.disconnect();
    user.until_state("disconnected", |state| *state == ConnectionState::Disconnected);
    user.connect();
    user.until_connected();
    let mut news = user.subscribed("news");
    stage.publish("news", "1");
    news.expect_text("1");
    stage.proxy().flood(Flood::PINGS);
    user.shut_down(Duration::from_millis(50));
}

pub(super) fn a_trickle_of_bytes_is_enough<R: Runtime>(stage: &mut Stage<R>) {
    stage.proxy().set(Flow::Trickle);
    stage.auth_proxy().set(Flow::Trickle);
    let mut user = stage.user();
    let mut chat = user.subscribed("private-chat");
    stage.publish("private-chat", "1");
    chat.expect_text("1");
}

pub(super) fn a_message_may_take_longer_than_a_pong<R: Runtime>(stage: &mut Stage<R>) {
    let config = stage.config().activity_timeout(Duration::from_millis(200)).pong_timeout(Duration::from_secs(1));
    let mut user = stage.user_with(stage.setup(config));
    let mut chat = user.subscribed("chat");
    stage.proxy().set(Flow::Trickle);
    // It takes 1.4 s at least, in pieces of 7 bytes: the client pings after 200 ms, and the answer comes after the message,
    // which is later than the pong timeout.
    let large = "x".repeat(10_000);
    stage.publish("chat", &large);
    chat.expect_text(&large);
}

pub(super) fn the_longest_durations_are_taken<R: Runtime>(stage: &mut Stage<R>) {
    let config = stage
        .config()
        .activity_timeout(Duration::MAX)
        .pong_timeout(Duration::MAX)
        .handshake_timeout(Duration::MAX)
        .subscribe_timeout(Duration::MAX)
        .auth_timeout(Duration::MAX)
        .unavailable_timeout(Duration::MAX)
        .reconnect_reset_after(Duration::MAX);
    let mut setup = stage.setup(config);
    setup.close_timeout = Duration::MAX;
    let mut user = stage.user_with(setup);
    let mut chat = user.subscribed("private-chat");
    stage.proxy().cut(Cut::Drop);
    chat.expect_recovery(stage);
    user.shut_down(Duration::MAX);
}

pub(super) fn every_range_of_close_codes_has_its_effect<R: Runtime>(stage: &mut Stage<R>) {
    let mut user = stage.user();
    let mut chat = user.subscribed("chat");
    for code in [1000, 1001, 1011, 3000, 4100, 4200, 4300, 4400] {
        stage.handle().close_all(code, "as the scenario wants");
        chat.expect_recovery(stage);
    }
    for code in [4000, 4001, 4009, 4099_u16] {
        stage.handle().close_all(code, "no");
        expect_failure(&mut user, code.into());
        user.connect();
        while chat.next_event().name() != "pusher:subscription_succeeded" {}
    }
}

fn expect_failure<R: Runtime>(user: &mut User<R>, code: u32) {
    let state = user.until_state("failed", |state| matches!(state, ConnectionState::Failed { .. }));
    let reason = FailReason::Fatal { code, message: "no".into() };
    assert_eq!(state, ConnectionState::Failed { reason }, "the server closed with {code}");
}

pub(super) fn a_restarted_server_gets_its_clients_back<R: Runtime>(stage: &mut Stage<R>) {
    let mut user = stage.user();
    let (mut chat, mut orders) = (user.subscribed("chat"), user.subscribed("private-orders"));
    stage.stop_server();
    user.until_waiting();
    stage.start_server();
    chat.expect_recovery(stage);
    orders.expect_recovery(stage);
}
