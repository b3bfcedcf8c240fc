//! How handles end.

use pusher_driver::SubscribeError;
use pusher_proto::ConnectionState;

use crate::conformance::handles::WithHandles;
use crate::conformance::stage::{PATIENCE, World};

pub(super) fn a_client_that_was_shut_down_says_so<H: WithHandles>(world: &mut World<H>) {
    let mut user = world.user();
    let mut chat = user.subscribed("private-chat");
    user.shut_down(PATIENCE);
    assert_eq!(user.handle().state(), ConnectionState::Disconnected, "what `state` returns");
    assert_eq!(chat.outcome(), Err(SubscribeError::Disconnected), "what `subscribed` returns");
    chat.expect_end();
}

pub(super) fn dropping_everything_closes_the_connection<H: WithHandles>(world: &mut World<H>) {
    let mut user = world.user();
    let chat = user.subscribed("chat");
    let mut orders = user.subscribe("private-orders");
    drop(user);
    world.publish("private-orders", "1");
    orders.expect_success();
    world.publish("private-orders", "2");
    orders.expect_text("2");
    drop(chat);
    assert_eq!(world.connection_count(), 1, "connections while a subscription is held");
    drop(orders);
    world.await_connection_count(0);
}
