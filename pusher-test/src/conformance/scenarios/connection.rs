//! Connecting, losing connections and reconnecting.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use pusher_proto::{
    Config, ConnectionError, ConnectionState, Endpoint, Event, FailReason, TransportError, with_causes,
};

use crate::adapter::Adapter;
use crate::faults::{Cut, Flood, Flow};
use crate::world::{PATIENCE, User, World, expect_recovery, next, options, quick, text};

pub(super) fn a_client_waits_for_a_server_that_is_not_up_yet<A: Adapter>(world: &mut World<A>) {
    let config = world.direct_config();
    world.stop_server();
    let user = world.user_with(config, world.auth(), &options());
    user.client.connect();
    let refused = |state: &ConnectionState| {
        let cause = ConnectionError::Transport(TransportError::Io(String::new()));
        matches!(state, ConnectionState::Waiting { cause: found, .. }
            if std::mem::discriminant(&**found) == std::mem::discriminant(&cause))
    };
    let state = user.until_state("refused", refused);
    let ConnectionState::Waiting { cause, .. } = state else { panic!("{state:?}") };
    let refusal = TcpStream::connect(world.address()).unwrap_err();
    let expected = format!("the connection failed: {}: {refusal}", world.address());
    assert_eq!(with_causes(&cause).to_string(), expected);
    world.start_server();
    user.until_connected();
    user.subscribed("chat");
}

pub(super) fn a_channel_can_be_wanted_before_the_connection<A: Adapter>(world: &mut World<A>) {
    let user = world.user_with(world.config(), world.auth(), &options());
    let mut chat = user.subscribe("private-chat");
    assert_eq!(user.client.state(), ConnectionState::Initialized);
    user.client.connect();
    A::subscribed(&chat).unwrap();
    assert_eq!(next::<A>(&mut chat).name(), "pusher:subscription_succeeded");
    world.publish("private-chat", "1");
    assert_eq!(text::<A>(&mut chat), "1");
}

