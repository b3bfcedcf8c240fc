//! Sockudo's protocol version 2: the frames of recordings, and what clients can have replayed.

use super::*;

pub(super) fn world(build: impl FnOnce(ServerConfigBuilder) -> ServerConfigBuilder) -> World {
    World::with(|builder| build(builder.dialect(Dialect::SockudoV2)))
}

/// Connects a client with this query.
pub(super) fn connect(world: &mut World, client: u64, query: &str) -> Vec<String> {
    world.server.handle_open(ConnectionId::new(client), &format!("/app/key?{query}"), world.now);
    frames(world)
}

/// Whatever the server sends now, with `<id>` in place of each id of a message and letters for streams.
pub(super) fn frames(world: &mut World) -> Vec<String> {
    let mut sent = Vec::new();
    while let Some(action) = world.server.poll_action(world.now) {
        match action {
            Action::Send(_, text) => sent.push(text.to_string()),
            Action::Close(_, frame) => sent.push(format!("closed {}", frame.code)),
            Action::Ping(_) => sent.push("ping".into()),
            Action::Drop(_) => sent.push("dropped".into()),
            Action::Schedule(_) => {}
        }
    }
    sent.iter().map(|frame| without_ids(frame)).collect()
}

/// Replaces every UUID by `<id>`.
pub(super) fn without_ids(frame: &str) -> String {
    let parts: Vec<&str> = frame.split('"').collect();
    let is_uuid = |part: &str| part.trim_end_matches('\\').len() == 36 && part.matches('-').count() == 4;
    let parts = parts.iter().map(|part| {
        if is_uuid(part) { part.replace(part.trim_end_matches('\\'), "<id>") } else { (*part).to_string() }
    });
    parts.collect::<Vec<_>>().join("\"")
}

pub(super) fn say(world: &mut World, client: u64, text: &str) -> Vec<String> {
    world.server.handle_frame(ConnectionId::new(client), Frame::Text(text.into()), world.now);
    frames(world)
}

