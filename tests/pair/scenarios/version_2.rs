//! Sockudo's protocol version 2: rewinds, filters, deltas, and members who return.

use std::time::Duration;

use pusher_proto::filter::Filter;
use pusher_proto::server::{Dialect, Publication, ServerConfigBuilder};
use pusher_proto::{Data, Recovery, Subscribe};
use pusher_test::Choices;
use pusher_tests::network::{Fault, Side, Who};

use super::Scenario;
use crate::stage::*;

/// Only with a server that speaks version 2.
pub(super) const SCENARIOS: &[(&str, Scenario)] = &[
    ("a subscription begins with the last messages, and a loss is recovered without them", rewind),
    ("a rewind that the server does not offer is refused once", refused_rewind),
    ("a filter hides events, live and replayed", filter),
    ("a replaced filter applies at once and after a loss", replaced_filter),
    ("the last of many filters counts, whatever happens in between", many_filters),
    ("many channels are recovered, each of them once", many_channels),
    ("a member who returns in time is not noticed", return_in_time),
    ("a member who returns too late has left and joins", return_too_late),
    ("a member changes what it says about itself", presence_update),
    ("deltas give the events that others receive", deltas),
    ("an event whose delta is lost is replayed", lost_delta),
    ("deltas of several keys do not mix", conflated_deltas),
];

