//! Every strategy yields what it says.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};
use pusher_proto::server::Dialect;
use pusher_proto::{
    Action, AuthError, AuthResponse, ChannelKind, ChannelName, Client, ClientEventName, Config, ConnectionError, Data,
    Event, Frame, Instant, with_causes,
};
use pusher_test::story::{Story, Subject};
use pusher_test::transcript::{Line, Transcript};
use pusher_test::{Choices, generate, strategy};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn check<T: Debug>(strategy: impl Strategy<Value = T>, test: impl Fn(T) -> Result<(), TestCaseError>) {
    TestRunner::new(config(1_000)).run(&strategy, test).unwrap_or_else(|failure| panic!("{failure}"));
}

fn holds<T: Debug>(strategy: impl Strategy<Value = T>, property: impl Fn(T) -> bool) {
    check(strategy, |value| if property(value) { Ok(()) } else { Err(TestCaseError::fail("it does not hold")) });
}

#[test]
fn valid_names_are_accepted_and_invalid_ones_are_not() {
    holds(strategy::channel_names(), |name| ChannelName::new(name.as_str()).is_ok());
    holds(strategy::portable_channel_names(), |name| name.is_portable());
    holds(strategy::invalid_channel_names(), |name| ChannelName::new(name).is_err());
    holds(strategy::client_event_names(), |name| ClientEventName::new(name.as_str()).is_ok());
    holds(strategy::invalid_client_event_names(), |name| ClientEventName::new(name).is_err());
    holds(strategy::event_names(), |name| !name.is_empty() && !name.starts_with("pusher"));
}

#[test]
fn names_are_of_every_kind_and_length() {
    let names: Vec<ChannelName> =
        (0..3_000).map(|seed| generate::channel_name(&mut Choices::from_seed(seed))).collect();
    for kind in [ChannelKind::Public, ChannelKind::Private, ChannelKind::PrivateEncrypted, ChannelKind::Presence] {
        for is_cache in [false, true] {
            assert!(names.iter().any(|name| name.kind() == kind && name.is_cache() == is_cache), "{kind:?} {is_cache}");
        }
    }
    assert!(names.iter().any(|name| name.as_str().len() == ChannelName::MAX_LEN));
    assert!(names.iter().any(|name| !name.is_portable()));
}

#[test]
fn users_members_and_payloads_are_json() {
    holds(strategy::json(), |json| Data::from_json(json).is_ok());
    check(strategy::user_data(), |user| {
        let user: serde_json::Value = serde_json::from_str(&user).expect("it is JSON");
        prop_assert!(user["id"].as_str().is_some_and(|id| !id.is_empty()));
        Ok(())
    });
    check(strategy::channel_data(), |member| {
        let member: serde_json::Value = serde_json::from_str(&member).expect("it is JSON");
        prop_assert!(member["user_id"].as_str().is_some_and(|id| !id.is_empty()));
        Ok(())
    });
}

/// A client that wants the channels of all generated frames, on its first socket.
fn opening() -> (Client, pusher_proto::SocketEpoch) {
    let mut client = Client::new(Config::new("KEY", "ws://localhost").expect("a configuration"), 1);
    for name in ["chat", "private-a", "presence-b", "private-encrypted-c", "cache-d", "presence-cache-e"] {
        client.subscribe(ChannelName::new(name).expect("a name"));
    }
    client.connect();
    let mut socket = Default::default();
    while let Some(action) = client.poll_action(Instant::ZERO) {
        if let pusher_proto::Action::Connect(epoch, _) = action {
            socket = epoch;
        }
    }
    (client, socket)
}

/// A permission for everything.
fn permission() -> Result<AuthResponse, AuthError> {
    let body = serde_json::json!({
        "auth": "KEY:signature",
        "channel_data": r#"{"user_id":"7"}"#,
        "user_data": r#"{"id":"7"}"#,
        "shared_secret": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
    });
    AuthResponse::from_http(200, body.to_string().as_bytes(), None)
}

#[test]
fn frames_of_every_dialect_are_read_without_a_complaint() {
    for dialect in Dialect::ALL {
        check(strategy::conversations(dialect), |frames| {
            let (mut client, socket) = opening();
            prop_assert!(frames[0].contains("pusher:connection_established"));
            for frame in frames {
                client.handle_frame(socket, Frame::Text(frame.as_str().into()), Instant::ZERO);
                while let Some(action) = client.poll_action(Instant::ZERO) {
                    if let pusher_proto::Action::RequestAuth(request) = &action {
                        client.handle_auth(request.id, permission(), Instant::ZERO);
                    }
                    let is_complaint = matches!(
                        &action,
                        pusher_proto::Action::Emit(
                            Event::Diagnostic(_) | Event::ConnectionError(ConnectionError::Protocol(_))
                        )
                    );
                    prop_assert!(!is_complaint, "{} {} {:?}", dialect, frame, action);
                }
            }
            Ok(())
        });
    }
}

