//! How a client ends.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pusher_driver::{NoAuth, Options, SubscribeError};
use pusher_proto::{ConnectionState, Event, TriggerError};

use crate::world::{Wakes, World, config, now};

#[test]
fn the_last_handle_takes_the_connection_with_it() {
    let mut world = World::connected(NoAuth);
    let chat = world.client.subscribe("chat").unwrap();
    let mut events = world.client.events();
    world = world.without_client();
    drop(chat);
    assert!(world.run());
    assert_eq!(world.outside().closed.len(), 0);
    let mut last = None;
    while let Poll::Ready(Some(event)) = now(events.recv()) {
        last = Some(event);
    }
    assert!(last.is_none());
    drop(events);
    assert!(!world.run());
    assert_eq!(world.outside().closed[0].code, 1000);
}

#[test]
fn a_peer_that_does_not_answer_the_close_is_not_waited_for() {
    let mut world = World::connected(NoAuth);
    world.outside().closes = false;
    world = world.without_client();
    assert!(world.run());
    assert!(!world.wake_sleepers());
}

#[test]
fn shutdown_closes_the_connection_and_ends_everything() {
    let mut world = World::connected(NoAuth);
    let chat = world.client.subscribe("chat").unwrap();
    let mut events = world.client.events();
    let context = &mut Context::from_waker(Waker::noop());
    let limit = Duration::from_secs(1);
    assert_eq!(world.client.poll_shutdown(limit, context), Poll::Pending);
    world.client.connect();
    assert!(!world.run());
    assert_eq!(world.client.poll_shutdown(limit, context), Poll::Ready(()));
    assert_eq!(world.outside().closed[0].code, 1000);
    assert_eq!(world.client.state(), ConnectionState::Disconnected);
    assert_eq!(now(chat.subscribed()), Poll::Ready(Err(SubscribeError::Disconnected)));
    while let Poll::Ready(event) = now(events.recv()) {
        let Some(event) = event else { return };
        assert_eq!(event.name(), "state_change");
    }
    panic!("the stream ends");
}

#[test]
fn what_was_triggered_is_sent_before_the_goodbye() {
    let (mut world, chat) = World::in_private_chat();
    chat.trigger("client-bye", "bye").unwrap();
    let context = &mut Context::from_waker(Waker::noop());
    assert_eq!(world.client.poll_shutdown(Duration::from_secs(1), context), Poll::Pending);
    assert!(!world.run());
    assert_eq!(world.sent(), [r#"{"event":"client-bye","channel":"private-chat","data":"bye"}"#]);
    assert_eq!(world.outside().closed[0].code, 1000);
}

#[test]
fn what_is_triggered_after_the_goodbye_is_refused() {
    let world = World::connected_with(config().max_buffered_client_events(9), NoAuth);
    let chat = world.client.subscribe("private-chat").unwrap();
    assert_eq!(chat.trigger("client-late", "late"), Ok(()), "it waits for the subscription");
    let context = &mut Context::from_waker(Waker::noop());
    assert_eq!(world.client.poll_shutdown(Duration::from_secs(1), context), Poll::Pending);
    assert_eq!(chat.trigger("client-late", "late"), Err(TriggerError::NotConnected));
    assert_eq!(world.client.trigger(chat.name(), "client-late", "late"), Err(TriggerError::NotConnected));
}

#[test]
fn a_loop_that_is_cut_off_leaves_a_client_that_knows() {
    let (mut world, mut chat) = World::in_private_chat();
    let mut events = world.client.events();
    assert!(!world.client.has_ended());
    world.drop_loop();
    assert!(world.client.has_ended());
    world.client.connect();
    assert_eq!(world.client.state(), ConnectionState::Disconnected);
    assert!(!chat.is_subscribed());
    assert_eq!(world.client.trigger(chat.name(), "client-late", "late"), Err(TriggerError::NotConnected));
    while let Poll::Ready(Some(_)) = now(chat.recv()) {}
    assert_eq!(now(chat.recv()), Poll::Ready(None));
    let Poll::Ready(Some(Event::StateChanged { current, .. })) = now(events.recv()) else { panic!("the last change") };
    assert_eq!(current, ConnectionState::Disconnected);
    assert_eq!(now(events.recv()), Poll::Ready(None));
}

#[test]
fn shutdown_does_not_wait_longer_than_it_may() {
    let mut world = World::connected(NoAuth);
    world.outside().closes = false;
    let context = &mut Context::from_waker(Waker::noop());
    let limit = Duration::from_millis(123);
    assert_eq!(world.client.poll_shutdown(limit, context), Poll::Pending);
    assert!(world.run());
    assert!(world.outside().sleeps.contains(&limit));
    assert!(!world.wake_sleepers());
    assert_eq!(world.client.poll_shutdown(limit, context), Poll::Ready(()));
}

#[test]
fn each_of_several_calls_of_shutdown_returns_within_its_own_limit() {
    // Limits in milliseconds, all shorter than the time that the socket may take to close, and times between the calls.
    let limits = [1_000, 2_000, 4_000];
    let gaps = [0, 300, 1_500];
    for choice in 0..3_usize.pow(5) {
        let chosen = |place: u32, of: [u64; 3]| of[choice / 3_usize.pow(place) % 3];
        let calls = [chosen(0, limits), chosen(1, limits), chosen(2, limits)];
        let gaps = [0, chosen(3, gaps), chosen(4, gaps)];
        let mut world = World::connected(NoAuth);
        world.outside().closes = false;
        let wakes = [(); 3].map(|()| Arc::new(Wakes::default()));
        let poll = |world: &World, call: usize| {
            let waker = Waker::from(Arc::clone(&wakes[call]));
            world.client.poll_shutdown(Duration::from_millis(calls[call]), &mut Context::from_waker(&waker))
        };
        let (start, mut passed, mut end, mut called) = (world.outside().now, 0, u64::MAX, 0);
        for call in 0..3 {
            if passed + gaps[call] >= end {
                break;
            }
            passed += gaps[call];
            world.pass(Duration::from_millis(gaps[call]));
            assert!(poll(&world, call).is_pending());
            assert!(world.run());
            assert!(poll(&world, call).is_pending(), "polled again, it waits for as long as before");
            assert!(world.run());
            end = end.min(passed + calls[call]);
            called += 1;
        }
        let context = format!("{calls:?} after {gaps:?}");
        assert!(!world.wake_sleepers(), "the loop ends: {context}");
        assert_eq!(world.outside().now - start, Duration::from_millis(end), "{context}");
        for (call, wakes) in wakes.iter().enumerate().take(called) {
            assert_eq!((poll(&world, call), wakes.count().min(1)), (Poll::Ready(()), 1), "{context}");
        }
    }
}

#[test]
fn a_client_that_should_not_connect_by_itself_waits() {
    let mut world = World::new(config(), NoAuth, &Options::new().auto_connect(false));
    world.run();
    assert_eq!(world.outside().hosts.len(), 0);
    assert_eq!(world.client.state(), ConnectionState::Initialized);
    world.client.connect();
    world.run();
    assert_eq!(world.outside().hosts.len(), 1);
}

#[test]
fn an_unreachable_server_is_waited_for() {
    let mut world = World::new(config(), NoAuth, &Options::new());
    world.outside().refuses = true;
    world.run();
    assert!(matches!(world.client.state(), ConnectionState::Waiting { attempt: 1, .. }));
}
