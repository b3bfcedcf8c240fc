//! The backend, with a client instead of its page.

use pusher_server::Server;
use pusher_tokio::pusher_proto::signing::App;
use pusher_tokio::{Client, Config, Event, HttpAuth, Subscription, connect};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{LIMIT, Program, server};

/// Starts the program; returns it and its address.
async fn start(server: &Server) -> (Program, String) {
    let mut backend = Program::start(env!("CARGO_BIN_EXE_axum-backend"), &[], server);
    let line = backend.line_with("open http://").await;
    let origin = line.trim_start_matches("open ").trim_end_matches("/?user=ann").to_owned();
    (backend, origin)
}

/// What the page of a user does with pusher-js.
fn page(server: &Server, origin: &str, user: &str) -> Client {
    let auth = HttpAuth::new(format!("{origin}/pusher/auth"))
        .user_endpoint(format!("{origin}/pusher/user-auth"))
        .header("Cookie", format!("user={user}"));
    connect(Config::new("app-key", server.ws_url().as_str()).unwrap(), auth).unwrap()
}

fn http() -> reqwest::Client {
    // Only the first call installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

async fn post(origin: &str, user: &str, message: &Value) -> (u16, String) {
    let request = http().post(format!("{origin}/messages")).header("Cookie", format!("user={user}"));
    let response = request.header("Content-Type", "application/json").body(message.to_string()).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// The next published event on a channel.
async fn published(channel: &mut Subscription) -> (String, Value) {
    loop {
        let event = timeout(LIMIT, channel.recv()).await.expect("no event came").unwrap();
        if let Event::Channel(event) = event {
            return (event.event().to_owned(), event.data().json().unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_serves_a_page_that_knows_the_server() {
    let server = server().await;
    let (_backend, origin) = start(&server).await;
    let response = http().get(format!("{origin}/?user=ann")).send().await.unwrap();
    assert_eq!(response.headers()["set-cookie"], "user=ann; HttpOnly; SameSite=Lax");
    let page = response.text().await.unwrap();
    assert!(
        page.contains(&format!("new URL(\"{}\")", server.ws_url())) && page.contains("src=\"/pusher.js\""),
        "{page}"
    );
    let response = http().get(format!("{origin}/?user=a%3Bb")).send().await.unwrap();
    assert!(!response.headers().contains_key("set-cookie"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_signs_for_its_users_and_publishes_what_they_write() {
    let server = server().await;
    let (_backend, origin) = start(&server).await;
    let ann = page(&server, &origin, "ann");
    let mut room = ann.subscribe("presence-room").unwrap();
    timeout(LIMIT, room.subscribed()).await.unwrap().unwrap();
    assert_eq!(room.me().unwrap().id, "ann");
    timeout(LIMIT, ann.subscribe("private-ann").unwrap().subscribed()).await.unwrap().unwrap();
    for refused in ["private-bob", "presence-other"] {
        let channel = ann.subscribe(refused).unwrap();
        timeout(LIMIT, channel.subscribed()).await.unwrap().unwrap_err();
    }
    ann.signin();
    assert_eq!(timeout(LIMIT, ann.signed_in()).await.unwrap().unwrap().id, "ann");

    let mut events = ann.events();
    let own = json!({ "text": "hidden from this socket", "socket_id": ann.socket_id().unwrap().as_str() });
    assert_eq!(post(&origin, "ann", &own).await, (200, String::new()));
    assert_eq!(post(&origin, "bob", &json!({ "text": "hi" })).await, (200, String::new()));
    assert_eq!(published(&mut room).await, ("message".to_owned(), json!({ "from": "bob", "text": "hi" })));
    loop {
        let event = timeout(LIMIT, events.recv()).await.expect("no event for the user came").unwrap();
        if let Event::User(event) = event {
            assert_eq!((event.event(), event.data().text().as_ref()), ("sent", "hidden from this socket"));
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_refuses_users_who_are_not_logged_in_and_unsigned_webhooks() {
    let server = server().await;
    let (mut backend, origin) = start(&server).await;
    let response =
        http().post(format!("{origin}/pusher/auth")).body("socket_id=1.2&channel_name=presence-room").send().await;
    assert_eq!(response.unwrap().status(), 403);
    let (status, text) = post(&origin, "ann", &json!({ "text": "x".repeat(20_000) })).await;
    assert_eq!(status, 400);
    assert!(text.contains("more than 10240"), "{text}");

    let body = r#"{"time_ms":1,"events":[{"name":"channel_vacated","channel":"presence-room"}]}"#;
    let signature = App::new("1", "app-key", "app-secret").unwrap().sign_webhook(body.as_bytes()).unwrap();
    for (signature, expected) in [("00", 401), (&signature, 200)] {
        let request = http().post(format!("{origin}/pusher/webhook")).body(body);
        let request = request.header("X-Pusher-Key", "app-key").header("X-Pusher-Signature", signature);
        assert_eq!(request.send().await.unwrap().status(), expected);
    }
    assert_eq!(backend.next_line().await.unwrap(), r#"webhook: ChannelVacated { channel: "presence-room" }"#);
}