#[test]
fn conversations_contain_every_kind_of_frame() {
    let mut events = std::collections::BTreeSet::new();
    for seed in 0..600 {
        let mut choices = Choices::from_seed(seed);
        let dialect = generate::dialect(&mut choices);
        for frame in generate::conversation(&mut choices, dialect) {
            let frame: serde_json::Value = serde_json::from_str(&frame).expect("a server writes JSON");
            events.insert(frame["event"].as_str().expect("an event has a name").to_owned());
        }
    }
    for event in [
        "pusher:connection_established",
        "pusher_internal:subscription_succeeded",
        "pusher_internal:member_added",
        "pusher_internal:member_removed",
        "pusher:cache_miss",
        "pusher:signin_success",
        "pusher:pong",
        "pusher:error",
        "message",
    ] {
        assert!(events.contains(event), "{event} is missing in {events:?}");
    }
}

/// Performs the client's actions, with a permission for everything, and returns its events.
fn events(client: &mut Client) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(action) = client.poll_action(Instant::ZERO) {
        match action {
            Action::RequestAuth(request) => client.handle_auth(request.id, permission(), Instant::ZERO),
            Action::Emit(event) => events.push(event),
            _ => {}
        }
    }
    events
}

/// The server's answer to a subscription.
fn success(channel: &ChannelName) -> String {
    let data = match channel.kind() {
        ChannelKind::Presence => r#"{"presence":{"count":1,"ids":["7"],"hash":{"7":{}}}}"#,
        _ => "{}",
    };
    let event = "pusher_internal:subscription_succeeded";
    serde_json::json!({"event": event, "channel": channel.as_str(), "data": data}).to_string()
}

#[test]
fn envelopes_are_read_as_they_say() {
    let read = RefCell::new(BTreeMap::<ChannelKind, u32>::new());
    check(strategy::envelopes(), |envelope| {
        let (mut client, socket) = opening();
        let give = |client: &mut Client, text: &str| {
            client.handle_frame(socket, Frame::Text(text.into()), Instant::ZERO);
            events(client)
        };
        give(&mut client, GREETING);
        if let Some(channel) = &envelope.channel {
            client.subscribe(channel.clone());
            events(&mut client);
            give(&mut client, &success(channel));
        }
        for event in give(&mut client, &envelope.text) {
            if let Event::Channel(event) = &event {
                prop_assert_eq!(event.event(), envelope.event.as_str());
                prop_assert_eq!(Some(event.channel()), envelope.channel.as_ref());
                prop_assert_eq!(event.user_id(), envelope.user_id.as_deref());
                let data = envelope.data.as_ref();
                let found: Option<serde_json::Value> = serde_json::from_str(event.data().raw()).ok();
                prop_assert_eq!(found.as_ref(), data);
                *read.borrow_mut().entry(event.channel().kind()).or_default() += 1;
            }
            prop_assert!(!matches!(event, Event::ConnectionError(ConnectionError::Protocol(_))), "{:?}", event);
        }
        Ok(())
    });
    let read = read.into_inner();
    // A payload on an encrypted channel is not encrypted here, so no event comes of it.
    for kind in [ChannelKind::Public, ChannelKind::Private, ChannelKind::Presence] {
        assert!(read.get(&kind).is_some_and(|&count| count >= 100), "of 1000 events, {read:?} are read");
    }
}

const GREETING: &str = r#"{"event":"pusher:connection_established","data":{"socket_id":"1.1"}}"#;

#[test]
fn hostile_frames_never_panic_and_are_not_what_they_were() {
    let mut refused = 0;
    for seed in 0..3_000 {
        let frame = generate::hostile_frame(&mut Choices::from_seed(seed));
        let (mut client, socket) = opening();
        if seed % 2 == 0 {
            client.handle_frame(socket, Frame::Text(GREETING.into()), Instant::ZERO);
        }
        client.handle_frame(socket, Frame::Text(frame.as_str().into()), Instant::ZERO);
        while let Some(action) = client.poll_action(Instant::ZERO) {
            let is_complaint =
                matches!(&action, pusher_proto::Action::Emit(Event::ConnectionError(ConnectionError::Protocol(_))));
            refused += usize::from(is_complaint);
        }
    }
    assert!(refused > 500, "{refused} of 3000 are refused");
}

#[test]
fn lines_are_read_as_they_are_written() {
    check(strategy::lines(), |line| {
        let text = line.to_string();
        let read: Line = text.parse()?;
        prop_assert_eq!(read.to_string(), text);
        Ok(())
    });
    holds(strategy::answers(), |answer| answer.to_string().parse() == Ok(answer));
}

#[test]
fn stories_never_panic_and_are_transcripts() {
    let runner = |strategy: BoxedStrategy<Story>| {
        let result = TestRunner::new(config(300)).run(&strategy, |story| {
            let printed = story.to_string();
            let transcript =
                Transcript::parse(&printed).map_err(|error| TestCaseError::fail(with_causes(&error).to_string()))?;
            transcript.play()?;
            prop_assert_eq!(transcript.bless()?, printed);
            let mut core = Client::new(Config::new("any", "ws://localhost").expect("a configuration"), 0);
            story.compare(&mut core)?;
            Ok(())
        });
        result.unwrap_or_else(|failure| panic!("{failure}"));
    };
    runner(strategy::legal_stories().boxed());
    runner(strategy::wild_stories().boxed());
    runner(strategy::stories().boxed());
}