pub(super) fn the_upgrade_carries_prefix_and_headers_to_an_ipv6_address<A: Adapter>(world: &mut World<A>) {
    // On a machine without IPv6, test the same over IPv4.
    let listener = TcpListener::bind("[::1]:0").or_else(|_| TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = Endpoint::host(address.ip().to_string())
        .ws_port(address.port())
        .tls(false)
        .path_prefix("realtime")
        .header("Origin", "https://example.com")
        .header("Authorization", "Bearer 1")
        .header("User-Agent", "test");
    let user = world.user_with(quick(Config::builder("app-key", endpoint)), world.auth(), &options());
    user.client.connect();
    let (mut socket, _) = listener.accept().unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("get /realtime/app/app-key?protocol=7&"), "{head}");
    for line in
        [&format!("host: {address}"), "origin: https://example.com", "authorization: bearer 1", "user-agent: test"]
    {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
    }
    socket
        .write_all(b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nLocation: /busy\r\nContent-Length: 9\r\n\r\ncome back")
        .unwrap();
    let state = user.until_state("refused", |state| matches!(state, ConnectionState::Waiting { .. }));
    let ConnectionState::Waiting { cause, .. } = state else { panic!("{state:?}") };
    let refused = TransportError::Http {
        status: 503,
        retry_after: Some(Duration::from_secs(7)),
        location: Some("/busy".into()),
        excerpt: "come back".into(),
    };
    assert_eq!(*cause, ConnectionError::Transport(refused));
}

pub(super) fn events_arrive_on_every_kind_of_channel<A: Adapter>(world: &mut World<A>) {
    let user = world.user();
    for channel in ["chat", "private-chat", "presence-chat", "cache-chat", "private-cache-chat", "presence-cache-chat"]
    {
        if !world.takes(channel) {
            continue;
        }
        let mut subscription = user.subscribe(channel);
        A::subscribed(&subscription).unwrap();
        world.publish(channel, channel);
        let message = loop {
            match next::<A>(&mut subscription) {
                Event::Channel(event) => break event,
                Event::SubscriptionSucceeded { .. } | Event::CacheMiss { .. } => {}
                event => panic!("{event:?}"),
            }
        };
        assert_eq!((message.channel().as_str(), &*message.data().text()), (channel, channel));
    }
    drop(user.subscribed("private-encrypted-chat"));
}

pub(super) fn a_dropped_connection_is_replaced<A: Adapter>(world: &mut World<A>) {
    recovers_from(world, Cut::Drop);
}

pub(super) fn a_reset_connection_is_replaced<A: Adapter>(world: &mut World<A>) {
    recovers_from(world, Cut::Reset);
}

fn recovers_from<A: Adapter>(world: &World<A>, cut: Cut) {
    let user = world.user();
    let (mut chat, mut orders) = (user.subscribed("chat"), user.subscribed("private-orders"));
    let first = user.client.socket_id();
    world.proxy.cut(cut);
    expect_recovery(world, &mut chat);
    expect_recovery(world, &mut orders);
    assert_ne!(user.client.socket_id(), first);
}

pub(super) fn a_silent_connection_is_noticed_and_replaced<A: Adapter>(world: &mut World<A>) {
    let user = world.user();
    let mut chat = user.subscribed("chat");
    world.proxy.set(Flow::Silence);
    user.until("silence is noticed", |event| *event == Event::ConnectionError(ConnectionError::PongTimeout));
    world.proxy.set(Flow::Pass);
    expect_recovery(world, &mut chat);
}

pub(super) fn a_message_that_never_ends_is_given_up<A: Adapter>(world: &mut World<A>) {
    let user = world.user();
    let mut chat = user.subscribed("chat");
    world.proxy.flood(Flood::FRAGMENTS);
    let is_given_up = |event: &Event| {
        matches!(event, Event::ConnectionError(ConnectionError::Transport(TransportError::WebSocket(_))))
    };
    user.until("the message is given up", is_given_up);
    expect_recovery(world, &mut chat);
}

pub(super) fn a_message_that_never_ends_does_not_delay_shutdown<A: Adapter>(world: &mut World<A>) {
    let user = world.user();
    drop(user.subscribed("chat"));
    world.proxy.flood(Flood::FRAGMENTS);
    let start = Instant::now();
    A::shutdown(&user.client, Duration::from_millis(50));
    assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
    assert_eq!(user.client.state(), ConnectionState::Disconnected);
}

pub(super) fn a_flood_that_continues_after_our_close_holds_nothing_up<A: Adapter>(world: &mut World<A>) {
    let user = world.user_with(world.config(), world.auth(), &options().close_timeout(PATIENCE));
    user.client.connect();
    drop(user.subscribed("chat"));
    world.proxy.flood(Flood::PINGS);
    user.client.disconnect();
    user.until_state("disconnected", |state| *state == ConnectionState::Disconnected);
    user.client.connect();
    user.until_connected();
    let mut chat = user.subscribed("chat");
    world.publish("chat", "1");
    assert_eq!(text::<A>(&mut chat), "1");
    world.proxy.flood(Flood::PINGS);
    let start = Instant::now();
    A::shutdown(&user.client, Duration::from_millis(50));
    assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
    assert_eq!(user.client.state(), ConnectionState::Disconnected);
}

pub(super) fn a_trickle_of_bytes_is_enough<A: Adapter>(world: &mut World<A>) {
    world.proxy.set(Flow::Trickle);
    world.auth_proxy.set(Flow::Trickle);
    let user = world.user();
    let mut chat = user.subscribed("private-chat");
    world.publish("private-chat", "1");
    assert_eq!(text::<A>(&mut chat), "1");
}

pub(super) fn a_message_may_take_longer_than_a_pong<A: Adapter>(world: &mut World<A>) {
    let config = world.config().pong_timeout(Duration::from_millis(300));
    let user = world.user_with(config, world.auth(), &options());
    user.client.connect();
    let mut chat = user.subscribed("chat");
    world.proxy.set(Flow::Trickle);
    // More than a second, after which the client pings, and a pong timeout.
    let large = "x".repeat(10_000);
    world.publish("chat", &large);
    assert_eq!(text::<A>(&mut chat), large);
}

pub(super) fn the_longest_durations_are_taken<A: Adapter>(world: &mut World<A>) {
    let config = world
        .config()
        .activity_timeout(Duration::MAX)
        .pong_timeout(Duration::MAX)
        .handshake_timeout(Duration::MAX)
        .subscribe_timeout(Duration::MAX)
        .auth_timeout(Duration::MAX)
        .unavailable_timeout(Duration::MAX)
        .reconnect_reset_after(Duration::MAX);
    let user = world.user_with(config, world.auth(), &options().close_timeout(Duration::MAX));
    user.client.connect();
    let mut chat = user.subscribed("private-chat");
    world.proxy.cut(Cut::Drop);
    expect_recovery(world, &mut chat);
    A::shutdown(&user.client, Duration::MAX);
}

pub(super) fn every_range_of_close_codes_has_its_effect<A: Adapter>(world: &mut World<A>) {
    let user = world.user();
    let mut chat = user.subscribed("chat");
    for code in [1000, 1001, 1011, 3000, 4100, 4200, 4300, 4400] {
        world.handle().close_all(code, "as the scenario wants");
        expect_recovery(world, &mut chat);
    }
    for code in [4000, 4001, 4009, 4099_u16] {
        world.handle().close_all(code, "no");
        expect_failure(&user, code.into());
        user.client.connect();
        A::subscribed(&chat).unwrap();
        while next::<A>(&mut chat).name() != "pusher:subscription_succeeded" {}
    }
}

fn expect_failure<A: Adapter>(user: &User<A>, code: u32) {
    let state = user.until_state("failed", |state| matches!(state, ConnectionState::Failed { .. }));
    let reason = FailReason::Fatal { code, message: "no".into() };
    assert_eq!(state, ConnectionState::Failed { reason });
}

pub(super) fn a_restarted_server_gets_its_clients_back<A: Adapter>(world: &mut World<A>) {
    let user = world.user();
    let (mut chat, mut orders) = (user.subscribed("chat"), user.subscribed("private-orders"));
    world.stop_server();
    user.until_state("waiting", |state| matches!(state, ConnectionState::Waiting { .. }));
    world.start_server();
    expect_recovery(world, &mut chat);
    expect_recovery(world, &mut orders);
}
