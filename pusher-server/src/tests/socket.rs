use super::*;

#[tokio::test]
async fn refuses_sockets_with_close_codes() {
    let server = start().await;
    for (target, code) in [("/app/other?protocol=7", 4001), ("/x/app-key?protocol=7", 4005), ("/app/app-key", 4008)] {
        assert_eq!(Client::open(&server, target).await.close_code().await, Some(code), "{target}");
    }
    server.handle().refuse_connections(Some((4100, &"é".repeat(100))));
    assert_eq!(Client::open(&server, "/app/app-key?protocol=7").await.close_code().await, Some(4100));
}

#[tokio::test]
async fn ends_every_connection_with_a_code_or_without() {
    let server = start().await;
    let handle = server.handle();
    let (mut client, _) = Client::connect(&server).await;
    handle.close_all(4201, "gone");
    assert_eq!(client.close_code().await, Some(4201));
    let (mut client, _) = Client::connect(&server).await;
    handle.cut_all();
    assert_eq!(client.close_code().await, None);
    assert_eq!(handle.connection_count(), 0);
}

#[tokio::test]
async fn shuts_down_with_a_code_that_invites_back() {
    let server = start().await;
    let address = server.address();
    let (mut client, _) = Client::connect(&server).await;
    let closing = tokio::spawn(async move { client.close_code().await });
    timeout(Duration::from_secs(4), server.shutdown()).await.expect("every client had closed");
    assert_eq!(closing.await.unwrap(), Some(4200));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn cuts_a_client_that_does_not_read() {
    let server = Server::start(Options::default().queue_len(8)).await.unwrap();
    let (mut client, _) = Client::connect(&server).await;
    client.subscribe(&json!({ "channel": "a" })).await;
    let publication = Publication::new("e", [ChannelName::new("a").unwrap()], "x".repeat(10_000));
    for _ in 0..10 {
        server.handle().trigger(&publication).unwrap();
    }
    assert_eq!(client.close_code().await, None);
    assert_eq!(server.handle().connection_count(), 0);
}

#[tokio::test]
async fn a_member_whose_socket_is_cut_may_return_and_one_who_closes_has_left() {
    let options = Options::default().dialect(Dialect::SockudoV2).sign_for_unknown_sockets(true);
    let server = Server::start(options).await.unwrap();
    let (room, handle) = (channel("presence-room"), server.handle());
    let mut bob = enter(&server, "bob").await;
    let mut alice = enter(&server, "alice").await;
    assert_eq!(bob.event().await.0, "sockudo_internal:member_added");

    assert!(handle.cut_connection(handle.connections()[1].connection));
    assert_eq!(alice.close_code().await, None);
    assert_eq!(handle.users(&room).unwrap(), ["bob", "alice"]);

    let mut alice = enter(&server, "alice").await;
    alice.socket.close(None).await.unwrap();
    assert_eq!(bob.event().await, ("sockudo_internal:member_removed".into(), json!({ "user_id": "alice" })));
    assert_eq!(handle.users(&room).unwrap(), ["bob"]);
}

/// Connects in version 2, and subscribes the room.
async fn enter(server: &Server, user: &str) -> Client {
    let mut client = Client::open(server, "/app/app-key?protocol=2").await;
    let (_, greeting) = client.event().await;
    let question = json!({ "socket_id": greeting["socket_id"], "channel_name": "presence-room", "user_id": user });
    let (_, mut auth) = ask(server, "application/json", &question.to_string()).await;
    auth["channel"] = json!("presence-room");
    client.send(json!({ "event": "sockudo:subscribe", "data": auth }).to_string()).await;
    assert_eq!(client.event().await.0, "sockudo_internal:subscription_succeeded");
    client
}
