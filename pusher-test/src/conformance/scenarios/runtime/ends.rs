//! How clients end.

use std::time::{Duration, Instant};

use pusher_proto::{Config, ConnectionState};

use crate::conformance::faults::Flow;
use crate::conformance::runtime::{Next, Runtime};
use crate::conformance::stage::{PATIENCE, Stage};

pub(super) fn a_goodbye_is_said_in_order<R: Runtime>(stage: &mut Stage<R>) {
    let (mut ann, mut bob) = (stage.user(), stage.user());
    let (_with_ann, mut with_bob) = (ann.subscribed("private-chat"), bob.subscribed("private-chat"));
    ann.trigger("private-chat", "client-bye", "bye");
    ann.shut_down(PATIENCE);
    with_bob.expect_text("bye");
    stage.await_connection_count(1);
}

pub(super) fn a_goodbye_ends_at_its_deadline<R: Runtime>(stage: &mut Stage<R>) {
    let mut setup = stage.setup(stage.config());
    // Longer than the check for leftovers waits.
    setup.close_timeout = 3 * PATIENCE;
    let mut user = stage.user_with(setup);
    let _chat = user.subscribed("chat");
    stage.proxy().set(Flow::Silence);
    user.shut_down(Duration::from_millis(50));
    stage.proxy().set(Flow::Pass);
}

pub(super) fn a_goodbye_during_an_attempt_waits_for_nothing<R: Runtime>(stage: &mut Stage<R>) {
    // The server accepts streams and says nothing, or does not even accept them.
    stage.proxy().set(Flow::Silence);
    for endpoint in [None, Some("ws://192.0.2.1:6001")] {
        let mut setup = stage.setup(endpoint.map_or_else(|| stage.config(), |at| Config::builder("app-key", at)));
        setup.close_timeout = 3 * PATIENCE;
        let mut user = stage.user_with(setup);
        user.connect();
        user.until_state("connecting", |state| matches!(state, ConnectionState::Connecting { .. }));
        let start = Instant::now();
        user.shut_down(PATIENCE);
        assert!(
            start.elapsed() < PATIENCE / 2,
            "shut_down was expected to end at once, but it took {:?}",
            start.elapsed()
        );
    }
    stage.proxy().set(Flow::Pass);
}

pub(super) fn a_client_that_disconnects_leaves_the_server<R: Runtime>(stage: &mut Stage<R>) {
    let mut user = stage.user();
    let mut chat = user.subscribed("chat");
    stage.await_connection_count(1);
    user.disconnect();
    user.until_state("disconnected", |state| *state == ConnectionState::Disconnected);
    stage.await_connection_count(0);
    user.connect();
    chat.expect_recovery(stage);
    stage.await_connection_count(1);
}

pub(super) fn a_client_that_is_dropped_closes_its_connection<R: Runtime>(stage: &mut Stage<R>) {
    let mut user = stage.user();
    let channels = (user.subscribed("chat"), user.subscribed("private-orders"));
    stage.await_connection_count(1);
    drop(user);
    drop(channels);
    stage.await_connection_count(0);
}

pub(super) fn dropping_everything_ends_an_attempt_and_an_authorization<R: Runtime>(stage: &mut Stage<R>) {
    stage.auth_proxy().set(Flow::Silence);
    let mut user = stage.user();
    let mut orders = user.subscribe("private-orders");
    stage.await_auth_requests(1);
    drop(user);
    stage.proxy().set(Flow::Silence);
    let mut other = stage.user();
    other.until_state("connecting", |state| matches!(state, ConnectionState::Connecting { .. }));
    drop(other);
    let next = orders.poll();
    assert!(
        !matches!(next, Next::Event(_)),
        "expected nothing on private-orders, since its authorization was not answered, but this came: {next:?}"
    );
    drop(orders);
}
