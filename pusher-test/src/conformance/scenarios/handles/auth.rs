//! What the driver's authorization and errors say.

use std::net::TcpStream;

use pusher_driver::SubscribeError;
use pusher_proto::{AuthBody, AuthError, with_causes};

use crate::conformance::faults::Flow;
use crate::conformance::handles::WithHandles;
use crate::conformance::stage::{World, options};

pub(super) fn an_expired_token_is_renewed_once<H: WithHandles>(world: &mut World<H>) {
    let handle = world.handle();
    handle.auth_status(Some(401));
    let renewing = handle.clone();
    let auth = world.auth().on_unauthorized(move |_| renewing.auth_status(None));
    let mut user = world.handles(world.config(), auth, &options());
    user.connect();
    user.subscribe("private-orders").expect_confirmed();

    let auth = world.auth().on_unauthorized(|_| {});
    handle.auth_status(Some(401));
    let mut user = world.handles(world.config(), auth, &options());
    user.connect();
    let error = user.subscribe("private-orders").expect_refused_auth();
    assert_eq!(error.status(), 401, "expected the second answer of the auth endpoint, but the error is {error:?}");
}

pub(super) fn many_channels_are_authorized_by_one_request<H: WithHandles>(world: &mut World<H>) {
    for body in [AuthBody::Form, AuthBody::Json] {
        let asked = world.auth_proxy().request_count();
        let auth = world.auth().batch_endpoint(format!("{}/batch", world.auth_url()));
        let mut user = world.handles(world.config(), auth, &options().auth_body(body));
        let names = ["private-orders", "presence-chat", "private-encrypted-x"];
        let granted = names.map(|channel| user.subscribe(channel));
        let mut refused = user.subscribe("private-forbidden");
        user.connect();
        for mut subscription in granted {
            subscription.expect_success();
        }
        let excerpt = "private-forbidden is forbidden".into();
        let forbidden = AuthError::Http { status: 403, excerpt, retry_after: None };
        let expected = forbidden.at(format!("{}/batch", world.auth_url()));
        assert_eq!(refused.expect_refused_auth(), expected, "the endpoint refuses this channel alone");
        assert_eq!(world.auth_proxy().request_count() - asked, 1, "requests to the auth endpoint for four channels");
    }
}

pub(super) fn a_refused_connection_names_its_address<H: WithHandles>(world: &mut World<H>) {
    let setup = world.setup(world.direct_config());
    world.stop_server();
    let mut user = world.user_with(setup);
    let cause = user.until_waiting();
    let Err(refusal) = TcpStream::connect(world.address()) else {
        panic!("the server was expected to be down, but {} accepts connections", world.address());
    };
    let expected = format!("the connection failed: {}: {refusal}", world.address());
    assert_eq!(with_causes(&cause).to_string(), expected, "the error of a refused connection");
    world.start_server();
    user.until_connected();
}

pub(super) fn unsubscribing_ends_what_waits_for_the_channel<H: WithHandles>(world: &mut World<H>) {
    world.auth_proxy().set(Flow::Silence);
    let mut user = world.user();
    let mut orders = user.subscribe("private-orders");
    assert!(!orders.handle().is_subscribed(), "the authorization was not answered");
    world.await_auth_requests(1);
    user.unsubscribe("private-orders");
    assert_eq!(orders.outcome(), Err(SubscribeError::Unsubscribed), "what `subscribed` returns");
    orders.expect_end();
    world.auth_proxy().set(Flow::Pass);
    let _other = user.subscribed("private-other");
    assert_eq!(user.handle().channel("private-orders"), None, "the channel was unsubscribed");
}
