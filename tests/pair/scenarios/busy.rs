//! Servers that limit the number of messages, and servers that do not answer a subscription.

use std::time::Duration;

use pusher_proto::Event;
use pusher_proto::server::Dialect;
use pusher_tests::network::{Excess, Limit, Lost};

use super::Scenario;
use crate::stage::*;

pub(super) const SCENARIOS: &[(&str, Scenario)] = &[
    ("a server that answers 4301 gets its subscriptions more slowly", refuses),
    ("a server that closes with 4100 gets its subscriptions more slowly", closes),
    ("a server that ends connections gets its subscriptions more slowly", drops),
    ("a subscription that gets lost is sent again until it is answered", question_lost),
    ("a subscription whose answer gets lost is sent again until it is answered", answer_lost),
    ("unsubscribing ends the tries for a subscription that is not answered", unsubscribed),
    ("a subscription that is never answered is tried at growing intervals", never_answered),
];

fn refuses(dialect: Dialect) {
    overload(dialect, Excess::Error, secs(40), 0);
}

fn closes(dialect: Dialect) {
    overload(dialect, Excess::Close, secs(120), MOST_RECONNECTS);
}

fn drops(dialect: Dialect) {
    overload(dialect, Excess::Drop, secs(120), MOST_RECONNECTS);
}

/// Several clients with different random delays, and a server that accepts sixty messages from each in ten seconds.
fn overload(dialect: Dialect, excess: Excess, limit: Duration, most_reconnects: usize) {
    let mut stage = Stage::new(dialect).connected(&["a", "b", "c", "d"]);
    stage.world.gate().limit = Some((Limit::new(60, secs(10)), excess));
    for who in [A, B, C, D] {
        let names = stage.want_many(who, "room-", 100);
        let time = stage.until(limit, |stage| names.iter().all(|name| stage.is_subscribed(who, name)));
        assert!(time.is_some(), "{} of 100 are subscribed", stage.count_subscribed(who, &names));
        let reconnects = stage.reconnects(who);
        assert!(reconnects <= most_reconnects, "{reconnects} reconnects");
        stage.pass(secs(120));
        assert_eq!(stage.count_subscribed(who, &names), 100);
        assert_eq!(stage.reconnects(who), 0, "and later");
    }
}

/// Each time, the pace is reduced to a third.
const MOST_RECONNECTS: usize = 4;

fn question_lost(dialect: Dialect) {
    lost(dialect, Lost::Question);
}

fn answer_lost(dialect: Dialect) {
    lost(dialect, Lost::Answer);
}

/// Lost for 90 s.
fn lost(dialect: Dialect, lost: Lost) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.world.gate().swallows.insert(("chat".into(), lost));
    stage.client(A).subscribe(channel("chat"));
    stage.pass(secs(90));
    let sent = stage.world.sent(A).filter(|text| text.contains("pusher:subscribe\"")).count();
    // 30 s for each answer, and a delay after it.
    assert!((2..=3).contains(&sent), "sent {sent} times");
    stage.world.gate().swallows.clear();
    let time = stage.until(secs(61), |stage| stage.is_subscribed(A, "chat"));
    assert!(time.is_some(), "it is not subscribed: {:?}", stage.heard(A));
    stage.pass(secs(120));
    assert!(stage.is_subscribed(A, "chat"));
    stage.heard(A);
    stage.trigger("chat", "e", "1");
    stage.expect(A, &[r#"event chat e "1""#]);
    assert!(stage.is_connected(A));
}

fn unsubscribed(dialect: Dialect) {
    for lost in [Lost::Question, Lost::Answer] {
        let mut stage = Stage::new(dialect).connected(&["a"]);
        stage.world.gate().swallows.insert(("chat".into(), lost));
        stage.client(A).subscribe(channel("chat"));
        stage.pass(secs(45));
        stage.unsubscribe(A, "chat");
        stage.world.sent(A).for_each(drop);
        stage.heard(A);
        stage.world.gate().swallows.clear();
        stage.pass(secs(180));
        stage.expect_silence(A);
        let sent: Vec<_> = stage.world.sent(A).filter(|text| text.contains("pusher:subscribe\"")).collect();
        assert!(sent.is_empty(), "{sent:?}");
        let id = stage.world.connection(A).expect("it is connected");
        assert!(!stage.world.server().is_subscribed(id, &channel("chat")));
    }
}

/// A channel that is not answered for twenty minutes.
fn never_answered(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.world.gate().swallows.insert(("chat".into(), Lost::Question));
    stage.client(A).subscribe(channel("chat"));
    let mut tries = Vec::new();
    for _ in 0..4 {
        stage.pass(secs(300));
        tries.push(stage.world.sent(A).filter(|text| text.contains("pusher:subscribe\"")).count());
    }
    // An attempt waits 30 s for the answer, and is followed by a delay of at most 30 s.
    assert!(tries.iter().all(|tries| (4..=9).contains(tries)), "tries in five minutes: {tries:?}");
    let heard: Vec<Event> = stage.world.heard(A).map(|(_, event)| event).collect();
    let failures = heard.iter().filter(|event| matches!(event, Event::SubscriptionError { .. })).count();
    assert!(tries.iter().sum::<usize>() - failures <= 1, "each is reported: {heard:?}");
}
