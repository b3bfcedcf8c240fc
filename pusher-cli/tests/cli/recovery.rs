//! `pusher listen --recover`

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{SinkExt as _, StreamExt as _};
use pusher_server::pusher_proto::server::Dialect;
use pusher_server::{Options, Server};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::{Running, tcp_server};

const SUCCEEDED: &str = "pusher:subscription_succeeded";

#[tokio::test(flavor = "multi_thread")]
async fn replayed_events_are_printed_once_and_gaps_with_their_reason() {
    let url = numbering_server().await;
    let listen = ["listen", "--url", &url, "--key", "app-key", "-c", "orders", "--recover"];
    let mut human = Running::start(&[&listen[..], &["--count", "3"]].concat());
    let mut seen = Vec::new();
    for part in ["message  1", "message  2", "may be missing here", "message  3"] {
        seen.push(human.line_with(part).await);
    }
    let run = human.end().await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(!seen[0].contains("replayed") && seen[1].ends_with("message  2  replayed"), "{seen:?}");
    assert!(run.stdout.contains("orders  recovered: 1 messages replayed from the server's memory"), "{run:?}");
    let notice = "the connection was lost, and events may be missing here: the server has started to count again";
    assert!(seen[2].ends_with(notice) && !seen[3].contains("replayed"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_marks_replayed_events() {
    let url = numbering_server().await;
    let listen = ["listen", "--url", &url, "--key", "app-key", "-c", "orders", "--recover", "--json", "--count", "3"];
    let run = Running::start(&listen).end().await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines = run.json();
    let of = |name: &str| -> Vec<Value> { lines.iter().filter(|line| line["event"] == name).cloned().collect() };
    let events: Vec<_> =
        of("message").iter().map(|line| (line["data"].clone(), line.get("replayed").cloned())).collect();
    assert_eq!(events, [(json!("1"), None), (json!("2"), Some(json!(true))), (json!("3"), None)]);
    let [recovered] = &of("pusher:recovered")[..] else { panic!("{run:?}") };
    assert_eq!(recovered["data"], r#"{"replayed":1,"source":"replayed from the server's memory","proven":true}"#);
    let [lost] = &of("pusher:continuity_lost")[..] else { panic!("{run:?}") };
    assert_eq!(lost["data"], r#"{"reason":"the server has started to count again"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_version_2_is_named_as_the_reason() {
    let server = Server::start(Options::default().dialect(Dialect::Soketi)).await.unwrap();
    let listen = ["listen", "--url", &server.ws_url(), "--key", "app-key", "--channel", "chat", "--recover"];
    let mut listening = Running::start(&listen);
    listening.line_with(SUCCEEDED).await;
    listening.error_with("the server speaks protocol version 1, which cannot replay messages").await;
    server.handle().cut_all();
    listening.line_with("events may be missing here: the server cannot replay messages").await;
    listening.line_with(SUCCEEDED).await;
}

/// Sends event 1, loses the connection, replays event 2, loses the connection, and then counts anew.
async fn numbering_server() -> String {
    let scripts = [
        Script { on_subscribe: vec![succeeded("s1", 0), event("s1", 1)], on_resume: Vec::new(), last: "subscribe" },
        Script { on_subscribe: vec![succeeded("s1", 2)], on_resume: vec![event("s1", 2), recovered()], last: "resume" },
        Script { on_subscribe: vec![succeeded("s2", 0)], on_resume: vec![failed(), event("s2", 3)], last: "" },
    ];
    let (scripts, connections) = (Arc::new(scripts), Arc::new(AtomicUsize::new(0)));
    let (address, _) = tcp_server(move |stream| {
        let (scripts, number) = (Arc::clone(&scripts), connections.fetch_add(1, Ordering::SeqCst));
        async move { scripts[number % scripts.len()].play(stream).await }
    })
    .await;
    format!("ws://{address}")
}

/// What a server of version 2 sends on one connection.
struct Script {
    on_subscribe: Vec<String>,
    on_resume: Vec<String>,
    /// After the answer to this request, it drops the connection.
    last: &'static str,
}

impl Script {
    async fn play(&self, stream: TcpStream) {
        let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
        let greeting = json!({ "socket_id": "1.2", "activity_timeout": 120 }).to_string();
        let greeting = json!({ "event": "sockudo:connection_established", "data": greeting }).to_string();
        // The program may end at any time, and the next read fails then.
        let _ = socket.send(greeting.into()).await;
        while let Some(Ok(message)) = socket.next().await {
            let request: Value = serde_json::from_str(message.to_text().unwrap_or_default()).unwrap_or_default();
            let request = request["event"].as_str().unwrap_or_default().trim_start_matches("sockudo:");
            let answer = match request {
                "subscribe" => &self.on_subscribe,
                "resume" => &self.on_resume,
                _ => continue,
            };
            for frame in answer {
                let _ = socket.send(frame.clone().into()).await;
            }
            if request == self.last {
                return;
            }
        }
    }
}

fn succeeded(stream: &str, serial: u64) -> String {
    let event = "sockudo_internal:subscription_succeeded";
    json!({ "event": event, "channel": "orders", "data": "{}", "stream_id": stream, "serial": serial }).to_string()
}

/// An event whose data is its number.
fn event(stream: &str, serial: u64) -> String {
    let data = serial.to_string();
    json!({ "event": "message", "channel": "orders", "data": data, "stream_id": stream, "serial": serial }).to_string()
}

fn recovered() -> String {
    let position = json!({ "stream_id": "s1", "serial": 2 });
    let channel = json!({ "channel": "orders", "source": "hot", "replayed": 1, "position": position });
    json!({ "event": "sockudo:resume_success", "data": json!({ "recovered": [channel], "failed": [] }).to_string() })
        .to_string()
}

fn failed() -> String {
    let channel = json!({ "channel": "orders", "code": "stream_reset", "reason": "stream_id_mismatch" });
    json!({ "event": "sockudo:resume_success", "data": json!({ "recovered": [], "failed": [channel] }).to_string() })
        .to_string()
}
