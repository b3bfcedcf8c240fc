use super::*;

fn open(world: &mut World, client: u64, target: &str) -> Vec<String> {
    world.server.handle_open(ConnectionId::new(client), target, world.now);
    world.sent()
}

#[test]
fn greets_with_a_socket_id_and_the_activity_timeout() {
    let mut world = World::new();
    world.server.handle_open(ConnectionId::new(1), "/app/key?protocol=7", world.now);
    let id = world.socket_id(1);
    let text = format!(
        r#"{{"event":"pusher:connection_established","data":"{{\"socket_id\":\"{id}\",\"activity_timeout\":120}}"}}"#
    );
    let greeting = world.server.poll_action(world.now);
    assert_eq!(greeting, Some(Action::Send(ConnectionId::new(1), text.into())));
    assert_eq!(world.server.poll_action(world.now), Some(Action::Schedule(Instant::ZERO + secs(130))));
    assert_eq!(world.server.poll_action(world.now), None);
}

#[test]
fn two_servers_of_one_seed_say_the_same() {
    let run = || {
        let mut world = World::new();
        let greetings: Vec<_> = (1..5).map(|client| open(&mut world, client, "/app/key?protocol=7")).collect();
        greetings
    };
    assert_eq!(run(), run());
}

#[test]
fn no_two_connections_have_one_socket_id() {
    let world = World::new().connected(3_000);
    let ids: BTreeSet<SocketId> = (1..=3_000).map(|client| world.socket_id(client)).collect();
    assert_eq!(ids.len(), 3_000);
}

