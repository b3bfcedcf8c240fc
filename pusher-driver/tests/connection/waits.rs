//! Waiting for other things than events; counters and clocks.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use pusher_driver::{NoAuth, Options, States, Subscription};
use pusher_proto::{AuthRequest, AuthResponse, CloseReason, ConnectionState, Event, HistoryQuery};

use crate::history::{page, subscribed};
use crate::world::{Wakes, World, config, event, now, succeeded};

/// A world whose backend signs in the user 7.
fn with_user() -> World {
    let answer = AuthResponse::new("key:5a").user_data(r#"{"id":"7"}"#);
    World::connected(move |_: AuthRequest| std::future::ready(Ok(answer.clone())))
}

const SUCCESS: &str = r#"{"event":"pusher:signin_success","data":"{\"user_data\":\"{\\\"id\\\":\\\"7\\\"}\"}"}"#;

fn names(states: &mut States) -> Vec<&'static str> {
    let mut names = Vec::new();
    while let Poll::Ready(Some(state)) = now(states.recv()) {
        names.push(state.name());
    }
    names
}

type Wait = Pin<Box<dyn Future<Output = ()>>>;

/// What is awaited, how, and what brings it.
type Case = (&'static str, fn(&mut World, Subscription) -> Wait, fn(&mut World));

/// A future may move to another task while it waits, which then is the one to wake.
#[test]
fn the_task_that_has_polled_last_is_woken_whatever_it_waits_for() {
    let table: [Case; 7] = [
        (
            "an event",
            |_, mut orders| Box::pin(async move { drop(orders.recv().await) }),
            |world| {
                world.receive(&event("orders", "e", "1"));
            },
        ),
        (
            "an event of the client",
            |world, _| {
                let mut events = world.client.events();
                Box::pin(async move { drop(events.recv().await) })
            },
            |world| world.receive(&event("orders", "e", "1")),
        ),
        (
            "a state",
            |world, _| {
                let mut states = world.client.states();
                names(&mut states);
                Box::pin(async move { drop(states.recv().await) })
            },
            |world| world.lose_socket(CloseReason::Dropped),
        ),
        (
            "a subscription",
            |world, _| {
                let second = world.client.subscribe("second").unwrap();
                Box::pin(async move { drop(second.subscribed().await) })
            },
            |world| {
                world.receive(r#"{"event":"sockudo_internal:subscription_succeeded","channel":"second","data":"{}"}"#);
            },
        ),
        (
            "the user",
            |world, _| {
                world.client.signin();
                let client = world.client.clone();
                Box::pin(async move { drop(client.signed_in().await) })
            },
            |_| {},
        ),
        (
            "a page",
            |_, orders| Box::pin(async move { drop(orders.history(HistoryQuery::default()).await) }),
            |world| {
                world.receive(&page(1));
            },
        ),
        (
            "the end",
            |world, _| {
                let client = world.client.clone();
                Box::pin(async move { client.shutdown(Duration::from_secs(9)).await })
            },
            World::drop_loop,
        ),
    ];
    for (name, wait, cause) in table {
        let (mut world, mut orders) = subscribed();
        while now(orders.recv()).is_ready() {}
        // Keeps the channel when the wait takes the handle.
        let _other = world.client.subscribe("orders").unwrap();
        let mut waiting = wait(&mut world, orders);
        let wakes = [(); 2].map(|()| Arc::new(Wakes::default()));
        for task in &wakes {
            let waker = Waker::from(Arc::clone(task));
            assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "{name}");
        }
        world.run();
        cause(&mut world);
        assert!(wakes[1].count() > 0, "{name}");
    }
}

#[test]
fn a_state_comes_again_when_the_client_becomes_unavailable() {
    let config = config().unavailable_timeout(Duration::from_nanos(1));
    let mut world = World::new(config, NoAuth, &Options::new());
    world.outside().stalls = true;
    world.run();
    let mut states = world.client.states();
    assert_eq!((names(&mut states), world.client.is_unavailable()), (vec!["connecting"], false));
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    assert!(states.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    world.wake_sleepers();
    assert_eq!((wakes.count(), names(&mut states), world.client.is_unavailable()), (1, vec!["connecting"], true));
}

#[test]
fn the_watchlist_shows_who_is_online() {
    let mut world = with_user();
    world.client.signin();
    world.run();
    world.receive(SUCCESS);
    let (sender, calls) = std::sync::mpsc::channel();
    for name in ["online", "offline"] {
        let sender = sender.clone();
        world.client.bind(name, move |event| sender.send(event.name().to_owned()).unwrap()).unwrap();
    }
    world.receive(
        r#"{"event":"pusher_internal:watchlist_events","data":{"events":[{"name":"online","user_ids":["2","3"]},{"name":"offline","user_ids":["3"]}]}}"#,
    );
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), ["online", "offline"]);
    assert!(world.client.online().iter().eq(["2"]));
    assert!(world.client.is_online("2") && !world.client.is_online(String::from("3")));
    world.client.signout();
    world.run();
    assert!(world.client.online().is_empty());
}

