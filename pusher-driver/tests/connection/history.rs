//! Pages of a channel's history.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pusher_driver::{HistoryRequest, NoAuth, Options, Subscription};
use pusher_proto::{CloseReason, HistoryError, HistoryQuery, Recovery};

use crate::world::{Wakes, World, config, now};

/// Connected in version 2 of the protocol, and subscribed to a channel.
pub(crate) fn subscribed() -> (World, Subscription) {
    let mut world = World::new(config().recovery(Recovery::default()), NoAuth, &Options::new());
    world.run();
    world.receive(r#"{"event":"sockudo:connection_established","data":"{\"socket_id\":\"1.1\"}"}"#);
    let orders = world.client.subscribe("orders").unwrap();
    world.run();
    world.receive(r#"{"event":"sockudo_internal:subscription_succeeded","channel":"orders","data":"{}"}"#);
    world.sent();
    (world, orders)
}

pub(crate) fn page(serial: u64) -> String {
    let message = format!(r#"{{"event":"e","channel":"orders","data":"{serial}"}}"#);
    let item = format!(r#"{{"stream_id":"s","serial":{serial},"published_at_ms":1,"message":{message}}}"#);
    format!(r#"{{"event":"sockudo:channel_history","channel":"orders","data":{{"items":[{item}]}}}}"#)
}

#[test]
fn a_page_reaches_the_call_that_asked_for_it_and_no_stream() {
    let (mut world, mut orders) = subscribed();
    while now(orders.recv()).is_ready() {}
    let (mut first, mut second) = (orders.history(HistoryQuery::default()), orders.history(HistoryQuery::default()));
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&waker);
    assert!(Pin::new(&mut first).poll(&mut context).is_pending());
    world.run();
    assert_eq!(world.sent().len(), 1, "one request at a time");
    world.receive(&page(1));
    assert_eq!((wakes.count(), world.sent().len()), (1, 1));
    world.receive(&page(2));
    let mut serial = |request: &mut HistoryRequest| match Pin::new(request).poll(&mut context) {
        Poll::Ready(Ok(page)) => page.items()[0].position().serial(),
        other => panic!("{other:?}"),
    };
    assert_eq!((serial(&mut second), serial(&mut first)), (2, 1));
    assert!(Pin::new(&mut first).poll(&mut context).is_pending(), "a page is returned once");
    assert!(now(orders.recv()).is_pending());
}

#[test]
fn the_page_of_a_dropped_call_is_discarded() {
    let (mut world, orders) = subscribed();
    drop(orders.history(HistoryQuery::default()));
    world.run();
    world.receive(&page(1));
    let second = orders.history(HistoryQuery::default());
    world.run();
    world.receive(&page(2));
    let Poll::Ready(Ok(page)) = now(second) else { panic!("there is a page") };
    assert_eq!(page.items()[0].position().serial(), 2);
}

#[test]
fn a_call_ends_with_the_socket_the_channel_and_the_loop() {
    let history = |orders: &Subscription| orders.history(HistoryQuery::default());
    let (mut world, orders) = subscribed();
    let request = history(&orders);
    world.run();
    world.lose_socket(CloseReason::Dropped);
    assert_eq!(now(request), Poll::Ready(Err(HistoryError::NotConnected)));
    assert_eq!(now(history(&orders)), Poll::Ready(Err(HistoryError::NotConnected)));

    let (mut world, orders) = subscribed();
    let request = history(&orders);
    world.client.unsubscribe("orders");
    world.run();
    assert_eq!(now(request), Poll::Ready(Err(HistoryError::NotSubscribed)));
    assert_eq!(now(history(&orders)), Poll::Ready(Err(HistoryError::NotSubscribed)));

    let (mut world, orders) = subscribed();
    let request = history(&orders);
    world.drop_loop();
    assert_eq!(now(request), Poll::Ready(Err(HistoryError::NotConnected)));
    assert_eq!(now(history(&orders)), Poll::Ready(Err(HistoryError::NotConnected)));
}
