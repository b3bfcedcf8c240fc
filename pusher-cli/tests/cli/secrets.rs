//! Secrets of the command line and of the environment are never printed.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::support::{Run, pusher, pusher_with, server, tcp_server};

/// What must not be seen.
const TOFU: &str = "tofu";

#[tokio::test]
async fn wrong_usage_does_not_repeat_what_may_be_a_secret() {
    let listen = ["listen", "--key", "k", "-c", "a", "--url", "ws://h"];
    let auth = [&listen[..], &["--auth-url", "http://h"]].concat();
    let table: &[(&[&str], &[&str], &str)] = &[
        (&listen, &["--master-key", "tofu"], "invalid value '…' for '--master-key <BASE64>'"),
        (&auth, &["--auth-header", "tofu"], "invalid value '…' for '--auth-header <NAME=VALUE>'"),
        (&auth, &["--auth-header", "Authorization: Basic tofu=="], "NAME=VALUE"),
        (&auth, &["--auth-header", "Authorization=Bearer", "tofu"], "unexpected argument '…' found"),
        (&listen, &["--secrets=tofu"], "unexpected argument '--secrets' found"),
        (&listen, &["--secret", "--TOFU-tofu"], "unexpected argument '…' found"),
        (&listen, &["wss://user:tofu@h"], "unexpected argument '…' found"),
        (&listen, &["-c", "#a"], "invalid value '#a' for '--channel <NAME>...'"),
        (&listen, &["--timeout", "wss://user:tofu@h"], "invalid value 'wss://…@h' for '--timeout <SECONDS>'"),
        (&["wss://user:tofu@h"], &[], "unrecognized subcommand 'wss://…@h'"),
        (
            &["listen", "--key", "k", "-c", "a"],
            &["--url", "wss://user:tofu@h"],
            "must not contain a user name or a password",
        ),
        (
            &["listen", "--key", "k", "-c", "a"],
            &["--url", "wss//user:tofu@h"],
            "must not contain a user name or a password",
        ),
        (
            &["listen", "--key", "k", "-c", "a"],
            &["--url", "wss://h/app?token=tofu"],
            "\"wss://h/app?…\" is not a server URL",
        ),
        (
            &["listen", "--key", "k", "-c", "a"],
            &["--host", "user:tofu@h"],
            "must not contain a user name or a password",
        ),
        (&["listen", "--key", "k", "-c", "a"], &["--cluster", "wss://user:tofu@h"], "is not the name of a cluster"),
        (
            &["demo", "--app-id", "1", "--key", "k", "--secret", "s"],
            &["--url", "wss://u:tofu@h"],
            "must not contain a user name",
        ),
    ];
    for (args, more, part) in table {
        expect_usage_error(&pusher(&[*args, *more].concat()).await, part);
    }
}

#[tokio::test]
async fn wrong_values_in_the_environment_are_not_repeated() {
    let listen = ["listen", "--key", "k", "-c", "a"];
    let auth = [&listen[..], &["--url", "ws://h", "--auth-url", "http://h"]].concat();
    let table: &[(&[&str], &str, &str, &str)] = &[
        (&auth, "PUSHER_ENCRYPTION_MASTER_KEY", "tofu", "a master key has 32 bytes"),
        (&auth, "PUSHER_AUTH_HEADER", "A=1\ntofu", "PUSHER_AUTH_HEADER: expected NAME=VALUE"),
        (
            &listen,
            "PUSHER_URL",
            "https://key:tofu@api-eu.pusher.com/apps/3",
            "must not contain a user name or a password",
        ),
    ];
    for (args, name, value, part) in table {
        expect_usage_error(&pusher_with(&[(*name, *value)], args).await, part);
    }
}

#[tokio::test]
async fn help_shows_nothing_of_the_environment() {
    let names = [
        "PUSHER_APP_ID",
        "PUSHER_KEY",
        "PUSHER_SECRET",
        "PUSHER_ENCRYPTION_MASTER_KEY",
        "PUSHER_AUTH_HEADER",
        "PUSHER_URL",
    ];
    for command in
        ["demo", "serve", "listen", "trigger", "channels", "channel", "users", "terminate", "auth-server", "record"]
    {
        let run = pusher_with(&names.map(|name| (name, TOFU)), &[command, "--help"]).await;
        assert_eq!(run.code, Some(0));
        assert!(!run.stdout.contains(TOFU), "{run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_for_the_auth_endpoint_may_come_from_the_environment() {
    let server = server().await;
    let (sender, mut requests) = mpsc::unbounded_channel();
    let (address, _) = tcp_server(move |mut stream| {
        let sender = sender.clone();
        async move {
            let mut request = [0; 4_096];
            let len = stream.read(&mut request).await.unwrap();
            sender.send(String::from_utf8_lossy(&request[..len]).to_ascii_lowercase()).unwrap();
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let (url, endpoint) = (server.ws_url(), format!("http://{address}/auth"));
    let listen = ["listen", "--url", &url, "--key", "app-key", "--auth-url", &endpoint, "-c", "private-a"];
    let env = [("PUSHER_AUTH_HEADER", "X-One=1\n\nX-Two = a=b\n")];
    let run = pusher_with(&env, &[&listen[..], &["--auth-header", "X-Three=3"]].concat()).await;
    run.expect_failure(
        4,
        &format!("private-a: the channel was not authorized: {endpoint}: authorization denied with status 403"),
    );
    let request = requests.recv().await.unwrap();
    for header in ["x-one: 1\r\n", "x-two: a=b\r\n", "x-three: 3\r\n"] {
        assert!(request.contains(header), "{request}");
    }
}

/// Panics unless the run failed as wrong usage, said why, and did not give the secret away.
fn expect_usage_error(run: &Run, part: &str) {
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains(part), "{part} is missing: {run:?}");
    assert!(!format!("{run:?}").contains(TOFU), "{run:?}");
}
