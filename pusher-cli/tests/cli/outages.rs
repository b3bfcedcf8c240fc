//! Servers that are away, that never were there, and that do not answer.

use std::net::SocketAddr;

use pusher_server::pusher_proto::server::Dialect;
use pusher_server::{Options, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Running, hang, nowhere, pusher, server, server_at, silent_server, tcp_server};

const SUCCEEDED: &str = "pusher:subscription_succeeded";

/// As many failures as end the program before its first connection.
const FAILURES: usize = 3;

/// What soketi says with 4200 while it shuts down.
const CLOSING: &str = "Server is closing. Please reconnect shortly.";

#[tokio::test(flavor = "multi_thread")]
async fn listen_waits_for_a_server_that_restarts_however_long_it_takes() {
    let options = || Options::default().dialect(Dialect::Soketi);
    let server = Server::start(options()).await.unwrap();
    let (address, url) = (server.address(), server.ws_url());
    let endpoint = format!("{}/pusher/auth", server.http_url());
    let listen = ["listen", "--url", &url, "--key", "app-key", "--auth-url", &endpoint, "-c", "private-a"];
    let mut listening = Running::start(&listen);
    listening.line_with(SUCCEEDED).await;

    server.shutdown().await;
    for _ in 0..FAILURES {
        listening.error_with("waiting").await;
    }
    let _server = server_at(options(), address).await;
    listening.line_with(SUCCEEDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_waits_for_a_server_that_refuses_it_for_a_while() {
    let server = Server::start(Options::default().dialect(Dialect::Soketi)).await.unwrap();
    let mut listening = Running::start(&["listen", "--url", &server.ws_url(), "--key", "app-key", "-c", "a"]);
    listening.line_with(SUCCEEDED).await;
    server.handle().refuse_connections(Some((4200, CLOSING)));
    server.handle().cut_all();
    for _ in 0..FAILURES {
        listening.error_with("waiting").await;
    }
    server.handle().refuse_connections(None);
    listening.line_with(SUCCEEDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_waits_for_an_auth_endpoint_that_restarts() {
    let server = server().await;
    let (url, endpoint) = (server.ws_url(), format!("{}/pusher/auth", server.http_url()));
    let mut listening =
        Running::start(&["listen", "--url", &url, "--key", "app-key", "--auth-url", &endpoint, "-c", "private-a"]);
    listening.line_with(SUCCEEDED).await;
    server.handle().auth_status(Some(503));
    server.handle().cut_all();
    for _ in 0..2 {
        listening.line_with("status 503").await;
    }
    server.handle().auth_status(None);
    listening.line_with(SUCCEEDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_from_the_start_is_a_failure_to_connect() {
    let server = Server::start(Options::default().dialect(Dialect::Soketi)).await.unwrap();
    server.handle().refuse_connections(Some((4200, CLOSING)));
    let run = pusher(&["listen", "--url", &server.ws_url(), "--key", "app-key", "-c", "a"]).await;
    run.expect_failure(3, "Please reconnect shortly. (code 4200)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_up_before_the_upgrade_says_nothing_about_the_key() {
    let (address, _) = tcp_server(|mut stream| async move {
        let mut request = [0; 1_024];
        let _ = stream.read(&mut request).await;
    })
    .await;
    let run = pusher(&["listen", "--url", &format!("ws://{address}"), "--key", "k", "-c", "a"]).await;
    run.expect_failure(3, &format!("cannot connect to ws://{address}: "));
    assert!(!run.stderr.contains("key"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_is_a_success_only_for_a_program_that_was_listening() {
    let server = server().await;
    let url = server.ws_url();
    let listen = |url: &str, more: &'static [&str]| {
        let url = url.to_owned();
        tokio::spawn(async move {
            let listen = ["listen", "--url", &url, "--key", "app-key", "--keep-trying", "--timeout", "3", "-c", "chat"];
            pusher(&[&listen[..], more].concat()).await
        })
    };
    let (nowhere, _port) = nowhere();
    let hanging = format!("ws://{}", tcp_server(hang).await.0);
    let silent = silent_server().await;
    let (listened, counted) = (listen(&url, &[]), listen(&url, &["--count", "1"]));
    let [unreachable, hung, dropped] = [&nowhere, &hanging, &silent].map(|url| listen(url, &[]));
    assert_eq!(listened.await.unwrap().code, Some(0));
    counted.await.unwrap().expect_failure(1, "0 of 1 events arrived within 3 s");
    unreachable.await.unwrap().expect_failure(3, &format!("not connected to {nowhere} after 3 s: "));
    hung.await.unwrap().expect_failure(3, &format!("not connected to {hanging} after 3 s"));
    dropped.await.unwrap().expect_failure(3, &format!("not connected to {silent} after 3 s: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_without_a_subscription_is_a_failure() {
    let server = server().await;
    let endpoint = format!("http://{}", tcp_server(hang).await.0);
    let listen = ["listen", "--url", &server.ws_url(), "--key", "app-key", "--timeout", "2"];
    let run = pusher(&[&listen[..], &["--auth-url", &endpoint, "-c", "private-a"]].concat()).await;
    run.expect_failure(1, "private-a is not subscribed after 2 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_an_answer_may_have_been_published() {
    let trigger = |address: SocketAddr| async move {
        let url = format!("ws://{address}");
        let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", "k", "--secret", "s"];
        pusher(&[&trigger[..], &["-c", "a", "-e", "x", "-d", "{}"]].concat()).await
    };
    let (hanging, _) = tcp_server(hang).await;
    let (breaking, _) = tcp_server(|mut stream| async move {
        let mut request = [0; 4_096];
        let _ = stream.read(&mut request).await;
    })
    .await;
    let (cut_short, _) = tcp_server(|mut stream| async move {
        let mut request = [0; 4_096];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{").await;
    })
    .await;
    let [hung, broke, fell_short] = [hanging, breaking, cut_short].map(|address| tokio::spawn(trigger(address)));
    let unknown = "; the event may have been published";
    hung.await.unwrap().expect_failure(1, &format!("at http://{hanging} did not answer within 10 s{unknown}"));
    broke.await.unwrap().expect_failure(1, unknown);
    fell_short.await.unwrap().expect_failure(1, unknown);
}
