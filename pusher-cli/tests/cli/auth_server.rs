//! `pusher auth-server`

use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Running, pusher, server};

const FILE: &str = r##"
[[users]]
id = "ann"
token = "ann-token"
info = { name = "Ann" }
watchlist = ["bob"]

[[users]]
id = "bob"

[[rules]]
channels = "private-admin"
users = ["ann"]

[[rules]]
channels = "private-flaky"
status = 503
every = 2

[[rules]]
channels = "presence-*"
"##;

/// Starts the server, and returns its address.
async fn start(file: Option<&str>, more: &[&str]) -> (Running, String) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("auth.toml");
    let mut args = vec!["auth-server", "--port", "0", "--key", "app-key", "--secret", "app-secret"];
    if let Some(file) = file {
        std::fs::write(&path, file).unwrap();
        args.extend(["--config", path.to_str().unwrap()]);
    }
    args.extend(more);
    let mut serving = Running::start(&args);
    let line = serving.error_with("listening on").await;
    let url = line.split_whitespace().last().unwrap().trim_end_matches('/').to_owned();
    (serving, url)
}

/// Sends a form, and returns the head of the response and its JSON.
async fn post(url: &str, headers: &str, form: &str) -> (String, Value) {
    let host = url.strip_prefix("http://").unwrap();
    let headers = if headers.contains("Host:") { headers.to_owned() } else { format!("Host: {host}\r\n{headers}") };
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request =
        format!("POST /auth HTTP/1.1\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{form}", form.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), serde_json::from_str(body).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_authorized_by_the_users_and_rules_of_the_file() {
    let server = server().await;
    let (mut serving, url) = start(Some(FILE), &[]).await;
    let ws = server.ws_url();
    let listen = ["listen", "--url", &ws, "--key", "app-key", "--auth-url", &url, "--user-auth-url", &url];
    let ann = ["--auth-header", "Authorization=Bearer ann-token", "-c", "presence-a", "private-admin"];
    let mut user = Running::start(&[&listen[..], &ann[..2], &["--signin"]].concat());
    user.line_with("signed in as ann").await;
    serving.line_with("#signin  ann  200 signed").await;
    let mut ann = Running::start(&[&listen[..], &ann].concat());
    ann.line_with("1 here: ann").await;
    serving.line_with("private-admin  ann  200 signed").await;

    let bob = ["-c", "presence-a", "--user-id", "bob"];
    let mut bob = Running::start(&[&listen[..], &bob].concat());
    bob.line_with("2 here").await;
    ann.line_with("joined  bob").await;
    let run = pusher(&[&listen[..], &["-c", "private-admin", "--user-id", "bob"]].concat()).await;
    run.expect_failure(4, "authorization denied with status 403");
    serving.line_with("private-admin  bob  403 the rule is for other users").await;
    let run = pusher(&[&listen[..], &["-c", "presence-a", "--user-id", "mallory"]].concat()).await;
    run.expect_failure(4, "status 403");
    serving.line_with("presence-a  unknown user  403 the user is not known").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_fail_as_often_as_a_rule_says() {
    let (mut serving, url) = start(Some(FILE), &[]).await;
    let form = "socket_id=1.2&channel_name=private-flaky";
    for status in ["200 ok", "503 service unavailable", "200 ok"] {
        let (head, _) = post(&url, "", form).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
    }
    serving.line_with("private-flaky  unknown user  503 a rule makes this request fail").await;
    let (head, body) = post(&url, "", "channel_name=private-flaky2").await;
    assert!(head.starts_with("http/1.1 403"), "{head}");
    assert_eq!(body["error"], "no rule matches the channel");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_logged_as_json() {
    let (mut serving, url) = start(None, &["--json"]).await;
    post(&url, "", "socket_id=1.2&channel_name=private-a&user_id=zoe").await;
    let line: Value = serde_json::from_str(&serving.line_with("private-a").await).unwrap();
    let fields = ["subject", "user", "reason"].map(|field| line[field].as_str().unwrap_or_default().to_owned());
    assert_eq!((fields, line["status"].as_u64()), (["private-a", "zoe", "signed"].map(str::to_owned), Some(200)));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_this_machine_may_ask_and_others_only_when_they_are_named() {
    let (_serving, url) = start(None, &["--allow-origin", "https://app.example"]).await;
    let form = "socket_id=1.2&channel_name=presence-a&user_id=zoe";
    for (origin, is_allowed) in
        [("http://localhost:5173", true), ("https://app.example", true), ("https://evil.example", false)]
    {
        let (head, body) = post(&url, &format!("Origin: {origin}\r\n"), form).await;
        assert_eq!(head.contains(&format!("access-control-allow-origin: {origin}\r\n")), is_allowed, "{head}");
        assert_eq!(body["channel_data"], r#"{"user_id":"zoe","user_info":null}"#);
    }
    let (head, _) = post(&url, "Host: evil.example\r\n", form).await;
    assert!(head.starts_with("http/1.1 403"), "{head}");
    let (head, body) = post(&url, "", "channel_name=private-a").await;
    assert!(head.starts_with("http/1.1 400"), "{head}");
    assert_eq!(body["error"], "socket_id is missing");
}

#[tokio::test]
async fn a_file_with_mistakes_is_wrong_usage() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong-auth.toml");
    for (text, part) in [
        ("[[users]]\ntoken = tofu\n", ", line 2: "),
        ("[[rules]]\nchannels = \"a\"\nstatus = 200\n", "rule for a: status must be one of 400 to 599"),
        ("[[rules]]\nchannels = \"a\"\ndelay = -1\n", ", line 3: "),
        ("[[rule]]\n", ", line 1: unknown field `rule`"),
    ] {
        std::fs::write(&path, text).unwrap();
        let run = pusher(&["auth-server", "--key", "k", "--secret", "s", "--config", path.to_str().unwrap()]).await;
        run.expect_failure(2, part);
        assert!(!run.stderr.contains("tofu"), "{run:?}");
    }
}
