//! Greetings, refusals of a connection, losses and restarts.

use pusher_proto::server::Dialect;
use pusher_proto::{AppKey, CloseFrame, ConnectionState};
use pusher_tests::network::Fault;

use super::Scenario;
use crate::stage::*;

pub(super) const SCENARIOS: &[(&str, Scenario)] = &[
    ("connects and takes the shorter activity timeout", connects),
    ("a wrong key ends it, or looks like a loss", wrong_key),
    ("a full server", full_server),
    ("a client that is never authorized", never_authorized),
    ("a cut socket comes back with all channels", cut_socket),
    ("a restarted server gets its clients back", restart),
    ("a refusal by command", refusal_by_command),
    ("a client that is disconnected says goodbye", disconnect),
];

fn connects(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    let (silence, pings) = match dialect {
        Dialect::Pusher => (120, PING),
        Dialect::Reverb => (30, PING),
        Dialect::LaravelWebsockets => (30, PING),
        Dialect::Soketi => (30, PING),
        // It pings after the same silence, and its ping is there first.
        Dialect::Sockudo | Dialect::SockudoV2 => (120, PONG),
    };
    stage.pass(secs(silence - 1));
    assert_eq!(stage.world.sent(A).count(), 0);
    stage.pass(secs(1));
    assert_eq!(stage.world.sent(A).collect::<Vec<_>>(), [pings]);
    stage.expect_silence(A);
}

fn wrong_key(dialect: Dialect) {
    let mut stage = Stage::new(dialect);
    let who = stage.add("a", |builder| builder);
    let endpoints = stage.client(who).config().endpoints().clone();
    stage.client(who).switch(AppKey::new("other").expect("a key"), endpoints);
    stage.connect(who);
    let failed = |reason: &str| format!("failed: {reason} (code 4001)");
    let refused = |reason: &str| format!("error the server refused the connection: {reason} (code 4001)");
    let (error, state) = match dialect {
        Dialect::Pusher => {
            let reason = "Application does not exist";
            (format!("error closed with 4001: {reason} during the handshake"), failed(reason))
        }
        Dialect::Reverb => {
            let reason = "Application does not exist";
            (refused(reason), failed(reason))
        }
        // The socket would stay open forever.
        Dialect::LaravelWebsockets => {
            let reason = "Could not find app key `other`.";
            (refused(reason), failed(reason))
        }
        Dialect::Soketi => {
            let reason = "App key other does not exist.";
            (refused(reason), failed(reason))
        }
        // The client cannot know that trying again is pointless.
        Dialect::Sockudo | Dialect::SockudoV2 => {
            let lost = format!("{LOST} during the handshake");
            (format!("error {lost}"), format!("waiting: {lost}"))
        }
    };
    stage.expect(who, &[&error, &state]);
    assert!(stage.world.connection(who).is_none(), "the socket is not kept");
    stage.pass(secs(60));
    let tries = stage.heard(who).iter().filter(|line| **line == state).count();
    assert_eq!(tries > 0, matches!(dialect, Dialect::Sockudo | Dialect::SockudoV2));
}

fn full_server(dialect: Dialect) {
    let mut stage = Stage::with(dialect, |builder| builder.capacity(1)).connected(&["a"]);
    let late = stage.add("b", |builder| builder);
    stage.connect(late);
    let refused = |reason: &str| format!("the server refused the connection: {reason} (code 4100)");
    let closed = "closed with 4100: Over capacity during the handshake".to_owned();
    let quota = "The current concurrent connections quota has been reached.";
    let (lines, is_final) = match dialect {
        Dialect::Pusher => ([format!("error {closed}"), format!("waiting: {closed}")], false),
        // It has only a quota, and exceeding it is final.
        Dialect::Reverb => {
            let reason = "Application is over connection quota";
            let error = format!("error the server refused the connection: {reason} (code 4004)");
            let failed = format!("failed: {reason} (code 4004)");
            ([error, failed], true)
        }
        // The error comes after the greeting, and the close has no reason.
        Dialect::LaravelWebsockets => {
            assert_eq!(
                stage.heard(late),
                ["connected", "error Over capacity (code 4100)", "waiting: closed with 1000"]
            );
            (Default::default(), false)
        }
        Dialect::Soketi => ([format!("error {}", refused(quota)), format!("waiting: {}", refused(quota))], false),
        Dialect::Sockudo | Dialect::SockudoV2 => {
            let refused = refused("Over capacity");
            ([format!("error {refused}"), format!("waiting: {refused}")], false)
        }
    };
    if dialect != Dialect::LaravelWebsockets {
        assert_eq!(stage.heard(late), lines);
    }
    stage.client(A).disconnect();
    stage.pass(secs(60));
    assert_eq!(stage.is_connected(late), !is_final, "there is room now");
}

