//! Silence in both directions, for an hour and forever.

use pusher_proto::server::Dialect;
use pusher_tests::network::Fault;

use super::Scenario;
use crate::stage::*;

pub(super) const SCENARIOS: &[(&str, Scenario)] = &[
    ("an idle hour changes nothing", idle_hour),
    ("a busy hour changes nothing", busy_hour),
    ("a busy client that does not ping", without_pings),
    ("an hour of sending changes nothing", talkative_hour),
    ("a dead link is noticed by both sides", dead_link),
    ("a server that hangs is noticed", hanging_server),
];

/// Nothing was reported, the channels are still subscribed, and an event arrives.
fn assert_alive(stage: &mut Stage) {
    stage.expect_silence(A);
    let id = stage.world.connection(A).expect("it is connected");
    assert!(stage.world.server().is_subscribed(id, &channel("chat")), "the server has forgotten the channel");
    stage.trigger("chat", "e", "1");
    stage.expect(A, &[r#"event chat e "1""#]);
    assert_eq!(stage.client(A).stats().connections, 1);
}

fn idle_hour(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribed(A, "chat");
    stage.pass(secs(3_600));
    assert_alive(&mut stage);
}

fn busy_hour(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribed(A, "chat");
    for _ in 0..3_600 / 10 {
        stage.pass(secs(10));
        stage.trigger("chat", "tick", "1");
    }
    let heard = stage.heard(A);
    assert!(heard.len() == 360 && heard.iter().all(|line| line.starts_with("event chat tick")), "{}", heard.len());
    assert_alive(&mut stage);
}

fn without_pings(dialect: Dialect) {
    let mut stage = Stage::new(dialect);
    let who = stage.add("a", |builder| builder.max_ping_interval(None));
    stage.connect(who);
    stage.subscribe(who, "chat");
    // One pong, so that every server has seen a ping.
    stage.pass(secs(130));
    for _ in 0..30 {
        stage.trigger("chat", "tick", "1");
        stage.pass(secs(10));
    }
    let id = stage.world.connection(who).expect("no server ends the connection");
    assert!(stage.world.server().is_subscribed(id, &channel("chat")));
}

fn talkative_hour(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribed(A, "chat");
    stage.subscribed(A, "private-chat");
    for _ in 0..3_600 / 10 {
        stage.pass(secs(10));
        stage.whisper(A, "private-chat", "client-tick", "{}");
    }
    assert_alive(&mut stage);
}

fn dead_link(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    stage.subscribe(A, "presence-chat");
    stage.subscribe(B, "presence-chat");
    stage.heard(A);
    stage.heard(B);
    stage.world.fault(A, Fault::Dead);
    // Activity and pong timeout of the client.
    let patience = match dialect {
        Dialect::Pusher => 150,
        Dialect::Reverb => 60,
        Dialect::LaravelWebsockets => 60,
        Dialect::Soketi => 60,
        Dialect::Sockudo | Dialect::SockudoV2 => 150,
    };
    stage.pass(secs(patience + 1));
    let heard = stage.heard(A);
    assert_eq!(heard[0], "error the server did not answer a ping", "{heard:?}");
    assert_eq!(heard[heard.len() - 2], "continuity_lost presence-chat", "{heard:?}");
    stage.pass(secs(300));
    let (removed, added) =
        (r#"member_removed presence-chat a={"name":"a"}"#, r#"member_added presence-chat a={"name":"a"}"#);
    match dialect {
        // The user is there twice for a while, so the end of the old connection is not reported.
        Dialect::Pusher => stage.expect_silence(B),
        Dialect::Reverb => stage.expect_silence(B),
        Dialect::LaravelWebsockets => stage.expect_silence(B),
        Dialect::Soketi => stage.expect_silence(B),
        // Both sides give up after the same time.
        Dialect::Sockudo | Dialect::SockudoV2 => stage.expect(B, &[removed, added]),
    }
    let connections = stage.world.server().connections().len();
    match dialect {
        Dialect::Pusher => assert_eq!(connections, 2),
        Dialect::Reverb => assert_eq!(connections, 2),
        // It never detects dead sockets.
        Dialect::LaravelWebsockets => assert_eq!(connections, 3),
        Dialect::Soketi => assert_eq!(connections, 2),
        Dialect::Sockudo | Dialect::SockudoV2 => assert_eq!(connections, 2),
    }
}

fn hanging_server(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribed(A, "chat");
    stage.world.server().set_silent(true);
    stage.pass(secs(200));
    assert!(!stage.is_connected(A));
    stage.world.server().set_silent(false);
    stage.pass(secs(60));
    let heard = stage.heard(A);
    let back = ["connected", "continuity_lost chat", "subscription_succeeded chat again"];
    assert_eq!(heard[heard.len() - 3..], back, "{heard:?}");
}
