//! How the loop divides its time, and what it does with sockets and timers that come to nothing.

use std::time::{Duration, Instant};

use pusher_driver::{NoAuth, Options};
use pusher_proto::{ConnectionState, Frame, Text};

use crate::world::{World, config, event};

/// Events that lie ready in the socket, and how many of them the loop takes before it lets others run.
fn taken_in_a_turn(count: usize, data_len: usize) -> usize {
    let mut world = World::connected(NoAuth);
    let text = event("chat", "message", &"x".repeat(data_len));
    let frames = std::iter::repeat_n(text, count).map(|text| Ok(Frame::Text(Text::from(text))));
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
fn a_socket_that_opens_is_given_up_when_nobody_wants_it_any_more() {
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
fn a_timer_that_comes_too_early_is_set_again() {
    let silence = Duration::from_millis(20);
    let begin = Instant::now();
    let mut world = World::connected_with(config().activity_timeout(silence), NoAuth);
    world.wake_sleepers();
    let ping = r#"{"event":"pusher:ping","data":{}}"#;
    let sent = loop {
        let sent = world.sent();
        if !sent.is_empty() || begin.elapsed() > Duration::from_secs(20) {
            break sent;
        }
        std::thread::yield_now();
        world.wake_sleepers();
    };
    assert_eq!(sent, [ping]);
    assert!(begin.elapsed() >= silence);
}