fn never_authorized(dialect: Dialect) {
    let mut stage = Stage::with(dialect, |builder| builder.authorization_timeout(secs(10))).connected(&["a", "b"]);
    stage.subscribed(A, "chat");
    stage.subscribed(B, "private-chat");
    stage.pass(secs(10));
    let reason = "Connection not authorized within timeout";
    let failed = "failed: the connection is not authorized or was terminated (code 4009)";
    match dialect {
        Dialect::Pusher => {
            stage.expect(A, &[&format!("error closed with 4009: {reason}"), &format!("failed: {reason} (code 4009)")]);
        }
        Dialect::Reverb => stage.expect_silence(A),
        Dialect::LaravelWebsockets => stage.expect_silence(A),
        Dialect::Soketi => {
            stage.expect(A, &[&format!("error {reason} (code 4009)"), "error closed with 4009", failed]);
        }
        Dialect::Sockudo | Dialect::SockudoV2 => {
            let closed = format!("error closed with 4009: {reason}");
            stage.expect(
                A,
                &[&format!("error {reason} (code 4009)"), &closed, &format!("failed: {reason} (code 4009)")],
            );
        }
    }
    stage.expect_silence(B);
}

fn cut_socket(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    for name in ["chat", "private-chat", "private-encrypted-chat"] {
        stage.subscribed(A, name);
    }
    stage.subscribe(A, "presence-chat");
    stage.heard(A);
    stage.world.fault(A, Fault::Cut);
    stage.pass(secs(3));
    stage.expect(
        A,
        &[
            LOST_ERROR,
            LOST_WAITING,
            "connected",
            "continuity_lost chat",
            "subscription_succeeded chat again",
            "continuity_lost private-chat",
            "subscription_succeeded private-chat again",
            "continuity_lost private-encrypted-chat",
            "subscription_succeeded private-encrypted-chat again",
            "continuity_lost presence-chat",
            r#"subscription_succeeded presence-chat again members [a={"name":"a"}]"#,
        ],
    );
    stage.trigger("chat", "e", "1");
    stage.expect(A, &[r#"event chat e "1""#]);
    stage.expect_silence(B);
}

fn restart(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribed(A, "chat");
    let frame = CloseFrame { code: 4200, reason: "restart".into() };
    let now = stage.world.now();
    stage.world.server().close_all(&frame, now);
    stage.pass(TRIP);
    // 4200 asks the client to reconnect at once; after a lost connection, it waits.
    let (lines, at_once) = match dialect {
        Dialect::Pusher => (vec!["error closed with 4200: restart", "waiting: closed with 4200: restart"], true),
        Dialect::Reverb => (vec![LOST_ERROR, LOST_WAITING], false),
        Dialect::LaravelWebsockets => (vec![LOST_ERROR, LOST_WAITING], false),
        Dialect::Soketi => {
            (vec!["error restart (code 4200)", "error closed with 4200", "waiting: closed with 4200"], true)
        }
        Dialect::Sockudo | Dialect::SockudoV2 => {
            let closed = "error closed with 4200: restart";
            (vec!["error restart (code 4200)", closed, "waiting: closed with 4200: restart"], true)
        }
    };
    stage.expect(A, &lines);
    let ConnectionState::Waiting { retry_at, .. } = *stage.client(A).state() else { panic!("it comes back") };
    assert_eq!(retry_at.since(now) < secs(1), at_once, "in {:?}", retry_at.since(now));
    stage.pass(secs(3));
    stage.expect(A, &["connected", "continuity_lost chat", "subscription_succeeded chat again"]);
}

fn refusal_by_command(dialect: Dialect) {
    let mut stage = Stage::new(dialect);
    let who = stage.add("a", |builder| builder);
    let refusal = CloseFrame { code: 4100, reason: "later".into() };
    stage.world.server().set_refusal(Some(refusal));
    stage.connect(who);
    let heard = stage.heard(who);
    assert!(heard.last().is_some_and(|line| line.starts_with("waiting: ") && line.contains("later")), "{heard:?}");
    stage.world.server().set_refusal(None);
    stage.pass(secs(5));
    stage.expect(who, &["connected"]);
}

fn disconnect(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    stage.subscribe(A, "presence-chat");
    stage.subscribe(B, "presence-chat");
    stage.heard(B);
    stage.client(A).disconnect();
    stage.pass(MOMENT);
    stage.expect(B, &[r#"member_removed presence-chat a={"name":"a"}"#]);
    assert_eq!(stage.world.server().connections().len(), 1);
    stage.pass(secs(300));
    assert_eq!(stage.heard(A).last().map(String::as_str), Some("disconnected"));
}
