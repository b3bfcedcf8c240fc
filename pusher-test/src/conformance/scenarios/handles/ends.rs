//! How handles end.

use pusher_driver::SubscribeError;
use pusher_proto::ConnectionState;

use crate::conformance::handles::WithHandles;
use crate::conformance::stage::{PATIENCE, Stage};

pub(super) fn a_client_that_was_shut_down_says_so<H: WithHandles>(stage: &mut Stage<H>) {
    let mut user = stage.user();
    let mut chat = user.subscribed("private-chat");
    user.shut_down(PATIENCE);
    assert_eq!(user.handle().state(), ConnectionState::Disconnected, "what `state` returns");
    assert_eq!(chat.outcome(), Err(SubscribeError::Disconnected), "what `subscribed` returns");
    chat.expect_end();
}

pub(super) fn dropping_everything_closes_the_connection<H: WithHandles>(stage: &mut Stage<H>) {
    let mut user = stage.user();
    let chat = user.subscribed("chat");
    let mut orders = user.subscribe("private-orders");
    drop(user);
    orders.expect_success();
    stage.publish("private-orders", "1");
    orders.expect_text("1");
    drop(chat);
    assert_eq!(stage.connection_count(), 1, "connections while a subscription is held");
    drop(orders);
    stage.await_connection_count(0);
}
