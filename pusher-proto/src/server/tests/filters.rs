//! Filters of subscriptions.

use super::version_2::{connect, connected, frames, resume, say, stream};
use super::*;
use crate::filter::Filter;

fn subscribe(world: &mut World, client: u64, channel: &str, filter: &str) -> Vec<String> {
    let text = format!(r#"{{"event":"sockudo:subscribe","data":{{"channel":"{channel}","filter":{filter}}}}}"#);
    say(world, client, &text)
}

/// Publishes an event, and returns who receives it.
fn publish(world: &mut World, name: &str, tags: &[(&str, &str)]) -> Vec<u64> {
    let tags = tags.iter().map(|(key, value)| (Text::from(*key), Text::from(*value))).collect();
    let publication = Publication { tags, ..Publication::new(name, [channel_name("mkt")], "1") };
    world.server.trigger(&publication, world.now).unwrap();
    let actions = core::iter::from_fn(|| world.server.poll_action(world.now));
    let receivers = actions.filter_map(|action| match action {
        Action::Send(ConnectionId(client), _) => Some(client),
        _ => None,
    });
    receivers.collect()
}

fn error(message: &str) -> String {
    let message = serde_json::to_string(message).unwrap();
    format!(r#"{{"event":"sockudo:error","data":{{"code":4000,"message":{message}}},"message_id":"<id>"}}"#)
}

const BTC: &str = r#"{"key":"asset","cmp":"eq","val":"BTC"}"#;
const ETH: &str = r#"{"key":"asset","cmp":"eq","val":"ETH"}"#;

#[test]
fn each_subscriber_receives_what_its_filter_lets_through() {
    let mut world = connected(|builder| builder);
    for client in [2, 3] {
        connect(&mut world, client, "protocol=2");
    }
    connect(&mut world, 4, "protocol=7");
    subscribe(&mut world, 1, "mkt", BTC);
    subscribe(&mut world, 2, "mkt", ETH);
    subscribe(&mut world, 3, "mkt", r#"{"events":["trade"]}"#);
    subscribe(&mut world, 4, "mkt", BTC);
    assert_eq!(publish(&mut world, "trade", &[("asset", "BTC")]), [1, 3, 4]);
    assert_eq!(publish(&mut world, "trade", &[("asset", "ETH")]), [2, 3, 4]);
    assert_eq!(publish(&mut world, "other", &[]), [4], "version 1 has no filters");
}

#[test]
fn subscribing_again_replaces_the_filter_or_removes_it() {
    let mut world = connected(|builder| builder);
    subscribe(&mut world, 1, "mkt", BTC);
    let answer = subscribe(&mut world, 1, "mkt", ETH);
    assert!(answer.len() == 1 && answer[0].contains("subscription_succeeded"), "{answer:?}");
    assert_eq!(publish(&mut world, "trade", &[("asset", "BTC")]), [0; 0]);
    assert_eq!(publish(&mut world, "trade", &[("asset", "ETH")]), [1]);
    let refused = subscribe(&mut world, 1, "mkt", "7");
    assert!(refused[0].contains("Invalid tags filter shape"), "{refused:?}");
    assert_eq!(publish(&mut world, "trade", &[("asset", "BTC")]), [0; 0], "a refused filter changes nothing");
    version_2::subscribe(&mut world, 1, "mkt");
    assert_eq!(publish(&mut world, "trade", &[("asset", "BTC")]), [1]);
    subscribe(&mut world, 1, "mkt", ETH);
    say(&mut world, 1, r#"{"event":"sockudo:unsubscribe","data":{"channel":"mkt"}}"#);
    version_2::subscribe(&mut world, 1, "mkt");
    assert_eq!(publish(&mut world, "trade", &[]), [1], "an unsubscription ends the filter");
}

#[test]
fn a_filter_applies_to_replays_whose_position_counts_what_it_hides() {
    let mut world = connected(|builder| builder);
    publish(&mut world, "trade", &[("asset", "BTC")]);
    publish(&mut world, "trade", &[("asset", "ETH")]);
    subscribe(&mut world, 1, "mkt", BTC);
    let stream = stream(&world, "mkt");
    let event = r#"{"event":"trade","channel":"mkt","data":"1","tags":{"asset":"BTC"},"message_id":"<id>","stream_id":"<id>","serial":1}"#;
    let summary = r#"{"event":"sockudo:resume_success","data":"{\"recovered\":[{\"channel\":\"mkt\",\"source\":\"hot\",\"replayed\":1,\"position\":{\"stream_id\":\"<id>\",\"serial\":2,\"last_message_id\":\"<id>\"}}],\"failed\":[]}","message_id":"<id>"}"#;
    assert_eq!(resume(&mut world, 1, "mkt", &stream, 0), [event, summary]);
}

#[test]
fn client_events_are_judged_by_their_name_and_have_no_tags() {
    let mut world = connected(|builder| builder);
    let auth = app().authorize_channel(&world.socket_id(1), &channel_name("private-mkt")).unwrap();
    let mut sent = |filter: &str| {
        let data = format!(r#"{{"channel":"private-mkt","auth":"{}","filter":{filter}}}"#, auth.auth.expose());
        say(&mut world, 1, &format!(r#"{{"event":"sockudo:subscribe","data":{data}}}"#));
        say(&mut world, 1, r#"{"event":"client-x","channel":"private-mkt","data":{}}"#).len()
    };
    assert_eq!(sent(r#"{"events":["client-x"]}"#), 1);
    assert_eq!(sent(r#"{"events":["client-y"]}"#), 0);
    assert_eq!(sent(BTC), 0);
    assert_eq!(sent(r#"{"key":"asset","cmp":"neq","val":"BTC"}"#), 1);
}

#[test]
fn any_filter_hides_members_and_the_next_subscription_shows_them() {
    let mut world = connected(|builder| builder);
    connect(&mut world, 2, "protocol=2");
    let data = r#"{\"user_id\":\"alice\"}"#;
    let auth = app().token(&format!("{}:presence-f:{}", world.socket_id(1), r#"{"user_id":"alice"}"#));
    let enter = |world: &mut World, filter: &str| {
        let data = format!(r#"{{"channel":"presence-f","auth":"{}","channel_data":"{data}"{filter}}}"#, auth.expose());
        say(world, 1, &format!(r#"{{"event":"sockudo:subscribe","data":{data}}}"#)).len()
    };
    assert_eq!(enter(&mut world, r#","filter":{"key":"asset","cmp":"nex"}"#), 1);
    let of = |sent: Vec<String>| sent.into_iter().filter(|line| line.starts_with("1 ")).collect::<Vec<_>>();
    assert_eq!(of(world.enter(2, "presence-f", r#"{"user_id":"bob"}"#)), [""; 0]);
    assert_eq!(of(world.unsubscribe(2, "presence-f")), [""; 0]);
    assert_eq!(enter(&mut world, ""), 0, "a member that is there gets no second success");
    assert_eq!(of(world.enter(2, "presence-f", r#"{"user_id":"bob"}"#)).len(), 1);
}

#[test]
fn each_comparison_is_true_for_what_it_says() {
    let tags = [("a", "abc"), ("n", "10"), ("e", "")];
    for (filter, passes) in [
        (Filter::eq("a", "abc"), true),
        (Filter::eq("a", "ab"), false),
        (Filter::eq("x", "ab"), false),
        (Filter::ne("a", "ab"), true),
        (Filter::ne("a", "abc"), false),
        (Filter::ne("x", "abc"), true),
        (Filter::in_("a", ["x", "abc"]), true),
        (Filter::in_("x", ["x", "abc"]), false),
        (Filter::not_in("a", ["x", "abc"]), false),
        (Filter::not_in("x", ["x", "abc"]), true),
        (Filter::exists("e"), true),
        (Filter::exists("x"), false),
        (Filter::not_exists("x"), true),
        (Filter::not_exists("e"), false),
        (Filter::starts_with("a", "ab"), true),
        (Filter::starts_with("a", "bc"), false),
        (Filter::ends_with("a", "bc"), true),
        (Filter::contains("a", "b"), true),
        (Filter::contains("x", "b"), false),
        (Filter::gt("n", 9), true),
        (Filter::gt("n", 10), false),
        (Filter::ge("n", 10), true),
        (Filter::lt("n", 10.5), true),
        (Filter::le("n", 9), false),
        (Filter::lt("a", 100), false),
        (Filter::lt("x", 100), false),
        (!Filter::eq("a", "abc"), false),
        (Filter::eq("a", "x").or(Filter::eq("n", "10")), true),
        (Filter::eq("a", "abc").and(Filter::eq("n", "11")), false),
        (Filter::events(["trade"]).and(Filter::eq("n", 10)), true),
        (Filter::events(["other"]).and(Filter::eq("n", 10)), false),
    ] {
        let json = filter.check().unwrap();
        let mut world = connected(|builder| builder);
        subscribe(&mut world, 1, "mkt", json.as_json());
        let receivers: &[u64] = if passes { &[1] } else { &[] };
        assert_eq!(publish(&mut world, "trade", &tags), receivers, "{json}");
    }
}

#[test]
fn values_may_be_numbers_and_booleans_and_the_older_name_is_read() {
    let mut world = connected(|builder| builder);
    let filter = r#"{"op":"or","nodes":[{"key":"n","cmp":"gte","val":100},{"key":"hot","cmp":"in","vals":[true,1]}]}"#;
    say(
        &mut world,
        1,
        &format!(r#"{{"event":"sockudo:subscribe","data":{{"channel":"mkt","tags_filter":{filter}}}}}"#),
    );
    assert_eq!(publish(&mut world, "trade", &[("n", "100")]), [1]);
    assert_eq!(publish(&mut world, "trade", &[("n", "99"), ("hot", "true")]), [1]);
    assert_eq!(publish(&mut world, "trade", &[("n", "99"), ("hot", "false")]), [0; 0]);
}

#[test]
fn an_invalid_filter_is_refused_in_the_words_of_the_server() {
    let names = |len: usize| format!("[{}]", ["\"x\""].repeat(len).join(","));
    let chain =
        |depth: usize| format!("{}{BTC}{}", r#"{"op":"not","nodes":["#.repeat(depth - 1), "]}".repeat(depth - 1));
    let wide = |len: usize| format!(r#"{{"op":"and","nodes":[{}]}}"#, [BTC].repeat(len).join(","));
    let key = |len: usize| format!(r#"{{"key":"{}","cmp":"ex"}}"#, "k".repeat(len));
    let value = |len: usize| format!(r#"{{"key":"k","cmp":"eq","val":"{}"}}"#, "v".repeat(len));
    let shape = "Invalid tags filter shape: invalid";
    for (filter, message) in [
        (r#"{"key":"a","cmp":"regex","val":"x"}"#, "Invalid tags filter: unknown comparison operator: regex"),
        (r#"{"op":"xor","nodes":[]}"#, "Invalid tags filter: unknown logical operator: xor"),
        (r#"{"op":"and","nodes":[]}"#, "Invalid tags filter: and operation requires at least one child node"),
        (
            r#"{"op":"not","nodes":[{"key":"a","cmp":"ex"},{"key":"b","cmp":"ex"}]}"#,
            "Invalid tags filter: not operation requires exactly one child node, got 2",
        ),
        (r#"{"key":"","cmp":"eq","val":"x"}"#, "Invalid tags filter: Leaf node requires a non-empty key"),
        (r#"{"key":"a","cmp":"eq"}"#, "Invalid tags filter: eq operation requires a non-empty val"),
        (r#"{"key":"a","cmp":"in"}"#, "Invalid tags filter: in operation requires at least one value in vals"),
        (r#"{"key":"a","cmp":"eq","val":""}"#, "Invalid tags filter: eq operation requires a non-empty val"),
        (&format!(r#"{{"events":{}}}"#, names(51)), "filter.events exceeds maximum of 50 event names"),
        (r#"{"events":"x"}"#, "filter.events must be an array of non-empty strings"),
        (
            &format!(r#"{{"events":["{}"]}}"#, "e".repeat(201)),
            "Event name 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee...' exceeds maximum length of 200 characters",
        ),
        (r#"{"expression":"data.["}"#, "Invalid subscription filter: invalid JMESPath expression: "),
        (r#"{"expression":{"language":"sql","source":"1"}}"#, "Unsupported filter expression language 'sql'"),
        (r#"{"expression":"data.total"}"#, "Invalid subscription filter: this server does not evaluate expressions"),
        (r#""text""#, &format!(r#"{shape} type: string "text", expected struct FilterNode"#)),
        ("[]", &format!("{shape} length 0, expected struct FilterNode with 6 elements")),
        ("null", &format!("{shape} type: null, expected struct FilterNode")),
        (&key(257), "Invalid subscription filter: tag filter key exceeds the byte limit of 256"),
        (&value(1_025), "Invalid subscription filter: tag filter value exceeds the byte limit of 1024"),
        (
            &format!(r#"{{"key":"k","cmp":"in","vals":{}}}"#, names(129)),
            "Invalid subscription filter: tag filter value list exceeds the limit of 128",
        ),
        (&chain(17), "Invalid subscription filter: tag filter exceeds the depth limit of 16"),
        (&chain(1_000), "Invalid tags filter shape: recursion limit exceeded"),
        (&wide(128), "Invalid subscription filter: tag filter exceeds the node limit of 128"),
    ] {
        let mut world = connected(|builder| builder);
        let answer = subscribe(&mut world, 1, "mkt", filter);
        let expected = error(&format!("Invalid message format: {message}"));
        let start = expected.split_once(r#""},"message_id""#).unwrap().0;
        assert!(answer.len() == 1 && answer[0].starts_with(start), "{filter}: {answer:?}");
        assert!(!world.server.is_subscribed(ConnectionId::new(1), &channel_name("mkt")));
    }
    for filter in [chain(16), wide(127), key(256), value(1_024)] {
        let mut world = connected(|builder| builder);
        subscribe(&mut world, 1, "mkt", &filter);
        assert!(world.server.is_subscribed(ConnectionId::new(1), &channel_name("mkt")), "{filter}");
        assert_eq!(frames(&mut world), [""; 0]);
    }
}
