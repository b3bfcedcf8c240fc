//! The endpoints of an application.

use pusher_server::pusher_proto::server::Dialect;
use pusher_server::pusher_proto::signing::App;
use pusher_server::pusher_proto::{ChannelName, SocketId};
use pusher_server::{Options, Server};

use super::{answer, doctor, expect, name, response, run, sign, with_endpoint};
use crate::support::{server, tcp_server};

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_the_server_refuses_does_not_judge_the_endpoint() {
    let server = server().await;
    let auth = format!("{}/pusher/auth", server.http_url());
    let run = run(&server.ws_url(), &["--app-id", "1", "--secret", "wrong-s3cret", "--auth-url", &auth]).await;
    expect(&run, 4, "HTTP API", "refused with status 401", "check --secret");
    let failed: Vec<_> = run.json().iter().filter(|line| line["outcome"] == "failed").map(name).collect();
    assert_eq!(failed, ["HTTP API"], "{run:?}");

    let unproven = super::run(&server.ws_url(), &["--secret", "wrong-s3cret", "--auth-url", &auth]).await;
    expect(
        &unproven,
        4,
        "private auth",
        "signed with another secret",
        "add --app-id to check whether --secret is right",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_of_the_endpoint_are_explained() {
    let table = [
        ("401 Unauthorized", 4, "identify the user:"),
        ("404 Not Found", 4, "check the path"),
        ("405 Method Not Allowed", 4, "check the path"),
        ("422 Unprocessable", 4, "check what the endpoint reads"),
        ("429 Too Many Requests", 4, "raise the limit"),
        ("500 Internal Server Error", 1, "check the logs of the application"),
        ("308 Permanent Redirect", 4, "use the address that it redirects to"),
        ("200 OK", 1, "set BROADCAST_CONNECTION"),
    ];
    for (status, code, fix) in table {
        let run = with_endpoint(Dialect::Pusher, move |_, _| response(status, "Location: https://h/x", "")).await;
        expect(&run, code, "private auth", "status", fix);
    }
    let run =
        with_endpoint(Dialect::Pusher, |_, _| response("200 OK", "X-A: b", r#"{"data":{"auth":"app-key:5a"}}"#)).await;
    expect(&run, 1, "private auth", "wrapped its answer in `data`", "return what the server library");
    let run = with_endpoint(Dialect::Pusher, |_, _| response("200 OK", "X-A: b", r#"{"auth":"app-key:5a"}"#)).await;
    expect(&run, 1, "private auth", "64 hexadecimal digits", "sign with HMAC SHA-256");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_for_users_that_is_the_one_for_channels() {
    let server = server().await;
    let (endpoint, _) =
        tcp_server(move |stream| answer(stream, |_, _| response("200 OK", "X-A: b", r#"{"auth":"app-key:5a"}"#))).await;
    let run = doctor(&server.ws_url(), &["--user-auth-url", &format!("http://{endpoint}/auth")]).await;
    expect(&run, 1, "user auth", "the answer has no user_data", "answer with auth and user_data");
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_channels_need_one_master_key_everywhere() {
    let server = server().await;
    let auth = format!("{}/pusher/auth", server.http_url());
    let other = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";
    let args = ["--auth-url", auth.as_str(), "--master-key", other];
    let unnamed = doctor(&server.ws_url(), &args).await;
    assert_eq!(unnamed.code, Some(0), "{unnamed:?}");
    let named = doctor(&server.ws_url(), &[&args[..], &["--channel", "private-encrypted-notes"]].concat()).await;
    expect(&named, 1, "encrypted auth", "shared_secret is derived from another master key", "use one master key");
    assert!(!named.stdout.contains(other), "{named:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_that_answers_with_html() {
    let page = "<!DOCTYPE html><html><head><title>Log in</title></head></html>";
    let run = with_endpoint(Dialect::Pusher, |_, _| response("200 OK", "Content-Type: text/html", page)).await;
    expect(&run, 1, "private auth", "a page of HTML, with the title \"Log in\"", "check the path of --auth-url");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_that_redirects_to_the_login() {
    let login = "Location: https://example.com/login?back=t0ken";
    let run = with_endpoint(Dialect::Pusher, |_, _| response("302 Found", login, "")).await;
    expect(&run, 4, "private auth", "status 302, redirected to https://example.com/login", "identify the user:");
    assert!(!run.stdout.contains("t0ken"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_that_misses_a_csrf_token() {
    let body = r#"{"message":"CSRF token mismatch."}"#;
    let run = with_endpoint(Dialect::Pusher, |_, _| response("419 unknown status", "X-A: b", body)).await;
    expect(&run, 4, "private auth", "status 419: CSRF token mismatch.", "send X-CSRF-TOKEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_that_signs_with_another_key_or_another_secret() {
    let run = with_endpoint(Dialect::Pusher, |socket, channel| sign("other-key", "app-secret", socket, channel)).await;
    expect(&run, 4, "private auth", "auth begins with a different key from --key", "give the endpoint the key");
    let run = with_endpoint(Dialect::Pusher, |socket, channel| sign("app-key", "other-s3cret", socket, channel)).await;
    expect(&run, 4, "private auth", "signed with another secret", "give the endpoint the secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_that_leaves_out_user_info() {
    for (dialect, code) in [(Dialect::Reverb, 1), (Dialect::Soketi, 0)] {
        let run = with_endpoint(dialect, |socket, channel| {
            let app = App::new("1", "app-key", "app-secret").unwrap();
            let (socket, name) = (SocketId::new(socket).unwrap(), ChannelName::new(channel).unwrap());
            let signed = if channel.starts_with("presence-") {
                app.authorize_channel_with_data(&socket, &name, r#"{"user_id":"1"}"#).unwrap()
            } else {
                app.authorize_channel(&socket, &name).unwrap()
            };
            response("200 OK", "Content-Type: application/json", &signed.to_json())
        });
        let run = run.await;
        assert_eq!(run.code, Some(code), "{run:?}");
        if code != 0 {
            let fix = "add user_info to channel_data; null is enough";
            expect(&run, 1, "presence auth", "channel_data has no user_info", fix);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_that_allows_other_channels_only() {
    let options = Options::default().authorize(|channel| !channel.as_str().starts_with("private-doctor-"));
    let server = Server::start(options).await.unwrap();
    let auth = format!("{}/pusher/auth", server.http_url());
    let run = doctor(&server.ws_url(), &["--auth-url", &auth]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let refused = run.json().into_iter().find(|line| line["check"] == "private auth").unwrap();
    assert_eq!(refused["outcome"], "warning", "{run:?}");
    assert!(refused["fix"].as_str().unwrap().contains("--channel"), "{run:?}");
    let named = doctor(&server.ws_url(), &["--auth-url", &auth, "--channel", "private-orders"]).await;
    let line = named.json().into_iter().find(|line| line["check"] == "private channel").unwrap();
    assert_eq!(line["seen"], "subscribed to private-orders", "{named:?}");
    let forbidden = doctor(&server.ws_url(), &["--auth-url", &auth, "--channel", "private-doctor-x"]).await;
    expect(&forbidden, 4, "private auth", "status 403", "check the rules of the application");
}
