//! How clients end.

use std::time::{Duration, Instant};

use pusher_driver::SubscribeError;
use pusher_proto::{ConnectionState, Event};

use crate::adapter::Adapter;
use crate::faults::Flow;
use crate::world::{PATIENCE, World, options, text, wait_until};

pub(super) fn a_goodbye_is_said_in_order<A: Adapter>(world: &mut World<A>) {
    let (ann, bob) = (world.user(), world.user());
    let (mut with_ann, mut with_bob) = (ann.subscribed("private-chat"), bob.subscribed("private-chat"));
    with_ann.trigger("client-bye", "bye").unwrap();
    A::shutdown(&ann.client, PATIENCE);
    assert_eq!(ann.client.state(), ConnectionState::Disconnected);
    assert_eq!(A::subscribed(&with_ann), Err(SubscribeError::Disconnected));
    while A::recv(&mut with_ann).is_some() {}
    assert_eq!(text::<A>(&mut with_bob), "bye");
    wait_until("the server knows", || world.connection_count() == 1);
}

pub(super) fn a_goodbye_ends_at_its_deadline<A: Adapter>(world: &mut World<A>) {
    let user = world.user_with(world.config(), world.auth(), &options().close_timeout(PATIENCE));
    user.client.connect();
    drop(user.subscribed("chat"));
    world.proxy.set(Flow::Silence);
    let start = Instant::now();
    A::shutdown(&user.client, Duration::from_millis(50));
    assert!(start.elapsed() < PATIENCE / 4, "{:?}", start.elapsed());
    assert_eq!(user.client.state(), ConnectionState::Disconnected);
    world.proxy.set(Flow::Pass);
}

pub(super) fn dropping_everything_closes_the_connection<A: Adapter>(world: &mut World<A>) {
    let user = world.user();
    let chat = user.subscribed("chat");
    let mut orders = user.subscribed("private-orders");
    drop(user);
    world.publish("private-orders", "1");
    assert_eq!(text::<A>(&mut orders), "1");
    drop(chat);
    assert_eq!(world.connection_count(), 1);
    drop(orders);
    wait_until("the server knows", || world.connection_count() == 0);
}

pub(super) fn dropping_everything_ends_an_attempt_and_an_authorization<A: Adapter>(world: &mut World<A>) {
    world.auth_proxy.set(Flow::Silence);
    let user = world.user();
    let mut orders = user.subscribe("private-orders");
    world.await_asked(1);
    drop(user);
    world.proxy.set(Flow::Silence);
    let other = world.user();
    other.until_state("connecting", |state| matches!(state, ConnectionState::Connecting { .. }));
    drop(other);
    // Nothing has come so far.
    assert_eq!(A::recv_within(&mut orders, Duration::ZERO), None::<Option<Event>>);
    drop(orders);
}
