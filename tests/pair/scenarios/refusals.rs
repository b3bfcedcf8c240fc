//! Subscriptions that are refused, and errors that name no channel.

use pusher_proto::AuthError;
use pusher_proto::server::Dialect;

use super::Scenario;
use crate::stage::*;

pub(super) const SCENARIOS: &[(&str, Scenario)] = &[
    ("a wrong signature is refused, and the connection goes on", wrong_signature),
    ("an error without a channel fails the channel that it is about", attribution),
    ("the auth server says no", auth_server),
    ("a refused channel is subscribed when it is tried again", second_try),
    ("a channel that the server refuses for a while", refused_for_a_while),
    ("a presence channel that is full", full_channel),
    ("a message that no client sends", broken_message),
    ("a presence subscription without data that no client sends", presence_without_data),
];

/// The server's error about a wrong signature for `channel`, as the client reports it.
fn refusal(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Pusher => "the server refused the subscription: Invalid signature: Expected HMAC SHA256 hex digest of",
        Dialect::Reverb => "the server refused the subscription: Connection is unauthorized (code 4009)",
        Dialect::LaravelWebsockets => "the server refused the subscription: Invalid Signature (code 4009)",
        Dialect::Soketi => "the server refused the subscription: The connection is unauthorized. (code 401)",
        Dialect::Sockudo | Dialect::SockudoV2 => {
            "the server refused the subscription: Authentication error: Channel requires authentication (code 4009)"
        }
    }
}

fn wrong_signature(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.authority(A).forges = Some("bad".into());
    for name in ["private-bad", "presence-bad", "private-encrypted-bad"] {
        stage.subscribe(A, name);
        let heard = stage.heard(A);
        let expected = format!("subscription_error {name}: {}", refusal(dialect));
        assert!(heard.iter().any(|line| line.starts_with(&expected)), "{heard:?}");
    }
    stage.subscribed(A, "private-good");
    stage.pass(secs(60));
    stage.expect_silence(A);
    assert!(stage.is_connected(A));
}

fn attribution(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.authority(A).forges = Some("bad".into());
    for name in ["private-good", "private-bad", "chat", "private-better"] {
        stage.client(A).subscribe(channel(name));
    }
    stage.pass(MOMENT);
    let heard = stage.heard(A);
    for name in ["private-good", "chat", "private-better"] {
        assert!(heard.contains(&format!("subscription_succeeded {name}")), "{heard:?}");
    }
    let failed: Vec<_> = heard.iter().filter(|line| line.starts_with("subscription_error")).collect();
    assert!(failed.len() == 1 && failed[0].starts_with("subscription_error private-bad: "), "{heard:?}");
}

fn auth_server(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    let refusal = AuthError::Http { status: 403, excerpt: "no".into(), retry_after: None };
    stage.authority(A).refusal = Some(refusal);
    stage.subscribe(A, "private-chat");
    stage.expect(A, &["subscription_error private-chat: authorization denied with status 403: no"]);
    assert_eq!(stage.world.sent(A).count(), 0);
}

fn refused_for_a_while(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    stage.subscribed(B, "chat");
    stage.world.server().refuse_subscriptions(channel("chat"), true);
    stage.subscribe(A, "chat");
    let heard = stage.heard(A);
    let expected = format!("subscription_error chat: {}", refusal(dialect));
    assert!(heard.iter().any(|line| line.starts_with(&expected)), "{heard:?}");
    stage.subscribed(A, "private-chat");
    // The subscriber that was there before is not affected.
    stage.trigger("chat", "news", "1");
    assert!(stage.heard(B).last().is_some_and(|line| line.contains("news")));

    stage.world.server().refuse_subscriptions(channel("chat"), false);
    stage.subscribed(A, "chat");
}

fn second_try(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.authority(A).forges = Some("bad".into());
    stage.subscribe(A, "private-bad");
    stage.heard(A);
    stage.authority(A).forges = None;
    stage.subscribed(A, "private-bad");
}

fn full_channel(dialect: Dialect) {
    let mut stage = Stage::with(dialect, |builder| builder.max_members(1)).connected(&["a", "b"]);
    stage.subscribe(A, "presence-chat");
    stage.heard(A);
    stage.subscribe(B, "presence-chat");
    let reason = match dialect {
        Dialect::Pusher => "Channel presence-chat has 1 members and is full",
        Dialect::Reverb => "Connection is unauthorized (code 4009)",
        Dialect::LaravelWebsockets => "Invalid Signature (code 4009)",
        Dialect::Soketi => "The maximum members per presence channel limit was reached (code 4100)",
        Dialect::Sockudo | Dialect::SockudoV2 => {
            "Channel error: Channel presence-chat has 1 members and is full (code 4300)"
        }
    };
    let heard = stage.heard(B);
    let expected = format!("subscription_error presence-chat: the server refused the subscription: {reason}");
    assert_eq!(heard.last(), Some(&expected), "{heard:?}");
    assert!(stage.is_connected(B));
    stage.expect_silence(A);
}

fn broken_message(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    stage.subscribed(A, "chat");
    stage.subscribed(B, "chat");
    stage.say(A, "this is not JSON");
    match dialect {
        Dialect::Pusher => stage.expect(A, &["error Messages must be JSON objects with an event"]),
        Dialect::Reverb => stage.expect(A, &["error Invalid message format (code 4200)"]),
        Dialect::LaravelWebsockets => stage.expect_silence(A),
        Dialect::Soketi => stage.expect_silence(A),
        Dialect::Sockudo | Dialect::SockudoV2 => {
            stage.expect(A, &["error Invalid message format: Decode failed (code 4000)"]);
        }
    }
    stage.expect_silence(B);
    stage.trigger("chat", "e", "1");
    stage.expect(A, &[r#"event chat e "1""#]);
}

fn presence_without_data(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    let name = channel("presence-chat");
    let socket_id = stage.client(A).socket_id().cloned().expect("it is connected");
    let auth = app().authorize_channel(&socket_id, &name).expect("the server's socket ids can be signed");
    let auth = auth.auth.expose();
    let text = format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{name}","auth":"{auth}"}}}}"#);
    stage.say(A, &text);
    let lost = [LOST_ERROR, LOST_WAITING];
    match dialect {
        Dialect::Pusher => {
            let needs = "Subscription to presence-chat needs channel_data: a JSON object with a user_id";
            stage.expect(A, &[&format!("error {needs}")]);
        }
        // It accepts a subscriber without a user; the client did not ask for this and leaves.
        Dialect::Reverb => {
            stage.expect_silence(A);
            let id = stage.world.connection(A).expect("it is connected");
            assert!(!stage.world.server().is_subscribed(id, &name));
        }
        Dialect::LaravelWebsockets => stage.expect_silence(A),
        Dialect::Soketi => stage.expect_silence(A),
        Dialect::Sockudo | Dialect::SockudoV2 => stage.expect(A, &lost),
    }
}
