//! Behaviour of single servers that this client never causes.

use super::*;

fn world(dialect: Dialect) -> World {
    World::with(|builder| builder.dialect(dialect)).connected(2)
}

const PING: &str = r#"{"event":"pusher:ping","data":{}}"#;

#[test]
fn laravel_websockets_does_not_look_for_dead_sockets() {
    let mut world = world(Dialect::LaravelWebsockets);
    world.subscribe(1, "a");
    assert_eq!(world.advance(secs(3_600)), [""; 0]);
    assert_eq!(world.trigger("a", "1"), ["1 e a 1"]);
}

#[test]
fn laravel_websockets_is_silent_about_what_it_cannot_read() {
    let mut world = world(Dialect::LaravelWebsockets);
    world.server.handle_frame(ConnectionId::new(1), Frame::Binary([0].to_vec().into()), world.now);
    for text in [
        "not JSON",
        "[1]",
        r#"{"data":{}}"#,
        r#"{"event":"pusher:subscribe","data":{}}"#,
        r#"{"event":"pusher:subscribe","data":{"channel":"private-a"}}"#,
        r#"{"event":"pusher:unsubscribe","data":"x"}"#,
    ] {
        assert_eq!(world.say(1, text), [""; 0], "{text}");
    }
    assert_eq!(world.enter(1, "presence-a", "x"), [""; 0]);
    assert_eq!(world.subscribe(1, "presence-a"), [""; 0]);
    assert_eq!(world.server.connections().len(), 2);
}

