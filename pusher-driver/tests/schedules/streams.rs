//! Events between the loop and a reader.

use std::task::{Context, Waker};
use std::time::Duration;

use pusher_driver::{NoAuth, Options, Overflow, Subscription};
use pusher_proto::Event;
use shuttle::sync::mpsc;
use shuttle::thread;

use crate::world::{World, explore, number, take, wait};

/// Numbers from a stream, up to `last`.
fn read_to(last: u64, mut recv: impl FnMut() -> Option<Event>) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.last() != Some(&last) {
        numbers.extend(number(&recv().expect("the last number comes")));
    }
    numbers
}

#[test]
fn every_event_reaches_every_stream_once_and_in_order() {
    explore(|| {
        let mut world = World::connected();
        let mut chat = world.subscribe("chat");
        assert!(take(&mut chat).is_some_and(|event| event.name() == "pusher:subscription_succeeded"));
        let mut all = world.client.events();
        let (client, server, running) = world.start();
        let of_channel = thread::spawn(move || (read_to(4, || wait(|context| chat.poll_recv(context))), chat));
        let of_client = thread::spawn(move || (read_to(4, || wait(|context| all.poll_recv(context))), all));
        server.send_numbered(1..=4);
        let (channel_numbers, mut chat) = of_channel.join().unwrap();
        let (client_numbers, mut all) = of_client.join().unwrap();
        assert_eq!([channel_numbers, client_numbers], [[1, 2, 3, 4], [1, 2, 3, 4]]);
        wait(|context| client.poll_shutdown(Duration::ZERO, context));
        running.join().unwrap();
        assert_eq!(wait(|context| chat.poll_recv(context)), None);
        assert!(wait(|context| all.poll_recv(context)).is_some_and(|event| event.name() == "state_change"));
        assert_eq!(wait(|context| all.poll_recv(context)), None);
    });
}

/// What a reader receives of eight events from a mailbox with room for two: numbers, and losses as negative numbers.
fn read_lossy(overflow: Overflow) -> Vec<i64> {
    let mut world = World::connected_with(NoAuth, &Options::new().mailbox_len(2).overflow(overflow));
    let mut chat = world.subscribe("chat");
    take(&mut chat);
    let (done, all_delivered) = mpsc::channel();
    world
        .client
        .bind("numbered", move |event| {
            if number(event) == Some(8) {
                done.send(()).unwrap();
            }
        })
        .unwrap();
    let (client, server, running) = world.start();
    let reader = thread::spawn(move || {
        let mut seen = Vec::new();
        while let Some(event) = wait(|context| chat.poll_recv(context)) {
            seen.push(match event {
                Event::Lagged { missed } => -i64::try_from(missed).unwrap(),
                event => i64::try_from(number(&event).unwrap()).unwrap(),
            });
        }
        (seen, chat)
    });
    server.send_numbered(1..=8);
    all_delivered.recv().unwrap();
    wait(|context| client.poll_shutdown(Duration::ZERO, context));
    running.join().unwrap();
    let (seen, _chat) = reader.join().unwrap();
    seen
}

/// Checks that each loss is as long as the gap at its position; returns the last number that was received or lost.
fn account(seen: &[i64]) -> i64 {
    seen.iter().fold(0, |last, &next| {
        if next > 0 {
            assert_eq!(next, last + 1, "{seen:?}");
            return next;
        }
        last - next
    })
}

#[test]
fn the_oldest_events_that_are_dropped_are_counted_in_their_place() {
    explore(|| assert_eq!(account(&read_lossy(Overflow::DropOldest)), 8));
}

#[test]
fn the_newest_events_that_are_dropped_are_counted_in_their_place() {
    explore(|| assert_eq!(account(&read_lossy(Overflow::DropNewest)), 8));
}

#[test]
fn a_stream_that_closes_on_overflow_ends_with_its_loss() {
    explore(|| {
        let seen = read_lossy(Overflow::Close);
        let (last, before) = seen.split_last().unwrap();
        assert!(before.iter().all(|&next| next > 0), "{seen:?}");
        assert!(account(&seen) == 8 || (*last < 0 && account(&seen) < 8), "{seen:?}");
    });
}

#[test]
fn a_stream_that_moves_to_another_thread_wakes_that_one() {
    explore(|| {
        let mut world = World::connected();
        let mut chat = world.subscribe("chat");
        take(&mut chat);
        let (_client, server, _running) = world.start();
        let sender = thread::spawn(move || server.send_numbered(1..=1));
        let found = take(&mut chat);
        let reader = thread::spawn(move || found.or_else(|| wait(|context| chat.poll_recv(context))));
        assert_eq!(reader.join().unwrap().as_ref().and_then(number), Some(1));
        sender.join().unwrap();
    });
}

fn paused(world: &mut World) -> Subscription {
    let chat = world.client.subscribe("chat").unwrap();
    chat.bind("other", |_| {}).unwrap();
    drop(world.subscribe("chat"));
    chat
}

#[test]
fn a_handle_for_callbacks_collects_everything_after_its_stream_was_asked() {
    explore(|| {
        let mut world = World::connected();
        let mut chat = paused(&mut world);
        let (client, server, running) = world.start();
        let early = server.clone();
        let sender = thread::spawn(move || early.send_numbered(1..=3));
        let found = chat.poll_recv(&mut Context::from_waker(Waker::noop()));
        let sent = server.line().numbered;
        sender.join().unwrap();
        server.send_numbered(4..=4);
        let mut numbers: Vec<_> = match found {
            std::task::Poll::Ready(event) => number(&event.unwrap()).into_iter().collect(),
            std::task::Poll::Pending => Vec::new(),
        };
        numbers.extend(read_to(4, || wait(|context| chat.poll_recv(context))));
        let first = numbers[0];
        assert!(first <= sent + 1, "{first} {sent}");
        assert_eq!(numbers, (first..=4).collect::<Vec<_>>());
        drop((client, chat));
        running.join().unwrap();
    });
}
