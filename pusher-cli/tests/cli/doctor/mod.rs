//! `pusher doctor`: the first thing to fix in broken set-ups, and healthy servers of each dialect.

mod endpoints;
mod servers;

use std::net::SocketAddr;

use pusher_server::pusher_proto::server::Dialect;
use pusher_server::pusher_proto::signing::App;
use pusher_server::pusher_proto::{ChannelName, SocketId};
use pusher_server::{Options, Server};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;

use crate::support::{Run, pusher, server, tcp_server};
use crate::tls::forward;

/// A run with the right credentials.
pub(super) async fn doctor(url: &str, more: &[&str]) -> Run {
    run(url, &[&["--app-id", "1", "--secret", "app-secret"], more].concat()).await
}

pub(super) async fn run(url: &str, more: &[&str]) -> Run {
    let args = ["doctor", "--url", url, "--key", "app-key", "--json"];
    let run = pusher(&[&args, more].concat()).await;
    for secret in ["app-secret", "s3cret", MASTER_KEY] {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{run:?}");
    }
    run
}

/// A server, and an endpoint that answers for a socket and a channel.
pub(super) async fn with_endpoint(
    dialect: Dialect,
    respond: impl Fn(&str, &str) -> String + Clone + Send + 'static,
) -> Run {
    let server = Server::start(Options::default().dialect(dialect)).await.unwrap();
    let (endpoint, _) = tcp_server(move |stream| {
        let respond = respond.clone();
        answer(stream, move |_, body| {
            let field = |name: &str| body.split('&').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
            respond(field("socket_id").unwrap(), field("channel_name").unwrap())
        })
    })
    .await;
    doctor(&server.ws_url(), &["--auth-url", &format!("http://{endpoint}/broadcasting/auth")]).await
}

pub(super) fn sign(key: &str, secret: &str, socket: &str, channel: &str) -> String {
    let app = App::new("1", key, secret).unwrap();
    let signed = app.authorize_channel(&SocketId::new(socket).unwrap(), &ChannelName::new(channel).unwrap()).unwrap();
    response("200 OK", "Content-Type: application/json", &signed.to_json())
}

pub(super) fn response(status: &str, header: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{header}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Answers one request, by its path and its body.
pub(super) async fn answer(mut stream: TcpStream, respond: impl FnOnce(&str, &str) -> String) {
    let Some(head) = read_head(&mut stream).await else { return };
    let len = head.to_ascii_lowercase();
    let len = len.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let mut body = vec![0; len.unwrap_or(0)];
    stream.read_exact(&mut body).await.unwrap();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let answer = respond(path, std::str::from_utf8(&body).unwrap());
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// Passes what begins with /app/ on to the server, and answers the rest.
pub(super) async fn route(mut stream: TcpStream, server: SocketAddr, respond: impl FnOnce(&str) -> String) {
    let Some(head) = read_head(&mut stream).await else { return };
    let path = head.split(' ').nth(1).unwrap_or_default();
    if !path.starts_with("/app/") {
        let _ = stream.write_all(respond(path).as_bytes()).await;
        return;
    }
    let mut server = TcpStream::connect(server).await.unwrap();
    server.write_all(head.as_bytes()).await.unwrap();
    let _ = copy_bidirectional(&mut stream, &mut server).await;
}

/// `None` for a connection without a request, which only looks whether it can be made.
pub(super) async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// A server behind TLS; it runs as long as the test.
pub(super) async fn tls_server(acceptor: tokio_rustls::TlsAcceptor) -> String {
    let server = server().await;
    let target = server.address();
    let (address, _) = tcp_server(move |stream| {
        let _server = &server;
        forward(acceptor.clone(), stream, target)
    })
    .await;
    format!("wss://{address}")
}

/// Panics unless this is the first thing to fix, in the last line, on standard error and in the exit code.
pub(super) fn expect(run: &Run, code: i32, check: &str, seen: &str, fix: &str) {
    run.expect_failure(code, &format!("error: {check}: "));
    run.expect_failure(code, seen);
    run.expect_failure(code, fix);
    let lines = run.json();
    let verdict = lines.last().unwrap();
    assert_eq!((&verdict["healthy"], &verdict["check"]), (&Value::from(false), &Value::from(check)), "{run:?}");
    assert!(verdict["fix"].as_str().is_some_and(|text| text.contains(fix)), "{run:?}");
    let first = lines.iter().find(|line| line["outcome"] == "failed").unwrap();
    assert_eq!(first["check"], check, "{run:?}");
    assert!(first["millis"].is_number() && first["seen"].as_str().is_some_and(|text| text.contains(seen)), "{run:?}");
}

pub(super) fn name(line: &Value) -> String {
    line["check"].as_str().unwrap().to_owned()
}

pub(super) const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 9\r\n\r\nnot found";

/// 32 bytes of value 7, the master key of the development server.
pub(super) const MASTER_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
