//! Subscriptions that begin with old messages.

use super::version_2::{connect, connected, publish, say, world};
use super::*;

fn rewind(world: &mut World, client: u64, rewind: &str) -> Vec<String> {
    subscribe_with(world, client, &format!(r#""rewind":{rewind}"#))
}

fn subscribe_with(world: &mut World, client: u64, options: &str) -> Vec<String> {
    say(world, client, &format!(r#"{{"event":"sockudo:subscribe","data":{{"channel":"rew",{options}}}}}"#))
}

fn succeeded(serial: u64) -> String {
    format!(
        r#"{{"event":"sockudo_internal:subscription_succeeded","channel":"rew","data":"{{\"attach_serial\":{serial}}}","message_id":"<id>","stream_id":"<id>","serial":{serial}}}"#
    )
}

fn message(serial: u64) -> String {
    format!(
        r#"{{"event":"tick","channel":"rew","data":"{serial}","message_id":"<id>","stream_id":"<id>","serial":{serial}}}"#
    )
}

fn complete(count: usize, [is_complete, by_limit, by_retention]: [bool; 3]) -> String {
    format!(
        r#"{{"event":"sockudo:rewind_complete","channel":"rew","data":{{"historical_count":{count},"live_count":0,"complete":{is_complete},"truncated_by_limit":{by_limit},"truncated_by_retention":{by_retention}}},"message_id":"<id>"}}"#
    )
}

/// A client, and messages with the numbers 1 to `count` on the channel, one every second.
fn filled(build: impl FnOnce(ServerConfigBuilder) -> ServerConfigBuilder, count: u64) -> World {
    let mut world = connected(build);
    for number in 1..=count {
        publish(&mut world, "rew", &number.to_string());
        world.now = world.now + secs(1);
    }
    world
}

#[test]
fn the_last_messages_follow_the_success_and_their_number_ends_them() {
    for wanted in ["2", r#""2""#, r#"{"count":2}"#] {
        let mut world = filled(|builder| builder, 4);
        let cut = complete(2, [false, true, false]);
        assert_eq!(rewind(&mut world, 1, wanted), [succeeded(4), message(3), message(4), cut], "{wanted}");
    }
    let mut world = filled(|builder| builder, 2);
    let all = complete(2, [true, false, false]);
    assert_eq!(rewind(&mut world, 1, "5"), [succeeded(2), message(1), message(2), all]);
    let mut world = filled(|builder| builder, 0);
    assert_eq!(rewind(&mut world, 1, "5"), [succeeded(0), complete(0, [true, false, false])]);
}

#[test]
fn a_second_subscription_rewinds_again() {
    let mut world = filled(|builder| builder, 1);
    let answer = [succeeded(1), message(1), complete(1, [true, false, false])];
    assert_eq!(rewind(&mut world, 1, "5"), answer);
    assert_eq!(rewind(&mut world, 1, "5"), answer);
}

#[test]
fn a_time_brings_the_oldest_messages_of_that_time() {
    let mut world = filled(|builder| builder, 4);
    let recent = complete(2, [false, true, false]);
    assert_eq!(rewind(&mut world, 1, r#"{"seconds":2}"#), [succeeded(4), message(3), message(4), recent]);
    let mut world = filled(|builder| builder.recovery_messages(1_000), 0);
    (1..=101).for_each(|number| drop(publish(&mut world, "rew", &number.to_string())));
    let answer = rewind(&mut world, 1, r#"{"duration_seconds":60}"#);
    assert_eq!(answer[1..101], (1..=100).map(message).collect::<Vec<_>>());
    assert_eq!(answer[101..], [complete(100, [false, true, true])]);
}

#[test]
fn says_that_messages_were_forgotten() {
    let mut world = filled(|builder| builder.recovery_messages(2), 3);
    let forgotten = complete(2, [false, false, true]);
    assert_eq!(rewind(&mut world, 1, "5"), [succeeded(3), message(2), message(3), forgotten]);
}

#[test]
fn no_more_messages_are_sent_than_a_page_has() {
    let mut world = connected(|builder| builder.recovery_messages(1_000));
    (1..=101).for_each(|number| drop(publish(&mut world, "rew", &number.to_string())));
    let answer = rewind(&mut world, 1, "1000");
    assert_eq!(answer[1..101], (2..=101).map(message).collect::<Vec<_>>());
    assert_eq!(answer[101..], [complete(100, [false, true, false])]);
}

#[test]
fn a_filter_counts_only_what_it_lets_through() {
    let mut world = connected(|builder| builder);
    for (number, odd) in [(1, "1"), (2, "0"), (3, "1"), (4, "0")] {
        let tags = [("odd".into(), odd.into())].into();
        let publication = Publication { tags, ..Publication::new("tick", [channel_name("rew")], number.to_string()) };
        world.server.trigger(&publication, world.now).unwrap();
    }
    let tagged = |serial: u64| {
        format!(
            r#"{{"event":"tick","channel":"rew","data":"{serial}","tags":{{"odd":"1"}},"message_id":"<id>","stream_id":"<id>","serial":{serial}}}"#
        )
    };
    let options = r#""rewind":2,"filter":{"tags":{"key":"odd","cmp":"eq","val":"1"}}"#;
    let answer = [succeeded(4), tagged(1), tagged(3), complete(2, [true, false, false])];
    assert_eq!(subscribe_with(&mut world, 1, options), answer);
}

#[test]
fn a_refused_rewind_does_not_subscribe() {
    let refused = |prefix: &str, code: u16, message: &str, id: &str| {
        [format!(r#"{{"event":"{prefix}:error","data":{{"code":{code},"message":"{message}"}}{id}}}"#)]
    };
    let id = r#","message_id":"<id>""#;
    let mut world = filled(|builder| builder, 1);
    let invalid = "Invalid message format: Invalid rewind option in subscription data";
    for wanted in ["0", r#"{"x":1}"#, "null", "[]"] {
        assert_eq!(rewind(&mut world, 1, wanted), refused("sockudo", 4000, invalid, id), "{wanted}");
    }
    connect(&mut world, 2, "protocol=7");
    let on_version_1 = "Channel error: Channel rewind is only supported on protocol V2";
    assert_eq!(rewind(&mut world, 2, "2"), refused("pusher", 4300, on_version_1, ""));
    let off = "Channel error: Channel rewind is disabled by policy for channel 'rew'";
    for build in [
        |builder: ServerConfigBuilder| builder.rewind(false),
        |builder: ServerConfigBuilder| builder.recovery(RecoverySupport::Disabled),
    ] {
        let mut world = connected(build);
        assert_eq!(rewind(&mut world, 1, "2"), refused("sockudo", 4300, off, id));
        assert!(!world.server.is_subscribed(ConnectionId::new(1), &channel_name("rew")));
    }
}

#[test]
fn a_server_without_rewinds_shows_no_number_in_the_success() {
    let mut world = world(|builder| builder.rewind(false));
    connect(&mut world, 1, "protocol=2");
    let succeeded = r#"{"event":"sockudo_internal:subscription_succeeded","channel":"rew","data":"{}","message_id":"<id>","stream_id":"<id>","serial":0}"#;
    assert_eq!(version_2::subscribe(&mut world, 1, "rew"), [succeeded]);
}
