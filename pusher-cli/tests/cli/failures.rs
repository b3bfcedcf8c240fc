//! One sentence and an exit code for each thing that goes wrong.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Running, nowhere, pusher, server, silent_server, tcp_server};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_flags() {
    let listen = ["listen", "--url", "ws://localhost", "--key", "k"];
    pusher(&listen).await.expect_failure(2, "required");
    pusher(&["listen", "--key", "k", "-c", "a"]).await.expect_failure(2, "no server given");
    let more = |more: &[&'static str]| [&listen[..], more].concat();
    pusher(&more(&["-c", "#a"])).await.expect_failure(2, "reserved");
    pusher(&more(&["-c", "a", "--cluster", "eu"])).await.expect_failure(2, "cannot be used with");
    pusher(&more(&["-c", "a", "--timeout", "0"])).await.expect_failure(2, "greater than 0");
    pusher(&more(&["-c", "private-a"])).await.expect_failure(2, "private-a needs --secret or --auth-url");
    pusher(&["listen", "--url", "localhost", "--key", "k", "-c", "a"]).await.expect_failure(2, "is not a server URL");
    pusher(&["demo", "--url", "ws://localhost"]).await.expect_failure(2, "required");
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_host() {
    let (url, _port) = nowhere();
    let run = pusher(&["listen", "--url", &url, "--key", "k", "-c", "a"]).await;
    run.expect_failure(3, "cannot connect to ws://127.0.0.1:");
    let event = ["-c", "a", "-e", "x", "-d", "{}"];
    let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", "k", "--secret", "s"];
    pusher(&[&trigger[..], &event].concat()).await.expect_failure(3, "cannot reach the HTTP API at http://127.0.0.1:");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_key() {
    let server = server().await;
    let run = pusher(&["listen", "--url", &server.ws_url(), "--key", "wrong", "-c", "a"]).await;
    run.expect_failure(4, "Application does not exist (code 4001)");
}

#[tokio::test(flavor = "multi_thread")]
async fn silently_refused_key() {
    let url = silent_server().await;
    let run = pusher(&["listen", "--url", &url, "--key", "wrong", "-c", "a"]).await;
    run.expect_failure(4, "the key may be wrong");

    let mut patient = Running::start(&["listen", "--url", &url, "--key", "wrong", "-c", "a", "--keep-trying"]);
    for _ in 0..4 {
        patient.error_with("waiting").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_secret() {
    let server = server().await;
    let listen = ["listen", "--url", &server.ws_url(), "--key", "app-key", "--secret", "wrong", "-c", "private-a"];
    pusher(&listen).await.expect_failure(4, "private-a: the server refused the subscription");
    let trigger = ["trigger", "--url", &server.ws_url(), "--app-id", "1", "--key", "app-key", "--secret", "wrong"];
    let run = pusher(&[&trigger[..], &["-c", "a", "-e", "x", "-d", "{}"]].concat()).await;
    run.expect_failure(4, "the HTTP API refused the id, key or secret of the application: status 401");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_channel() {
    let server = server().await;
    let endpoint = format!("{}/pusher/auth", server.http_url());
    let listen = ["listen", "--url", &server.ws_url(), "--key", "app-key", "--auth-url", &endpoint];
    let run = pusher(&[&listen[..], &["-c", "private-forbidden"]].concat()).await;
    run.expect_failure(
        4,
        &format!("private-forbidden: the channel was not authorized: {endpoint}: authorization denied with status 403"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_event() {
    let server = server().await;
    let url = server.ws_url();
    let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", "app-key", "--secret", "app-secret"];
    let run = pusher(&[&trigger[..], &["-c", "no good", "-e", "x", "-d", "{}"]].concat()).await;
    run.expect_failure(1, "the HTTP API answered with status 400");
    let run = pusher(&[&trigger[..], &["-c", "a", "-e", "x", "-d", "@/no/such/file"]].concat()).await;
    run.expect_failure(1, "cannot read /no/such/file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken() {
    let server = server().await;
    let port = server.address().port().to_string();
    pusher(&["serve", "--port", &port]).await.expect_failure(1, "cannot listen on 127.0.0.1:");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_an_end() {
    let (address, _) = tcp_server(|mut stream| async move {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"channels\":{";
        let _request = stream.read(&mut [0; 4_096]).await;
        let mut written = stream.write_all(head.as_bytes()).await;
        while written.is_ok() {
            written = stream.write_all(&[b' '; 65_536]).await;
        }
    })
    .await;
    let url = format!("ws://{address}");
    let run = pusher(&["channels", "--url", &url, "--app-id", "1", "--key", "k", "--secret", "s"]).await;
    run.expect_failure(1, &format!("the HTTP API at http://{address} answers with more than 64 MiB"));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_input_without_an_end() {
    let trigger = ["trigger", "--url", "ws://h", "--app-id", "1", "--key", "k", "--secret", "s"];
    for more in [&["-c", "a", "-e", "x", "-d", "@/dev/zero"][..], &["--batch", "/dev/zero"]] {
        pusher(&[&trigger[..], more].concat()).await.expect_failure(1, "cannot read /dev/zero: more than 16 MiB");
    }
}
