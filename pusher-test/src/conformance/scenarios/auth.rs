//! Auth servers, good and bad.

use std::time::{Duration, Instant};

use pusher_driver::SubscribeError;
use pusher_proto::{AuthBody, AuthError, ChannelName, Event, SubscriptionError};

use crate::adapter::Adapter;
use crate::faults::{Cut, Flow};
use crate::world::{PATIENCE, World, next, options, text};

pub(super) fn a_slow_auth_server_does_not_hold_up_others<A: Adapter>(world: &mut World<A>) {
    world.auth_proxy.set(Flow::Silence);
    let user = world.user();
    let mut orders = user.subscribe("private-orders");
    world.await_asked(1);
    let mut chat = user.subscribed("chat");
    world.publish("chat", "1");
    assert_eq!(text::<A>(&mut chat), "1");
    assert!(!orders.is_subscribed());
    world.auth_proxy.set(Flow::Pass);
    A::subscribed(&orders).unwrap();
    assert_eq!(next::<A>(&mut orders).name(), "pusher:subscription_succeeded");
}

pub(super) fn an_auth_server_that_takes_too_long_is_given_up<A: Adapter>(world: &mut World<A>) {
    world.auth_proxy.set(Flow::Silence);
    let config = world.config().auth_timeout(Duration::from_millis(20)).auth_retries(0);
    let user = world.user_with(config, world.auth(), &options());
    user.client.connect();
    let orders = user.subscribe("private-orders");
    let timeout = SubscribeError::Channel(SubscriptionError::Auth(AuthError::Timeout.at(world.auth_url())));
    assert_eq!(A::subscribed(&orders), Err(timeout));
}

pub(super) fn requests_that_hang_do_not_delay_later_ones<A: Adapter>(world: &mut World<A>) {
    world.auth_proxy.set(Flow::Silence);
    let config = world.config().auth_timeout(Duration::from_millis(20)).auth_retries(0);
    let user = world.user_with(config, world.auth(), &options());
    user.client.connect();
    // More than any adapter has connections or threads for at once.
    let timeout = SubscribeError::Channel(SubscriptionError::Auth(AuthError::Timeout.at(world.auth_url())));
    for number in 0..10 {
        let hanging = user.subscribe(&format!("private-{number}"));
        assert_eq!(A::subscribed(&hanging), Err(timeout.clone()));
    }
    let start = Instant::now();
    let quick = user.subscribe("private-quick");
    world.await_asked(11);
    world.auth_proxy.set(Flow::Pass);
    // The machine may be too busy for an answer within the limit above.
    while A::subscribed(&quick) == Err(timeout.clone()) {
        drop(user.subscribe("private-quick"));
    }
    A::subscribed(&quick).unwrap();
    assert!(start.elapsed() < PATIENCE);
}

pub(super) fn a_refusal_of_the_auth_server_is_an_error_of_the_channel<A: Adapter>(world: &mut World<A>) {
    world.handle().refuse_auth(true);
    let user = world.user();
    let orders = user.subscribe("private-orders");
    match A::subscribed(&orders) {
        Err(SubscribeError::Channel(SubscriptionError::Auth(error))) if error.status() == 403 => {}
        other => panic!("{other:?}"),
    }
    world.handle().refuse_auth(false);
    let again = user.subscribe("private-orders");
    A::subscribed(&again).unwrap();
}

pub(super) fn a_flapping_auth_server_is_asked_again<A: Adapter>(world: &mut World<A>) {
    world.handle().auth_status(Some(503));
    let user = world.user();
    let orders = user.subscribe("private-orders");
    // The second request is sent once the first answer has failed.
    world.await_asked(2);
    world.handle().auth_status(None);
    A::subscribed(&orders).unwrap();
}

pub(super) fn an_expired_token_is_renewed_once<A: Adapter>(world: &mut World<A>) {
    let handle = world.handle();
    handle.auth_status(Some(401));
    let renewing = handle.clone();
    let auth = world.auth().on_unauthorized(move |_| renewing.auth_status(None));
    let user = world.user_with(world.config(), auth, &options());
    user.client.connect();
    A::subscribed(&user.subscribe("private-orders")).unwrap();

    let auth = world.auth().on_unauthorized(|_| {});
    handle.auth_status(Some(401));
    let user = world.user_with(world.config(), auth, &options());
    user.client.connect();
    match A::subscribed(&user.subscribe("private-orders")) {
        Err(SubscribeError::Channel(SubscriptionError::Auth(error))) if error.status() == 401 => {}
        other => panic!("{other:?}"),
    }
}

pub(super) fn many_channels_are_authorized_by_one_request<A: Adapter>(world: &mut World<A>) {
    for body in [AuthBody::Form, AuthBody::Json] {
        let asked = world.asked();
        let auth = world.auth().batch_endpoint(format!("{}/batch", world.auth_url()));
        let user = world.user_with(world.config(), auth, &options().auth_body(body));
        let names = ["private-orders", "presence-chat", "private-encrypted-x"];
        let granted = names.map(|channel| user.subscribe(channel));
        let refused = user.subscribe("private-forbidden");
        user.client.connect();
        for mut subscription in granted {
            A::subscribed(&subscription).unwrap();
            assert_eq!(next::<A>(&mut subscription).name(), "pusher:subscription_succeeded");
        }
        match A::subscribed(&refused) {
            Err(SubscribeError::Channel(SubscriptionError::Auth(error))) => {
                let excerpt = "private-forbidden is forbidden".into();
                let forbidden = AuthError::Http { status: 403, excerpt, retry_after: None };
                assert_eq!(error, forbidden.at(format!("{}/batch", world.auth_url())));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(world.asked() - asked, 1);
    }
}

pub(super) fn an_answer_for_an_earlier_socket_is_not_used<A: Adapter>(world: &mut World<A>) {
    world.auth_proxy.set(Flow::Silence);
    let user = world.user();
    user.until_connected();
    let mut orders = user.subscribe("private-orders");
    world.await_asked(1);
    world.proxy.cut(Cut::Drop);
    user.until_connected();
    world.await_asked(2);
    world.auth_proxy.set(Flow::Pass);
    A::subscribed(&orders).unwrap();
    // With the signature for the first socket, the server would have refused.
    assert_eq!(next::<A>(&mut orders).name(), "pusher:subscription_succeeded");
    assert!(!user.log.try_iter().any(|event| matches!(event, Event::SubscriptionError { .. })));
}

pub(super) fn a_channel_can_be_left_while_its_authorization_is_on_its_way<A: Adapter>(world: &mut World<A>) {
    world.auth_proxy.set(Flow::Silence);
    let user = world.user();
    let mut orders = user.subscribe("private-orders");
    world.await_asked(1);
    let name = ChannelName::new("private-orders").unwrap();
    user.client.unsubscribe(&name);
    assert_eq!(A::subscribed(&orders), Err(SubscribeError::Unsubscribed));
    assert_eq!(A::recv(&mut orders), None);
    world.auth_proxy.set(Flow::Pass);
    user.subscribed("private-other");
    assert_eq!(user.client.channel(&name), None);
    world.publish("private-orders", "1");
    let mut chat = user.subscribed("chat");
    world.publish("chat", "2");
    assert_eq!(text::<A>(&mut chat), "2");
    let is_stray = |event: &Event| event.channel() == Some(&name);
    assert!(!user.log.try_iter().any(|event| is_stray(&event)));
}
