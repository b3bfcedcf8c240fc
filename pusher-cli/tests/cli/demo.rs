//! `pusher demo`

use pusher_server::pusher_proto::server::{Dialect, ServerConfig};
use pusher_server::pusher_proto::signing::App;
use pusher_server::{Options, Server};
use serde_json::Value;

use crate::support::{Run, nowhere, pusher, server, silent_server};

#[tokio::test(flavor = "multi_thread")]
async fn shows_every_step_on_a_server_of_its_own() {
    let run = pusher(&["demo", "--json"]).await;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    expect_all_ok(&run);
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_every_step_on_a_foreign_server() {
    let server = Server::start(Options::default().dialect(Dialect::SockudoV2)).await.unwrap();
    let run = demo(&server.ws_url(), ["1", "app-key", "app-secret"], &["--json"]).await;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let missing = unsupported(&run);
    assert_eq!(
        missing,
        ["subscription count", "stream reset"],
        "Sockudo sends no count, and a foreign server cannot be reset"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn proves_that_nothing_was_missed_and_shows_what_a_reset_means() {
    let run = pusher(&["demo", "--json"]).await;
    let detail = |name: &str| {
        let step = run.json().into_iter().find(|step| step["name"] == name);
        step.and_then(|step| step["detail"].as_str().map(str::to_owned)).unwrap_or_default()
    };
    assert_eq!(detail("numbered messages"), "protocol version 2: the first message has number 1");
    assert_eq!(detail("missed messages"), "socket lost; 3 messages are published meanwhile");
    let proof = "proven; 3 messages replayed from the server's memory, each once and in order";
    assert_eq!(detail("nothing was missed"), proof);
    assert_eq!(detail("stream reset"), "reported as a gap: the server has started to count again");
}

#[tokio::test(flavor = "multi_thread")]
async fn prints_a_line_per_step_and_a_summary() {
    let run = pusher(&["demo"]).await;
    let lines: Vec<_> = run.stdout.lines().collect();
    let (summary, steps) = lines.split_last().unwrap();
    assert!(steps.iter().all(|line| line.starts_with("✓  ")), "{run:?}");
    assert!(summary.starts_with(&format!("{0} of {0} steps observed in ", steps.len())), "{summary}");
    assert!(!run.stdout.contains('\u{1b}'), "colours are for terminals");
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_appear_where_they_are_asked_for() {
    let coloured = pusher(&["demo", "--color", "always"]).await;
    assert!(coloured.stdout.starts_with("\u{1b}["), "{coloured:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn says_what_a_server_does_not_support() {
    let config =
        ServerConfig::builder(App::new("1", "k", "s").unwrap()).subscription_counts(false).client_events(false);
    let server = Server::start(config.build().unwrap()).await.unwrap();
    let run = demo(&server.ws_url(), ["1", "k", "s"], &["--json"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(unsupported(&run), [&["client event", "subscription count"], RECOVERY].concat(), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_on_after_a_step_that_is_not_observed() {
    let config = ServerConfig::builder(App::new("1", "k", "s").unwrap()).max_members(0).build().unwrap();
    let server = Server::start(config).await.unwrap();
    let run = demo(&server.ws_url(), ["1", "k", "s"], &["--json"]).await;
    let missed = ["presence channel", "member joins", "member leaves", "changes meanwhile", "roster difference"];
    run.expect_failure(1, &format!("not observed: {}", missed.join(", ")));
    let steps = run.json();
    let failed: Vec<_> = steps.iter().filter(|step| step["status"] == "failed").map(|step| &step["name"]).collect();
    assert_eq!(failed, missed);
    assert!(steps[7]["detail"].as_str().is_some_and(|detail| detail.contains("is full")), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_at_once_where_nothing_can_work() {
    let server = server().await;
    let refused = "the HTTP API refused the id, key or secret";
    let wrong_secret = demo(&server.ws_url(), ["1", "app-key", "wrong"], &[]).await;
    wrong_secret.expect_failure(4, refused);
    demo(&server.ws_url(), ["wrong", "app-key", "app-secret"], &[]).await.expect_failure(4, refused);
    let wrong_key = demo(&server.ws_url(), ["1", "wrong", "app-secret"], &[]).await;
    wrong_key.expect_failure(4, "Application does not exist (code 4001)");
    assert!(!wrong_secret.stdout.contains("wrong"), "{wrong_secret:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_reported_by_a_server_that_refuses_with_status_200() {
    let server = Server::start(Options::default().dialect(Dialect::Soketi)).await.unwrap();
    let run = demo(&server.ws_url(), ["1", "app-key", "wrong"], &[]).await;
    run.expect_failure(4, "the HTTP API refused the id, key or secret of the application: status 401");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_to_a_server_without_tls_is_reported_as_such() {
    let server = server().await;
    let url = server.ws_url().replace("ws:", "wss:");
    demo(&url, ["1", "app-key", "app-secret"], &[]).await.expect_failure(3, "cannot connect to wss://127.0.0.1:");
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_a_silent_server_from_none() {
    let credentials = ["1", "app-key", "app-secret"];
    let (url, _port) = nowhere();
    demo(&url, credentials, &[]).await.expect_failure(3, "cannot connect to ws://127.0.0.1:");
    let silent = demo(&silent_server().await, credentials, &[]).await;
    silent.expect_failure(4, "the key may be wrong");
}

async fn demo(url: &str, [id, key, secret]: [&str; 3], more: &[&str]) -> Run {
    let args = ["demo", "--url", url, "--app-id", id, "--key", key, "--secret", secret];
    pusher(&[&args, more].concat()).await
}

/// The names of the steps that the server does not support.
fn unsupported(run: &Run) -> Vec<String> {
    let steps = run.json().into_iter().filter(|step| step["status"] == "unsupported");
    steps.filter_map(|step| step["name"].as_str().map(str::to_owned)).collect()
}

/// The steps that only version 2 of Sockudo's protocol supports.
const RECOVERY: &[&str] = &["numbered messages", "missed messages", "nothing was missed", "stream reset"];

fn expect_all_ok(run: &Run) {
    let steps = run.json();
    let names: Vec<_> = steps.iter().filter_map(|step| step["name"].as_str()).collect();
    assert_eq!((names.first(), names.last()), (Some(&"connect"), Some(&"goodbye")));
    for step in &steps {
        assert_eq!(step["status"], "ok", "{step}");
        assert!(step["millis"].is_u64() && step["detail"].is_string(), "{step}");
    }
    let refusal = steps.iter().find(|step| step["name"] == "refused authorization").map(|step| &step["detail"]);
    assert!(refusal.and_then(Value::as_str).is_some_and(|detail| detail.contains("status 403")), "{refusal:?}");
}