#[test]
fn times_of_events_can_be_converted_to_durations_and_to_the_clocks_of_the_standard_library() {
    let mut world = World::connected(NoAuth);
    let mut events = world.client.events();
    world.pass(Duration::from_secs(5));
    world.lose_socket(CloseReason::Dropped);
    let retry_at = loop {
        match now(events.recv()) {
            Poll::Ready(Some(Event::StateChanged { current: ConnectionState::Waiting { retry_at, .. }, .. })) => {
                break retry_at;
            }
            Poll::Ready(Some(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    let since = pusher_proto::Instant::from_elapsed(Duration::from_secs(2));
    let client = &world.client;
    assert_eq!(client.state_since().elapsed(), Duration::from_secs(5), "the client waits since the loss");
    let left = client.duration_until(retry_at);
    assert_eq!(left, retry_at.elapsed() - Duration::from_secs(5));
    assert_eq!((client.duration_since(retry_at), client.duration_until(since)), (Duration::ZERO, Duration::ZERO));
    assert_eq!(client.duration_since(since), Duration::from_secs(3));
    let (before, wall_before) = (std::time::Instant::now(), SystemTime::now());
    let [at, earlier] = [retry_at, since].map(|time| client.std_instant(time));
    let [wall_at, wall_earlier] = [retry_at, since].map(|time| client.system_time(time));
    let (after, wall_after) = (std::time::Instant::now(), SystemTime::now());
    assert!(before + left <= at && at <= after + left);
    assert!(wall_before + left <= wall_at && wall_at <= wall_after + left);
    let ago = Duration::from_secs(3);
    assert!(before - ago <= earlier && earlier <= after - ago);
    assert!(wall_before - ago <= wall_earlier && wall_earlier <= wall_after - ago);
}

#[test]
fn counters_include_what_waits_in_streams_and_what_they_have_lost() {
    let mut world = World::connected_with_options(&Options::new().mailbox_len(3), NoAuth);
    let before = world.client.stats();
    let (mut chat, events) = (world.client.subscribe("chat").unwrap(), world.client.events());
    world.run();
    let frames =
        [succeeded("chat"), event("chat", "a", "12345"), event("chat", "a", "12345"), event("chat", "a", "12")];
    world.receive_all(frames.iter().map(String::as_str));
    let stats = world.client.stats();
    let received: usize = frames.iter().map(String::len).sum();
    let sent: usize = world.sent().iter().map(String::len).sum();
    assert!(stats.queued_bytes > 6 * size_of::<Event>() as u64);
    let mut expected = before;
    expected.frames += 4;
    expected.events += 3;
    expected.bytes_received += received as u64;
    expected.bytes_sent += sent as u64;
    expected.queued = 6;
    expected.queued_bytes = stats.queued_bytes;
    expected.missed = 2;
    assert_eq!(stats, expected);
    assert!(matches!(now(chat.recv()), Poll::Ready(Some(Event::Lagged { missed: 1 }))));
    assert!(matches!(now(chat.recv()), Poll::Ready(Some(Event::Channel(_)))));
    assert_eq!(world.client.stats().queued, 5);
    drop((chat, events));
    assert_eq!((world.client.stats().queued, world.client.stats().queued_bytes), (0, 0));
}
