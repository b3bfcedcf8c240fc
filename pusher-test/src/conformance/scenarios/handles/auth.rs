//! What the driver's authorization and errors say.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pusher_driver::SubscribeError;
use pusher_proto::{AuthBody, AuthError, with_causes};

use crate::conformance::faults::Flow;
use crate::conformance::handles::WithHandles;
use crate::conformance::stage::{Stage, options};

pub(super) fn an_expired_token_is_renewed_once<H: WithHandles>(stage: &mut Stage<H>) {
    let handle = stage.handle();
    handle.auth_status(Some(401));
    let renewing = handle.clone();
    let auth = stage.auth().on_unauthorized(move |_| renewing.auth_status(None));
    let mut user = stage.handles(stage.config(), auth, &options());
    user.connect();
    user.subscribe("private-orders").expect_confirmed();

    let auth = stage.auth().on_unauthorized(|_| {});
    handle.auth_status(Some(401));
    let mut user = stage.handles(stage.config(), auth, &options());
    user.connect();
    let error = user.subscribe("private-orders").expect_refused_auth();
    assert_eq!(error.status(), 401, "expected the second answer of the auth endpoint, but the error is {error:?}");
}

pub(super) fn functions_of_the_application_that_panic_stop_no_later_request<H: WithHandles>(stage: &mut Stage<H>) {
    // More than the blocking adapter has helper threads.
    let panics = Arc::new(AtomicUsize::new(12));
    let left = Arc::clone(&panics);
    let auth = stage.auth().headers_with(move |_| {
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            panic!("as the scenario wants");
        }
        [("X-Tenant", "7")]
    });
    let mut user = stage.handles(stage.config(), auth, &options());
    user.connect();
    while panics.load(Ordering::SeqCst) > 0 {
        let error = user.subscribe("private-orders").expect_refused_auth();
        assert_eq!(
            error,
            AuthError::Handler("the authorizer did not answer".into()),
            "the error of a request without an answer"
        );
    }
    user.subscribe("private-orders").expect_confirmed();
}

pub(super) fn many_channels_are_authorized_by_one_request<H: WithHandles>(stage: &mut Stage<H>) {
    for body in [AuthBody::Form, AuthBody::Json] {
        let asked = stage.auth_proxy().request_count();
        let auth = stage.auth().batch_endpoint(format!("{}/batch", stage.auth_url()));
        let mut user = stage.handles(stage.config(), auth, &options().auth_body(body));
        let names = ["private-orders", "presence-chat", "private-encrypted-x"];
        let granted = names.map(|channel| user.subscribe(channel));
        let mut refused = user.subscribe("private-forbidden");
        user.connect();
        for mut subscription in granted {
            subscription.expect_success();
        }
        let excerpt = "private-forbidden is forbidden".into();
        let forbidden = AuthError::Http { status: 403, excerpt, retry_after: None };
        let expected = forbidden.at(format!("{}/batch", stage.auth_url()));
        assert_eq!(refused.expect_refused_auth(), expected, "the endpoint refuses this channel alone");
        assert_eq!(stage.auth_proxy().request_count() - asked, 1, "requests to the auth endpoint for four channels");
    }
}

pub(super) fn a_channel_of_a_batch_can_be_left_while_it_is_on_its_way<H: WithHandles>(stage: &mut Stage<H>) {
    let names = ["private-a", "private-b", "private-c"];
    for left in names {
        stage.auth_proxy().set(Flow::Silence);
        let asked = stage.auth_proxy().request_count();
        let auth = stage.auth().batch_endpoint(format!("{}/batch", stage.auth_url()));
        let mut user = stage.handles(stage.config(), auth, &options());
        let channels = names.map(|channel| (channel, user.subscribe(channel)));
        user.connect();
        stage.await_auth_requests(asked + 1);
        user.unsubscribe(left);
        // The client has handled this when it has an answer to something later.
        let _public = user.subscribed("chat");
        stage.auth_proxy().set(Flow::Pass);
        for (channel, mut subscription) in channels {
            if channel == left {
                subscription.expect_end();
            } else {
                subscription.expect_success();
            }
        }
        let requests = stage.auth_proxy().request_count() - asked;
        assert_eq!(requests, 1, "requests to the auth endpoint after {left} was left");
    }
}

pub(super) fn a_refused_connection_names_its_address<H: WithHandles>(stage: &mut Stage<H>) {
    let setup = stage.setup(stage.direct_config());
    stage.stop_server();
    let mut user = stage.user_with(setup);
    let cause = user.until_waiting();
    let Err(refusal) = TcpStream::connect(stage.address()) else {
        panic!("the server was expected to be down, but {} accepts connections", stage.address());
    };
    let expected = format!("the connection failed: {}: {refusal}", stage.address());
    assert_eq!(with_causes(&cause).to_string(), expected, "the error of a refused connection");
    stage.start_server();
    user.until_connected();
}

pub(super) fn unsubscribing_ends_what_waits_for_the_channel<H: WithHandles>(stage: &mut Stage<H>) {
    stage.auth_proxy().set(Flow::Silence);
    let mut user = stage.user();
    let mut orders = user.subscribe("private-orders");
    assert!(!orders.handle().is_subscribed(), "the authorization was not answered");
    stage.await_auth_requests(1);
    user.unsubscribe("private-orders");
    assert_eq!(orders.outcome(), Err(SubscribeError::Unsubscribed), "what `subscribed` returns");
    orders.expect_end();
    stage.auth_proxy().set(Flow::Pass);
    let _other = user.subscribed("private-other");
    assert_eq!(user.handle().channel("private-orders"), None, "the channel was unsubscribed");
}