#[test]
fn refuses_a_connection_with_the_code_of_its_reason() {
    let with = |build: fn(ServerConfigBuilder) -> ServerConfigBuilder| World::with(build).connected(1);
    let table = [
        (World::new(), "/app/other?protocol=7", 4001),
        (with(|builder| builder.enabled(false)), "/app/key?protocol=7", 4003),
        (with(|builder| builder.connection_quota(1)), "/app/key?protocol=7", 4004),
        (with(|builder| builder.capacity(1)), "/app/key?protocol=7", 4100),
        (World::new(), "/app/key", 4008),
    ];
    for (mut world, target, code) in table {
        assert_eq!(open(&mut world, 2, target), [format!("2 closed {code}")]);
        assert_eq!(world.say(2, r#"{"event":"pusher:ping"}"#), [""; 0]);
    }
}

#[test]
fn old_protocols_get_an_error_before_the_close() {
    let sent = open(&mut World::new(), 1, "/app/other?protocol=5");
    let error = r#"1 pusher:error {"code":4001,"message":"Application does not exist"}"#;
    assert_eq!(sent, [error, "1 closed 4001"]);
    let sent = open(&mut World::new(), 1, "/app/key?protocol=5");
    assert!(!sent[0].contains("activity_timeout"), "{sent:?}");
    assert_eq!(open(&mut World::new(), 1, "/app/other?protocol=6"), ["1 closed 4001"]);
}

#[test]
fn a_quota_counts_only_open_connections() {
    let mut world = World::with(|builder| builder.connection_quota(1)).connected(1);
    world.close(1);
    assert_eq!(open(&mut world, 2, "/app/key?protocol=7").len(), 1);
    assert_eq!(world.server.connections().len(), 1);
}

#[test]
fn answers_pings_and_takes_pongs() {
    let mut world = World::new().connected(1);
    assert_eq!(world.say(1, r#"{"event":"pusher:ping","data":{}}"#), ["1 pusher:pong {}"]);
    assert_eq!(world.say(1, r#"{"event":"pusher:pong","data":{}}"#), [""; 0]);
}

#[test]
fn reports_what_is_wrong_with_a_message_and_continues() {
    let mut world = World::with(|builder| builder.max_message_len(30)).connected(1);
    assert_eq!(world.say(1, "{"), error(1, "Messages must be JSON objects with an event"));
    assert_eq!(world.say(1, r#"{"event":"pusher:x"}"#), error(1, "Unknown event pusher:x"));
    assert_eq!(world.say(1, &" ".repeat(30)), error(1, "Messages must be JSON objects with an event"));
    assert_eq!(world.say(1, &" ".repeat(31)), error(1, "A message of 31 bytes is larger than 30 bytes"));
    world.server.handle_frame(ConnectionId::new(1), Frame::Binary([1].to_vec().into()), world.now);
    assert_eq!(world.sent(), error(1, "Binary messages are not supported"));
    assert_eq!(world.say(1, r#"{"event":"pusher:ping"}"#).len(), 1);
}

#[test]
fn pings_after_silence_and_closes_without_an_answer() {
    let mut world = World::new().connected(2);
    world.advance(secs(100));
    world.say(2, r#"{"event":"pusher:pong"}"#);
    assert_eq!(world.advance(secs(30)), ["1 pusher:ping {}"]);
    assert_eq!(world.advance(secs(30)), ["1 closed 4201"]);
    assert_eq!(world.advance(secs(70)), ["2 pusher:ping {}"]);
    world.server.handle_frame(ConnectionId::new(2), Frame::Pong, world.now);
    assert_eq!(world.advance(secs(129)), [""; 0]);
    assert_eq!(world.advance(secs(1)), ["2 pusher:ping {}"]);
}

#[test]
fn announces_the_next_deadline_when_one_has_passed() {
    for late in [0, 1] {
        let mut world = World::new().connected(1);
        world.now = Instant::ZERO + secs(130 + late);
        world.server.handle_timeout(world.now);
        let actions: Vec<_> = core::iter::from_fn(|| world.server.poll_action(world.now)).collect();
        assert_eq!(actions.last(), Some(&Action::Schedule(world.now + secs(30))));
        world.server.handle_timeout(world.now + secs(1));
        assert_eq!(world.server.poll_action(world.now + secs(1)), None);
    }
}

#[test]
fn a_silent_server_hangs() {
    let mut world = World::new().connected(2);
    world.server.set_silent(true);
    assert_eq!(open(&mut world, 3, "/app/other?protocol=7"), [""; 0]);
    assert_eq!(world.subscribe(1, "a"), [""; 0]);
    assert_eq!(world.advance(secs(1_000)), [""; 0]);
    world.server.set_silent(false);
    assert_eq!(world.trigger("a", "1"), ["1 e a 1"]);
}

#[test]
fn closes_all_with_a_code_and_refuses_new_ones() {
    let mut world = World::new().connected(2);
    let frame = CloseFrame { code: 4200, reason: "restart".into() };
    world.server.close_all(&frame, world.now);
    assert_eq!(world.sent(), ["1 closed 4200", "2 closed 4200"]);
    assert_eq!(world.server.poll_timeout(), None);
    world.server.set_refusal(Some(frame));
    assert_eq!(open(&mut world, 3, "/app/key?protocol=7"), ["3 closed 4200"]);
    world.server.set_refusal(None);
    assert_eq!(open(&mut world, 3, "/app/key?protocol=7").len(), 1);
}

#[test]
fn an_endless_clock_ends() {
    let mut world = World::new().connected(1);
    let end = Instant::from_elapsed(Duration::MAX);
    world.server.handle_timeout(end);
    world.server.handle_timeout(Instant::ZERO);
    assert_eq!(world.sent(), ["1 pusher:ping {}", "1 closed 4201"]);
}

#[test]
fn closes_one_connection_and_leaves_the_others() {
    let mut world = World::new().connected(2);
    let frame = CloseFrame { code: 4200, reason: "restart".into() };
    assert!(world.server.close(ConnectionId::new(1), &frame, world.now));
    assert_eq!(world.sent(), ["1 closed 4200"]);
    assert!(!world.server.close(ConnectionId::new(1), &frame, world.now));
    assert_eq!(world.server.connections().len(), 1);
}
