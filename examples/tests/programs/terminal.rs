//! The programs that print.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use pusher_server::pusher_proto::server::Publication;
use pusher_tokio::{ChannelName, Config, HttpAuth, connect};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{LIMIT, Program, run, server};

const CHAT: &str = env!("CARGO_BIN_EXE_chat");
const BOARD: &str = env!("CARGO_BIN_EXE_presence-board");
const NOTIFIER: &str = env!("CARGO_BIN_EXE_encrypted-notifier");
const BRIDGE: &str = env!("CARGO_BIN_EXE_bridge");
const WORKER: &str = env!("CARGO_BIN_EXE_refetch-worker");

fn event(channel: &str, name: &str, data: &Value) -> Publication {
    Publication::new(name, [ChannelName::new(channel).unwrap()], data.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_shows_who_comes_types_writes_and_leaves() {
    let server = server().await;
    let mut ann = Program::start(CHAT, &["ann"], &server);
    ann.line_with("here: ann").await;
    let mut bob = Program::start(CHAT, &["bob"], &server);
    bob.line_with("here: ann, bob").await;
    assert_eq!(ann.next_line().await.unwrap(), "bob came");
    bob.write("hel").await;
    assert_eq!(ann.next_line().await.unwrap(), "bob is typing …");
    bob.write("lo\n").await;
    assert_eq!(ann.next_line().await.unwrap(), "bob: hello");
    bob.close_input().await;
    assert_eq!(ann.next_line().await.unwrap(), "bob left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_shows_who_is_online() {
    let server = server().await;
    let mut board = Program::start(BOARD, &["presence-chat"], &server);
    assert_eq!(board.next_line().await.unwrap(), "0 online: ");
    let auth = HttpAuth::new(format!("{}/pusher/auth", server.http_url())).param("user_id", "ann");
    let ann = connect(Config::new("app-key", server.ws_url().as_str()).unwrap(), auth).unwrap();
    ann.subscribe("presence-chat").unwrap().keep();
    assert_eq!(board.next_line().await.unwrap(), "1 online: ann");
    ann.shutdown(Duration::from_secs(5)).await;
    assert_eq!(board.next_line().await.unwrap(), "0 online: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_encrypted_by_the_sender_and_read_by_the_listener() {
    let server = server().await;
    let mut listener = Program::start(NOTIFIER, &["listen"], &server);
    listener.line_with("listening on").await;
    assert_eq!(run(NOTIFIER, &["send", "the backup is done"], &server).await, (true, String::new()));
    assert_eq!(listener.next_line().await.unwrap(), "the backup is done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_prints_one_object_per_line() {
    let server = server().await;
    let mut bridge = Program::start(BRIDGE, &["chat", "private-orders"], &server);
    for _ in 0..2 {
        bridge.line_with("subscription_succeeded").await;
    }
    server.handle().trigger(&event("private-orders", "created", &json!({ "id": 1 }))).unwrap();
    let line: Value = serde_json::from_str(&bridge.line_with("created").await).unwrap();
    assert_eq!(
        (&line["channel"], &line["event"], &line["data"]),
        (&json!("private-orders"), &json!("created"), &json!(r#"{"id":1}"#))
    );
    server.handle().cut_all();
    let line: Value = serde_json::from_str(&bridge.line_with("continuity").await).unwrap();
    assert!(["chat", "private-orders"].map(|name| json!(name)).contains(&line["channel"]), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_loads_its_state_again_after_a_gap() {
    let count = Arc::new(AtomicU64::new(1));
    let orders = {
        let count = Arc::clone(&count);
        move || async move {
            let orders: Vec<_> =
                (0..count.load(Ordering::SeqCst)).map(|id| json!({ "id": id, "status": "new" })).collect();
            axum::Json(orders)
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = format!("http://{}/orders", listener.local_addr().unwrap());
    let state = tokio::spawn(axum::serve(listener, Router::new().route("/orders", get(orders))).into_future());

    let server = server().await;
    let mut worker = Program::start(WORKER, &[&source], &server);
    assert_eq!(worker.next_line().await.unwrap(), "loaded 1 orders");
    server.handle().trigger(&event("private-orders", "order.changed", &json!({ "id": 2, "status": "paid" }))).unwrap();
    assert_eq!(worker.next_line().await.unwrap(), "order 2 is paid");
    // What happened while there was no connection is in the state that is loaded next.
    count.store(5, Ordering::SeqCst);
    server.handle().cut_all();
    assert_eq!(worker.next_line().await.unwrap(), "loaded 5 orders");
    state.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_to_do() {
    let server = server().await;
    let table = [
        (CHAT, &[][..], "give your name as the argument"),
        (BOARD, &["chat"], "only channels named presence-"),
        (NOTIFIER, &[], "usage: encrypted-notifier listen"),
        (BRIDGE, &[], "for example: bridge chat"),
        (WORKER, &[], "where is the state?"),
    ];
    for (path, args, text) in table {
        let (is_success, errors) = run(path, args, &server).await;
        assert!(!is_success && errors.contains(text), "{path}: {errors}");
    }
    server.handle().auth_status(Some(403));
    let (is_success, errors) = tokio::time::timeout(LIMIT, run(NOTIFIER, &["listen"], &server)).await.unwrap();
    assert!(!is_success && errors.contains("403"), "{errors}");
}
