//! `pusher channels`, `channel`, `users` and `terminate`

use pusher_server::pusher_proto::server::Dialect;
use pusher_server::{Options, Server};
use serde_json::json;

use crate::support::{Run, Running, pusher, server};

const SUCCEEDED: &str = "pusher:subscription_succeeded";

fn args<'a>(server_url: &'a str, command: &[&'a str]) -> Vec<&'a str> {
    [command, &["--url", server_url, "--app-id", "1", "--key", "app-key", "--secret", "app-secret"]].concat()
}

async fn ask(server: &Server, command: &[&str]) -> Run {
    pusher(&args(&server.ws_url(), command)).await
}

fn listen(server: &Server, more: &[&str]) -> Running {
    let url = server.ws_url();
    Running::start(&[&["listen", "--url", &url, "--key", "app-key", "--secret", "app-secret"], more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_a_table_or_json() {
    let server = server().await;
    let run = ask(&server, &["channels"]).await;
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "no channel has subscribers\n", ""));
    let mut listening = listen(&server, &["-c", "chat", "presence-chat", "--user-id", "ann"]);
    listening.line_with(SUCCEEDED).await;
    listening.line_with(SUCCEEDED).await;

    let run = ask(&server, &["channels"]).await;
    let words: Vec<Vec<_>> = run.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        words,
        [vec!["CHANNEL", "SUBSCRIBERS", "USERS"], vec!["chat", "1", "-"], vec!["presence-chat", "1", "-"]]
    );
    let run = ask(&server, &["channels", "--prefix", "presence-", "--json"]).await;
    let expected = json!({ "channels": { "presence-chat": { "subscription_count": 1, "user_count": 1 } } });
    assert_eq!((run.code, run.json()), (Some(0), vec![expected]), "{run:?}");

    let run = ask(&server, &["channel", "presence-chat", "--json"]).await;
    let expected = json!({ "occupied": true, "subscription_count": 1, "user_count": 1 });
    assert_eq!((run.code, run.json()), (Some(0), vec![expected]), "{run:?}");
    let run = ask(&server, &["channel", "empty"]).await;
    assert!(run.code == Some(0) && run.stdout.contains("empty    no"), "{run:?}");

    let run = ask(&server, &["users", "presence-chat", "--json"]).await;
    assert_eq!((run.code, run.json()), (Some(0), vec![json!({ "users": [{ "id": "ann" }] })]), "{run:?}");
    let run = ask(&server, &["users", "presence-chat"]).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "USER\nann\n"), "{run:?}");
    ask(&server, &["users", "chat"]).await.expect_failure(2, "chat");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn watching_prints_one_document_per_change() {
    let server = server().await;
    let url = server.ws_url();
    let mut watching = Running::start(&args(&url, &["channels", "--watch", "0.1", "--json"]));
    watching.line_with("{}").await;
    let mut listening = listen(&server, &["-c", "chat"]);
    listening.line_with(SUCCEEDED).await;
    watching.line_with("\"chat\"").await;
    drop(listening);
    watching.line_with("{}").await;
    watching.signal("TERM").await;
    let run = watching.end().await;
    let documents = [json!({ "channels": {} }), json!({ "channels": { "chat": { "subscription_count": 1 } } })];
    let [none, one] = documents;
    assert_eq!((run.code, run.json(), run.stderr.as_str()), (Some(0), vec![none.clone(), one, none], ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_s_connections_can_be_ended() {
    let server = server().await;
    let mut ann = listen(&server, &["--signin", "--user-id", "ann"]);
    ann.line_with("signed in as ann").await;
    let run = ask(&server, &["terminate", "ann"]).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "ended the connections of ann, if there were any\n"));
    assert_ne!(ann.end().await.code, Some(0));
    let run = ask(&server, &["terminate", "ann", "--json"]).await;
    assert_eq!((run.code, run.json()), (Some(0), vec![json!({ "terminated": "ann" })]), "{run:?}");
    let reverb = Server::start(Options::default().dialect(Dialect::LaravelWebsockets)).await.unwrap();
    assert_ne!(ask(&reverb, &["terminate", "ann"]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_refused() {
    let server = server().await;
    let url = server.ws_url();
    let wrong = ["--url", &url, "--app-id", "1", "--key", "app-key", "--secret", "wrong"];
    for command in
        [&["channels"][..], &["channels", "--watch"], &["channel", "a"], &["users", "presence-a"], &["terminate", "a"]]
    {
        pusher(&[command, &wrong].concat()).await.expect_failure(4, "the HTTP API refused the id, key or secret");
    }
    pusher(&["channels", "--url", &url, "--key", "k", "--secret", "s"]).await.expect_failure(2, "use --app-id");
}
