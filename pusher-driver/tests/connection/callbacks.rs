//! Callbacks: their order, and what they may do.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

use pusher_driver::{BindError, NoAuth};
use pusher_proto::{Data, Event};

use crate::world::{Wakes, World, event, now, succeeded};

fn subscribed() -> (World, pusher_driver::Subscription) {
    let (world, mut chat) = World::connected(NoAuth).subscribed("chat");
    // The success is taken, so that no callback receives it later.
    assert!(matches!(now(chat.recv()), Poll::Ready(Some(Event::SubscriptionSucceeded { .. }))));
    (world, chat)
}

/// What callbacks record.
fn recorder(sender: &Sender<String>, who: &'static str) -> impl FnMut(&Event) + Send + use<> {
    let sender = sender.clone();
    move |event: &Event| sender.send(format!("{who} {}", event.name())).unwrap()
}

#[test]
fn client_wide_callbacks_come_before_those_of_the_channel_and_frames_in_order() {
    let (mut world, chat) = subscribed();
    let (sender, calls) = mpsc::channel();
    let record = |who: &'static str| {
        let sender = sender.clone();
        move |event: &Event| sender.send(format!("{who} {}", event.name())).unwrap()
    };
    chat.bind_all(record("channel")).unwrap();
    chat.bind("a", record("named")).unwrap();
    world.client.bind("a", record("client")).unwrap();
    world.receive_all([&*event("chat", "a", ""), &event("chat", "b", "")]);
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), ["client a", "channel a", "named a", "channel b"]);
}

#[test]
fn a_callback_may_use_the_client_and_unbind_itself_for_later_events() {
    let (mut world, chat) = subscribed();
    let (sender, calls) = mpsc::channel();
    let weak = world.client.downgrade();
    let mut ids = Vec::new();
    for number in 0..2 {
        let (weak, sender) = (weak.clone(), sender.clone());
        let id = world.client.bind("a", move |_| {
            let client = weak.upgrade().unwrap();
            client.unbind_event("a");
            drop(client.subscribe("news").unwrap());
            sender.send(number).unwrap();
        });
        ids.push(id.unwrap());
    }
    world.receive_all([&*event("chat", "a", ""), &event("chat", "a", "")]);
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), [0, 1]);
    assert!(!world.client.unbind(ids[0]));
    let refused = chat.trigger("client-a", &Data::ABSENT);
    assert!(refused.is_err(), "a public channel");
}

#[test]
fn a_callback_bound_in_a_callback_receives_later_events_of_the_same_read() {
    let (mut world, chat) = subscribed();
    let (sender, calls) = mpsc::channel();
    chat.bind("ignored", |_| {}).unwrap();
    let weak = world.client.downgrade();
    let chat = Arc::new(chat);
    let (in_callback, mut is_first) = (Arc::clone(&chat), true);
    chat.bind("start", move |_| {
        if std::mem::take(&mut is_first) {
            weak.upgrade().unwrap().bind("next", recorder(&sender, "client")).unwrap();
            in_callback.bind("next", recorder(&sender, "channel")).unwrap();
        }
    })
    .unwrap();
    world.receive_all([&*event("chat", "start", ""), &event("chat", "next", ""), &event("chat", "next", "")]);
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), ["client next", "channel next", "client next", "channel next"]);
}

#[test]
fn nothing_is_called_after_a_callback_that_disconnects() {
    let (mut world, chat) = subscribed();
    let (sender, calls) = mpsc::channel();
    chat.bind("a", recorder(&sender, "channel")).unwrap();
    let weak = world.client.downgrade();
    world.client.bind("a", move |_| weak.upgrade().unwrap().disconnect()).unwrap();
    let frame = event("chat", "a", "");
    world.receive_all([&*frame, &frame, &frame]);
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), ["channel a"]);
}

#[test]
fn an_unbound_callback_receives_no_more_events_of_the_same_read() {
    let (mut world, chat) = subscribed();
    let (sender, calls) = mpsc::channel();
    let weak = world.client.downgrade();
    let state = sender.clone();
    world
        .client
        .bind("state_change", move |_| {
            weak.upgrade().unwrap().unbind_event("state_change");
            state.send("state_change").unwrap();
        })
        .unwrap();
    world.client.disconnect();
    world.client.connect();
    world.run();
    world.greet();
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), ["state_change"]);

    let weak = world.client.downgrade();
    let news = sender.clone();
    world
        .client
        .bind("pusher:continuity_lost", move |event| {
            weak.upgrade().unwrap().unsubscribe(event.channel().unwrap());
            news.send("continuity_lost").unwrap();
        })
        .unwrap();
    chat.bind("pusher:subscription_succeeded", move |_| sender.send("succeeded").unwrap()).unwrap();
    world.receive(&succeeded("chat"));
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), ["continuity_lost"]);
}

