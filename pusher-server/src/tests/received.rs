//! What a test learns about clients, at once or by waiting.

use pusher_proto::Data;

use super::*;
use crate::{Mark, Message as Sent};

#[tokio::test]
async fn the_server_tells_exactly_which_client_events_were_sent() {
    let server = start().await;
    let handle = server.handle();
    let (mut client, socket_id) = Client::connect(&server).await;
    let (_, auth) = ask(&server, FORM, &format!("socket_id={socket_id}&channel_name=private-a")).await;
    client.subscribe(&json!({ "channel": "private-a", "auth": auth["auth"] })).await;
    client.send(r#"{"event":"client-typing","channel":"private-a","data":{"user":7}}"#).await;
    let typing = Sent::ClientEvent {
        channel: "private-a".into(),
        event: "client-typing".into(),
        data: Data::from_serialize(&json!({ "user": 7 })).unwrap(),
    };
    let first = handle.wait_for_received(Mark::default(), LIMIT, |received| received.message == typing).await.unwrap();
    assert_eq!(first.connection, handle.connections()[0].connection);
    let received = handle.received();
    assert_eq!(received.client_events(), [&typing]);
    assert_eq!((received.subscribed_channels(), received.missed()), (vec!["private-a"], 0));

    let mark = handle.mark();
    client.send(r#"{"event":"pusher:unsubscribe","data":{"channel":"private-a"}}"#).await;
    let unsubscribe = Sent::Unsubscribe { channel: "private-a".into() };
    handle.wait_for_received(mark, LIMIT, |received| received.message == unsubscribe).await.unwrap();
    assert!(handle.received_since(mark).client_events().is_empty());
    assert_eq!(handle.received_since(mark).messages().len(), 1);
    assert_eq!(handle.subscriptions(), [].into());
}

#[tokio::test]
async fn a_test_waits_until_enough_clients_are_connected_and_subscribed() {
    let server = start().await;
    let handle = server.handle();
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move {
            let connected = handle.wait_for_connection(2, LIMIT).await.unwrap().len();
            (connected, handle.wait_for_subscription(&channel("a"), 2, LIMIT).await.unwrap())
        }
    });
    let mut clients = Vec::new();
    for _ in 0..2 {
        let (mut client, _) = Client::connect(&server).await;
        client.subscribe(&json!({ "channel": "a" })).await;
        clients.push(client);
    }
    let connections: Vec<_> = handle.connections().iter().map(|state| state.connection).collect();
    assert_eq!(waiting.await.unwrap(), (2, connections));
    handle.cut_all();
    let error = handle.wait_for_subscription(&channel("a"), 1, Duration::from_millis(1)).await.unwrap_err();
    let expected = "after 1ms, 0 of 1 clients are subscribed to a (connections: 0, subscriptions: none)";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn the_error_of_a_wait_says_what_happened_instead() {
    let server = start().await;
    let handle = server.handle();
    let (mut client, _) = Client::connect(&server).await;
    client.subscribe(&json!({ "channel": "b" })).await;
    let moment = Duration::from_millis(1);
    let error = handle.wait_for_connection(2, moment).await.unwrap_err();
    assert_eq!(error.to_string(), "after 1ms, 1 of 2 clients are connected (connections: 1, subscriptions: b (1))");
    let error = handle.wait_for_received(Mark::default(), moment, |_| false).await.unwrap_err();
    let expected = "after 1ms, none of 1 messages is the expected one; the last ones, newest first: pusher:subscribe b \
                    (connections: 1, subscriptions: b (1))";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_test_may_use_the_handle_while_it_looks_for_a_message() {
    let server = start().await;
    let handle = server.handle();
    let (mut client, _) = Client::connect(&server).await;
    client.subscribe(&json!({ "channel": "a" })).await;
    let found = handle.wait_for_received(Mark::default(), LIMIT, |_| handle.connection_count() == 1).await;
    assert_eq!(found.unwrap().message, Sent::Subscribe { channel: "a".into() });
}
