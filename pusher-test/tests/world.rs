//! What faults do to the clients of a world, which have no handles.
#![cfg(test)]

use std::time::Duration;

use pusher_test::network::{Authority, Excess, Fault, Flapping, Limit, Side, Who};
use pusher_test::pusher_proto::server::{Publication, ServerConfig};
use pusher_test::pusher_proto::signing::App;
use pusher_test::pusher_proto::{ChannelName, CloseFrame, Config, Frame, Instant};
use pusher_test::world::World;

const ALICE: Who = Who::new(0);

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn chat() -> ChannelName {
    ChannelName::new("private-chat").unwrap()
}

/// A world with a client that has just begun to open a socket.
fn opening() -> World {
    let app = App::new("1", "app-key", "app-secret").unwrap();
    let config = ServerConfig::builder(app.clone()).subscription_counts(false).build().unwrap();
    let mut world = World::new(config, Duration::from_millis(20), 7);
    world.add(Config::new("app-key", "ws://localhost").unwrap(), Authority::new(app, "alice"));
    world.client(ALICE).connect();
    world.client(ALICE).subscribe(chat());
    world.run(Duration::from_millis(10));
    world
}

/// A world with a client that is subscribed to a channel.
fn world() -> World {
    let mut world = opening();
    world.run(secs(1));
    assert_eq!(heard(&mut world).last().unwrap(), "pusher:subscription_succeeded");
    world
}

/// The names of the events that the client's application has received, without changes of the state.
fn heard(world: &mut World) -> Vec<String> {
    let names = world.heard(ALICE).map(|(_, event)| event.name().to_owned());
    names.filter(|name| name != "state_change" && name != "error").collect()
}

fn trigger(world: &mut World, event: &str) {
    let (now, publication) = (world.now(), Publication::new(event, [chat()], "{}"));
    world.server().trigger(&publication, now).unwrap();
}

#[test]
fn a_message_arrives_in_parts() {
    let mut world = world();
    world.fault(ALICE, Fault::Trickle { parts: 25, every: secs(10) });
    trigger(&mut world, "large");
    world.run(secs(239));
    assert_eq!(heard(&mut world), Vec::<String>::new());
    world.run(secs(2));
    assert_eq!(heard(&mut world), ["large"]);
    assert!(world.client(ALICE).state().is_connected());
}

#[test]
fn messages_do_not_overtake_each_other() {
    let mut world = world();
    world.fault(ALICE, Fault::Latency(secs(5)));
    trigger(&mut world, "slow");
    world.run(secs(1));
    world.fault(ALICE, Fault::Latency(Duration::ZERO));
    trigger(&mut world, "fast");
    world.run(secs(3));
    assert_eq!(heard(&mut world), Vec::<String>::new());
    world.run(secs(2));
    assert_eq!(heard(&mut world), ["slow", "fast"]);
}

#[test]
fn a_silent_server_sends_everything_later() {
    let mut world = world();
    world.fault(ALICE, Fault::Silence);
    trigger(&mut world, "one");
    trigger(&mut world, "two");
    world.run(secs(20));
    assert_eq!(heard(&mut world), Vec::<String>::new());
    world.heal(ALICE);
    world.run(secs(1));
    assert_eq!(heard(&mut world), ["one", "two"]);
}

#[test]
fn a_server_that_is_silent_for_too_long_loses_the_connection() {
    let mut world = world();
    world.fault(ALICE, Fault::Silence);
    for _ in 0..65_536 {
        trigger(&mut world, "message");
    }
    world.run(secs(1));
    assert_eq!(heard(&mut world), Vec::<String>::new());
    trigger(&mut world, "message");
    world.run(Duration::from_millis(10));
    assert_eq!(world.server().connections().count(), 0);
    world.run(secs(1));
    assert!(!world.client(ALICE).state().is_connected());
    world.heal(ALICE);
    world.run(secs(60));
    assert_eq!(heard(&mut world), ["pusher:continuity_lost", "pusher:subscription_succeeded"]);
}

