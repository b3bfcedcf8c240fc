//! `pusher listen` and `pusher trigger`

use serde_json::{Value, json};

use crate::support::{Running, pusher, server};

/// 32 bytes of value 7, the master key of the development server.
const MASTER_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
/// 32 bytes of value 8.
const OTHER_MASTER_KEY: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";
const SUCCEEDED: &str = "pusher:subscription_succeeded";

#[tokio::test(flavor = "multi_thread")]
async fn prints_what_trigger_publishes_and_ends_after_the_count() {
    let server = server().await;
    let url = server.ws_url();
    let listen = ["listen", "--url", &url, "--key", "app-key", "--channel", "chat", "--json", "--count", "2"];
    let mut listening = Running::start(&listen);
    listening.line_with(SUCCEEDED).await;

    let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", "app-key", "--secret", "app-secret"];
    for data in [r#"{"big":12345678901234567890}"#, "just text"] {
        let event = ["--channel", "chat", "other", "--event", "message", "--data", data];
        let run = pusher(&[&trigger[..], &event].concat()).await;
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "published\n", ""));
    }

    let run = listening.end().await;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let messages: Vec<Value> = run.json().into_iter().filter(|line| line["event"] == "message").collect();
    let data: Vec<_> = messages.iter().map(|line| (&line["channel"], &line["data"])).collect();
    let chat = json!("chat");
    assert_eq!(data, [(&chat, &json!(r#"{"big":12345678901234567890}"#)), (&chat, &json!("just text"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_events_are_sealed_and_opened_with_the_master_key() {
    let server = server().await;
    let (url, endpoint) = (server.ws_url(), format!("{}/pusher/auth", server.http_url()));
    let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", "app-key", "--secret", "app-secret"];
    let event = ["-c", "private-encrypted-chat", "--event", "message", "--data", r#"{"hush":1}"#];
    pusher(&[&trigger[..], &event].concat()).await.expect_failure(2, "private-encrypted-chat needs --master-key");
    let two = ["-c", "other", "--master-key", MASTER_KEY];
    pusher(&[&trigger[..], &event, &two].concat()).await.expect_failure(2, "with a key of its own");

    for auth in [&["--secret", "app-secret", "--master-key", MASTER_KEY][..], &["--auth-url", &endpoint]] {
        let listen =
            ["listen", "--url", &url, "--key", "app-key", "-c", "private-encrypted-chat", "--json", "--count", "1"];
        let mut listening = Running::start(&[&listen[..], auth].concat());
        listening.line_with(SUCCEEDED).await;
        let run = pusher(&[&trigger[..], &event, &["--master-key", MASTER_KEY]].concat()).await;
        assert_eq!(run.code, Some(0), "{run:?}");
        let run = listening.end().await;
        let last = run.json().pop().unwrap_or_default();
        assert_eq!((&last["event"], &last["data"]), (&json!("message"), &json!(r#"{"hush":1}"#)), "{run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_or_asks_the_endpoint_for_presence_channels() {
    let server = server().await;
    let endpoint = format!("{}/pusher/auth", server.http_url());
    for auth in [["--secret", "app-secret"], ["--auth-url", &endpoint]] {
        let url = server.ws_url();
        let listen =
            ["listen", "--url", &url, "--key", "app-key", "-c", "presence-chat", "--json", "--event", SUCCEEDED];
        let who = ["--count", "1", "--user-id", "zoe", "--user-info", r#"{"n":1}"#];
        let run = pusher(&[&listen[..], &who, &auth].concat()).await;
        assert_eq!(run.code, Some(0), "{run:?}");
        let [line] = &run.json()[..] else { panic!("{run:?}") };
        assert_eq!(line["data"], r#"{"again":false,"members":[{"user_id":"zoe","user_info":{"n":1}}]}"#);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_reported_and_restored() {
    let server = server().await;
    let mut listening = Running::start(&["listen", "--url", &server.ws_url(), "--key", "app-key", "--channel", "chat"]);
    listening.line_with(SUCCEEDED).await;
    server.handle().cut_all();
    listening.line_with("the connection was lost: events may be missing here").await;
    listening.line_with(SUCCEEDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_decrypted_is_reported_with_the_reason() {
    let server = server().await;
    let (url, endpoint) = (server.ws_url(), format!("{}/pusher/auth", server.http_url()));
    let channel = "private-encrypted-chat";
    let listen = ["listen", "--url", &url, "--key", "app-key", "-c", channel, "--auth-url", &endpoint];
    let (mut human, mut json) = (Running::start(&listen), Running::start(&[&listen[..], &["--json"]].concat()));
    human.line_with(SUCCEEDED).await;
    json.line_with(SUCCEEDED).await;

    let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", "app-key", "--secret", "app-secret"];
    let event = ["-c", channel, "--event", "message", "--data", "{}", "--master-key", OTHER_MASTER_KEY];
    assert_eq!(pusher(&[&trigger[..], &event].concat()).await.code, Some(0));
    human.line_with("private-encrypted-chat  cannot decrypt message: no key opens the payload").await;
    let line: Value = serde_json::from_str(&json.line_with("pusher:decryption_error").await).unwrap();
    assert_eq!(
        (&line["channel"], &line["data"]),
        (&json!(channel), &json!(r#"{"event":"message","message":"no key opens the payload"}"#))
    );
}
