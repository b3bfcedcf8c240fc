//! What handles pass on to the loop, and what their getters return.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use pusher_driver::{NoAuth, Options, SubscribeError};
use pusher_proto::{
    AppKey, AuthRequest, AuthResponse, ChannelName, ClientEventName, CloseReason, ConnectionState, Data, Endpoint,
    Endpoints, Event, InvalidConfig, InvalidName, Member, NetworkHint, SocketId, TriggerError,
};

use crate::world::{Wakes, World, config, event, now, succeeded};

#[test]
fn a_presence_channel_lists_its_members_and_names_this_client() {
    let answer = AuthResponse::new("key:5a").channel_data(r#"{"user_id":"2"}"#);
    let mut world = World::connected(move |_: AuthRequest| std::future::ready(Ok(answer.clone())));
    let room = world.client.subscribe("presence-room").unwrap();
    assert_eq!((room.member_count(), room.me(), room.subscription_count()), (Some(0), None, None));
    world.run();
    let data = r#"{\"presence\":{\"count\":2,\"ids\":[\"2\",\"1\"],\"hash\":{\"1\":{\"n\":1},\"2\":{\"n\":2}}}}"#;
    world.receive_all([
        &*event("presence-room", "pusher_internal:subscription_succeeded", data),
        &*event("presence-room", "pusher_internal:subscription_count", r#"{\"subscription_count\":3}"#),
    ]);
    let member = |id: &str| Member::new(id, Data::from_json(format!(r#"{{"n":{id}}}"#)).unwrap());
    assert_eq!(room.me(), Some(member("2")));
    assert_eq!((room.member("1"), room.member("3")), (Some(member("1")), None));
    assert_eq!(room.members().unwrap().iter().collect::<Vec<_>>(), [member("2"), member("1")]);
    assert_eq!((room.member_count(), room.subscription_count()), (Some(2), Some(3)));
    let [known] = &world.client.channels()[..] else { panic!("one channel is wanted") };
    assert_eq!((known.name.as_str(), known.is_subscribed), ("presence-room", true));
    assert_eq!((known.member_count, known.subscription_count), (Some(2), Some(3)));
    assert_eq!(world.client.channel(room.name()).as_ref(), Some(known));
}

#[test]
fn the_client_reports_the_connection_as_the_loop_has_seen_it() {
    let mut world = World::new(config(), NoAuth, &Options::new());
    assert_eq!((world.client.socket_id(), world.client.stats().frames), (None, 0));
    world.run();
    assert_eq!(world.client.state().name(), "connecting");
    world.greet();
    assert_eq!(world.client.state().name(), "connected");
    assert_eq!(world.client.socket_id(), Some(SocketId::new("1.1").unwrap()));
    assert_eq!((world.client.stats().sockets, world.client.stats().frames), (1, 1));
}

#[test]
fn waiting_for_a_subscription_ends_when_the_client_disconnects_even_if_it_connects_again() {
    let mut world = World::connected(NoAuth);
    let chat = world.client.subscribe("chat").unwrap();
    world.client.disconnect();
    world.run();
    world.client.connect();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut subscribed = pin!(chat.subscribed());
    let context = &mut Context::from_waker(&waker);
    assert_eq!(subscribed.as_mut().poll(context), Poll::Pending);
    world.client.disconnect();
    world.run();
    assert_eq!(wakes.count(), 1);
    assert_eq!(subscribed.poll(context), Poll::Ready(Err(SubscribeError::Disconnected)));
}

#[test]
fn abandoning_a_wait_for_a_subscription_leaves_nothing_behind() {
    let mut world = World::new(config(), NoAuth, &Options::new());
    let chat = world.client.subscribe("chat").unwrap();
    let tasks: [_; 4] = std::array::from_fn(|_| Arc::new(Wakes::default()));
    let [waits, gives_up, polls, polls_too] = tasks.each_ref().map(|wakes| Waker::from(Arc::clone(wakes)));
    let mut waiting = pin!(chat.subscribed());
    assert_eq!(waiting.as_mut().poll(&mut Context::from_waker(&waits)), Poll::Pending);
    for waker in [&polls, &polls_too] {
        assert_eq!(chat.poll_subscribed(&mut Context::from_waker(waker)), Poll::Pending);
    }
    let held = || tasks.each_ref().map(Arc::strong_count);
    assert_eq!(held(), [3, 2, 3, 3]);
    for waker in [&gives_up, &waits, &polls] {
        let mut given_up = pin!(chat.subscribed());
        for _ in 0..2 {
            assert_eq!(given_up.as_mut().poll(&mut Context::from_waker(waker)), Poll::Pending);
        }
    }
    assert_eq!(held(), [3, 2, 3, 3]);
    world.run();
    world.greet();
    world.receive(&succeeded("chat"));
    assert_eq!(tasks.each_ref().map(|wakes| wakes.count()), [1, 0, 1, 1]);
    assert_eq!(waiting.poll(&mut Context::from_waker(&waits)), Poll::Ready(Ok(())));
}

#[test]
fn a_failed_subscription_is_waited_for_again_on_the_next_connection() {
    let soon = Duration::from_nanos(1);
    let mut world = World::connected_with(config().reconnect_base(soon).reconnect_cap(soon), NoAuth);
    let chat = world.client.subscribe("chat").unwrap();
    world.run();
    world.receive(r#"{"event":"pusher:subscription_error","channel":"chat","data":{"error":"no"}}"#);
    assert!(matches!(now(chat.subscribed()), Poll::Ready(Err(SubscribeError::Channel(_)))));
    world.lose_socket(CloseReason::Dropped);
    world.wake_sleepers();
    world.greet();
    assert_eq!(now(chat.subscribed()), Poll::Pending);
}

#[test]
fn a_connection_that_does_not_come_makes_the_client_unavailable() {
    let mut world = World::new(config().unavailable_timeout(Duration::from_nanos(1)), NoAuth, &Options::new());
    world.outside().refuses = true;
    world.run();
    assert!(!world.client.is_unavailable());
    world.wake_sleepers();
    assert!(world.client.is_unavailable());
}

#[test]
fn a_user_signs_in_and_is_known_until_signed_out() {
    let answer = AuthResponse::new("key:5a").user_data(r#"{"id":"7"}"#);
    let mut world = World::connected(move |_: AuthRequest| std::future::ready(Ok(answer.clone())));
    world.client.signin();
    world.run();
    world.sent();
    world.receive(r#"{"event":"pusher:signin_success","data":"{\"user_data\":\"{\\\"id\\\":\\\"7\\\"}\"}"}"#);
    let user = world.client.user().unwrap();
    assert_eq!((user.id.as_str(), user.data.raw()), ("7", r#"{"id":"7"}"#));
    world.client.signout();
    world.run();
    assert_eq!(world.client.user(), None);
}

#[test]
fn a_lost_network_makes_the_client_look_whether_the_server_is_there() {
    let mut world = World::connected(NoAuth);
    world.client.network_changed(NetworkHint::Offline);
    world.run();
    assert_eq!(world.sent(), [r#"{"event":"pusher:ping","data":{}}"#]);
}

#[test]
fn a_switch_leads_to_the_other_server_or_is_refused_at_once() {
    let mut world = World::connected(NoAuth);
    let key = AppKey::new("other").unwrap();
    let refused = world.client.switch(key.clone(), Endpoints::new([]));
    assert!(matches!(refused, Err(InvalidConfig::NoEndpoint)), "{refused:?}");
    world.client.switch(key, Endpoint::host("other.example").tls(false)).unwrap();
    world.run();
    assert_eq!(world.outside().hosts, ["localhost", "other.example"]);
    assert_eq!(world.outside().closed.len(), 1);
}

#[test]
fn a_client_event_goes_out_through_the_client_or_a_handle_of_its_channel() {
    let (mut world, chat) = World::in_private_chat();
    world.client.trigger(chat.name(), "client-typing", "1").unwrap();
    chat.trigger("client-typing", "2").unwrap();
    world.run();
    let sent =
        ["1", "2"].map(|data| format!(r#"{{"event":"client-typing","channel":"private-chat","data":"{data}"}}"#));
    assert_eq!(world.sent(), sent);
    world.client.unsubscribe(chat.name());
    assert!(chat.trigger("client-typing", "3").is_err());
}

#[test]
fn names_are_taken_in_every_form_and_data_in_any_that_serde_writes() {
    let (mut world, chat) = World::in_private_chat();
    let (text, name) = (String::from("private-chat"), ChannelName::new("private-chat").unwrap());
    let typing = ClientEventName::new("client-a").unwrap();
    for sent in [
        world.client.trigger("private-chat", "client-a", &[1, 2]),
        world.client.trigger(&text, &String::from("client-a"), &[1, 2]),
        world.client.trigger(&name, &typing, &Data::from_json("[1,2]").unwrap()),
        world.client.trigger(name.clone(), typing.clone(), &vec![1, 2]),
        chat.trigger("client-a", [1, 2].as_slice()),
        chat.trigger(String::from("client-a"), &(1, 2)),
    ] {
        assert_eq!(sent, Ok(()));
    }
    world.run();
    assert_eq!(world.sent(), [r#"{"event":"client-a","channel":"private-chat","data":[1,2]}"#; 6]);
    for info in [world.client.channel("private-chat"), world.client.channel(&text), world.client.channel(&name)] {
        assert!(info.is_some_and(|info| info.is_subscribed));
    }
    for _ in 0..2 {
        world.client.bind(&typing, |_| {}).unwrap();
        chat.bind(typing.clone(), |_| {}).unwrap();
    }
    assert_eq!((world.client.unbind_event("client-a"), chat.unbind_event(String::from("client-a"))), (2, 2));
    assert_eq!((world.client.unbind_event(&typing), chat.unbind_event(typing.clone())), (0, 0));
    assert_eq!((chat.member("7"), chat.member(&text)), (None, None));
    assert!(chat.bind(&text, |_| {}).is_ok());
    drop([world.client.subscribe(&text), world.client.subscribe(&name), world.client.subscribe(name.clone())]);
    world.client.unsubscribe("private-other");
    world.client.unsubscribe("");
    assert!(chat.trigger("client-a", "").is_ok());
    world.client.unsubscribe(&text);
    assert_eq!(world.client.channel("private-chat"), None);
}

#[test]
fn a_client_event_without_a_usable_name_or_data_is_refused_and_not_sent() {
    let (mut world, chat) = World::in_private_chat();
    let not_a_client_event = Err(TriggerError::Name(InvalidName::NotClientEvent));
    assert_eq!(chat.trigger("typing", "1"), not_a_client_event);
    assert_eq!(world.client.trigger("private-chat", "typing", "1"), not_a_client_event);
    assert_eq!(world.client.trigger("", "client-a", "1"), Err(TriggerError::Name(InvalidName::Empty)));
    let no_text_as_key = std::collections::BTreeMap::from([([1], 1)]);
    let error = chat.trigger("client-a", &no_text_as_key).unwrap_err();
    assert_eq!(error.to_string(), "the data cannot be serialized as JSON: key must be a string");
    world.run();
    assert_eq!(world.sent(), [""; 0]);
}

#[test]
fn unbinding_returns_what_was_bound() {
    let world = World::connected(NoAuth);
    let chat = world.client.subscribe("chat").unwrap();
    let of_client = world.client.bind("a", |_| {}).unwrap();
    let of_channel = chat.bind("a", |_| {}).unwrap();
    assert!(!world.client.unbind(of_channel) && !chat.unbind(of_client), "each knows its own");
    assert!(world.client.unbind(of_client) && chat.unbind(of_channel));
    for _ in 0..2 {
        world.client.bind("a", |_| {}).unwrap();
        chat.bind("a", |_| {}).unwrap();
    }
    assert_eq!((world.client.unbind_event("a"), chat.unbind_event("a")), (2, 2));
    assert_eq!((world.client.unbind_event("a"), chat.unbind_event("a")), (0, 0));
}

#[test]
fn handles_are_streams_as_well() {
    let mut world = World::connected(NoAuth);
    let (mut chat, mut events) = (world.client.subscribe("chat").unwrap(), world.client.events());
    world.run();
    world.receive(&succeeded("chat"));
    let context = &mut Context::from_waker(Waker::noop());
    let Poll::Ready(Some(first)) = pin!(&mut chat).poll_next(context) else { panic!("the channel is subscribed") };
    assert_eq!(first.name(), "pusher:subscription_succeeded");
    assert_eq!(pin!(&mut events).poll_next(context), Poll::Ready(Some(first)));
    assert_eq!(pin!(&mut chat).poll_next(context), Poll::Pending);
    assert_eq!(pin!(&mut events).poll_next(context), Poll::Pending);
    world.drop_loop();
    assert_eq!(pin!(&mut chat).poll_next(context), Poll::Ready(None));
    let last = pin!(&mut events).poll_next(context);
    assert!(matches!(last, Poll::Ready(Some(event)) if event.name() == "state_change"));
    assert_eq!(pin!(&mut events).poll_next(context), Poll::Ready(None));
}

#[test]
fn dropped_handles_take_no_room_from_the_others() {
    let mut world = World::new(config(), NoAuth, &Options::new().mailbox_bytes(20_000));
    world.run();
    world.greet();
    let mut chat = world.client.subscribe("chat").unwrap();
    drop((world.client.subscribe("chat").unwrap(), world.client.events()));
    world.run();
    world.receive(&succeeded("chat"));
    for _ in 0..14 {
        world.receive(&event("chat", "message", &"x".repeat(1_000)));
    }
    let mut names = Vec::new();
    while let Poll::Ready(Some(event)) = now(chat.recv()) {
        assert!(!matches!(event, Event::Lagged { .. }), "everything has room");
        names.push(event.name().to_owned());
    }
    assert_eq!(names.len(), 15);
    assert!(matches!(world.client.state(), ConnectionState::Connected { .. }));
}

#[test]
fn a_kept_channel_stays_subscribed_without_handles_until_it_is_unsubscribed() {
    let mut world = World::connected(NoAuth);
    world.client.subscribe("chat").unwrap().keep();
    // Creating and dropping handles changes nothing.
    drop(world.client.subscribe("chat").unwrap());
    world.run();
    world.receive(&succeeded("chat"));
    world.lose_socket(CloseReason::Dropped);
    world.wake_sleepers();
    world.greet();
    let subscribe = r#"{"event":"pusher:subscribe","data":{"channel":"chat"}}"#;
    assert_eq!(world.sent(), [subscribe, subscribe]);
    world.receive(&succeeded("chat"));
    world.client.unsubscribe("chat");
    world.run();
    assert_eq!(world.sent(), [r#"{"event":"pusher:unsubscribe","data":{"channel":"chat"}}"#]);
    // The next subscription is not kept.
    drop(world.client.subscribe("chat").unwrap());
    assert_eq!(world.client.channel("chat"), None);
}

#[test]
fn keeping_a_channel_that_was_unsubscribed_changes_nothing() {
    let world = World::connected(NoAuth);
    let before = world.client.subscribe("chat").unwrap();
    world.client.unsubscribe("chat");
    let after = world.client.subscribe("chat").unwrap();
    before.keep();
    assert!(after.client().channel("chat").is_some());
    drop(after);
    assert_eq!(world.client.channel("chat"), None);
}
