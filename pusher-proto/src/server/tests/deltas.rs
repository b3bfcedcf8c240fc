//! Events as deltas to earlier ones.

use super::version_2::{connect, connected, say, subscribe, without_ids};
use super::*;
use crate::delta::Bases;
use crate::wire::object;

const ENABLE: &str = r#"{"event":"sockudo:enable_delta_compression","data":{}}"#;
const ENABLED: &str =
    r#"{"event":"sockudo:delta_compression_enabled","data":{"enabled":true,"algorithm":"fossil"},"message_id":"<id>"}"#;
const SYNC_ERROR: &str = r#"{"event":"sockudo:delta_sync_error","data":{"channel":"doc"}}"#;

/// A client (1) that asks for deltas, on the channel `doc`.
fn reader(build: impl FnOnce(ServerConfigBuilder) -> ServerConfigBuilder) -> World {
    let mut world = connected(build);
    assert_eq!(say(&mut world, 1, ENABLE), [ENABLED]);
    subscribe(&mut world, 1, "doc");
    world
}

/// Publishes an event, and returns the frames that each client receives.
fn publish(world: &mut World, channel: &str, name: &str, data: &str) -> Vec<Text> {
    let name = Text::from(name);
    let publication = Publication::new(name, [ChannelName::internal(channel).unwrap()], data);
    world.server.trigger(&publication, world.now).unwrap();
    received(world)
}

fn received(world: &mut World) -> Vec<Text> {
    let actions = core::iter::from_fn(|| world.server.poll_action(world.now));
    actions.filter_map(|action| if let Action::Send(_, text) = action { Some(text) } else { None }).collect()
}

/// How an event on `doc` was sent: `full SEQ`, `delta SEQ of BASE`, or `plain`, then the conflation key.
fn form(frame: &str) -> String {
    let frame: Value = serde_json::from_str(frame).unwrap();
    let (data, key) = (&frame["data"], |value: &Value| value.as_str().map(|key| format!(" {key}")).unwrap_or_default());
    if frame["event"] == "sockudo:delta" {
        return format!("delta {} of {}{}", data["seq"], data["base_index"], key(&data["conflation_key"]));
    }
    match frame["__delta_seq"].as_u64() {
        Some(seq) => format!("full {seq}{}", key(&frame["__conflation_key"])),
        None => "plain".into(),
    }
}

fn forms(world: &mut World, name: &str, count: usize) -> Vec<String> {
    (0..count)
        .flat_map(|number| publish(world, "doc", name, &format!("text {number}")))
        .map(|frame| form(&frame))
        .collect()
}

#[test]
fn a_series_starts_with_two_full_events_and_has_another_after_each_interval() {
    let mut world = reader(|builder| builder.delta_interval(4));
    let series = ["full 0", "full 1", "delta 2 of 1", "delta 3 of 2", "delta 4 of 3", "delta 5 of 4", "full 6"];
    assert_eq!(forms(&mut world, "update", 7), series);
    assert_eq!(forms(&mut world, "other", 3), series[..3], "each name has its own series");
    assert_eq!(forms(&mut world, "update", 1), ["delta 7 of 6"]);
    let mut world = reader(|builder| builder);
    let forms = forms(&mut world, "update", 13);
    assert_eq!(forms[11..], ["delta 11 of 10", "full 12"]);
}