fn rewind(dialect: Dialect) {
    let mut stage = Stage::new(dialect);
    for number in ["1", "2", "3"] {
        stage.trigger("chat", "e", number);
    }
    connected(&mut stage, &["a"], Recovery::default());
    subscribe_with(&mut stage, "chat", Subscribe::rewind(2));
    let rewound = [r#"event chat e "2" replayed"#, r#"event chat e "3" replayed"#];
    stage.expect(A, &["subscription_succeeded chat", rewound[0], rewound[1], "rewind_complete chat 2"]);
    stage.trigger("chat", "e", "4");
    stage.expect(A, &[r#"event chat e "4""#]);

    stage.world.fault(A, Fault::Cut);
    stage.trigger("chat", "e", "5");
    stage.pass(secs(5));
    let recovered = "recovered chat 1: replayed from the server's memory";
    assert_eq!(stage.heard(A)[3..], ["subscription_succeeded chat again", recovered, r#"event chat e "5" replayed"#]);
}

fn refused_rewind(dialect: Dialect) {
    let mut stage = Stage::with(dialect, |builder| builder.rewind(false));
    connected(&mut stage, &["a"], Recovery::default());
    subscribe_with(&mut stage, "chat", Subscribe::rewind(2));
    stage.pass(secs(60));
    let why = "Channel error: Channel rewind is disabled by policy for channel 'chat'";
    let refused = format!("subscription_error chat: the server refused the subscription: {why} (code 4300)");
    stage.expect(A, &[&format!("error {why} (code 4300)"), &refused]);
}

fn filter(dialect: Dialect) {
    let mut stage = Stage::new(dialect);
    connected(&mut stage, &["a"], Recovery::default());
    subscribe_with(&mut stage, "mkt", filtered(Filter::eq("asset", "BTC").and(!Filter::lt("price", 100))));
    stage.expect(A, &["subscription_succeeded mkt"]);
    publish(&mut stage, "1", &[("asset", "BTC"), ("price", "150")]);
    publish(&mut stage, "2", &[("asset", "BTC"), ("price", "50")]);
    publish(&mut stage, "3", &[("asset", "ETH"), ("price", "150")]);
    publish(&mut stage, "4", &[]);
    publish(&mut stage, "5", &[("asset", "BTC")]);
    stage.expect(A, &[r#"event mkt e "1""#, r#"event mkt e "5""#]);

    stage.world.fault(A, Fault::Cut);
    publish(&mut stage, "6", &[("asset", "ETH")]);
    publish(&mut stage, "7", &[("asset", "BTC")]);
    stage.pass(secs(5));
    let recovered = "recovered mkt 1: replayed from the server's memory";
    assert_eq!(stage.heard(A)[3..], ["subscription_succeeded mkt again", recovered, r#"event mkt e "7" replayed"#]);
}

fn replaced_filter(dialect: Dialect) {
    let mut stage = Stage::new(dialect);
    connected(&mut stage, &["a"], Recovery::default());
    subscribe_with(&mut stage, "mkt", filtered(Filter::eq("asset", "BTC")));
    publish(&mut stage, "1", &[("asset", "BTC")]);
    subscribe_with(&mut stage, "mkt", filtered(Filter::eq("asset", "ETH")));
    publish(&mut stage, "2", &[("asset", "BTC")]);
    publish(&mut stage, "3", &[("asset", "ETH")]);
    let events = |stage: &mut Stage| {
        let heard = stage.heard(A).into_iter();
        heard.filter(|line| line.starts_with("event") || line.contains("lost")).collect::<Vec<_>>()
    };
    assert_eq!(events(&mut stage), [r#"event mkt e "1""#, r#"event mkt e "3""#]);

    stage.world.fault(A, Fault::Cut);
    publish(&mut stage, "4", &[("asset", "BTC")]);
    publish(&mut stage, "5", &[("asset", "ETH")]);
    stage.pass(secs(5));
    publish(&mut stage, "6", &[("asset", "BTC")]);
    subscribe_with(&mut stage, "mkt", Subscribe::default());
    publish(&mut stage, "7", &[("asset", "BTC")]);
    assert_eq!(events(&mut stage), [r#"event mkt e "5" replayed"#, r#"event mkt e "7""#]);
}

fn return_in_time(dialect: Dialect) {
    let mut stage = room(dialect);
    for fault in [Fault::Cut, Fault::HalfOpen(Side::Client)] {
        stage.world.fault(B, fault);
        stage.pass(secs(10));
        assert!(stage.is_subscribed(B, "presence-chat"));
        // Long enough for the server to miss the answers to its pings.
        stage.pass(secs(120));
        stage.expect_silence(A);
    }
    stage.client(B).disconnect();
    stage.pass(MOMENT);
    stage.expect(A, &[r#"member_removed presence-chat b={"name":"b"}"#]);
}

fn return_too_late(dialect: Dialect) {
    let mut stage = room(dialect);
    stage.world.fault(B, Fault::Unreachable);
    stage.world.fault(B, Fault::Cut);
    stage.pass(secs(14));
    stage.expect_silence(A);
    stage.pass(secs(2));
    stage.expect(A, &[r#"member_removed presence-chat b={"name":"b"}"#]);
    stage.world.heal(B);
    stage.pass(secs(60));
    stage.expect(A, &[r#"member_added presence-chat b={"name":"b"}"#]);
}

fn presence_update(dialect: Dialect) {
    let mut stage = room(dialect);
    stage.heard(B);
    let info = Data::from_json(r#"{"name":"b","status":"busy"}"#).expect("JSON");
    stage.client(B).update_presence(&channel("presence-chat"), &info).expect("b is a member");
    stage.pass(MOMENT);
    let updated = r#"member_updated presence-chat b={"name":"b","status":"busy"}"#;
    stage.expect(A, &[updated]);
    stage.expect(B, &[updated]);
}

fn deltas(dialect: Dialect) {
    let mut stage = readers(dialect, |builder| builder);
    for number in 0..30 {
        stage.trigger("doc", "e", &document("BTC", number));
    }
    let expected: Vec<String> = (0..30).map(event).collect();
    assert_eq!(stage.heard(A), expected);
    assert_eq!(stage.heard(B), expected);
    assert!(errors(&mut stage).is_empty());
}

fn lost_delta(dialect: Dialect) {
    let mut stage = readers(dialect, |builder| builder);
    for number in 0..3 {
        stage.trigger("doc", "e", &document("BTC", number));
    }
    stage.heard(A);
    stage.world.fault(A, Fault::Lose(Side::Client, 1));
    stage.trigger("doc", "e", &document("BTC", 3));
    stage.expect_silence(A);
    stage.trigger("doc", "e", &document("BTC", 4));
    let replayed = |number| format!("{} replayed", event(number));
    let recovered = "recovered doc 2: replayed from the server's memory";
    stage.expect(A, &[recovered, &replayed(3), &replayed(4)]);
    assert_eq!(errors(&mut stage), [r#"{"event":"sockudo:delta_sync_error","data":{"channel":"doc"}}"#]);
    for number in 5..10 {
        stage.trigger("doc", "e", &document("BTC", number));
    }
    let expected: Vec<String> = (5..10).map(event).collect();
    assert_eq!(stage.heard(A), expected);
    assert!(errors(&mut stage).is_empty());
}

fn conflated_deltas(dialect: Dialect) {
    let mut stage = readers(dialect, |builder| builder.conflation_key(Some("symbol".into())));
    let keys = ["BTC", "ETH", "\"x\"", "BTC", "é"];
    for number in 0..40 {
        stage.trigger("doc", "e", &document(keys[number % 5], number));
    }
    assert_eq!(stage.heard(A), stage.heard(B));
    assert!(errors(&mut stage).is_empty());
}

/// Clients a (with deltas) and b (without), both on the channel `doc`.
fn readers(dialect: Dialect, configure: impl FnOnce(ServerConfigBuilder) -> ServerConfigBuilder) -> Stage {
    let mut stage = Stage::with(dialect, configure);
    connected(&mut stage, &["a"], Recovery::default().deltas(true));
    connected(&mut stage, &["b"], Recovery::default());
    for who in [A, B] {
        stage.subscribed(who, "doc");
        stage.world.sent(who).for_each(drop);
    }
    stage
}

fn document(symbol: &str, number: usize) -> String {
    serde_json::json!({ "symbol": symbol, "price": 60_000 + 7 * number, "note": "the same long text" }).to_string()
}

/// How an application hears of a document.
fn event(number: usize) -> String {
    format!("event doc e {}", serde_json::Value::from(document("BTC", number)))
}

/// What client a has said about deltas.
fn errors(stage: &mut Stage) -> Vec<String> {
    let sent = stage.world.sent(A).map(|text| text.to_string());
    sent.filter(|text| text.contains("delta")).collect()
}

/// Clients a and b, both members of `presence-chat`.
fn room(dialect: Dialect) -> Stage {
    let mut stage = Stage::new(dialect);
    connected(&mut stage, &["a", "b"], Recovery::default());
    for who in [A, B] {
        stage.subscribe(who, "presence-chat");
    }
    stage.heard(A);
    stage
}

/// Connects a client for each of these users, in version 2.
fn connected(stage: &mut Stage, users: &[&str], recovery: Recovery) {
    let whos: Vec<Who> = users.iter().map(|user| stage.add(user, |builder| builder.recovery(recovery))).collect();
    for who in whos {
        stage.connect(who);
        stage.expect(who, &["connected"]);
    }
}

fn subscribe_with(stage: &mut Stage, name: &str, options: Subscribe) {
    stage.client(A).subscribe_with(channel(name), options).expect("recovery is on");
    stage.pass(MOMENT);
}

fn filtered(filter: Filter) -> Subscribe {
    Subscribe::default().filter(filter.check().expect("a filter"))
}

/// Publishes an event with tags on `mkt`.
fn publish(stage: &mut Stage, data: &str, tags: &[(&str, &str)]) {
    let tags = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    stage.publish(&Publication { tags, ..Publication::new("e", [channel("mkt")], data.to_owned()) });
}

/// Filters that are set in quick succession, while sockets are lost and the channel comes and goes: in the end, the last one counts.
fn many_filters(dialect: Dialect) {
    const ASSETS: [&str; 3] = ["BTC", "ETH", "SOL"];
    for seed in 0..2_000 {
        let mut choices = Choices::from_seed(seed);
        let mut stage = Stage::new(dialect);
        connected(&mut stage, &["a"], Recovery::default());
        // `None` while the channel is not wanted, `Some(None)` while all events are.
        let mut wanted = None;
        let mut story = Vec::new();
        for _ in 0..1 + choices.below(8) {
            match choices.below(8) {
                0 => {
                    wanted = None;
                    stage.client(A).unsubscribe(&channel("mkt"));
                }
                1 => stage.world.fault(A, Fault::Cut),
                _ => {
                    let asset = ASSETS.get(choices.below(4)).copied();
                    wanted = Some(asset);
                    let options = asset.map_or_else(Subscribe::default, |asset| filtered(Filter::eq("asset", asset)));
                    stage.client(A).subscribe_with(channel("mkt"), options).expect("recovery is on");
                }
            }
            let pause = *choices.pick(&[0, 5, 20, 45, 3_000]);
            stage.pass(Duration::from_millis(pause));
            story.push((wanted, pause));
        }
        stage.pass(secs(60));
        stage.heard(A);
        for asset in ASSETS {
            publish(&mut stage, asset, &[("asset", asset)]);
        }
        let expected =
            ASSETS.iter().filter(|asset| wanted.is_some_and(|wanted| wanted.is_none_or(|own| own == **asset)));
        let expected: Vec<_> = expected.map(|asset| format!("event mkt e \"{asset}\"")).collect();
        assert_eq!(stage.heard(A), expected, "seed {seed}: {story:?}");
    }
}

/// The channels of one request to replay messages have a bound in bytes, so many channels take several requests.
fn many_channels(dialect: Dialect) {
    for (count, len) in [(1, 160), (40, 20), (300, 160), (600, 40)] {
        let mut stage = Stage::new(dialect);
        connected(&mut stage, &["a"], Recovery::default());
        let names: Vec<String> = (0..count).map(|number| format!("{number:0len$}")).collect();
        names.iter().for_each(|name| stage.client(A).subscribe(channel(name)));
        stage.pass(secs(5));
        stage.heard(A);
        // The last loss shows what the one before has left.
        for round in 0..3 {
            stage.world.fault(A, Fault::Cut);
            let now = stage.world.now();
            for name in &names {
                let publication = Publication::new("e", [channel(name)], round.to_string());
                stage.world.server().trigger(&publication, now).expect("the event is within the limits");
            }
            stage.pass(secs(10));
            let mut heard = stage.heard(A);
            heard.retain(|line| {
                line.starts_with("recovered") || line.starts_with("event") || line.contains("continuity")
            });
            heard.sort_unstable();
            let recovered = names.iter().map(|name| format!("recovered {name} 1: replayed from the server's memory"));
            let events = names.iter().map(|name| format!(r#"event {name} e "{round}" replayed"#));
            let expected: Vec<String> = events.chain(recovered).collect();
            assert!(heard == expected, "{count} channels, loss {round}: {} of {} lines", heard.len(), expected.len());
        }
    }
}
