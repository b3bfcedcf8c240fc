//! Events parsed into the application's types.

use std::task::Poll;

use pusher_driver::{NoAuth, Options, Typed, TypedError};
use pusher_proto::{AuthError, AuthRequest, CloseReason, Event, SubscriptionError};

use crate::world::{World, config, event, now, succeeded};

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Order {
    id: u64,
}

#[derive(Debug, PartialEq)]
enum Change {
    Created(Order),
    Cancelled(u64),
}

fn next<T>(typed: &mut Typed<T>) -> Option<Result<T, TypedError>> {
    match now(typed.recv()) {
        Poll::Ready(item) => Some(item.expect("the stream goes on")),
        Poll::Pending => None,
    }
}

fn order(name: &str, id: u64) -> String {
    event("orders", name, &format!(r#"{{\"id\":{id}}}"#))
}

#[test]
fn a_typed_stream_has_the_payloads_of_its_events_and_skips_the_others() {
    let mut world = World::connected(NoAuth);
    let mut orders = world.client.subscribe("orders").unwrap().typed::<Order>("order.created");
    world.run();
    let count = event("orders", "pusher_internal:subscription_count", r#"{\"subscription_count\":3}"#);
    world.receive_all([&*succeeded("orders"), &order("order.created", 1), &order("other", 2), &count]);
    world.receive(&order("order.created", 3));
    assert_eq!(next(&mut orders), Some(Ok(Order { id: 1 })));
    assert_eq!(next(&mut orders), Some(Ok(Order { id: 3 })));
    assert_eq!(next(&mut orders), None);
    assert!(orders.subscription().is_subscribed());
    let mut raw = orders.into_subscription();
    world.receive(&order("other", 4));
    assert!(matches!(now(raw.recv()), Poll::Ready(Some(Event::Channel(event))) if event.event() == "other"));
    world.client.unsubscribe("orders");
    assert_eq!(now(raw.typed::<Order>("x").recv()), Poll::Ready(None));
}

#[test]
fn several_kinds_of_events_become_one_type_in_their_order() {
    let mut world = World::connected(NoAuth);
    let mut changes = world
        .client
        .subscribe("orders")
        .unwrap()
        .decode()
        .on("order.created", Change::Created)
        .on("order.cancelled", |order: Order| Change::Cancelled(order.id))
        .on("order.created", |_: Order| Change::Cancelled(0));
    world.run();
    world.receive(&succeeded("orders"));
    let names = ["order.created", "order.cancelled", "order.shipped", "order.created"];
    world.receive_all(names.map(|name| order(name, 7)).iter().map(String::as_str));
    let created = || Some(Ok(Change::Created(Order { id: 7 })));
    assert_eq!(next(&mut changes), created());
    assert_eq!(next(&mut changes), Some(Ok(Change::Cancelled(7))));
    assert_eq!(next(&mut changes), created());
    assert_eq!(next(&mut changes), None);
}

#[test]
fn an_unreadable_payload_is_an_error_with_the_event_and_the_stream_continues() {
    let mut world = World::connected(NoAuth);
    let mut orders = world.client.subscribe("orders").unwrap().typed::<Order>("order.created");
    world.run();
    let broken = event("orders", "order.created", r#"{\"number\":1}"#);
    world.receive_all([&*succeeded("orders"), &broken, &order("order.created", 2)]);
    let Some(Err(error)) = next(&mut orders) else { panic!("the payload has no id") };
    assert_eq!(error.to_string(), "cannot read order.created of orders: missing field `id` at line 1 column 12");
    let TypedError::Decode { event, .. } = error else { panic!("{error:?}") };
    assert_eq!((event.channel().as_str(), &*event.data().text()), ("orders", r#"{"number":1}"#));
    assert_eq!(next(&mut orders), Some(Ok(Order { id: 2 })));
}

#[test]
fn a_gap_is_an_error_at_its_place_but_the_first_subscription_is_not() {
    let options = Options::new().mailbox_len(2);
    let mut world = World::connected_with_options(&options, NoAuth);
    let mut orders = world.client.subscribe("orders").unwrap().typed::<Order>("order.created");
    world.run();
    world.receive(&succeeded("orders"));
    assert_eq!(next(&mut orders), None);
    for id in 1..=4 {
        world.receive(&order("order.created", id));
    }
    let gap = |orders: &mut _| match next(orders) {
        Some(Err(TypedError::Gap { channel, event })) => {
            assert_eq!(channel.as_str(), "orders");
            *event
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(gap(&mut orders), Event::Lagged { missed: 2 });
    assert_eq!(next(&mut orders), Some(Ok(Order { id: 3 })));
    assert_eq!(next(&mut orders), Some(Ok(Order { id: 4 })));
    world.lose_socket(CloseReason::Dropped);
    world.wake_sleepers();
    world.greet();
    world.receive(&succeeded("orders"));
    assert!(matches!(gap(&mut orders), Event::ContinuityLost { .. }));
    world.receive(&order("order.created", 5));
    assert_eq!(next(&mut orders), Some(Ok(Order { id: 5 })));
}

#[test]
fn a_refused_subscription_and_a_failed_connection_are_errors_and_temporary_failures_are_not() {
    let answers = std::sync::Mutex::new(vec![AuthError::Handler("no".into()), AuthError::Network("busy".into())]);
    let mut world = World::connected_with(config(), move |_: AuthRequest| {
        std::future::ready(Err(answers.lock().unwrap().pop().unwrap()))
    });
    let mut orders = world.client.subscribe("private-orders").unwrap().typed::<Order>("order.created");
    world.run();
    assert_eq!(next(&mut orders), None, "it is tried again");
    world.wake_sleepers();
    let refused = SubscriptionError::Auth(AuthError::Handler("no".into()));
    let channel = orders.subscription().name().clone();
    assert_eq!(next(&mut orders), Some(Err(TypedError::Refused { channel, error: refused })));
    world.lose_socket(CloseReason::Closed(Some(pusher_proto::CloseFrame { code: 4_001, reason: "no app".into() })));
    assert!(matches!(next(&mut orders), Some(Err(TypedError::Failed(_)))));
    assert_eq!(next(&mut orders), None);
}