#[test]
fn every_fault_is_overcome_once_it_ends() {
    let faults = [
        Fault::Cut,
        Fault::HalfOpen(Side::Client),
        Fault::HalfOpen(Side::Server),
        Fault::Dead,
        Fault::Close(CloseFrame { code: 4200, reason: "restart".into() }),
        Fault::Latency(secs(40)),
        Fault::Lose(Side::Client, 100),
        Fault::Lose(Side::Server, 100),
        Fault::Trickle { parts: 1_000, every: secs(60) },
        Fault::Silence,
        Fault::Unreachable,
        Fault::RefuseUpgrade { status: 503, retry_after: Some(secs(5)) },
    ];
    for fault in faults {
        let mut world = world();
        world.fault(ALICE, &fault);
        trigger(&mut world, "first");
        world.run(secs(300));
        world.fault(ALICE, Fault::Cut);
        world.run(secs(300));
        world.heal(ALICE);
        world.run(secs(300));
        heard(&mut world);
        trigger(&mut world, "last");
        world.run(secs(1));
        assert_eq!(heard(&mut world), ["last"], "{fault:?}");
    }
}

#[test]
fn a_flapping_backend_authorizes_while_it_works() {
    let mut world = world();
    world.authority(ALICE).flapping = Some(Flapping { works: secs(60), fails: secs(60) });
    world.run(secs(60));
    world.fault(ALICE, Fault::Cut);
    world.run(secs(30));
    assert!(!world.client(ALICE).channel(&chat()).unwrap().is_subscribed());
    world.run(secs(60));
    assert!(world.client(ALICE).channel(&chat()).unwrap().is_subscribed());
}

#[test]
fn a_backend_with_a_cache_signs_for_the_earlier_socket() {
    let mut world = world();
    world.authority(ALICE).signs_for_earlier_socket = true;
    world.fault(ALICE, Fault::Cut);
    world.run(secs(60));
    assert_eq!(heard(&mut world).last().unwrap(), "pusher:subscription_error");
}

#[test]
fn a_socket_that_is_being_opened_has_the_faults_of_an_open_one() {
    let faults = [Fault::Close(CloseFrame::new(4200, "restart")), Fault::HalfOpen(Side::Server), Fault::Dead];
    for fault in faults {
        let mut world = opening();
        world.fault(ALICE, &fault);
        world.run(Duration::from_millis(15));
        assert_eq!(world.server().connections().count(), 0, "{fault:?}");
        world.run(secs(60));
        assert_eq!(heard(&mut world).last().unwrap(), "pusher:subscription_succeeded", "{fault:?}");
        assert_eq!(world.server().connections().count(), 1, "{fault:?}");
    }
}

#[test]
fn a_dead_socket_can_be_reset() {
    for fault in [Fault::Cut, Fault::HalfOpen(Side::Client)] {
        let mut world = world();
        world.fault(ALICE, Fault::Dead);
        world.fault(ALICE, &fault);
        world.run(secs(10));
        assert_eq!(heard(&mut world), ["pusher:continuity_lost", "pusher:subscription_succeeded"], "{fault:?}");
    }
}

/// Whether the server accepts a subscription from the client's socket.
fn passes(world: &mut World, channel: &str) -> bool {
    let text = format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}"}}}}"#);
    world.say(ALICE, Frame::Text(text.into()));
    world.run(Duration::from_millis(30));
    let id = world.connection(ALICE).unwrap();
    world.server().is_subscribed(id, &ChannelName::new(channel).unwrap())
}

#[test]
fn a_limit_can_be_changed_for_connections_that_it_has_counted() {
    let mut world = world();
    let mut limit = |most| {
        world.gate().limit = Some((Limit::new(most, secs(3_600)), Excess::Error));
        ["a", "b", "c", "d"].map(|name| passes(&mut world, &format!("{name}-{most}")))
    };
    assert_eq!(limit(1), [true, false, false, false]);
    assert_eq!(limit(3), [true, true, false, false]);
    assert_eq!(limit(2), [false; 4]);
    assert_eq!(limit(4), [true, false, false, false]);
}

#[test]
fn a_limit_of_zero_allows_nothing() {
    let mut limit = Limit::new(0, secs(10));
    for seconds in [0, 5, 20] {
        assert_eq!(limit.take(Instant::ZERO + secs(seconds)), Err(secs(10)));
    }
}
