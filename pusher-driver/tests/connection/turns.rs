//! How the loop divides its time, and how it handles sockets and timers that fail.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pusher_driver::adapter::Received;
use pusher_driver::{NoAuth, Options};
use pusher_proto::{ConnectionState, Frame, Text};

use crate::world::{Wakes, World, config, event, now, succeeded};

/// How many of the events that are ready in the socket the loop takes before it lets other tasks run.
fn taken_in_a_turn(count: usize, data_len: usize) -> usize {
    let mut world = World::connected(NoAuth);
    let text = event("chat", "message", &"x".repeat(data_len));
    let frames = std::iter::repeat_n(text, count).map(|text| Received::Frame(Frame::Text(Text::from(text))));
    world.outside().incoming.extend(frames);
    assert!(world.turn(), "there is more to read");
    let left = world.outside().incoming.len();
    world.run();
    assert_eq!(world.outside().incoming.len(), 0);
    count - left
}

#[test]
fn a_busy_socket_lets_others_run_after_many_messages_or_much_data() {
    let many = taken_in_a_turn(10_000, 10);
    assert!((32..10_000).contains(&many), "{many}");
    let large = taken_in_a_turn(100, 20_000);
    assert!((2..32).contains(&large), "{large}");
}

#[test]
fn an_opening_socket_is_given_up_when_it_is_no_longer_wanted() {
    let mut world = World::new(config(), NoAuth, &Options::new());
    world.outside().stalls = true;
    world.run();
    assert_eq!(world.outside().hosts.len(), 1);
    assert_eq!(world.outside().given_up, 0);
    world.client.disconnect();
    world.run();
    assert_eq!(world.outside().given_up, 1);
    assert_eq!(world.client.state(), ConnectionState::Disconnected);
}

#[test]
fn a_timer_that_fires_too_early_is_set_again() {
    let silence = Duration::from_secs(20);
    let mut world = World::connected_with(config().activity_timeout(silence), NoAuth);
    world.pass(silence - Duration::from_millis(1));
    world.wake_too_early();
    assert_eq!(world.sent(), [""; 0]);
    assert_eq!(world.outside().sleeps.last(), Some(&Duration::from_millis(1)));
    world.pass(Duration::from_millis(1));
    world.run();
    assert_eq!(world.sent(), [PING]);
}

#[test]
fn deadlines_are_met_while_the_peer_sends_without_completing_a_message() {
    let (silence, patience) = (Duration::from_secs(20), Duration::from_secs(5 * 60));
    let mut world = World::connected_with(config().activity_timeout(silence), NoAuth);
    world.outside().floods = true;
    // The runtime's timers do not fire; only the clock shows that time has passed.
    world.pass(silence);
    assert!(world.turn() && world.turn());
    assert_eq!(world.sent(), [PING]);
    for _ in 0..patience.as_secs() {
        assert!(world.client.state().is_connected(), "bytes are a sign of life");
        world.pass(Duration::from_secs(1));
        assert!(world.turn() && world.turn());
    }
    assert!(!world.client.state().is_connected());
    assert_eq!(world.outside().closed[0].code, 1000);
}

#[test]
fn consumers_are_woken_in_every_turn_however_busy_the_socket_is() {
    let (mut world, mut chat) = World::connected(NoAuth).subscribed("chat");
    let mut all = world.client.events();
    assert!(now(chat.recv()).is_ready());
    world.outside().floods = true;
    for messages in [1, 2, 40, 300] {
        let [of_chat, of_all] = [(); 2].map(|()| Arc::new(Wakes::default()));
        let [chat_task, all_task] = [&of_chat, &of_all].map(|wakes| Waker::from(Arc::clone(wakes)));
        assert!(chat.poll_recv(&mut Context::from_waker(&chat_task)).is_pending());
        assert!(all.poll_recv(&mut Context::from_waker(&all_task)).is_pending());
        let text = Text::from(event("chat", "message", ""));
        world.outside().incoming.extend(std::iter::repeat_n(Received::Frame(Frame::Text(text)), messages));
        assert!(world.turn(), "the socket has more");
        assert_eq!([of_chat.count(), of_all.count()], [1, 1], "{messages} messages");
        while !world.outside().incoming.is_empty() {
            assert!(world.turn());
        }
        for _ in 0..messages {
            assert!(now(chat.recv()).is_ready() && now(all.recv()).is_ready());
        }
    }
}

#[test]
fn slow_callbacks_do_not_hold_up_deadlines() {
    let silence = Duration::from_secs(20);
    let (mut world, _chat) =
        World::connected_with(config().activity_timeout(silence).max_ping_interval(silence), NoAuth).subscribed("chat");
    let clock = world.clock();
    world.client.bind_all(move |_| clock.lock().unwrap().now += Duration::from_secs(1));
    world.run();
    let text = Text::from(event("chat", "message", ""));
    world.outside().incoming.extend(std::iter::repeat_n(Received::Frame(Frame::Text(text)), 100));
    for taken in 1..=20 {
        assert_eq!(world.sent(), [""; 0]);
        assert!(world.turn());
        assert_eq!(world.outside().incoming.len(), 100 - taken, "a turn ends after a callback that takes long");
    }
    assert!(world.turn());
    assert_eq!(world.sent(), [PING]);
}