#[test]
fn a_binding_keeps_its_channel_until_it_is_unbound() {
    let (mut world, chat) = subscribed();
    let (sender, calls) = mpsc::channel();
    let id = chat.bind("a", move |_| sender.send(()).unwrap()).unwrap();
    drop(chat);
    world.receive(&event("chat", "a", ""));
    assert_eq!(calls.try_iter().count(), 1);
    assert_eq!(world.sent(), [""; 0]);
    let chat = world.client.subscribe("chat").unwrap();
    assert!(chat.unbind(id));
    assert!(calls.recv().is_err(), "the callback is gone");
    drop(chat);
    world.run();
    assert_eq!(world.sent(), [r#"{"event":"pusher:unsubscribe","data":{"channel":"chat"}}"#]);
}

#[test]
fn callbacks_that_own_handles_can_be_dropped() {
    let (mut world, chat) = subscribed();
    let news = world.client.subscribe("news").unwrap();
    let other = world.client.subscribe("other").unwrap();
    chat.bind("a", move |_| drop(news.name().clone())).unwrap();
    world.client.bind_all(move |_| drop(other.name().clone()));
    world.client.unsubscribe(chat.name().clone());
    assert_eq!(chat.bind("a", |_| {}), Err(BindError::Unsubscribed));
    world.run();
    world.drop_loop();
    assert!(world.client.channel(chat.name()).is_none());
}

#[test]
fn a_panicking_drop_stops_nothing_else() {
    let (mut world, mut chat) = subscribed();
    for _ in 0..2 {
        let (weak, bomb) = (world.client.downgrade(), Bomb);
        let id = Arc::new(OnceLock::new());
        let own_id = Arc::clone(&id);
        let bound = world.client.bind("a", move |_| {
            let _owned = &bomb;
            weak.upgrade().unwrap().unbind(*own_id.get().unwrap());
        });
        id.set(bound.unwrap()).unwrap();
    }
    while now(chat.recv()).is_ready() {}
    for _ in 0..2 {
        world.receive(&event("chat", "a", ""));
        assert!(matches!(now(chat.recv()), Poll::Ready(Some(Event::Channel(_)))));
    }
    for _ in 0..2 {
        let bomb = Bomb;
        world.client.bind_all(move |_| {
            let _owned = &bomb;
        });
    }
    world.drop_loop();
    assert!(world.client.has_ended());
    assert_eq!(now(chat.recv()), Poll::Ready(None));
}

#[test]
fn a_panicking_waker_stops_nothing_else() {
    let (mut world, mut chat) = subscribed();
    let mut other = world.client.subscribe("chat").unwrap();
    world.run();
    for stream in [&mut chat, &mut other] {
        while now(stream.recv()).is_ready() {}
    }
    assert!(chat.poll_recv(&mut Context::from_waker(&Waker::from(Arc::new(Bomb)))).is_pending());
    let wakes = Arc::new(Wakes::default());
    assert!(other.poll_recv(&mut Context::from_waker(&Waker::from(Arc::clone(&wakes)))).is_pending());
    world.receive(&event("chat", "a", ""));
    assert_eq!(wakes.count(), 1);
    assert!(world.run());
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("as the test wants");
    }
}

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn names_that_no_callback_is_called_with_cannot_be_bound() {
    let (world, chat) = subscribed();
    let error = BindError::Renamed { event: "pusher:error".into(), instead: "error" };
    assert_eq!(error.to_string(), "pusher:error never reaches a callback; bind error instead");
    assert_eq!(world.client.bind("pusher:error", |_| {}), Err(error));
    assert_eq!(chat.bind("pusher:error", |_| {}), Err(BindError::NotOfChannel("pusher:error".into())));
    let internal = "pusher_internal:something";
    assert_eq!(chat.bind(internal, |_| {}), Err(BindError::Internal(internal.into())));
    assert_eq!(world.client.bind(internal, |_| {}), Err(BindError::Internal(internal.into())));
}

#[test]
fn a_callback_that_is_bound_right_after_subscribing_misses_nothing() {
    let mut world = World::connected(NoAuth);
    let chat = world.client.subscribe("chat").unwrap();
    world.run();
    // The loop is on another thread, and may be this quick.
    world.receive_all([&*succeeded("chat"), &event("chat", "a", ""), &event("chat", "b", "")]);
    let (sender, calls) = mpsc::channel();
    chat.bind("a", recorder(&sender, "first")).unwrap();
    chat.bind_all(recorder(&sender, "second")).unwrap();
    let unbound = chat.bind_all(recorder(&sender, "third")).unwrap();
    chat.unbind(unbound);
    world.receive(&event("chat", "a", ""));
    let expected = ["second pusher:subscription_succeeded", "first a", "second a", "second b", "first a", "second a"];
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), expected);
    chat.bind_all(recorder(&sender, "late")).unwrap();
    world.run();
    assert_eq!(calls.try_iter().count(), 0, "what was before is the first ones' alone");
    world.receive(&event("chat", "b", ""));
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), ["second b", "late b"]);
}

#[test]
fn everything_can_be_unbound_at_once() {
    let (mut world, chat) = subscribed();
    let (sender, calls) = mpsc::channel();
    world.client.bind("a", recorder(&sender, "client")).unwrap();
    world.client.bind_all(recorder(&sender, "client"));
    chat.bind("a", recorder(&sender, "channel")).unwrap();
    chat.bind_all(recorder(&sender, "channel")).unwrap();
    assert_eq!((world.client.unbind_all(), world.client.unbind_all()), (2, 0));
    world.receive(&event("chat", "a", ""));
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), ["channel a", "channel a"]);
    assert_eq!((chat.unbind_all(), chat.unbind_all()), (2, 0));
    world.receive(&event("chat", "a", ""));
    assert_eq!(calls.try_iter().count(), 0);
}

#[test]
fn states_of_the_connection_call_what_is_bound_to_their_names() {
    let mut world = World::connected(NoAuth);
    let (sender, calls) = mpsc::channel();
    for name in ["connecting", "connected", "disconnected"] {
        world.client.bind(name, recorder(&sender, name)).unwrap();
    }
    world.client.disconnect();
    world.run();
    world.client.connect();
    world.run();
    world.greet();
    let expected = ["disconnected state_change", "connecting state_change", "connected state_change"];
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), expected);
}