#[test]
fn what_is_rebuilt_is_the_frame_that_others_receive() {
    let mut world = reader(|builder| builder);
    connect(&mut world, 2, "protocol=2");
    subscribe(&mut world, 2, "doc");
    let mut bases = Bases::default();
    for number in 0..20 {
        let data = format!(r#"{{"price":{},"note":"é, \"the same\" text"}}"#, number * 7);
        let [sent, plain] = &publish(&mut world, "doc", "update", &data)[..] else { panic!("two subscribers") };
        if bases.keep("doc", "update", sent) {
            assert!(sent.starts_with(plain.strip_suffix('}').unwrap()), "{sent}");
            continue;
        }
        let [event, delta] = object::fields(sent, ["event", "data"]).unwrap();
        assert_eq!(event.unwrap().get(), r#""sockudo:delta""#);
        assert_eq!(bases.rebuild("doc", delta.unwrap().get()).as_ref(), Ok(plain));
        assert!(sent.len() < plain.len() + 120);
    }
}

#[test]
fn full_frames_show_their_place_in_the_series() {
    let mut world = reader(|builder| builder.conflation_key(Some("symbol".into())));
    let data = r#"{"symbol":"ETH \"x\""}"#;
    let full = publish(&mut world, "doc", "u", data).remove(0);
    let expected = r#"{"event":"u","channel":"doc","data":"{\"symbol\":\"ETH \\\"x\\\"\"}","message_id":"<id>","stream_id":"<id>","serial":1,"__delta_seq":0,"__conflation_key":"ETH \"x\""}"#;
    assert_eq!(without_ids(&full), expected);
    publish(&mut world, "doc", "u", data);
    let delta = publish(&mut world, "doc", "u", data).remove(0);
    let start = r#"{"event":"sockudo:delta","channel":"doc","data":{"event":"u","seq":2,"base_index":1,"algorithm":"fossil","conflation_key":"ETH \"x\"","delta":""#;
    assert!(delta.starts_with(start) && delta.ends_with(r#""}}"#), "{delta}");
}

#[test]
fn each_conflation_key_has_its_own_series() {
    let mut world = reader(|builder| builder.conflation_key(Some("symbol".into())));
    let mut forms = |data: &str| form(&publish(&mut world, "doc", "u", data)[0]);
    for seq in ["full 0", "full 1", "delta 2 of 1"] {
        assert_eq!(forms(r#"{"symbol":"BTC"}"#), format!("{seq} BTC"));
        assert_eq!(forms(r#"{"symbol":7}"#), format!("{seq} 7"));
        assert_eq!(forms(r#"{"price":7}"#), seq);
    }
    assert_eq!(forms("no object"), "delta 3 of 2");
    assert_eq!(forms(r#"{"symbol":null}"#), "delta 4 of 3");
}

#[test]
fn a_client_that_reports_an_error_gets_full_events_again() {
    let mut world = reader(|builder| builder);
    assert_eq!(forms(&mut world, "u", 3)[2], "delta 2 of 1");
    subscribe(&mut world, 1, "other");
    (0..3).for_each(|_| drop(publish(&mut world, "other", "u", "1")));
    assert_eq!(say(&mut world, 1, SYNC_ERROR), [""; 0]);
    assert_eq!(forms(&mut world, "u", 3), ["full 0", "full 1", "delta 2 of 1"]);
    assert_eq!(form(&publish(&mut world, "other", "u", "1")[0]), "delta 3 of 2", "other channels go on");
    assert_eq!(say(&mut world, 1, ENABLE), [ENABLED]);
    assert_eq!(forms(&mut world, "u", 1), ["full 0"]);
    say(&mut world, 1, r#"{"event":"sockudo:unsubscribe","data":{"channel":"doc"}}"#);
    subscribe(&mut world, 1, "doc");
    assert_eq!(forms(&mut world, "u", 1), ["full 0"]);
}

#[test]
fn the_field_of_a_subscription_turns_deltas_on_for_the_socket_and_off_for_the_channel() {
    for (field, here, elsewhere) in [
        ("true", "full 0", "full 0"),
        (r#""xdelta3""#, "full 0", "full 0"),
        (r#""zip""#, "full 0", "full 0"),
        (r#"{"enabled":true}"#, "full 0", "full 0"),
        ("false", "plain", "full 0"),
        (r#""none""#, "plain", "full 0"),
        (r#"{"enabled":false}"#, "plain", "full 0"),
        ("5", "plain", "plain"),
        ("null", "plain", "plain"),
        ("[]", "plain", "plain"),
    ] {
        let mut world = connected(|builder| builder);
        say(&mut world, 1, &format!(r#"{{"event":"sockudo:subscribe","data":{{"channel":"doc","delta":{field}}}}}"#));
        subscribe(&mut world, 1, "other");
        assert_eq!(form(&publish(&mut world, "doc", "u", "1")[0]), here, "{field}");
        assert_eq!(form(&publish(&mut world, "other", "u", "1")[0]), elsewhere, "{field}");
    }
}

#[test]
fn some_events_are_never_sent_as_deltas() {
    let mut world = reader(|builder| builder);
    forms(&mut world, "u", 2);
    let exempt = Publication { delta: false, ..Publication::new("u", [channel_name("doc")], "1") };
    world.server.trigger(&exempt, world.now).unwrap();
    assert_eq!(form(&received(&mut world)[0]), "plain");
    assert_eq!(forms(&mut world, "u", 1), ["delta 2 of 1"]);
    for channel in ["private-encrypted-d", "private-d"] {
        world.subscribe(1, channel);
    }
    assert_eq!(form(&publish(&mut world, "private-encrypted-d", "u", "1")[0]), "plain");
    let sent = say(&mut world, 1, r#"{"event":"client-x","channel":"private-d","data":{}}"#);
    assert_eq!(form(&sent[0]), "plain");
    let stream = version_2::stream(&world, "doc");
    let replayed = version_2::resume(&mut world, 1, "doc", &stream, 3);
    assert_eq!(form(&replayed[0]), "plain");
    assert_eq!(forms(&mut world, "u", 1), ["delta 3 of 2"], "a replay changes nothing");
}

#[test]
fn version_1_gets_a_confirmation_but_no_deltas() {
    let mut world = connected(|builder| builder);
    connect(&mut world, 2, "protocol=7");
    let enabled = r#"{"event":"pusher:delta_compression_enabled","data":{"enabled":true,"algorithm":"fossil"}}"#;
    assert_eq!(say(&mut world, 2, r#"{"event":"pusher:enable_delta_compression","data":{}}"#), [enabled]);
    subscribe(&mut world, 2, "doc");
    assert_eq!(forms(&mut world, "u", 3), ["plain"; 3]);
    let mut world = connected(|builder| builder.recovery(RecoverySupport::Missing));
    assert_eq!(say(&mut world, 1, ENABLE), [""; 0], "the feature was not built in");
}

#[test]
fn a_full_event_follows_after_five_minutes() {
    let mut world = reader(|builder| builder);
    forms(&mut world, "u", 2);
    world.now = world.now + secs(299);
    assert_eq!(forms(&mut world, "u", 1), ["delta 2 of 1"]);
    world.now = world.now + secs(1);
    assert_eq!(forms(&mut world, "u", 1), ["full 3"]);
}

#[test]
fn the_bases_of_a_connection_are_bounded_by_number_and_bytes() {
    let mut world = reader(|builder| builder);
    publish(&mut world, "doc", "first", "1");
    for number in 0..1_000 {
        publish(&mut world, "doc", &format!("event {number}"), "1");
    }
    assert_eq!(forms(&mut world, "first", 1), ["full 0"], "it was the oldest of 1,001");
    assert_eq!(forms(&mut world, "event 999", 1), ["full 1"]);
    let long = "x".repeat(99_000);
    for number in 0..45 {
        publish(&mut world, "doc", &format!("long {number}"), &long);
    }
    assert_eq!(forms(&mut world, "event 999", 1), ["full 0"], "45 long events need more than 4 MiB");
    assert_eq!(forms(&mut world, "long 44", 1), ["full 1"]);
}