pub(super) fn subscribe(world: &mut World, client: u64, channel: &str) -> Vec<String> {
    say(world, client, &format!(r#"{{"event":"sockudo:subscribe","data":{{"channel":"{channel}"}}}}"#))
}

pub(super) fn publish(world: &mut World, channel: &str, data: &str) -> Vec<String> {
    let channel = ChannelName::internal(channel).unwrap();
    world.server.trigger(&Publication::new("tick", [channel], data), world.now).unwrap();
    frames(world)
}

pub(super) fn resume(world: &mut World, client: u64, channel: &str, stream: &str, serial: u64) -> Vec<String> {
    let position = format!(r#"{{"serial":{serial},"stream_id":"{stream}"}}"#);
    let data = format!(r#"{{"channel_positions":{{"{channel}":{position}}}}}"#);
    say(world, client, &format!(r#"{{"event":"sockudo:resume","data":{data}}}"#))
}

pub(super) fn stream(world: &World, channel: &str) -> String {
    world.server.position(&channel_name(channel)).unwrap().stream_id().into()
}

pub(super) fn connected(build: impl FnOnce(ServerConfigBuilder) -> ServerConfigBuilder) -> World {
    let mut world = world(build);
    connect(&mut world, 1, "protocol=2");
    world
}

const MESSAGE_1: &str =
    r#"{"event":"tick","channel":"a","data":"{\"n\": 1}","message_id":"<id>","stream_id":"<id>","serial":1}"#;
const MESSAGE_2: &str =
    r#"{"event":"tick","channel":"a","data":"{\"n\": 2}","message_id":"<id>","stream_id":"<id>","serial":2}"#;

#[test]
fn the_prefix_of_the_greeting_tells_the_version() {
    let mut world = world(|builder| builder);
    let greeting = connect(&mut world, 1, "protocol=2").remove(0);
    assert!(
        greeting.starts_with(r#"{"event":"sockudo:connection_established","data":"{\"socket_id\":\""#),
        "{greeting}"
    );
    assert!(greeting.ends_with(r#"\",\"activity_timeout\":120}","message_id":"<id>"}"#), "{greeting}");
    let greeting = connect(&mut world, 2, "protocol=7").remove(0);
    assert!(greeting.starts_with(r#"{"event":"pusher:connection_established""#), "{greeting}");
    assert!(!greeting.contains("message_id"), "{greeting}");
}

#[test]
fn answers_have_ids_and_both_prefixes_are_read() {
    let mut world = connected(|builder| builder);
    for prefix in ["sockudo", "pusher"] {
        let ping = format!(r#"{{"event":"{prefix}:ping","data":{{}}}}"#);
        assert_eq!(say(&mut world, 1, &ping), [r#"{"event":"sockudo:pong"}"#]);
    }
    let succeeded = r#"{"event":"sockudo_internal:subscription_succeeded","channel":"cache-news","data":"{\"attach_serial\":0}","message_id":"<id>","stream_id":"<id>","serial":0}"#;
    let miss = r#"{"event":"sockudo:cache_miss","channel":"cache-news","data":"{}","message_id":"<id>"}"#;
    assert_eq!(subscribe(&mut world, 1, "cache-news"), [succeeded, miss]);
    let error = r#"{"event":"sockudo:error","data":{"code":4000,"message":"Invalid message format: Missing channel field"},"message_id":"<id>"}"#;
    assert_eq!(say(&mut world, 1, r#"{"event":"sockudo:subscribe","data":{}}"#), [error]);
    assert_eq!(say(&mut world, 1, r#"{"event":"sockudo:what","data":{}}"#), [""; 0]);
}

#[test]
fn the_error_before_a_close_has_the_old_prefix() {
    let mut world = connected(|builder| builder);
    let frame = CloseFrame { code: 4200, reason: "Force reconnect requested by the app.".into() };
    world.server.close(ConnectionId::new(1), &frame, world.now);
    let error = r#"{"event":"pusher:error","data":{"code":4200,"message":"Force reconnect requested by the app."}}"#;
    assert_eq!(frames(&mut world), [error, "closed 4200"]);
}

#[test]
fn pings_are_control_frames_and_silence_ends_without_an_error() {
    let mut world = connected(|builder| builder);
    world.server.handle_timeout(world.now + secs(60));
    assert_eq!(frames(&mut world), ["ping"]);
    world.server.handle_timeout(world.now + secs(90));
    assert_eq!(frames(&mut world), ["closed 4201"]);
}

#[test]
fn messages_have_ids_and_positions_only_in_version_2() {
    let mut world = connected(|builder| builder);
    connect(&mut world, 2, "protocol=7");
    subscribe(&mut world, 1, "a");
    subscribe(&mut world, 2, "a");
    let v1 = r#"{"event":"tick","channel":"a","data":"{\"n\": 1}"}"#;
    assert_eq!(publish(&mut world, "a", r#"{"n": 1}"#), [MESSAGE_1, v1]);
}

#[test]
fn a_cached_event_has_an_id_and_no_position() {
    let mut world = connected(|builder| builder);
    publish(&mut world, "cache-hit", r#"{"v": 1}"#);
    let succeeded = r#"{"event":"sockudo_internal:subscription_succeeded","channel":"cache-hit","data":"{\"attach_serial\":1}","message_id":"<id>","stream_id":"<id>","serial":1}"#;
    let cached = r#"{"event":"tick","channel":"cache-hit","data":"{\"v\": 1}","message_id":"<id>"}"#;
    assert_eq!(subscribe(&mut world, 1, "cache-hit"), [succeeded, cached]);
}

#[test]
fn own_client_events_come_back_unless_they_are_not_wanted() {
    let mut world = world(|builder| builder);
    connect(&mut world, 1, "protocol=2");
    connect(&mut world, 2, "protocol=2&echo_messages=false");
    for client in [1, 2] {
        world.subscribe(client, "private-a");
    }
    let frame = |serial: u64| {
        format!(
            r#"{{"event":"client-x","channel":"private-a","data":{{"own":1}},"message_id":"<id>","stream_id":"<id>","serial":{serial}}}"#
        )
    };
    let sent = r#"{"event":"client-x","channel":"private-a","data":{"own":1}}"#;
    assert_eq!(say(&mut world, 1, sent), [frame(1), frame(1)]);
    assert_eq!(say(&mut world, 2, sent), [frame(2)]);
    let stream = stream(&world, "private-a");
    assert_eq!(resume(&mut world, 2, "private-a", &stream, 1)[0], frame(2));
}

#[test]
fn replays_what_follows_a_position_and_sums_it_up() {
    let mut world = connected(|builder| builder);
    publish(&mut world, "a", r#"{"n": 1}"#);
    publish(&mut world, "a", r#"{"n": 2}"#);
    let stream = stream(&world, "a");
    let summary = |replayed: u64, position: &str| {
        format!(
            r#"{{"event":"sockudo:resume_success","data":"{{\"recovered\":[{{\"channel\":\"a\",\"source\":\"hot\",\"replayed\":{replayed},\"position\":{position}}}],\"failed\":[]}}","message_id":"<id>"}}"#
        )
    };
    let newest = r#"{\"stream_id\":\"<id>\",\"serial\":2,\"last_message_id\":\"<id>\"}"#;
    assert_eq!(resume(&mut world, 1, "a", &stream, 0), [MESSAGE_1, MESSAGE_2, &summary(2, newest)]);
    assert_eq!(resume(&mut world, 1, "a", &stream, 1), [MESSAGE_2, &summary(1, newest)]);
    assert_eq!(resume(&mut world, 1, "a", &stream, 2), [summary(0, "null")]);
    for data in [r#"{"channel_serials":{"a":1}}"#, r#""{\"channel_positions\":{\"a\":{\"serial\":1}}}""#] {
        let text = format!(r#"{{"event":"sockudo:resume","data":{data}}}"#);
        assert_eq!(say(&mut world, 1, &text), [MESSAGE_2, &summary(1, newest)], "{data}");
    }
    connect(&mut world, 2, "protocol=7");
    let replayed = resume(&mut world, 2, "a", &stream, 1);
    assert_eq!(replayed[0], r#"{"event":"tick","channel":"a","data":"{\"n\": 2}"}"#);
    assert!(replayed[1].starts_with(r#"{"event":"pusher:resume_success""#) && !replayed[1].ends_with("<id>\"}"));
}

#[test]
fn says_why_nothing_can_be_replayed() {
    let mut world = connected(|builder| builder.recovery_messages(1).recovery_ttl(secs(10)));
    publish(&mut world, "a", r#"{"n": 1}"#);
    publish(&mut world, "a", r#"{"n": 2}"#);
    let stream = stream(&world, "a");
    let failed = |fields: &str| {
        let tail = r#"\"oldest_available_serial\":null,\"newest_available_serial\":null"#;
        [
            format!(
                r#"{{"event":"sockudo:resume_failed","channel":"a","data":"{{{fields},{tail}}}","message_id":"<id>"}}"#
            ),
            format!(
                r#"{{"event":"sockudo:resume_success","data":"{{\"recovered\":[],\"failed\":[{{\"channel\":\"a\",{fields},{tail}}}]}}","message_id":"<id>"}}"#
            ),
        ]
    };
    let expired = r#"\"code\":\"position_expired\",\"reason\":\"hot_replay_expired_and_durable_history_disabled\",\"expected_stream_id\":\"<id>\",\"current_stream_id\":null"#;
    let reset = r#"\"code\":\"stream_reset\",\"reason\":\"stream_id_mismatch\",\"expected_stream_id\":\"<id>\",\"current_stream_id\":\"<id>\""#;
    assert_eq!(resume(&mut world, 1, "a", &stream, 0), failed(expired), "too many were missed");
    assert_eq!(resume(&mut world, 1, "a", &stream, 3), failed(expired), "ahead of the stream");
    let other = "00000000-0000-0000-0000-000000000000";
    assert_eq!(resume(&mut world, 1, "a", other, 1), failed(reset));
    world.now = world.now + secs(10);
    assert_eq!(resume(&mut world, 1, "a", &stream, 2), failed(expired), "too old, though nothing was missed");
    subscribe(&mut world, 1, "a");
    assert_eq!(resume(&mut world, 1, "a", &stream, 2), failed(reset), "a new stream");
}

#[test]
fn a_request_that_names_nothing_is_refused() {
    let mut world = connected(|builder| builder);
    let error = |code: u16, message: &str| {
        format!(r#"{{"event":"sockudo:error","data":{{"code":{code},"message":"{message}"}},"message_id":"<id>"}}"#)
    };
    let mut refused = |rest: &str| say(&mut world, 1, &format!(r#"{{"event":"sockudo:resume"{rest}}}"#));
    let invalid = |message: &str| error(4000, &format!("Invalid message format: {message}"));
    assert_eq!(refused(""), [invalid("Missing data in resume message")]);
    let missing = "Missing channel_positions or channel_serials in resume data";
    assert_eq!(refused(r#","data":{}"#), [invalid(missing)]);
    assert_eq!(refused(r#","data":{"channel_positions":{}}"#), [error(4302, "No channel recovery positions provided")]);
    for serial in [r#""7""#, "-1"] {
        let answer = refused(&format!(r#","data":{{"channel_positions":{{"a":{{"serial":{serial}}}}}}}"#));
        let start = r#"{"event":"sockudo:error","data":{"code":4000,"message":"Invalid message format: Invalid resume data JSON: invalid "#;
        assert!(answer.len() == 1 && answer[0].starts_with(start), "{answer:?}");
    }
}

#[test]
fn a_server_without_recovery_shows_no_positions() {
    for (support, answer) in [
        (
            RecoverySupport::Disabled,
            &[
                r#"{"event":"sockudo:error","data":{"code":4301,"message":"Connection recovery is not enabled"},"message_id":"<id>"}"#,
            ][..],
        ),
        (RecoverySupport::Missing, &[]),
    ] {
        let mut world = connected(|builder| builder.recovery(support));
        let succeeded =
            r#"{"event":"sockudo_internal:subscription_succeeded","channel":"x-1","data":"{}","message_id":"<id>"}"#;
        assert_eq!(subscribe(&mut world, 1, "x-1"), [succeeded]);
        assert_eq!(publish(&mut world, "x-1", "1"), [r#"{"event":"tick","channel":"x-1","data":"1"}"#]);
        assert_eq!(resume(&mut world, 1, "x-1", "s", 0), answer);
    }
}

#[test]
fn events_for_a_user_need_a_subscription() {
    let mut world = connected(|builder| builder);
    world.sign_in(1, r#"{"id":"alice"}"#);
    assert_eq!(publish(&mut world, "#server-to-user-alice", "1"), [""; 0]);
    subscribe(&mut world, 1, "#server-to-user-alice");
    let sent = r##"{"event":"tick","channel":"#server-to-user-alice","data":"2","message_id":"<id>","stream_id":"<id>","serial":2}"##;
    assert_eq!(publish(&mut world, "#server-to-user-alice", "2"), [sent]);
}

#[test]
fn members_have_no_ids_and_a_second_subscription_of_one_is_not_answered() {
    let mut world = connected(|builder| builder);
    connect(&mut world, 2, "protocol=2");
    world.enter(1, "presence-room", r#"{"user_id":"alice"}"#);
    let auth = app().token(&format!("{}:presence-room:{}", world.socket_id(2), r#"{"user_id":"bob"}"#));
    let text = format!(
        r#"{{"event":"sockudo:subscribe","data":{{"channel":"presence-room","auth":"{}","channel_data":"{{\"user_id\":\"bob\"}}"}}}}"#,
        auth.expose()
    );
    let answers = say(&mut world, 2, &text);
    assert!(answers[0].ends_with(r#","message_id":"<id>","stream_id":"<id>","serial":0}"#), "{answers:?}");
    let added = r#"{"event":"sockudo_internal:member_added","channel":"presence-room","data":"{\"user_id\":\"bob\",\"user_info\":{}}"}"#;
    assert_eq!(answers[1..], [added]);
    assert_eq!(say(&mut world, 2, &text), [""; 0]);
}
