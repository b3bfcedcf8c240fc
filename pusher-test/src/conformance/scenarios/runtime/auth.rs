//! Auth servers, good and bad.

use std::time::{Duration, Instant};

use pusher_proto::{AuthError, ConfigBuilder, Event};

use crate::conformance::channel::Channel;
use crate::conformance::faults::{Cut, Flow};
use crate::conformance::runtime::Runtime;
use crate::conformance::stage::{PATIENCE, Stage, name, wait_until};

pub(super) fn a_slow_auth_server_does_not_hold_up_others<R: Runtime>(stage: &mut Stage<R>) {
    stage.auth_proxy().set(Flow::Silence);
    let mut user = stage.user();
    let mut orders = user.subscribe("private-orders");
    stage.await_auth_requests(1);
    let mut chat = user.subscribed("chat");
    stage.publish("chat", "1");
    chat.expect_text("1");
    orders.expect_nothing("its authorization was not answered");
    stage.auth_proxy().set(Flow::Pass);
    orders.expect_success();
}

/// Options with a short deadline for authorizations, and no second attempt.
fn impatient<R: Runtime>(stage: &Stage<R>) -> ConfigBuilder {
    stage.config().auth_timeout(Duration::from_millis(20)).auth_retries(0)
}

fn expect_timeout<R: Runtime>(channel: &mut Channel<R>) {
    let error = channel.expect_refused_auth();
    assert_eq!(*error.cause(), AuthError::Timeout, "the auth endpoint did not answer");
}

pub(super) fn an_auth_server_that_takes_too_long_is_given_up<R: Runtime>(stage: &mut Stage<R>) {
    stage.auth_proxy().set(Flow::Silence);
    let mut user = stage.user_with(stage.setup(impatient(stage)));
    expect_timeout(&mut user.subscribe("private-orders"));
}

pub(super) fn requests_that_hang_do_not_delay_later_ones<R: Runtime>(stage: &mut Stage<R>) {
    stage.auth_proxy().set(Flow::Silence);
    let mut user = stage.user_with(stage.setup(impatient(stage)));
    // More than any runtime has connections or threads for at once.
    for number in 0..10 {
        expect_timeout(&mut user.subscribe(&format!("private-{number}")));
    }
    let start = Instant::now();
    let sent = stage.auth_proxy().request_count();
    let mut quick = user.subscribe("private-quick");
    // The machine may be too busy for a request within the limit above, or for its answer.
    while stage.auth_proxy().request_count() == sent {
        assert!(start.elapsed() < PATIENCE, "expected another request to the auth endpoint, but none came within 20 s");
        if quick.has_result() {
            quick = user.subscribe("private-quick");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    stage.auth_proxy().set(Flow::Pass);
    loop {
        wait_until("the subscription has a result", || quick.has_result(), || "there is none".into());
        if quick.is_confirmed() {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "expected an authorization within 20 s, but all attempts timed out");
        quick = user.subscribe("private-quick");
    }
}

pub(super) fn a_refusal_of_the_auth_server_is_an_error_of_the_channel<R: Runtime>(stage: &mut Stage<R>) {
    stage.handle().refuse_auth(true);
    let mut user = stage.user();
    let mut orders = user.subscribe("private-orders");
    let error = orders.expect_refused_auth();
    assert_eq!(error.status(), 403, "expected the status that the auth endpoint answered, but the error is {error:?}");
    stage.handle().refuse_auth(false);
    user.subscribe("private-orders").expect_confirmed();
}

pub(super) fn a_flapping_auth_server_is_asked_again<R: Runtime>(stage: &mut Stage<R>) {
    stage.handle().auth_status(Some(503));
    let mut user = stage.user();
    let mut orders = user.subscribe("private-orders");
    // The second request is sent once the first answer has failed.
    stage.await_auth_requests(2);
    stage.handle().auth_status(None);
    orders.expect_confirmed();
}

pub(super) fn an_answer_for_an_earlier_socket_is_not_used<R: Runtime>(stage: &mut Stage<R>) {
    stage.auth_proxy().set(Flow::Silence);
    let mut user = stage.user();
    user.until_connected();
    let mut orders = user.subscribe("private-orders");
    stage.await_auth_requests(1);
    stage.proxy().cut(Cut::Drop);
    user.until_connected();
    stage.await_auth_requests(2);
    stage.auth_proxy().set(Flow::Pass);
    // With the signature for the first socket, the server would have refused.
    orders.expect_success();
    user.expect_none("no refusal", |event| matches!(event, Event::SubscriptionError { .. }));
}

pub(super) fn a_channel_can_be_left_while_its_authorization_is_on_its_way<R: Runtime>(stage: &mut Stage<R>) {
    stage.auth_proxy().set(Flow::Silence);
    let mut user = stage.user();
    let mut orders = user.subscribe("private-orders");
    stage.await_auth_requests(1);
    user.unsubscribe("private-orders");
    stage.auth_proxy().set(Flow::Pass);
    let _other = user.subscribed("private-other");
    stage.publish("private-orders", "1");
    let mut chat = user.subscribed("chat");
    stage.publish("chat", "2");
    chat.expect_text("2");
    orders.expect_nothing("it was unsubscribed");
    let left = name("private-orders");
    user.expect_none("no event of a channel that was unsubscribed", |event| event.channel() == Some(&left));
}
