//! Compares the frame parser with a naive one, and sends events through writers, the server and readers.

use std::time::Duration;

use pusher_proto::server::{Dialect, Publication, ServerConfig};
use pusher_proto::signing::App;
use pusher_proto::{ChannelEvent, ClientEventName, Config, ConnectionError, Data, Endpoint, Event, ProtocolError};
use pusher_tests::network::{Authority, Who};
use pusher_tests::world::World;
use serde_json::value::RawValue;

use crate::end::{CHANNELS, End, channel};
use crate::naive::{Fields, without_lone_surrogates};

/// A text is parsed as by the naive parser, and arrives as it was sent.
pub fn envelope(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    read(text);
    round_trip(text);
}

/// Whatever the naive parser considers an event reaches the application with the same parts, and nothing else does.
fn read(text: &str) {
    let mut end = End::connected();
    end.receive(r#"{"event":"pusher_internal:subscription_succeeded","channel":"chat"}"#);
    end.drain();
    end.events.clear();
    end.receive(text);
    end.drain();
    let events = std::mem::take(&mut end.events);
    let Some(fields) = Fields::read(text) else {
        let is_told = |event: &Event| {
            matches!(event, Event::ConnectionError(ConnectionError::Protocol(ProtocolError::Parse { .. })))
        };
        assert!(matches!(events.as_slice(), [event] if is_told(event)), "{text} is no event: {events:?}");
        return;
    };
    let delivered: Vec<&Event> =
        events.iter().filter(|event| matches!(event, Event::Channel(_) | Event::Connection(_))).collect();
    let is_reserved = fields.event.starts_with("pusher");
    match (fields.channel.as_deref(), delivered.as_slice()) {
        _ if is_reserved => {
            let is_internal = |event: &&Event| event.name().starts_with("pusher_internal:");
            assert!(!delivered.iter().any(is_internal), "{text} is for the client: {events:?}");
        }
        // An event that may be about a user waits for the sign-in.
        (None, []) if matches!(fields.event.as_str(), "online" | "offline") => {}
        (None, [Event::Connection(event)]) => {
            assert_eq!(event.event(), fields.event, "{text}");
            compare_data(event.data(), fields.data.as_deref());
        }
        (Some(name), [Event::Channel(event)]) if name != ENCRYPTED && CHANNELS.contains(&name) => {
            assert_eq!((event.channel().as_str(), event.event()), (name, fields.event.as_str()), "{text}");
            compare_data(event.data(), fields.data.as_deref());
            compare_user(event.user_id(), fields.user_id.as_deref());
        }
        (Some(name), []) if name == ENCRYPTED || !CHANNELS.contains(&name) => {}
        _ => panic!("{text} was not delivered once to where it belongs: {events:?}"),
    }
}

fn compare_data(found: &Data, sent: Option<&RawValue>) {
    let Some(sent) = sent else { return assert!(found.is_absent(), "{found:?} out of nothing") };
    assert_eq!(without_lone_surrogates(found.raw()), sent.get());
    match serde_json::from_str::<String>(sent.get()) {
        Ok(text) => assert_eq!(found.text(), text),
        Err(_) => assert_eq!(found.text(), found.raw()),
    }
}

/// An id is a string or a number; servers differ, and so does the form of a number.
fn compare_user(found: Option<&str>, sent: Option<&RawValue>) {
    let json = sent.map_or("", RawValue::get);
    match json.bytes().next() {
        Some(b'"') => assert_eq!(found, serde_json::from_str::<String>(json).ok().as_deref()),
        Some(b'-' | b'0'..=b'9') if json.contains(['.', 'e', 'E']) => {
            let number = |text: &str| text.parse::<f64>().ok();
            assert_eq!(found.and_then(number), number(json), "{found:?}");
        }
        Some(b'-' | b'0'..=b'9') => assert_eq!(found, Some(json)),
        _ => assert_eq!(found, None, "{json} is no id"),
    }
}

/// The other client receives what one client sends, and both receive what the application publishes. The first line
/// contains the names of the events, the rest is their data.
fn round_trip(text: &str) {
    let (name, payload) = text.split_once('\n').unwrap_or(("e", text));
    let dialect = Dialect::ALL[text.len() % Dialect::ALL.len()];
    let app = App::new("1", "key", "secret").expect("an application");
    let server = ServerConfig::builder(app.clone()).dialect(dialect).build().expect("a configuration");
    let mut world = World::new(server, Duration::from_millis(1), 1);
    let ends = ["ann", "bob"].map(|user| {
        let config = Config::new("key", Endpoint::host("h").tls(false)).expect("a configuration");
        let who = world.add(config, Authority::new(app.clone(), user));
        world.client(who).connect();
        world.client(who).subscribe(channel(PRIVATE));
        who
    });
    world.run(A_WHILE);
    let [ann, bob] = ends;
    assert_eq!([heard(&mut world, ann), heard(&mut world, bob)], [[], []], "{dialect}: nothing was sent");

    let event = ClientEventName::new(format!("client-{name}"));
    let event = event.unwrap_or_else(|_| ClientEventName::new("client-e").expect("a name"));
    let data = Data::from_json(payload).unwrap_or_else(|_| Data::string(payload));
    let now = world.now();
    let triggered = world.client(ann).trigger(&channel(PRIVATE), &event, &data, now);
    world.run(A_WHILE);
    let (by_ann, by_bob) = (heard(&mut world, ann), heard(&mut world, bob));
    assert_eq!(by_ann, [], "{dialect}: an event came back");
    let is_php = matches!(dialect, Dialect::Reverb | Dialect::LaravelWebsockets);
    match by_bob.as_slice() {
        // Reverb accepts only objects and arrays.
        [] => assert!(triggered.is_err() || dialect == Dialect::Reverb, "{dialect}: {event} {data:?} was lost"),
        [found] => {
            assert_eq!(found.event(), event.as_str());
            // PHP parses JSON and serialises it again.
            assert!(is_php || *found.data() == data, "{dialect}: {:?} for {data:?}", found.data());
        }
        events => panic!("{dialect}: one event became {events:?}"),
    }

    let name = if name.starts_with("pusher") { "e" } else { name };
    let now = world.now();
    let published = world.server().trigger(&Publication::new(name, [channel(PRIVATE)], payload), now);
    world.run(A_WHILE);
    for who in ends {
        let events = heard(&mut world, who);
        let found: Vec<_> = events.iter().map(|event| (event.event(), event.data().text())).collect();
        let expected = published.is_ok().then(|| (name, payload.into()));
        assert_eq!(found, Vec::from_iter(expected), "{dialect}: {published:?}");
    }
}

fn heard(world: &mut World, who: Who) -> Vec<ChannelEvent> {
    let events = world.heard(who).filter_map(|(_, event)| match event {
        Event::Channel(event) => Some(event),
        _ => None,
    });
    events.collect()
}

const ENCRYPTED: &str = "private-encrypted-c";

const PRIVATE: &str = "private-a";

/// Longer than a few round trips.
const A_WHILE: Duration = Duration::from_millis(100);
