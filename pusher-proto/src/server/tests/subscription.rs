use super::*;

#[test]
fn subscribes_every_kind_of_channel() {
    let mut world = World::new().connected(1);
    for channel in ["a", "private-a", "private-encrypted-a"] {
        let sent = world.subscribe(1, channel);
        assert_eq!(sent, [format!("1 pusher_internal:subscription_succeeded {channel} {{}}")]);
        assert!(world.server.is_subscribed(ConnectionId::new(1), &channel_name(channel)));
    }
}

#[test]
fn says_when_a_subscription_exists_or_does_not() {
    let mut world = World::new().connected(1);
    world.subscribe(1, "a");
    assert_eq!(world.subscribe(1, "a"), error(1, "Existing subscription to channel a"));
    assert_eq!(world.unsubscribe(1, "a"), [""; 0]);
    assert!(!world.server.is_subscribed(ConnectionId::new(1), &channel_name("a")));
    assert!(!world.server.channel(&channel_name("a"), Info::default()).unwrap().occupied);
    let none = "No current subscription to channel a, or subscription in progress";
    assert_eq!(world.unsubscribe(1, "a"), error(1, none));
}

#[test]
fn refuses_a_signature_that_does_not_fit() {
    let mut world = World::new().connected(2);
    let id = world.socket_id(1);
    let other = app().authorize_channel(&world.socket_id(2), &channel_name("private-a")).unwrap();
    let (_, signature) = other.auth.expose().split_once(':').unwrap();
    let wrong = format!("Invalid signature: Expected HMAC SHA256 hex digest of {id}:private-a, but got {signature}");
    let table = [
        (other.auth.expose(), wrong.as_str()),
        ("kex:00", "Invalid key in subscription auth data: 'kex' is not the key for subscription to private-a"),
        ("key", "Auth value for subscription to private-a is invalid: should be of format 'key:signature'"),
    ];
    for (auth, message) in table {
        let text = format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"private-a","auth":"{auth}"}}}}"#);
        assert_eq!(world.say(1, &text), error(1, message));
    }
    let bare = r#"{"event":"pusher:subscribe","data":{"channel":"private-a"}}"#;
    assert_eq!(world.say(1, bare), error(1, table[2].1));
    assert_eq!(world.trigger("private-a", "1"), [""; 0]);
}

#[test]
fn a_name_with_a_colon_needs_a_signature_that_is_not_given() {
    let mut world = World::with(|builder| builder.strict_names(false)).connected(1);
    let (id, name) = (world.socket_id(1), channel_name("private-a b:x"));
    // A signature for `private-a b` with the data `x` is also valid for this name.
    let auth = world.server.config.app().authorize_channel_with_data(&id, &channel_name("private-a b"), "x").unwrap();
    let auth = auth.auth.expose();
    let text = format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{name}","auth":"{auth}"}}}}"#);
    assert!(world.say(1, &text)[0].contains("Invalid signature"));
    assert!(!world.server.is_subscribed(ConnectionId::new(1), &name));
    let text = format!(
        r#"{{"event":"pusher:subscribe","data":{{"channel":"private-a b","auth":"{auth}","channel_data":"x"}}}}"#
    );
    assert_eq!(world.say(1, &text), ["1 pusher_internal:subscription_succeeded private-a b {}"]);
}

#[test]
fn refuses_names_that_hosted_pusher_does_not_take() {
    let mut world = World::with(|builder| builder.max_subscriptions(1)).connected(1);
    assert!(world.subscribe(1, "a b")[0].contains("Invalid channel name a b: it is longer than 164"));
    let text = r##"{"event":"pusher:subscribe","data":{"channel":"#a"}}"##;
    assert!(world.say(1, text)[0].contains("Invalid channel name #a"));
    let mut lenient = World::with(|builder| builder.strict_names(false)).connected(1);
    assert_eq!(lenient.subscribe(1, "a b"), ["1 pusher_internal:subscription_succeeded a b {}"]);
    world.subscribe(1, "a");
    let message = "Over the limit of 1 subscriptions for a connection, cannot subscribe to channel b";
    assert_eq!(world.subscribe(1, "b"), error(1, message));
}

