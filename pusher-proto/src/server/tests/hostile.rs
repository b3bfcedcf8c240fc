//! Clients of version 2 that send random messages: the server answers with JSON, and keeps no state after they have gone.

use fastrand::Rng;
use serde_json::{Map, json};

use super::*;

#[test]
fn the_server_survives_random_messages_and_keeps_nothing_afterwards() {
    let mut seen = BTreeSet::new();
    for seed in 0..40 {
        let mut random = Rng::with_seed(seed);
        let mut world = World::with(|builder| {
            builder
                .dialect(Dialect::SockudoV2)
                .recovery_messages(5)
                .delta_interval(3)
                .conflation_key(Some("key".into()))
                .max_members(3)
        });
        for _ in 0..1_000 {
            let client = random.u64(1..=4);
            let id = ConnectionId::new(client);
            match random.u8(0..10) {
                0 => world.server.handle_open(id, pick(&mut random, &TARGETS), world.now),
                1 => world.server.handle_loss(id, world.now),
                2 => publish(&mut world, &mut random),
                3 => world.now = world.now + Duration::from_millis(random.u64(..20_000)),
                _ => say(&mut world, &mut random, id),
            }
            world.server.handle_timeout(world.now);
            // `sent` checks that every frame is JSON.
            seen.extend(world.sent().iter().filter_map(|line| line.split(' ').nth(1).map(ToString::to_string)));
        }
        for client in 1..=4 {
            world.server.handle_loss(ConnectionId::new(client), world.now);
        }
        world.advance(secs(15));
        assert!(world.server.channels.is_empty() && world.server.absences.is_empty(), "seed {seed}");
        assert_eq!(world.server.poll_timeout(), None, "seed {seed}: a deadline is left");
    }
    let missing: Vec<_> = ANSWERS.iter().filter(|answer| !seen.contains(**answer)).collect();
    assert!(missing.is_empty(), "{missing:?} is missing in {seen:?}");
}

fn publish(world: &mut World, random: &mut Rng) {
    let tags = (0..random.usize(..3)).map(|_| (Text::from(pick(random, &WORDS)), Text::from(pick(random, &WORDS))));
    let tags = tags.collect();
    let channel = ChannelName::internal(pick(random, &CHANNELS)).unwrap();
    let data = value(random, 1).to_string();
    let publication = Publication { tags, delta: random.bool(), ..Publication::new("eq", [channel], data) };
    world.server.trigger(&publication, world.now).unwrap();
}

fn say(world: &mut World, random: &mut Rng, id: ConnectionId) {
    let event = pick(random, &EVENTS);
    let mut data = if random.u8(..8) == 0 { value(random, 3) } else { json!({}) };
    let name = pick(random, &CHANNELS);
    if let (Some(fields), true) = (data.as_object_mut(), event != "sockudo:resume") {
        fields.insert("channel".into(), json!(name));
        for option in ["filter", "rewind", "delta", "data"] {
            if random.bool() {
                fields.insert(option.into(), value(random, 3));
            }
        }
        let known = world.server.connections.get(&id).map(|connection| connection.socket_id.clone());
        if let Some(socket_id) = known {
            let member = json!({ "user_id": pick(random, &WORDS) }).to_string();
            let is_presence = name.starts_with("presence-");
            let signed =
                if is_presence { format!("{socket_id}:{name}:{member}") } else { format!("{socket_id}:{name}") };
            fields.insert("auth".into(), json!(app().token(&signed).expose()));
            fields.insert("channel_data".into(), json!(member));
        }
    } else if let Some(fields) = data.as_object_mut() {
        let stream = world.server.position(&ChannelName::internal(name).unwrap());
        let stream = stream.map(|position| position.stream_id().to_string());
        let position = json!({ "serial": random.u64(..10), "stream_id": stream });
        fields.insert("channel_positions".into(), json!({ name: position, "other": value(random, 1) }));
    }
    let data = if random.u8(..3) == 0 { json!(data.to_string()) } else { data };
    let text = json!({ "event": event, "channel": name, "data": data }).to_string();
    world.server.handle_frame(id, Frame::Text(text.into()), world.now);
}

/// Any JSON, in which the words of the protocol are frequent.
fn value(random: &mut Rng, depth: usize) -> Value {
    match random.u8(..if depth == 0 { 5 } else { 8 }) {
        0 => Value::Null,
        1 => json!(random.bool()),
        2 => json!(random.i64(-3..200)),
        3 => json!(random.f64()),
        4 => json!(pick(random, &WORDS)),
        5 => (0..random.usize(..4)).map(|_| value(random, depth - 1)).collect(),
        _ => {
            let fields = (0..random.usize(..5)).map(|_| (pick(random, &WORDS).into(), value(random, depth - 1)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}

fn pick(random: &mut Rng, of: &[&'static str]) -> &'static str {
    of[random.usize(..of.len())]
}

const TARGETS: [&str; 3] = ["/app/key?protocol=2", "/app/key?protocol=2&echo_messages=false", "/app/key?protocol=7"];

const CHANNELS: [&str; 6] = ["chat", "private-a", "presence-b", "presence-c", "cache-d", "private-encrypted-e"];

const EVENTS: [&str; 9] = [
    "sockudo:subscribe",
    "sockudo:subscribe",
    "sockudo:subscribe",
    "sockudo:unsubscribe",
    "sockudo:resume",
    "sockudo:presence_update",
    "sockudo:enable_delta_compression",
    "sockudo:delta_sync_error",
    "client-x",
];

/// What the server has to send at least once.
const ANSWERS: [&str; 8] = [
    "sockudo:error",
    "sockudo:delta",
    "sockudo:rewind_complete",
    "sockudo:resume_success",
    "sockudo:resume_failed",
    "sockudo_internal:presence_update",
    "sockudo_internal:member_removed",
    "sockudo:delta_compression_enabled",
];

const WORDS: [&str; 24] = [
    "",
    "key",
    "cmp",
    "val",
    "vals",
    "op",
    "nodes",
    "eq",
    "in",
    "gt",
    "ex",
    "and",
    "or",
    "not",
    "events",
    "tags",
    "expression",
    "count",
    "seconds",
    "enabled",
    "7",
    "é\"\\",
    "serial",
    "stream_id",
];
