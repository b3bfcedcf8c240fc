//! Events from client to client.

use pusher_proto::server::Dialect;

use super::Scenario;
use crate::stage::*;

pub(super) const SCENARIOS: &[(&str, Scenario)] = &[
    ("reach the others and not the sender", forwarded),
    ("tell on presence channels who sent them", sender),
    ("data of every kind", data),
    ("disabled", disabled),
    ("too many", too_many),
    ("an error about one harms no subscription", innocent_subscription),
];

fn forwarded(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    stage.subscribed(A, "private-chat");
    stage.subscribed(B, "private-chat");
    stage.whisper(A, "private-chat", "client-typing", r#"{"who":"a"}"#);
    stage.expect(B, &[r#"event private-chat client-typing {"who":"a"}"#]);
    stage.expect_silence(A);
}

fn sender(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["1", "2"]);
    stage.subscribe(A, "presence-chat");
    stage.subscribe(B, "presence-chat");
    stage.heard(B);
    stage.whisper(A, "presence-chat", "client-wave", "{\"x\":1}");
    let wave = r#"event presence-chat client-wave {"x":1}"#;
    match dialect {
        Dialect::Pusher => stage.expect(B, &[&format!("{wave} by 1")]),
        Dialect::Reverb => stage.expect(B, &[&format!("{wave} by 1")]),
        Dialect::LaravelWebsockets => stage.expect(B, &[wave]),
        Dialect::Soketi => stage.expect(B, &[&format!("{wave} by 1")]),
        Dialect::Sockudo | Dialect::SockudoV2 => stage.expect(B, &[wave]),
    }
}

fn data(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    stage.subscribed(A, "private-chat");
    stage.subscribed(B, "private-chat");
    for json in [r#"{"0":{}}"#, "[]", r#""{\"a\":1}""#, r#""text""#, "7"] {
        stage.whisper(A, "private-chat", "client-x", json);
    }
    let event = |json: &str| format!("event private-chat client-x {json}");
    let as_sent = [r#"{"0":{}}"#, "[]", r#""{\"a\":1}""#, r#""text""#, "7"].map(event);
    match dialect {
        Dialect::Pusher => assert_eq!(stage.heard(B), as_sent),
        // It reads and writes them as PHP does, and refuses what is neither an object nor an array.
        Dialect::Reverb => {
            assert_eq!(stage.heard(B), ["[[]]", "[]", r#"{"a":1}"#].map(event));
            stage.expect(A, &["error Invalid message format (code 4200)"; 2]);
        }
        Dialect::LaravelWebsockets => assert_eq!(stage.heard(B), as_sent),
        Dialect::Soketi => assert_eq!(stage.heard(B), as_sent),
        Dialect::Sockudo | Dialect::SockudoV2 => assert_eq!(stage.heard(B), as_sent),
    }
    stage.expect_silence(A);
}

fn disabled(dialect: Dialect) {
    let mut stage = Stage::with(dialect, |builder| builder.client_events(false)).connected(&["a", "b"]);
    stage.subscribed(A, "private-chat");
    stage.subscribed(B, "private-chat");
    stage.whisper(A, "private-chat", "client-x", "{}");
    match dialect {
        Dialect::Pusher => {
            stage.expect(A, &["error To send client events, you must enable this feature for the application"]);
        }
        Dialect::Reverb => stage.expect(A, &["error The app does not have client messaging enabled. (code 4301)"]),
        Dialect::LaravelWebsockets => stage.expect_silence(A),
        Dialect::Soketi => stage.expect(A, &["error The app does not have client messaging enabled. (code 4301)"]),
        Dialect::Sockudo | Dialect::SockudoV2 => {
            stage.expect(A, &["error Client event error: Client events are not enabled for this app (code 4301)"]);
        }
    }
    stage.expect_silence(B);
    assert!(stage.client(A).channel(&channel("private-chat")).is_some_and(|channel| channel.is_subscribed()));
}

fn too_many(dialect: Dialect) {
    let mut stage = Stage::with(dialect, |builder| builder.client_event_rate(1)).connected(&["a", "b"]);
    stage.subscribed(A, "private-chat");
    stage.subscribed(B, "private-chat");
    stage.pass(secs(1));
    stage.whisper(A, "private-chat", "client-x", "{}");
    stage.whisper(A, "private-chat", "client-x", "{}");
    assert_eq!(stage.heard(B).len(), 1);
    let heard = stage.heard(A);
    match dialect {
        Dialect::Pusher => assert_eq!(heard, ["error Client event rejected due to rate limit (code 4301)"]),
        Dialect::Reverb => assert_eq!(heard, ["error Rate limit exceeded (code 4301)"]),
        Dialect::LaravelWebsockets => assert_eq!(heard, [""; 0]),
        Dialect::Soketi => {
            let reason = "The rate limit for sending client events exceeded the quota. (code 4301)";
            assert_eq!(heard, [format!("error {reason}")]);
        }
        Dialect::Sockudo | Dialect::SockudoV2 => {
            let reason = "Client event rejected due to rate limit (code 4301)";
            assert_eq!(heard, [format!("error Client event error: {reason}")]);
        }
    }
}

fn innocent_subscription(dialect: Dialect) {
    let mut stage = Stage::with(dialect, |builder| builder.client_events(false)).connected(&["a"]);
    stage.subscribed(A, "private-chat");
    // The error is answered while the other subscription has no answer yet.
    stage.client(A).subscribe(channel("private-other"));
    stage.pass(TRIP * 2);
    stage.whisper(A, "private-chat", "client-x", "{}");
    stage.pass(secs(40));
    let heard = stage.heard(A);
    assert!(heard.contains(&"subscription_succeeded private-other".to_owned()), "{heard:?}");
    assert!(!heard.iter().any(|line| line.starts_with("subscription_error")), "{heard:?}");
}
