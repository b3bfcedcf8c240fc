//! Refusals of one channel, ends of one connection, and messages by hand.

use super::*;

async fn auth_of(server: &Server, channel: &str) -> u16 {
    ask(server, FORM, &format!("socket_id=1.2&channel_name={channel}")).await.0
}

#[tokio::test]
async fn the_auth_endpoint_refuses_one_channel_until_the_refusal_ends() {
    let server = start().await;
    let handle = server.handle();
    handle.refuse_auth_for(&channel("private-a"), true);
    assert_eq!([auth_of(&server, "private-a").await, auth_of(&server, "private-b").await], [403, 200]);
    let batch = json!({ "socket_id": "1.2", "channel_name": ["private-a", "private-b"] }).to_string();
    let url = format!("{}/pusher/auth/batch", server.http_url());
    let request = http_client().post(url).header("Content-Type", "application/json").body(batch);
    let (status, answers) = answer(request).await;
    assert_eq!(
        (status, &answers["private-a"]["status"], &answers["private-b"]["status"]),
        (200, &json!(403), &json!(200))
    );
    let error = handle.wait_for_subscription(&channel("private-a"), 1, Duration::ZERO).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "after 0ns, 0 of 1 clients are subscribed to private-a (connections: 0, subscriptions: none, refused \
         authorizations: 1)"
    );
    handle.refuse_auth_for(&channel("private-a"), false);
    assert_eq!(auth_of(&server, "private-a").await, 200);
}

#[tokio::test]
async fn the_server_refuses_one_channel_until_the_refusal_ends() {
    let server = Server::start(Options::default().dialect(Dialect::Soketi)).await.unwrap();
    let handle = server.handle();
    let (mut client, _) = Client::connect(&server).await;
    handle.refuse_subscriptions(&channel("a"), true);
    client.send(r#"{"event":"pusher:subscribe","data":{"channel":"a"}}"#).await;
    let refusal = json!({ "type": "AuthError", "error": "The connection is unauthorized.", "status": 401 });
    assert_eq!(client.event().await, ("pusher:subscription_error".into(), refusal));
    client.subscribe(&json!({ "channel": "b" })).await;
    assert_eq!(handle.subscriptions(), [(channel("b"), 1)].into());
    handle.refuse_subscriptions(&channel("a"), false);
    client.subscribe(&json!({ "channel": "a" })).await;
    assert_eq!(handle.subscriptions(), [(channel("a"), 1), (channel("b"), 1)].into());
}

#[tokio::test]
async fn one_connection_ends_and_the_others_continue() {
    let server = start().await;
    let handle = server.handle();
    let [mut closed, mut cut, mut other] =
        [Client::connect(&server).await.0, Client::connect(&server).await.0, Client::connect(&server).await.0];
    let connections: Vec<_> = handle.connections().iter().map(|state| state.connection).collect();
    assert!(handle.close_connection(connections[0], 4200, "restart"));
    assert!(handle.cut_connection(connections[1]));
    assert_eq!([closed.close_code().await, cut.close_code().await], [Some(4200), None]);
    assert_eq!(handle.connections().iter().map(|state| state.connection).collect::<Vec<_>>(), connections[2..]);
    other.send(r#"{"event":"pusher:ping"}"#).await;
    assert_eq!(other.event().await.0, "pusher:pong");
    assert!(!handle.close_connection(connections[0], 4200, "restart"));
    assert!(!handle.cut_connection(connections[1]));
}

#[tokio::test]
async fn messages_by_hand_reach_one_client_or_all() {
    let server = start().await;
    let handle = server.handle();
    let [(mut one, _), (mut other, _)] = [Client::connect(&server).await, Client::connect(&server).await];
    let connection = handle.connections()[0].connection;
    assert!(handle.send(connection, "not JSON"));
    assert_eq!(one.next().await, Some(Message::text("not JSON")));
    assert_eq!(handle.send_all(r#"{"event":"e"}"#), 2);
    assert_eq!([one.event().await.0, other.event().await.0], ["e", "e"]);
    assert!(handle.send_error(connection, Some(4301), "too fast"));
    assert_eq!(one.event().await, ("pusher:error".into(), json!({ "code": 4301, "message": "too fast" })));
    let mark = handle.mark();
    assert!(handle.send_ping(connection));
    assert!(matches!(one.next().await, Some(Message::Ping(_))));
    // The library answers with the next read.
    one.expect_nothing().await;
    let pong = handle.wait_for_received(mark, LIMIT, |received| received.frame == Frame::Pong).await.unwrap();
    assert_eq!(pong.connection, connection);
    other.expect_nothing().await;

    let unknown = ConnectionId::new(99);
    assert!(!handle.send(unknown, "") && !handle.send_error(unknown, None, "") && !handle.send_ping(unknown));
}