#[test]
fn callbacks_that_become_slow_are_noticed_after_few_messages() {
    let (mut world, _chat) = World::connected(NoAuth).subscribed("chat");
    let (clock, takes) = (world.clock(), Arc::new(Mutex::new(Duration::ZERO)));
    let slow = Arc::clone(&takes);
    world.client.bind_all(move |_| clock.lock().unwrap().now += *slow.lock().unwrap());
    world.run();
    let text = Text::from(event("chat", "message", ""));
    let mut handled_of = |messages, callbacks_take| {
        *takes.lock().unwrap() = callbacks_take;
        world.outside().incoming.extend(std::iter::repeat_n(Received::Frame(Frame::Text(text.clone())), messages));
        let before = world.outside().incoming.len();
        world.turn();
        before - world.outside().incoming.len()
    };
    assert_eq!(handled_of(50, Duration::from_micros(100)), 50);
    assert_eq!(handled_of(50, Duration::from_secs(1)), 4, "nothing shows yet that they are slow");
    assert_eq!(handled_of(0, Duration::from_secs(1)), 1);
    assert_eq!(handled_of(0, Duration::from_millis(2)), 10, "a turn takes 20 ms");
}

#[test]
fn what_a_slow_callback_changes_counts_from_its_end() {
    let (mut world, _chat) = World::connected(NoAuth).subscribed("chat");
    let (clock, client) = (world.clock(), world.client.clone());
    let mut left = 5;
    world
        .client
        .bind("message", move |_| {
            left -= 1;
            if left == 0 {
                clock.lock().unwrap().now += Duration::from_secs(60);
                client.subscribe("other").unwrap().keep();
            }
        })
        .unwrap();
    world.run();
    let mut events = world.client.events();
    // Fast callbacks come first, so that the clock is not read after each message any more.
    world.receive_all([&*event("chat", "message", ""); 8]);
    assert_eq!(world.client.channel("other").map(|other| other.is_subscribed), Some(false));
    while let Poll::Ready(Some(event)) = now(events.recv()) {
        assert_eq!(event.name(), "message", "{event:?}");
    }
    world.receive(&succeeded("other"));
    assert_eq!(world.client.channel("other").map(|other| other.is_subscribed), Some(true));
}

#[test]
fn a_socket_that_ignores_our_close_and_keeps_sending_holds_nothing_up() {
    let mut world = World::connected(NoAuth);
    {
        let mut outside = world.outside();
        outside.closes = false;
        outside.floods = true;
    }
    world.client.disconnect();
    assert!(world.turn());
    assert_eq!(world.client.state(), ConnectionState::Disconnected);
    world.client.connect();
    assert!(world.turn());
    assert_eq!(world.outside().hosts.len(), 2);
    let limit = Duration::from_secs(1);
    assert_eq!(world.client.poll_shutdown(limit, &mut Context::from_waker(Waker::noop())), Poll::Pending);
    assert!(world.turn());
    world.pass(limit);
    assert!(!world.run());
}

#[test]
fn a_socket_that_does_not_close_is_dropped_after_the_close_timeout() {
    let timeout = Duration::from_secs(3);
    let mut world = World::connected_with_options(&Options::new().close_timeout(timeout), NoAuth);
    world.outside().closes = false;
    world.client.disconnect();
    world.run();
    assert_eq!(world.outside().dropped, 0);
    world.pass(timeout);
    world.wake_sleepers();
    assert_eq!(world.outside().dropped, 1);
}

#[test]
fn sockets_that_never_close_are_dropped_for_later_ones() {
    let mut world = World::connected_with_options(&Options::new().close_timeout(Duration::MAX), NoAuth);
    world.outside().closes = false;
    for dropped in [0; 8].into_iter().chain([1, 2]) {
        world.client.disconnect();
        world.run();
        assert_eq!(world.outside().dropped, dropped);
        world.client.connect();
        world.run();
    }
}

#[test]
fn a_machine_that_slept_asks_the_server_at_once() {
    let mut world = World::connected(NoAuth);
    assert_eq!(world.outside().sleeps.last(), Some(&Duration::from_secs(10)), "it looks at the clocks again");
    world.outside().slept = Duration::from_secs(8 * 60 * 60);
    world.wake_sleepers();
    assert_eq!(world.sent(), [PING]);
    world.pass(Duration::from_secs(5));
    world.run();
    assert_eq!(world.outside().hosts.len(), 2);
}

#[test]
fn a_clock_that_is_set_back_or_corrected_changes_nothing() {
    let mut world = World::connected(NoAuth);
    for lead in [3_600, 3_604, 0, 4] {
        world.outside().slept = Duration::from_secs(lead);
        world.run();
        if lead == 3_600 {
            world.sent();
        }
    }
    assert_eq!(world.sent(), [""; 0]);
}

const PING: &str = r#"{"event":"pusher:ping","data":{}}"#;
