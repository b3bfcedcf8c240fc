use super::*;
use pusher_proto::server::Dialect;
use pusher_proto::signing::MasterKey;

async fn user_auth(server: &Server, content_type: &str, body: &str) -> (u16, Value) {
    let url = format!("{}/pusher/user-auth", server.http_url());
    answer(http_client().post(url).header("Content-Type", content_type).body(body.to_owned())).await
}

#[tokio::test]
async fn a_user_signs_in_gets_an_event_and_is_thrown_out() {
    let server = start().await;
    let (mut client, socket_id) = Client::connect(&server).await;
    let (status, auth) = user_auth(&server, FORM, &format!("socket_id={socket_id}&user_id=ann")).await;
    assert_eq!(status, 200);
    client.send(json!({ "event": "pusher:signin", "data": auth }).to_string()).await;
    assert_eq!(client.event().await.0, "pusher:signin_success");
    client.subscribe(&json!({ "channel": "#server-to-user-ann" })).await;

    let body = r##"{"name":"notice","channels":["#server-to-user-ann"],"data":"1"}"##;
    assert_eq!(call(&server, "POST /apps/1/events", &[], body, 0).await, (200, json!({})));
    assert_eq!(client.event().await, ("notice".into(), json!(1)));

    let line = "POST /apps/1/users/ann/terminate_connections";
    assert_eq!(call(&server, line, &[], "{}", 0).await, (200, json!({})));
    assert_eq!(client.close_code().await, Some(4009));
}

#[tokio::test]
async fn the_user_endpoint_describes_the_requested_user() {
    let server = start().await;
    let table = [
        (FORM, "socket_id=1.2", json!({ "id": "1.2" })),
        (
            FORM,
            "socket_id=1.2&user_id=7&user_info=%7B%22n%22%3A1%7D&watchlist=a,+b",
            json!({ "id": "7", "user_info": { "n": 1 }, "watchlist": ["a", "b"] }),
        ),
        (FORM, "socket_id=1.2&watchlist=%5B%22a%22%5D", json!({ "id": "1.2", "watchlist": ["a"] })),
        (
            "application/json",
            r#"{"socket_id":"1.2","user_id":7,"user_info":"1","watchlist":["a"]}"#,
            json!({ "id": "7", "user_info": "1", "watchlist": ["a"] }),
        ),
    ];
    for (content_type, body, expected) in table {
        let (status, answer) = user_auth(&server, content_type, body).await;
        let data: Value = serde_json::from_str(answer["user_data"].as_str().unwrap()).unwrap();
        assert_eq!((status, data), (200, expected), "{body}");
    }
    assert_eq!(user_auth(&server, FORM, "user_id=7").await.0, 400);
    server.handle().refuse_auth(true);
    assert_eq!(user_auth(&server, FORM, "socket_id=1.2").await.0, 403);
}

#[tokio::test]
async fn speaks_like_the_server_that_it_shall_be() {
    let server = Server::start(Options::default().dialect(Dialect::Reverb)).await.unwrap();
    let mut client = Client::open(&server, "/app/other?protocol=7").await;
    let (event, data) = client.event().await;
    assert_eq!((event.as_str(), &data["code"]), ("pusher:error", &json!(4001)));
    assert_eq!(client.close_code().await, None);
    let line = "POST /apps/1/users/ann/terminate_connections";
    let server = Server::start(Options::default().dialect(Dialect::LaravelWebsockets)).await.unwrap();
    assert_eq!(call(&server, line, &[], "{}", 0).await.0, 404);
}

#[tokio::test]
async fn replaces_the_master_key_while_it_runs() {
    let server = start().await;
    let form = "socket_id=1.2&channel_name=private-encrypted-a";
    let before = ask(&server, FORM, form).await.1;
    server.handle().rotate_master_key(MasterKey::new([8; 32]));
    let after = ask(&server, FORM, form).await.1;
    assert_eq!(before["auth"], after["auth"]);
    let channel = ChannelName::new("private-encrypted-a").unwrap();
    assert_eq!(after["shared_secret"], MasterKey::new([8; 32]).shared_secret(&channel).expose());
}
