//! A server on a real socket, tested with a WebSocket client and an HTTP client of other libraries.

mod faults;
mod http;
mod received;
mod signatures;
mod silence;
mod socket;
mod users;
mod watch;

use std::time::{Duration, SystemTime};

use futures_util::{SinkExt as _, StreamExt as _};
use pusher_proto::server::{ConnectionId, Dialect, Publication, ServerConfig};
use pusher_proto::signing::{ApiRequest, App};
use pusher_proto::{ChannelName, Frame};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::{Options, Server};

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    async fn open(server: &Server, target: &str) -> Self {
        let url = format!("{}{target}", server.ws_url());
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        Self { socket }
    }

    /// Connects, and returns the socket id, too.
    async fn connect(server: &Server) -> (Self, String) {
        let mut client = Self::open(server, "/app/app-key?protocol=7&client=test&version=1").await;
        let (event, data) = client.event().await;
        assert_eq!(event, "pusher:connection_established");
        (client, data["socket_id"].as_str().unwrap().to_owned())
    }

    /// Checks that nothing arrives for a moment. It cannot fail if the server is only slow.
    async fn expect_nothing(&mut self) {
        let next = timeout(Duration::from_millis(100), self.socket.next()).await;
        assert!(next.is_err(), "{next:?}");
    }

    async fn send(&mut self, message: impl Into<Message>) {
        self.socket.send(message.into()).await.unwrap();
    }

    async fn subscribe(&mut self, data: &Value) -> Value {
        self.send(json!({ "event": "pusher:subscribe", "data": data }).to_string()).await;
        let (event, data) = self.event().await;
        assert_eq!(event, "pusher_internal:subscription_succeeded", "{data}");
        data
    }

    async fn next(&mut self) -> Option<Message> {
        let next = timeout(Duration::from_secs(5), self.socket.next()).await;
        next.expect("the server should have sent something").and_then(Result::ok)
    }

    /// The next event except subscription counts, with its data as JSON.
    async fn event(&mut self) -> (String, Value) {
        loop {
            let Some(Message::Text(text)) = self.next().await else { panic!("no event") };
            let frame: Value = serde_json::from_str(&text).unwrap();
            let event = frame["event"].as_str().unwrap();
            if event == "pusher_internal:subscription_count" {
                continue;
            }
            let data = frame["data"].as_str().and_then(|data| serde_json::from_str(data).ok());
            return (event.to_owned(), data.unwrap_or_else(|| frame["data"].clone()));
        }
    }

    /// The code that the socket ends with; none without a close frame.
    async fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.next().await? {
                Message::Close(frame) => return frame.map(|frame| frame.code.into()),
                Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}

/// A server whose auth endpoints need no socket.
async fn start() -> Server {
    Server::start(Options::default().sign_for_unknown_sockets(true)).await.unwrap()
}

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

/// How long a test waits for what must happen.
const LIMIT: Duration = Duration::from_secs(5);

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap()
}

/// Calls the HTTP API with a timestamp `age` seconds ago; returns the status and the body.
async fn call(server: &Server, line: &str, params: &[(&str, &str)], body: &str, age: u64) -> (u16, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    let request = ApiRequest { method, path, body: body.as_bytes() };
    let query = server.app().sign_request(&request, params, now() - Duration::from_secs(age)).unwrap();
    let url = format!("{}{path}?{query}", server.http_url());
    let request = http_client().request(method.parse().unwrap(), url).body(body.to_owned());
    answer(request).await
}

/// Other crates of the workspace may have enabled TLS in reqwest, which then needs a provider.
fn http_client() -> reqwest::Client {
    // Only the first call installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

async fn ask(server: &Server, content_type: &str, body: &str) -> (u16, Value) {
    let url = format!("{}/pusher/auth", server.http_url());
    answer(http_client().post(url).header("Content-Type", content_type).body(body.to_owned())).await
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

const FORM: &str = "application/x-www-form-urlencoded";
