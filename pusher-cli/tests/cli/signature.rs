//! `pusher sign` and `pusher verify`, with the examples of Pusher's documentation.

use serde_json::json;

use crate::support::{Run, pusher, pusher_fed};

const KEY: &str = "278d425bdf160c739803";
const SECRET: &str = "7ad3773142a6692b25b8";
const PRIVATE: &str = "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
const PRESENCE: &str = "278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80";
const CHANNEL_DATA: &str = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;

async fn run(words: &[&str], input: &str) -> Run {
    pusher_fed(&[words, &["--key", KEY, "--secret", SECRET]].concat(), input).await
}

#[tokio::test]
async fn what_a_backend_answers_for_a_channel_is_printed_with_the_string_that_was_signed() {
    let signed = run(&["sign", "channel", "private-foobar", "--socket-id", "1234.1234"], "").await;
    let stderr = "signed string: 1234.1234:private-foobar\n";
    assert_eq!(
        (signed.code, signed.json(), signed.stderr.as_str()),
        (Some(0), vec![json!({ "auth": PRIVATE })], stderr)
    );
    assert!(!format!("{signed:?}").contains(SECRET));

    let presence = ["sign", "channel", "presence-foobar", "--socket-id", "1234.1234"];
    let signed = run(&[&presence[..], &["--channel-data", CHANNEL_DATA]].concat(), "").await;
    assert_eq!(signed.json(), [json!({ "auth": PRESENCE, "channel_data": CHANNEL_DATA })]);
    assert_eq!(signed.stderr, format!("signed string: 1234.1234:presence-foobar:{CHANNEL_DATA}\n"));
    let signed = run(&[&presence[..], &["--user-id", "ann", "--user-info", "[1]"]].concat(), "").await;
    assert_eq!(signed.json()[0]["channel_data"], r#"{"user_id":"ann","user_info":[1]}"#);
    run(&presence, "").await.expect_failure(2, "presence-foobar needs --user-id or --channel-data");
    let public = run(&["sign", "channel", "chat", "--socket-id", "1.2"], "").await;
    public.expect_failure(2, "chat: only private and presence channels are signed");
    let encrypted = run(&["sign", "channel", "private-encrypted-a", "--socket-id", "1.2"], "").await;
    encrypted.expect_failure(2, "private-encrypted-a needs --master-key");
}

#[tokio::test]
async fn a_pasted_request_is_answered() {
    let whole = "POST /broadcasting/auth HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n\
                 socket_id=1234.1234&channel_name=private-foobar";
    for text in [whole, r#"{"socket_id":"1234.1234","channel_name":"private-foobar"}"#] {
        let signed = run(&["sign", "request"], text).await;
        assert_eq!((signed.code, signed.json()), (Some(0), vec![json!({ "auth": PRIVATE })]), "{signed:?}");
    }
    let signed = run(&["sign", "request", "--user-id", "12345"], "socket_id=1234.1234").await;
    assert_eq!(signed.json()[0]["user_data"], r#"{"id":"12345"}"#);
    assert_eq!(signed.stderr, "signed string: 1234.1234::user::{\"id\":\"12345\"}\n");
    run(&["sign", "request"], "hello").await.expect_failure(2, "the request names no socket_id");
}

#[tokio::test]
async fn an_answer_is_checked() {
    let private = ["verify", "channel", "private-foobar", "--socket-id", "1234.1234"];
    let valid = run(&[&private[..], &["--auth", PRIVATE]].concat(), "").await;
    let stderr = "signed string: 1234.1234:private-foobar\n";
    assert_eq!((valid.code, valid.stdout.as_str(), valid.stderr.as_str()), (Some(0), "valid\n", stderr));
    let valid = run(&[&private[..], &["--json"]].concat(), &format!("{{\"auth\":\"{PRIVATE}\"}}\n")).await;
    assert_eq!(valid.json(), [json!({ "valid": true, "signed": "1234.1234:private-foobar" })]);

    let other = ["verify", "channel", "private-foobar", "--socket-id", "1234.1235", "--auth", PRIVATE];
    run(&other, "").await.expect_failure(1, "not valid: the signature does not match; it was made with another secret");
    let with_data = run(&[&private[..], &["--auth", PRIVATE, "--channel-data", "{}"]].concat(), "").await;
    with_data.expect_failure(1, "it was signed without the channel_data");
    let presence = ["verify", "channel", "presence-foobar", "--socket-id", "1234.1234", "--auth", PRESENCE];
    run(&presence, "").await.expect_failure(1, "a presence channel is signed with its channel_data");
    let other_key = PRIVATE.replace("278d", "0000");
    let wrong = run(&[&private[..], &["--auth", &other_key, "--json"]].concat(), "").await;
    wrong.expect_failure(1, "the key belongs to another application");
    assert_eq!(wrong.json()[0]["valid"], false);
}

#[tokio::test]
async fn what_sign_prints_is_valid_for_verify() {
    let signed = run(&["sign", "user", "--socket-id", "1.2", "--user-id", "ann", "--user-info", "{}"], "").await;
    let valid = run(&["verify", "user", "--socket-id", "1.2"], &signed.stdout).await;
    assert_eq!((valid.code, valid.stdout.as_str()), (Some(0), "valid\n"), "{valid:?}");

    let body = r#"{"time_ms":1,"events":[]}"#;
    let signed = run(&["sign", "webhook", "-"], body).await;
    let request = format!("POST /webhook HTTP/1.1\nHost: h\n{}\n{body}\n", signed.stdout);
    let valid = run(&["verify", "request"], &request).await;
    assert_eq!((valid.code, valid.stdout.as_str()), (Some(0), "valid\n"), "{valid:?}");
    let signature = run(&["sign", "webhook", body, "--json"], "").await.json()[0]["X-Pusher-Signature"].clone();
    let signature = signature.as_str().unwrap_or_default();
    let valid = run(&["verify", "webhook", "-", "--signature", signature], &format!("{body}\n")).await;
    assert_eq!((valid.code, valid.stdout.as_str()), (Some(0), "valid\n"), "{valid:?}");
    let changed = run(&["verify", "webhook", "{}", "--signature", signature], "").await;
    changed.expect_failure(1, "not valid: the signature does not match");
}

#[tokio::test]
async fn a_pasted_call_of_the_http_api_is_checked() {
    let body = r#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
    let query = "body_md5=ec365a775a4cd0599faeb73354201b6f&auth_version=1.0&auth_key=278d425bdf160c739803&\
                 auth_timestamp=1353088179&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c";
    let request = format!("POST /apps/3/events?{query} HTTP/1.1\nHost: api.pusherapp.com\n\n{body}\n");
    let valid = run(&["verify", "request", "--json"], &request).await;
    let signed = "POST\n/apps/3/events\nauth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&\
                  body_md5=ec365a775a4cd0599faeb73354201b6f";
    assert_eq!((valid.code, valid.json()), (Some(0), vec![json!({ "valid": true, "signed": signed })]), "{valid:?}");
    assert!(valid.stderr.contains("servers accept 600 s"), "{valid:?}");
    let changed = run(&["verify", "request"], &request.replace("project-3", "project-4")).await;
    changed.expect_failure(1, "not valid: ");
    run(&["verify", "request"], body).await.expect_failure(2, "the request is neither a webhook");
}

#[tokio::test]
async fn the_secret_is_needed() {
    let run = pusher(&["sign", "channel", "private-a", "--socket-id", "1.2", "--key", "k"]).await;
    run.expect_failure(2, "the application secret is missing");
}
