//! Channels of every kind, events on them, caches and counts.

use pusher_proto::server::{ApiError, Dialect, Publication};
use pusher_tests::network::Fault;

use super::Scenario;
use crate::stage::*;

pub(super) const SCENARIOS: &[(&str, Scenario)] = &[
    ("events of every kind of channel reach their subscribers", events),
    ("an unsubscribed channel is quiet", unsubscribed),
    ("a channel that is left while it is subscribed", left_while_subscribing),
    ("a connection that caused an event does not get it", excluded),
    ("an event of the server's name space", reserved_event),
    ("a cache channel", cache),
    ("a cache that nobody watched", cache_unwatched),
    ("an encrypted cache channel", encrypted_cache),
    ("a presence cache channel", presence_cache),
    ("counts of subscribers", counts),
    ("names that not every server takes", names),
];

fn events(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    for name in ["chat", "private-chat"] {
        stage.subscribed(A, name);
        stage.trigger(name, "message", r#"{"text":"hé/\"you\"","n":12345678901234567890}"#);
        let data = r#""{\"text\":\"hé/\\\"you\\\"\",\"n\":12345678901234567890}""#;
        let heard = stage.heard(A);
        // PHP escapes more than necessary; the text is the same.
        let escaped = data.replace('é', "\\u00e9").replace('/', "\\/");
        let expected = match dialect {
            Dialect::Pusher => data,
            Dialect::Reverb => &escaped,
            Dialect::LaravelWebsockets => &escaped,
            Dialect::Soketi => data,
            Dialect::Sockudo | Dialect::SockudoV2 => data,
        };
        assert_eq!(heard, [format!("event {name} message {expected}")]);
    }
    stage.expect_silence(B);
}

fn unsubscribed(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribed(A, "chat");
    stage.unsubscribe(A, "chat");
    stage.trigger("chat", "e", "1");
    stage.expect_silence(A);
    stage.subscribed(A, "chat");
    stage.trigger("chat", "e", "2");
    stage.expect(A, &[r#"event chat e "2""#]);
}

fn left_while_subscribing(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.client(A).subscribe(channel("chat"));
    stage.pass(TRIP / 2);
    stage.unsubscribe(A, "chat");
    stage.expect_silence(A);
    let id = stage.world.connection(A).expect("it is connected");
    assert!(!stage.world.server().is_subscribed(id, &channel("chat")));
    // Hosted Pusher would refuse an unsubscribe in between.
    assert_eq!(stage.world.sent(A).count(), 2);
}

fn excluded(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    stage.subscribed(A, "chat");
    stage.subscribed(B, "chat");
    let socket_id = stage.client(A).socket_id().cloned();
    stage.publish(&Publication { socket_id, ..Publication::new("e", [channel("chat")], "1") });
    stage.expect_silence(A);
    stage.expect(B, &[r#"event chat e "1""#]);
}

fn reserved_event(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribed(A, "chat");
    if dialect == Dialect::Pusher {
        let now = stage.world.now();
        let publication = Publication::new("pusher:custom", [channel("chat")], "1");
        assert_eq!(stage.world.server().trigger(&publication, now), Err(ApiError::ReservedEventName));
        stage.expect_silence(A);
        return;
    }
    stage.trigger("chat", "pusher:custom", "1");
    stage.expect(A, &[r#"event chat pusher:custom "1""#]);
}

fn cache(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    let has_cache = match dialect {
        Dialect::Pusher => true,
        Dialect::Reverb => true,
        Dialect::LaravelWebsockets => false,
        Dialect::Soketi => true,
        Dialect::Sockudo | Dialect::SockudoV2 => true,
    };
    for name in ["cache-board", "private-cache-board"] {
        let succeeded = format!("subscription_succeeded {name}");
        let (miss, event) = (format!("cache_miss {name}"), format!(r#"event {name} state "1""#));
        let with =
            |last: &String| if has_cache { vec![succeeded.clone(), last.clone()] } else { vec![succeeded.clone()] };
        stage.subscribe(A, name);
        assert_eq!(stage.heard(A), with(&miss));
        stage.trigger(name, "state", "1");
        assert_eq!(stage.heard(A), std::slice::from_ref(&event));
        stage.subscribe(B, name);
        assert_eq!(stage.heard(B), with(&event));
    }
}

fn cache_unwatched(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.trigger("cache-board", "state", "1");
    stage.subscribe(A, "cache-board");
    let event = r#"event cache-board state "1""#;
    match dialect {
        Dialect::Pusher => stage.expect(A, &["subscription_succeeded cache-board", event]),
        // It keeps an event only while the channel has subscribers.
        Dialect::Reverb => stage.expect(A, &["subscription_succeeded cache-board", "cache_miss cache-board"]),
        Dialect::LaravelWebsockets => stage.expect(A, &["subscription_succeeded cache-board"]),
        Dialect::Soketi => stage.expect(A, &["subscription_succeeded cache-board", event]),
        Dialect::Sockudo | Dialect::SockudoV2 => stage.expect(A, &["subscription_succeeded cache-board", event]),
    }
}

fn encrypted_cache(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    let name = "private-encrypted-cache-board";
    stage.subscribe(A, name);
    let succeeded = format!("subscription_succeeded {name}");
    let miss = format!("cache_miss {name}");
    match dialect {
        Dialect::Pusher => stage.expect(A, &[&succeeded, &miss]),
        // It treats it as a private channel.
        Dialect::Reverb => stage.expect(A, &[&succeeded]),
        Dialect::LaravelWebsockets => stage.expect(A, &[&succeeded]),
        Dialect::Soketi => stage.expect(A, &[&succeeded, &miss]),
        Dialect::Sockudo | Dialect::SockudoV2 => stage.expect(A, &[&succeeded, &miss]),
    }
}

fn presence_cache(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    let name = "presence-cache-board";
    stage.subscribe(A, name);
    let succeeded = format!(r#"subscription_succeeded {name} members [a={{"name":"a"}}]"#);
    let miss = format!("cache_miss {name}");
    match dialect {
        Dialect::Pusher => stage.expect(A, &[&succeeded, &miss]),
        Dialect::Reverb => stage.expect(A, &[&succeeded, &miss]),
        Dialect::LaravelWebsockets => stage.expect(A, &[&succeeded]),
        Dialect::Soketi => stage.expect(A, &[&succeeded, &miss]),
        Dialect::Sockudo | Dialect::SockudoV2 => {
            let reason = "Invalid message format: Missing channel_data for presence channel (code 4000)";
            let refused = format!("subscription_error {name}: the server refused the subscription: {reason}");
            stage.expect(A, &[&format!("error {reason}"), &refused]);
        }
    }
}

fn counts(dialect: Dialect) {
    let mut stage = Stage::with(dialect, |builder| builder.subscription_counts(true)).connected(&["a", "b"]);
    stage.subscribe(A, "chat");
    stage.subscribe(B, "chat");
    stage.world.fault(B, Fault::Cut);
    stage.client(B).disconnect();
    stage.pass(MOMENT);
    let succeeded = "subscription_succeeded chat";
    let count = |count: u32| format!("subscription_count chat {count}");
    match dialect {
        Dialect::Pusher => stage.expect(A, &[succeeded, &count(1), &count(2), &count(1)]),
        Dialect::Reverb => stage.expect(A, &[succeeded]),
        Dialect::LaravelWebsockets => stage.expect(A, &[succeeded]),
        Dialect::Soketi => stage.expect(A, &[succeeded]),
        Dialect::Sockudo | Dialect::SockudoV2 => stage.expect(A, &[succeeded]),
    }
}

fn names(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribe(A, "chat room");
    let heard = stage.heard(A);
    let outcome = heard.last().map(String::as_str).unwrap_or_default();
    let is_subscribed = match dialect {
        Dialect::Pusher => false,
        Dialect::Reverb => true,
        Dialect::LaravelWebsockets => true,
        Dialect::Soketi => false,
        Dialect::Sockudo | Dialect::SockudoV2 => false,
    };
    let expected = if is_subscribed { "subscription_succeeded chat room" } else { "subscription_error chat room" };
    assert!(outcome.starts_with(expected), "{heard:?}");
    stage.subscribed(A, "chat");
}
