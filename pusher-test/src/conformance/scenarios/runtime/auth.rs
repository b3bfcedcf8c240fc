//! Auth servers, good and bad.

use std::time::{Duration, Instant};

use pusher_proto::{AuthError, ConfigBuilder, Event};

use crate::conformance::channel::Channel;
use crate::conformance::faults::{Cut, Flow};
use crate::conformance::runtime::Runtime;
use crate::conformance::stage::{PATIENCE, World, name, wait_until};

pub(super) fn a_slow_auth_server_does_not_hold_up_others<R: Runtime>(world: &mut World<R>) {
    world.auth_proxy().set(Flow::Silence);
    let mut user = world.user();
    let mut orders = user.subscribe("private-orders");
    world.await_auth_requests(1);
    let mut chat = user.subscribed("chat");
    world.publish("chat", "1");
    chat.expect_text("1");
    orders.expect_nothing("its authorization was not answered");
    world.auth_proxy().set(Flow::Pass);
    orders.expect_success();
}

/// Options with a short deadline for authorizations, and no second attempt.
fn impatient<R: Runtime>(world: &World<R>) -> ConfigBuilder {
    world.config().auth_timeout(Duration::from_millis(20)).auth_retries(0)
}

fn expect_timeout<R: Runtime>(channel: &mut Channel<R>) {
    let error = channel.expect_refused_auth();
    assert_eq!(*error.cause(), AuthError::Timeout, "the auth endpoint did not answer");
}

pub(super) fn an_auth_server_that_takes_too_long_is_given_up<R: Runtime>(world: &mut World<R>) {
    world.auth_proxy().set(Flow::Silence);
    let mut user = world.user_with(world.setup(impatient(world)));
    expect_timeout(&mut user.subscribe("private-orders"));
}

pub(super) fn requests_that_hang_do_not_delay_later_ones<R: Runtime>(world: &mut World<R>) {
    world.auth_proxy().set(Flow::Silence);
    let mut user = world.user_with(world.setup(impatient(world)));
    // More than any runtime has connections or threads for at once.
    for number in 0..10 {
        expect_timeout(&mut user.subscribe(&format!("private-{number}")));
    }
    let start = Instant::now();
    let sent = world.auth_proxy().request_count();
    let mut quick = user.subscribe("private-quick");
    // The machine may be too busy for a request within the limit above, or for its answer.
    while world.auth_proxy().request_count() == sent {
        assert!(start.elapsed() < PATIENCE, "expected another request to the auth endpoint, but none came within 20 s");
        if quick.has_result() {
            quick = user.subscribe("private-quick");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    world.auth_proxy().set(Flow::Pass);
    loop {
        wait_until("the subscription has a result", || quick.has_result(), || "there is none".into());
        if quick.is_confirmed() {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "expected an authorization within 20 s, but all attempts timed out");
        quick = user.subscribe("private-quick");
    }
}

pub(super) fn a_refusal_of_the_auth_server_is_an_error_of_the_channel<R: Runtime>(world: &mut World<R>) {
    world.handle().refuse_auth(true);
    let mut user = world.user();
    let mut orders = user.subscribe("private-orders");
    let error = orders.expect_refused_auth();
    assert_eq!(error.status(), 403, "expected the status that the auth endpoint answered, but the error is {error:?}");
    world.handle().refuse_auth(false);
    user.subscribe("private-orders").expect_confirmed();
}

pub(super) fn a_flapping_auth_server_is_asked_again<R: Runtime>(world: &mut World<R>) {
    world.handle().auth_status(Some(503));
    let mut user = world.user();
    let mut orders = user.subscribe("private-orders");
    // The second request is sent once the first answer has failed.
    world.await_auth_requests(2);
    world.handle().auth_status(None);
    orders.expect_confirmed();
}

pub(super) fn an_answer_for_an_earlier_socket_is_not_used<R: Runtime>(world: &mut World<R>) {
    world.auth_proxy().set(Flow::Silence);
    let mut user = world.user();
    user.until_connected();
    let mut orders = user.subscribe("private-orders");
    world.await_auth_requests(1);
    world.proxy().cut(Cut::Drop);
    user.until_connected();
    world.await_auth_requests(2);
    world.auth_proxy().set(Flow::Pass);
    // With the signature for the first socket, the server would have refused.
    orders.expect_success();
    user.expect_none("no refusal", |event| matches!(event, Event::SubscriptionError { .. }));
}

pub(super) fn a_channel_can_be_left_while_its_authorization_is_on_its_way<R: Runtime>(world: &mut World<R>) {
    world.auth_proxy().set(Flow::Silence);
    let mut user = world.user();
    let mut orders = user.subscribe("private-orders");
    world.await_auth_requests(1);
    user.unsubscribe("private-orders");
    world.auth_proxy().set(Flow::Pass);
    let _other = user.subscribed("private-other");
    world.publish("private-orders", "1");
    let mut chat = user.subscribed("chat");
    world.publish("chat", "2");
    chat.expect_text("2");
    orders.expect_nothing("it was unsubscribed");
    let left = name("private-orders");
    user.expect_none("no event of a channel that was unsubscribed", |event| event.channel() == Some(&left));
}
