//! Subscriptions and their streams.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pusher_driver::adapter::Received;
use pusher_driver::{NoAuth, Options, Subscription};
use pusher_proto::{CloseReason, Diagnostic, Event, Frame, Text};

use crate::world::{Wakes, World, config, event, now, succeeded};

/// Names of the events that wait.
fn names(subscription: &mut Subscription) -> Vec<String> {
    std::iter::from_fn(|| match now(subscription.recv()) {
        Poll::Ready(event) => Some(event?.name().to_owned()),
        Poll::Pending => None,
    })
    .collect()
}

#[test]
fn a_subscription_succeeds_and_gives_the_events_of_its_channel_only() {
    let mut world = World::connected(NoAuth);
    let mut chat = world.client.subscribe("chat").unwrap();
    assert_eq!(now(chat.subscribed()), Poll::Pending);
    assert!(!chat.is_subscribed());
    world.run();
    assert_eq!(world.sent(), [r#"{"event":"pusher:subscribe","data":{"channel":"chat"}}"#]);
    world.receive_all([&*succeeded("chat"), &event("chat", "message", "hi"), &event("other", "message", "hi")]);
    assert_eq!(now(chat.subscribed()), Poll::Ready(Ok(())));
    assert!(chat.is_subscribed());
    assert_eq!(names(&mut chat), ["pusher:subscription_succeeded", "message"]);
}

#[test]
fn the_consumer_is_woken_once_for_all_that_a_read_brings() {
    let mut world = World::connected(NoAuth);
    let mut chat = world.client.subscribe("chat").unwrap();
    world.run();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    assert_eq!(chat.poll_recv(&mut Context::from_waker(&waker)), Poll::Pending);
    world.receive_all([&*succeeded("chat"), &event("chat", "a", ""), &event("chat", "b", "")]);
    assert_eq!(wakes.count(), 1);
    assert_eq!(names(&mut chat).len(), 3);
}

#[test]
fn a_complaint_about_a_subscribed_channel_is_no_reason_to_stop_waiting_for_it() {
    let mut world = World::connected(NoAuth);
    let mut chat = world.client.subscribe("chat").unwrap();
    world.run();
    world.receive_all([&*succeeded("chat"), &event("chat", "pusher:subscription_error", "{}")]);
    assert_eq!(names(&mut chat), ["pusher:subscription_succeeded", "pusher:subscription_error"]);
    world.lose_socket(CloseReason::Dropped);
    assert_eq!(now(chat.subscribed()), Poll::Pending);
}

#[test]
fn several_handles_of_a_channel_are_counted() {
    let mut world = World::connected(NoAuth);
    let (first, second) = (world.client.subscribe("chat").unwrap(), world.client.subscribe("chat").unwrap());
    world.run();
    assert_eq!(world.sent().len(), 1);
    world.receive(&succeeded("chat"));
    drop(first);
    world.run();
    assert_eq!(world.sent(), [""; 0]);
    drop(second);
    world.run();
    assert_eq!(world.sent(), [r#"{"event":"pusher:unsubscribe","data":{"channel":"chat"}}"#]);
}

#[test]
fn a_slow_consumer_learns_what_it_missed() {
    let options = Options::new().mailbox_len(2);
    let mut world = World::new(config(), NoAuth, &options);
    world.run();
    world.greet();
    let mut chat = world.client.subscribe("chat").unwrap();
    world.run();
    world.receive_all([&*succeeded("chat"), &event("chat", "a", ""), &event("chat", "b", ""), &event("chat", "c", "")]);
    assert_eq!(world.client.stats().missed, 2);
    assert_eq!(now(chat.recv()), Poll::Ready(Some(Event::Lagged { missed: 2 })));
    assert_eq!(names(&mut chat), ["b", "c"]);
    assert_eq!(world.client.stats().missed, 2);
}

#[test]
fn a_diagnostic_about_a_channel_reaches_the_stream_of_that_channel_alone() {
    let mut world = World::connected(NoAuth);
    let (mut chat, mut news) = (world.client.subscribe("a chat").unwrap(), world.client.subscribe("news").unwrap());
    world.run();
    let diagnostic = Event::Diagnostic(Diagnostic::NameNotPortable { channel: chat.name().clone() });
    assert_eq!(now(chat.recv()), Poll::Ready(Some(diagnostic)));
    assert_eq!(names(&mut news), [""; 0]);
}

#[test]
fn a_presence_channel_has_a_list_of_members_before_it_is_subscribed_and_says_that_it_is_not_known() {
    let mut world = World::connected(NoAuth);
    let (room, chat) = (world.client.subscribe("presence-room").unwrap(), world.client.subscribe("chat").unwrap());
    world.run();
    assert_eq!((room.members().map(|members| members.len()), room.knows_members()), (Some(0), false));
    assert_eq!((chat.members(), chat.knows_members()), (None, false));
}

#[test]
fn large_events_fill_a_mailbox_before_many_do() {
    let mut world = World::new(config(), NoAuth, &Options::new().mailbox_bytes(5_000));
    world.run();
    world.greet();
    let mut chat = world.client.subscribe("chat").unwrap();
    world.run();
    world.receive(&succeeded("chat"));
    assert_eq!(names(&mut chat).len(), 1);
    for name in ["a", "b", "c"] {
        world.receive(&event("chat", name, &"x".repeat(2_000)));
    }
    assert_eq!(now(chat.recv()), Poll::Ready(Some(Event::Lagged { missed: 1 })));
    assert_eq!(names(&mut chat), ["b", "c"]);
}

#[test]
fn an_event_that_waits_leaves_the_buffer_that_it_came_in() {
    let (mut world, mut chat) = World::connected(NoAuth).subscribed("chat");
    assert_eq!(names(&mut chat).len(), 1);
    for len in [100, 3_000, 300_000] {
        let frame = Text::from(event("chat", "message", &"x".repeat(len)));
        world.outside().incoming.push_back(Received::Frame(Frame::Text(frame.clone())));
        world.run();
        let Poll::Ready(Some(Event::Channel(event))) = now(chat.recv()) else { panic!("a message came") };
        let is_inside = frame.as_bytes().as_ptr_range().contains(&event.data().raw().as_ptr());
        assert!(!is_inside, "{len}");
    }
}

#[test]
fn a_small_event_is_copied_once_for_all_recipients() {
    let mut world = World::connected(NoAuth);
    let mut handles = [(); 3].map(|()| world.client.subscribe("chat").unwrap());
    let mut all = world.client.events();
    world.run();
    world.receive_all([&*succeeded("chat"), &event("chat", "message", "hi")]);
    let mut places = Vec::new();
    let mut note = |event| {
        if let Event::Channel(event) = event {
            places.push(event.data().raw().as_ptr());
        }
    };
    for handle in &mut handles {
        while let Poll::Ready(Some(event)) = now(handle.recv()) {
            note(event);
        }
    }
    while let Poll::Ready(Some(event)) = now(all.recv()) {
        note(event);
    }
    assert_eq!(places, [places[0]; 4]);
}