#[test]
fn a_cache_channel_repeats_its_last_event_for_thirty_minutes() {
    let mut world = World::new().connected(2);
    world.trigger("cache-a", "1");
    world.trigger("cache-a", "2");
    let succeeded = "1 pusher_internal:subscription_succeeded cache-a {}";
    assert_eq!(world.subscribe(1, "cache-a"), [succeeded, "1 e cache-a 2"]);
    world.unsubscribe(1, "cache-a");
    world.say(1, r#"{"event":"pusher:ping"}"#);
    world.now = world.now + secs(30 * 60);
    assert_eq!(world.subscribe(1, "cache-a"), [succeeded, "1 pusher:cache_miss cache-a {}"]);
}

#[test]
fn tells_subscribers_how_many_they_are() {
    let mut world = World::with(|builder| builder.subscription_counts(true)).connected(3);
    let counted = |client, count: u64| {
        format!("{client} pusher_internal:subscription_count a {{\"subscription_count\":{count}}}")
    };
    assert_eq!(world.subscribe(1, "a")[1..], [counted(1, 1)]);
    assert_eq!(world.subscribe(2, "a")[1..], [counted(1, 2), counted(2, 2)]);
    assert_eq!(world.close(2), [counted(1, 1)]);
    assert_eq!(world.enter(3, "presence-a", r#"{"user_id":"1"}"#).len(), 1);
}

#[test]
fn forwards_client_events_to_the_others() {
    let mut world = World::new().connected(3);
    for client in [1, 2] {
        world.subscribe(client, "private-a");
        world.enter(client, "presence-a", &format!(r#"{{"user_id":{client}}}"#));
    }
    world.sent();
    let event = |channel| format!(r#"{{"event":"client-x","channel":"{channel}","data":{{"n":1}}}}"#);
    assert_eq!(world.say(1, &event("private-a")), [r#"2 client-x private-a {"n":1}"#]);
    assert_eq!(world.say(1, &event("presence-a")), [r#"2 client-x presence-a {"n":1} 1"#]);
    let not_subscribed = "Client event rejected - you aren't subscribed to this channel";
    assert_eq!(world.say(3, &event("private-a")), error(3, not_subscribed));
    let public = "Client event rejected - only supported on private and presence channels";
    assert_eq!(world.say(1, &event("a")), error(1, public));
    let long = format!(r#"{{"event":"client-x","channel":"private-a","data":"{}"}}"#, "x".repeat(10_239));
    let largest = format!(r#"{{"event":"client-x","channel":"private-a","data":"{}"}}"#, "x".repeat(10_238));
    assert!(world.say(1, &largest)[0].starts_with("2 client-x private-a x"));
    let too_large = "The data content of this event exceeds the allowed maximum (10240 bytes)";
    assert_eq!(world.say(1, &long), error(1, too_large));
    let mut disabled = World::with(|builder| builder.client_events(false)).connected(1);
    assert_eq!(disabled.say(1, &event("private-a")).len(), 1);
}

#[test]
fn ten_client_events_a_second_are_enough() {
    let mut world = World::new().connected(2);
    for client in [1, 2] {
        world.subscribe(client, "private-a");
    }
    let event = r#"{"event":"client-x","channel":"private-a"}"#;
    for _ in 0..10 {
        assert_eq!(world.say(1, event), ["2 client-x private-a"]);
    }
    let rejected = [r#"1 pusher:error {"code":4301,"message":"Client event rejected due to rate limit"}"#];
    assert_eq!(world.say(1, event), rejected);
    assert_eq!(world.say(2, event), ["1 client-x private-a"]);
    world.now = world.now + secs(1);
    assert_eq!(world.say(1, event), ["2 client-x private-a"]);
}
