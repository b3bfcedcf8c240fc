//! How a client ends.

use std::future::Future;

use pusher_tokio::{Client, ConnectionState};
use tokio::sync::oneshot;

use crate::support::{PATIENCE, auth, publish, server, start, subscribed, within};

/// A callback that owns a sender: the loop drops it at its end.
fn end_of_loop(client: &Client) -> impl Future<Output = ()> + use<> {
    let (sender, receiver) = oneshot::channel::<()>();
    client.bind_all(move |_| assert!(!sender.is_closed()));
    async move { assert!(within(receiver).await.is_err()) }
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_task() {
    let server = server().await;
    let client = start(&server, auth(&server));
    let chat = subscribed(&client, "chat").await;
    let end = end_of_loop(&client);
    drop(client);
    publish(&server, "chat", "1");
    drop(chat);
    end.await;
}

#[tokio::test]
async fn shutdown_ends_the_task_and_the_streams() {
    let server = server().await;
    let client = start(&server, auth(&server));
    let mut chat = subscribed(&client, "chat").await;
    let end = end_of_loop(&client);
    within(client.shutdown(PATIENCE)).await;
    end.await;
    while within(chat.recv()).await.is_some() {}
    assert_eq!(client.state(), ConnectionState::Disconnected);
}