#[test]
fn a_subscription_whose_data_is_a_string_ends_the_process_of_laravel_websockets() {
    for data in [r#""x""#, r#""{\"channel\":\"a\"}""#] {
        let mut world = world(Dialect::LaravelWebsockets);
        let text = format!(r#"{{"event":"pusher:subscribe","data":{data}}}"#);
        assert_eq!(world.say(1, &text), ["1 dropped", "2 dropped"], "{data}");
    }
}

#[test]
fn reverb_accepts_a_member_without_info_and_then_refuses_every_later_one() {
    let mut world = World::with(|builder| builder.dialect(Dialect::Reverb)).connected(3);
    let refused = |client: u64| format!(r#"{client} pusher:error {{"code":4200,"message":"Invalid message format"}}"#);
    let null = r#"{"user_id":"bob","user_info":null}"#;
    assert_eq!(world.enter(1, "presence-a", r#"{"user_id":"ann"}"#), [refused(1)]);
    assert_eq!(world.users("presence-a"), ["ann"]);
    let added = format!("1 pusher_internal:member_added presence-a {null}");
    assert_eq!(world.enter(2, "presence-a", null), [added, refused(2)]);
    assert_eq!(world.trigger("presence-a", "1"), ["1 e presence-a 1", "2 e presence-a 1"]);
    assert_eq!(world.close(1), [r#"2 pusher_internal:member_removed presence-a {"user_id":"ann"}"#]);
    let sent = world.enter(3, "presence-a", r#"{"user_id":"cem","user_info":[]}"#);
    let list = r#"{"presence":{"count":2,"ids":["bob","cem"],"hash":{"bob":null,"cem":[]}}}"#;
    assert!(sent.contains(&format!("3 pusher_internal:subscription_succeeded presence-a {list}")), "{sent:?}");
}

#[test]
fn soketi_closes_when_it_had_nothing_to_send() {
    let mut world = world(Dialect::Soketi);
    world.subscribe(2, "a");
    assert_eq!(world.advance(secs(100)), [""; 0]);
    world.server.handle_frame(ConnectionId::new(1), Frame::Ping, world.now);
    world.trigger("a", "1");
    assert_eq!(world.advance(secs(20)), ["1 closed 4201"]);
    assert_eq!(world.say(2, PING), ["2 pusher:pong {}"]);
    assert_eq!(world.advance(secs(119)), [""; 0]);
    assert_eq!(world.advance(secs(1)), ["2 closed 4201"]);
}

#[test]
fn reverb_pings_as_its_client_does_and_drops_a_client_that_does_not_answer() {
    let mut world = world(Dialect::Reverb);
    world.server.handle_frame(ConnectionId::new(2), Frame::Pong, world.now);
    assert_eq!(world.advance(secs(60)), ["1 pusher:ping", "2 ping"]);
    world.server.handle_frame(ConnectionId::new(2), Frame::Pong, world.now);
    let error = r#"1 pusher:error {"code":4201,"message":"Pong reply not received in time"}"#;
    assert_eq!(world.advance(secs(60)), [error, "1 dropped", "2 ping"]);
}

#[test]
fn sockudo_pings_without_data_and_says_why_it_closes() {
    let mut world = World::with(|builder| builder.dialect(Dialect::Sockudo)).connected(1);
    assert_eq!(world.advance(secs(120)), ["1 pusher:ping"]);
    let error = r#"1 pusher:error {"code":4201,"message":"Pong reply not received in time"}"#;
    assert_eq!(world.advance(secs(30)), [error, "1 closed 4201"]);
}

#[test]
fn a_socket_that_was_refused_and_stays_open_is_dead() {
    for (dialect, target) in [(Dialect::LaravelWebsockets, "/app/other"), (Dialect::Reverb, "/app/key")] {
        let mut world = World::with(|builder| builder.dialect(dialect).connection_quota(0));
        world.server.handle_open(ConnectionId::new(1), target, world.now);
        let sent = world.sent();
        assert!(sent.len() == 1 && sent[0].starts_with("1 pusher:error "), "{sent:?}");
        assert_eq!(world.say(1, PING), [""; 0]);
    }
}

#[test]
fn an_empty_channel_name_is_a_success_on_some_servers() {
    for dialect in [Dialect::Reverb, Dialect::LaravelWebsockets, Dialect::Sockudo] {
        let mut world = world(dialect);
        for (name, event) in [("", "1 pusher_internal:subscription_succeeded"), (r"a\nb", "1 pusher:error")] {
            let text = format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{name}"}}}}"#);
            let sent = world.say(1, &text);
            assert!(sent.len() == 1 && sent[0].starts_with(event), "{dialect}: {sent:?}");
        }
    }
}

#[test]
fn soketi_cannot_read_what_is_no_member() {
    let mut world = world(Dialect::Soketi);
    let error = r#"1 pusher:error presence-a {"code":4302,"message":"A server error has occured."}"#;
    assert_eq!(world.enter(1, "presence-a", "{}"), [error]);
    assert_eq!(world.server.connections().len(), 2);
}

#[test]
fn reverb_does_not_list_members_if_a_subscriber_is_not_a_user() {
    let mut world = world(Dialect::Reverb);
    world.enter(1, "presence-a", r#"{"user_id":"ann","user_info":null}"#);
    let list = r#"{"presence":{"count":0,"ids":[],"hash":[]}}"#;
    let sent = world.subscribe(2, "presence-a");
    assert_eq!(sent, [format!("2 pusher_internal:subscription_succeeded presence-a {list}")]);
    let sent = world.enter(1, "presence-b", "{}");
    assert_eq!(sent, [format!("1 pusher_internal:subscription_succeeded presence-b {list}")]);
}

#[test]
fn reverb_keeps_the_last_event_of_a_channel_while_it_is_subscribed() {
    let mut world = world(Dialect::Reverb);
    let succeeded = |client: u64| format!("{client} pusher_internal:subscription_succeeded cache-a {{}}");
    world.subscribe(1, "cache-a");
    world.trigger("cache-a", "1");
    assert_eq!(world.subscribe(2, "cache-a"), [succeeded(2), "2 e cache-a 1".into()]);
    world.unsubscribe(1, "cache-a");
    world.close(2);
    assert_eq!(world.subscribe(1, "cache-a"), [succeeded(1), "1 pusher:cache_miss cache-a".into()]);
}

#[test]
fn a_message_that_is_too_large_ends_the_connection_on_some_servers() {
    let table = [
        (Dialect::Pusher, "1 pusher:error"),
        (Dialect::Reverb, "1 closed 1009"),
        (Dialect::LaravelWebsockets, "1 dropped"),
        (Dialect::Soketi, "1 dropped"),
        (Dialect::Sockudo, "1 closed 1009"),
    ];
    for (dialect, expected) in table {
        let mut world = World::with(|builder| builder.dialect(dialect).max_message_len(10)).connected(1);
        assert!(world.say(1, PING)[0].starts_with(expected), "{dialect}");
    }
    let mut world = world(Dialect::Reverb);
    assert_eq!(world.say(1, &" ".repeat(10_001)), ["1 closed 1009"]);
}

#[test]
fn a_silent_server_ends_nothing_by_itself() {
    let frame = CloseFrame { code: 4200, reason: "restart".into() };
    for dialect in Dialect::ALL {
        let mut world = World::with(|builder| builder.dialect(dialect).max_message_len(10)).connected(1);
        world.server.set_silent(true);
        world.server.set_refusal(Some(frame.clone()));
        assert_eq!(world.say(1, PING), [""; 0], "{dialect}");
        world.server.handle_open(ConnectionId::new(2), "/app/key?protocol=7", world.now);
        assert_eq!(world.sent(), [""; 0], "{dialect}");
        assert_eq!(world.server.connections().len(), 1, "{dialect}");
    }
}

#[test]
fn calls_of_the_http_api_that_a_server_does_not_have() {
    let event = |data: &str| Publication::new("e", [channel_name("a")], data.to_string());
    let table = [
        (Dialect::Pusher, None, None),
        (Dialect::Reverb, Some(422), None),
        (Dialect::LaravelWebsockets, None, Some(404)),
        (Dialect::Soketi, Some(400), None),
        (Dialect::Sockudo, None, None),
    ];
    for (dialect, empty, batch) in table {
        let mut world = world(dialect);
        let found = world.server.trigger(&event(""), world.now).map_err(|error| error.status()).err();
        assert_eq!(found, empty, "{dialect}");
        let found = world.server.trigger_batch(&[event("1")], world.now).map_err(|error| error.status()).err();
        assert_eq!(found, batch, "{dialect}");
    }
}

#[test]
fn only_soketi_reports_failed_calls_of_the_http_api_with_status_200() {
    let statuses = Dialect::ALL.map(|dialect| dialect.api_status(401));
    assert_eq!(statuses, [401, 401, 401, 200, 401, 401]);
}

#[test]
fn only_self_hosted_servers_publish_names_that_are_reserved() {
    for dialect in Dialect::ALL {
        let mut world = world(dialect);
        world.subscribe(1, "a");
        let mut publish = |name: &str| {
            let publication = Publication::new(name, [channel_name("a")], "1");
            let result = world.server.trigger(&publication, world.now).map(drop);
            (result, world.sent())
        };
        let refused = (Err(ApiError::ReservedEventName), Vec::new());
        let accepted = (Ok(()), ["1 pusher:custom a 1".into()].into());
        let expected = if dialect == Dialect::Pusher { refused.clone() } else { accepted };
        assert_eq!(publish("pusher:custom"), expected, "{dialect}");
        assert_eq!(publish("pusher_internal:subscription_succeeded"), refused, "{dialect}");
        assert_eq!(publish("pusherlike:custom").0, Ok(()), "{dialect}");
        for name in ["pusher:custom", "pusher_internal:custom"] {
            let text = alloc::format!(r#"{{"event":"{name}","channel":"private-a","data":"1"}}"#);
            world.server.handle_frame(ConnectionId::new(2), Frame::Text(text.into()), world.now);
            let heard = world.sent();
            assert!(!heard.iter().any(|line| line.starts_with("1 ")), "{dialect}: {heard:?}");
        }
    }
    let mut world = World::new();
    let batch = ["e", "pusher:custom"].map(|name| Publication::new(name, [channel_name("a")], "1"));
    let error = world.server.trigger_batch(&batch, world.now).unwrap_err();
    assert_eq!((error.status(), error), (400, ApiError::ReservedEventName));
}

#[test]
fn a_refused_channel_is_answered_like_a_wrong_signature_until_the_refusal_ends() {
    let table = [
        (Dialect::Pusher, "1 pusher:error", "Expected HMAC SHA256 hex digest of"),
        (Dialect::Reverb, "1 pusher:error", "4009"),
        (Dialect::LaravelWebsockets, "1 pusher:error", "4009"),
        (Dialect::Soketi, "1 pusher:subscription_error a", "AuthError"),
        (Dialect::Sockudo, "1 pusher:error", "4009"),
    ];
    for (dialect, start, part) in table {
        let mut world = world(dialect);
        world.subscribe(2, "a");
        world.server.refuse_subscriptions(channel_name("a"), true);
        let answer = world.subscribe(1, "a");
        assert!(answer.len() == 1 && answer[0].starts_with(start) && answer[0].contains(part), "{dialect}: {answer:?}");
        assert_eq!(world.trigger("a", "1"), ["2 e a 1"], "{dialect}");
        world.server.refuse_subscriptions(channel_name("a"), false);
        assert!(world.subscribe(1, "a")[0].starts_with("1 pusher_internal:subscription_succeeded a"), "{dialect}");
    }
}

#[test]
fn an_error_by_hand_has_the_form_of_the_dialect() {
    for dialect in Dialect::ALL {
        let mut world = world(dialect);
        assert!(world.server.send_error(ConnectionId::new(1), Some(4301), "no", world.now));
        assert!(!world.server.send_error(ConnectionId::new(9), None, "no", world.now));
        let Some(Action::Send(_, text)) = world.server.poll_action(world.now) else { panic!("{dialect}") };
        let data = r#"{"code":4301,"message":"no"}"#;
        let data = if dialect == Dialect::Reverb { serde_json::to_string(data).unwrap() } else { data.into() };
        assert_eq!(&*text, alloc::format!(r#"{{"event":"pusher:error","data":{data}}}"#), "{dialect}");
    }
}
