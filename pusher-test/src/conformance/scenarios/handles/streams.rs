//! Streams of values and of states, and waiting for the user.

use pusher_driver::{HttpAuth, SignedInError, TypedError};
use pusher_proto::{ConnectionState, Event};

use crate::conformance::faults::Cut;
use crate::conformance::handles::WithHandles;
use crate::conformance::stage::{PATIENCE, Stage, options};

pub(super) fn a_typed_stream_has_values_and_says_where_it_has_gaps<H: WithHandles>(stage: &mut Stage<H>) {
    let runtime = stage.runtime().clone();
    let mut user = stage.user();
    let mut numbers = runtime.typed(user.subscribed("numbers").into_handle(), "message");
    let mut next = || {
        let next = runtime.next_typed(&mut numbers, PATIENCE);
        next.unwrap_or_else(|| panic!("expected an item of the typed stream, but nothing came within 20 s"))
    };
    // One at a time, because the nodes of a cluster may change the order.
    stage.publish("numbers", "1");
    assert_eq!(next(), Some(Ok(1)), "the payload is 1");
    stage.publish("numbers", "one");
    match next() {
        Some(Err(TypedError::Decode { event, .. })) => {
            assert_eq!(event.data().text(), "one", "the payload in the error");
        }
        other => panic!("expected TypedError::Decode, since the payload is not a number, but this came: {other:?}"),
    }
    stage.publish("numbers", "2");
    assert_eq!(next(), Some(Ok(2)), "the payload is 2");
    stage.proxy().cut(Cut::Drop);
    let gap = next();
    assert!(matches!(gap, Some(Err(TypedError::Gap { .. }))), "expected TypedError::Gap, but this came: {gap:?}");
    user.until("the channel is subscribed again", |event| matches!(event, Event::ContinuityLost { .. }));
    stage.publish("numbers", "3");
    assert_eq!(next(), Some(Ok(3)), "the payload is 3");
    user.unsubscribe("numbers");
    assert_eq!(next(), None, "the channel was unsubscribed");
}

pub(super) fn a_stream_of_states_continues_with_the_latest<H: WithHandles>(stage: &mut Stage<H>) {
    let runtime = stage.runtime().clone();
    let mut user = stage.user_at_rest(stage.setup(stage.config()));
    let mut states = runtime.states(user.logged());
    let mut next = || {
        let next = runtime.next_state(&mut states, PATIENCE);
        next.unwrap_or_else(|| panic!("expected a state, but nothing came within 20 s"))
    };
    assert_eq!(next(), Some(ConnectionState::Initialized), "the first state");
    user.connect();
    let mut next_socket = || loop {
        match next() {
            Some(ConnectionState::Connected { socket_id }) => return socket_id,
            Some(_) => {}
            None => panic!("expected a connection, but the stream of states ended"),
        }
    };
    let first = next_socket();
    stage.proxy().cut(Cut::Drop);
    assert_ne!(next_socket(), first, "the id of the next connection");
    user.shut_down(PATIENCE);
    assert_eq!(next(), Some(ConnectionState::Disconnected), "the last state");
    assert_eq!(next(), None, "the client was shut down");
}

pub(super) fn a_signed_in_user_is_waited_for_and_sees_who_is_online<H: WithHandles>(stage: &mut Stage<H>) {
    let runtime = stage.runtime().clone();
    let sign_in = |auth: HttpAuth| {
        let mut user = stage.handles(stage.config(), auth.user_endpoint(stage.user_auth_url()), &options());
        let none = runtime.signed_in(user.logged(), PATIENCE);
        assert_eq!(none, Err(SignedInError::NotRequested), "what `signed_in` returns before `signin`");
        user.signin();
        user.connect();
        let id = runtime.signed_in(user.logged(), PATIENCE).map(|user| user.id);
        (user, id)
    };
    let (mut ann, id) = sign_in(stage.auth().param("user_id", "ann").param("watchlist", "bob"));
    assert_eq!(id, Ok("ann".into()), "what `signed_in` returns");
    // Sockudo reports that a user came online only if they have a watchlist, too.
    let (mut bob, id) = sign_in(stage.auth().param("user_id", "bob").param("watchlist", "ann"));
    assert_eq!(id, Ok("bob".into()), "what `signed_in` returns");
    ann.until("the other user is online", |event| matches!(event, Event::Watchlist(event) if event.name == "online"));
    let online = ann.handle().online();
    assert!(online.iter().eq(["bob"]), "expected that bob is online, but these are: {online:?}");
    bob.shut_down(PATIENCE);
    stage.proxy().cut(Cut::Drop);
    ann.until("the user is signed in again", |event| matches!(event, Event::UserContinuityLost { .. }));
    let id = runtime.signed_in(ann.logged(), PATIENCE).map(|user| user.id);
    assert_eq!(id, Ok("ann".into()), "what `signed_in` returns after a loss");
    assert_eq!(ann.handle().stats().reconnects, 1, "reconnects after one loss");
}