/// A story that only fails would prove nothing.
#[test]
fn legal_stories_reach_what_a_client_can_become() {
    let mut heard = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let story = Story::legal(&mut Choices::from_seed(seed));
        let played = story.play(|_, events| {
            for event in events {
                assert!(!matches!(event, Event::ConnectionError(ConnectionError::Protocol(_))), "{event:?}\n{story}");
                let channel = event.channel().map_or("", |channel| channel.as_str());
                heard.insert(format!("{} {channel}", event.name()).trim_end().to_owned());
            }
        });
        assert_eq!(played, Ok(()));
    }
    for name in ["chat", "private-a", "presence-b", "private-encrypted-c", "cache-d", "presence-cache-e"] {
        for event in ["pusher:subscription_succeeded", "pusher:continuity_lost"] {
            assert!(heard.contains(&format!("{event} {name}")), "{event} {name} in {heard:#?}");
        }
    }
    for event in ["pusher:signin_success", "pusher:member_added presence-b", "pusher:member_removed presence-b"] {
        assert!(heard.contains(event), "{event} in {heard:#?}");
    }
}

#[test]
fn equal_choices_give_equal_stories() {
    for seed in 0..20 {
        let [one, other] = [0, 1].map(|_| Story::any(&mut Choices::from_seed(seed)).to_string());
        assert_eq!(one, other);
        let mut choices = Choices::from_seed(seed);
        let _ = Story::any(&mut choices);
        let (bytes, steps) = choices.into_record();
        assert!(steps.len() <= 60);
        assert_eq!(Story::any(&mut Choices::from_bytes(bytes)).to_string(), one);
    }
}

#[test]
fn every_input_of_a_fuzzer_is_a_story() {
    for len in 0..200_u8 {
        let bytes: Vec<u8> = (0..len).map(|at| at.wrapping_mul(37).wrapping_add(len)).collect();
        let story = Story::arbitrary_take_rest(Unstructured::new(&bytes)).expect("any bytes are a story");
        assert_eq!(story.play(|_, _| ()), Ok(()));
    }
}

/// An application that counts the events of a channel and forgets that some can be missing: it is found, and the story that
/// shows it is short.
#[test]
fn a_bug_of_an_application_is_found_with_a_short_story() {
    let property = |story: &Story| {
        let (mut seen, mut is_complete, mut was_gap) = (0_u32, true, false);
        story.play(|_, events| {
            for event in events {
                match event {
                    Event::Channel(_) => seen += 1,
                    Event::ContinuityLost { .. } => was_gap = true,
                    _ => {}
                }
            }
            // The bug: "complete" stays on the screen after a gap.
            is_complete &= !(was_gap && seen > 0);
        })?;
        prop_assert!(is_complete, "{} events are shown as complete", seen);
        Ok(())
    };
    // A random seed might find the bug later, or a longer story.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config(2_000), rng);
    let Err(TestError::Fail(_, story)) = runner.run(&strategy::legal_stories(), |story| property(&story)) else {
        panic!("it is not found");
    };
    assert!(story.lines().len() <= 25, "{} lines: {story}", story.lines().len());
    let transcript = story.transcript("a gap after an event");
    let short = transcript.shrink(|transcript| property(&Story::new(transcript.lines().cloned())).is_err());
    println!("{story}\n{short}");
    assert!(short.lines().len() <= 12, "{short}");
}

#[test]
fn stories_about_an_application_have_its_channels_and_readable_events_only() {
    let orders: ChannelName = "private-encrypted-orders".parse().unwrap();
    let room: ChannelName = "presence-room".parse().unwrap();
    let payloads = [r#"{"id":1}"#, "not JSON"];
    let subject = Subject::new().channel(orders.clone()).channel(room.clone()).event("created", payloads);
    let mut seen = BTreeSet::new();
    for seed in 0..100 {
        let story = Story::about(&subject, &mut Choices::from_seed(seed));
        story
            .play(|_, events| {
                for event in events {
                    assert!(!matches!(event, Event::DecryptionError { .. }), "{event:?} in {story}");
                    assert!(
                        event.channel().is_none_or(|name| *name == orders || *name == room),
                        "{event:?} in {story}"
                    );
                    if let Event::Channel(event) = event {
                        seen.insert((
                            event.channel().clone(),
                            event.event().to_owned(),
                            event.data().text().into_owned(),
                        ));
                    }
                }
            })
            .unwrap();
    }
    let all =
        [orders, room].into_iter().flat_map(|name| payloads.map(|data| (name.clone(), "created".into(), data.into())));
    assert_eq!(seen, all.collect());
}
