//! `pusher trigger`: batches, client events, and payloads from elsewhere.

use pusher_server::pusher_proto::server::{Dialect, ServerConfig};
use pusher_server::pusher_proto::signing::App;
use pusher_server::{Options, Server};

use crate::support::{Run, Running, pusher, pusher_fed, server};

const SUCCEEDED: &str = "pusher:subscription_succeeded";

async fn trigger(server: &Server, more: &[&str]) -> Run {
    trigger_fed(server, more, "").await
}

async fn trigger_fed(server: &Server, more: &[&str], input: &str) -> Run {
    let url = server.ws_url();
    let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", "app-key", "--secret", "app-secret"];
    pusher_fed(&[&trigger[..], more].concat(), input).await
}

fn listen(server: &Server, more: &[&str]) -> Running {
    let url = server.ws_url();
    Running::start(&[&["listen", "--url", &url, "--key", "app-key", "--secret", "app-secret"], more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_publishes_every_line() {
    let server = server().await;
    let mut listening = listen(&server, &["-c", "a", "b", "--count", "12", "--json"]);
    listening.line_with(SUCCEEDED).await;
    listening.line_with(SUCCEEDED).await;
    let line = |n: usize| format!("{{\"channel\":\"{}\",\"event\":\"e{n}\",\"data\":{n}}}\n", ["a", "b"][n % 2]);
    let input: String = (0..11).map(line).collect();
    let text =
        "\n{\"time\":\"\",\"channel\":\"a\",\"name\":\"last\",\"data\":\"just \\\"text\\\"\",\"user_id\":\"x\"}\n";
    let run = trigger_fed(&server, &["--batch", "-", "--json"], &(input + text)).await;
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "{\"published\":12}\n", ""));
    let run = listening.end().await;
    let events: Vec<_> = run.json().into_iter().filter(|line| line["data"] != "{\"again\":false}").collect();
    let data: Vec<_> =
        events.iter().filter_map(|line| line["data"].as_str()).filter(|data| !data.contains('{')).collect();
    assert_eq!(data, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "just \"text\""], "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_says_which_line_is_wrong_and_what_was_published() {
    let server = server().await;
    let good = "{\"channel\":\"a\",\"event\":\"e\",\"data\":1}\n".repeat(10);
    for (line, part) in [
        ("{\"channel\":\"a\"}", "-, line 11: expected a JSON object with channel, event and data: "),
        ("{\"channel\":\"a\",\"event\":\"pusher:x\"}", "-, line 11: "),
    ] {
        let run = trigger_fed(&server, &["--batch", "-"], &format!("{good}{line}\n")).await;
        run.expect_failure(2, part);
        run.expect_failure(2, "; 10 earlier events were published");
    }
    trigger(&server, &["--batch", "/no/such/file"]).await.expect_failure(1, "cannot read /no/such/file");
    trigger(&server, &["--batch", "-", "-c", "a"]).await.expect_failure(2, "cannot be used with");
    trigger(&server, &["-e", "x", "-d", "y"]).await.expect_failure(2, "required");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_event_goes_through_a_connection() {
    let server = server().await;
    let mut listening = listen(&server, &["-c", "presence-chat", "--user-id", "ann", "--count", "1", "--json"]);
    listening.line_with(SUCCEEDED).await;
    let event = ["-e", "client-typing", "-d", r#"{"n":1}"#, "--as-client", "--user-id", "bob"];
    let run = trigger(&server, &[&["-c", "presence-chat"], &event[..]].concat()).await;
    let confirmed = "sent; servers do not confirm client events\n";
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), confirmed, ""));
    let run = listening.end().await;
    let last = run.json().pop().unwrap_or_default();
    assert_eq!(
        (&last["event"], &last["data"], &last["user_id"]),
        (&"client-typing".into(), &r#"{"n":1}"#.into(), &"bob".into())
    );

    trigger(&server, &[&["-c", "chat"], &event[..]].concat()).await.expect_failure(2, "chat is public");
    let wrong_name = ["-c", "private-a", "-e", "typing", "-d", "{}", "--as-client"];
    trigger(&server, &wrong_name).await.expect_failure(2, "client-");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_event_that_the_server_refuses_is_a_failure() {
    let app = App::new("1", "app-key", "app-secret").unwrap();
    let config = ServerConfig::builder(app).client_events(false).build().unwrap();
    let server = Server::start(config).await.unwrap();
    let run = trigger(&server, &["-c", "private-a", "-e", "client-x", "-d", "{}", "--as-client"]).await;
    run.expect_failure(4, "To send client events, you must enable this feature");
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_come_from_standard_input_and_may_begin_with_an_at_sign() {
    let server = server().await;
    let mut listening = listen(&server, &["-c", "chat", "--count", "2", "--json"]);
    listening.line_with(SUCCEEDED).await;
    let event = ["-c", "chat", "-e", "x", "-d"];
    assert_eq!(trigger_fed(&server, &[&event[..], &["@-"]].concat(), "fed\n").await.code, Some(0));
    assert_eq!(trigger(&server, &[&event[..], &["@@ann"]].concat()).await.code, Some(0));
    let run = listening.end().await;
    let data: Vec<_> =
        run.json().into_iter().filter(|line| line["event"] == "x").map(|line| line["data"].clone()).collect();
    assert_eq!(data, ["fed", "@ann"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_can_be_left_out() {
    let server = server().await;
    let mut excluded = listen(&server, &["-c", "chat", "--count", "1"]);
    excluded.line_with(SUCCEEDED).await;
    let connected = excluded.error_with("connected as ").await;
    let socket_id = connected.split_whitespace().last().unwrap_or_default().to_owned();
    let mut other = listen(&server, &["-c", "chat", "--count", "1"]);
    other.line_with(SUCCEEDED).await;
    let event = ["-c", "chat", "-e", "for-others", "-d", "1"];
    assert_eq!(trigger(&server, &[&event[..], &["--socket-id", &socket_id]].concat()).await.code, Some(0));
    assert_eq!(other.end().await.code, Some(0));
    assert_eq!(trigger(&server, &["-c", "chat", "-e", "for-all", "-d", "2"]).await.code, Some(0));
    let run = excluded.end().await;
    assert!(!run.stdout.contains("for-others") && run.stdout.contains("for-all"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_under_status_200_is_an_error() {
    let server = Server::start(Options::default().dialect(Dialect::Soketi)).await.unwrap();
    let url = server.ws_url();
    let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", "app-key", "--secret", "wrong"];
    let run = pusher(&[&trigger[..], &["-c", "a", "-e", "x", "-d", "{}"]].concat()).await;
    run.expect_failure(4, "the HTTP API refused the id, key or secret of the application: status 401");
    assert_eq!(run.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_may_be_in_files() {
    let server = server().await;
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("secret.txt");
    std::fs::write(&path, "app-secret\n").unwrap();
    let url = server.ws_url();
    let event = ["-c", "a", "-e", "x", "-d", "{}"];
    let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", "app-key"];
    let run = pusher(&[&trigger[..], &event, &["--secret-file", path.to_str().unwrap()]].concat()).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    pusher(&[&trigger[..], &event].concat()).await.expect_failure(2, "the application secret is missing");
    let run = pusher(&[&trigger[..], &event, &["--secret-file", "/no/such/file"]].concat()).await;
    run.expect_failure(1, "cannot read /no/such/file");
}
