//! `pusher serve`

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn serves_until_it_is_interrupted_and_keeps_the_secret() {
    use crate::support::{Running, pusher};

    let mut serving = Running::start(&["serve", "--port", "0", "--key", "k", "--app-id", "1", "--secret", "tofu"]);
    let line = serving.line_with("WebSocket").await;
    let url = line.split_whitespace().last().unwrap();
    let auth = serving.line_with("auth endpoint").await;
    let auth_url = auth.split_whitespace().last().unwrap();
    let listen = ["listen", "--url", url, "--key", "k", "--auth-url", auth_url, "--channel", "private-a"];
    let mut listening = Running::start(&listen);
    listening.line_with("pusher:subscription_succeeded").await;
    serving.line_with("private-a  1 subscribed").await;

    let trigger = ["trigger", "--url", url, "--app-id", "1", "--key", "k", "--secret", "tofu", "-c", "private-a"];
    assert_eq!(pusher(&[&trigger[..], &["-e", "x", "-d", "{}"]].concat()).await.code, Some(0));
    listening.line_with("private-a  x  {}").await;

    serving.signal("INT").await;
    let run = serving.end().await;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    assert!(!run.stdout.contains("tofu"), "{run:?}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn takes_no_credentials_that_are_meant_for_another_server() {
    use crate::support::Running;

    let production = [("PUSHER_APP_ID", "77"), ("PUSHER_KEY", "production"), ("PUSHER_SECRET", "secret")];
    let mut serving = Running::start_with(&production, &["serve", "--port", "0"]);
    serving.line_with("application 1 with key app-key").await;
    serving.line_with("signs for any user on request").await;
    let own = [("PUSHER_SERVE_APP_ID", "7"), ("PUSHER_SERVE_KEY", "k"), ("PUSHER_SERVE_SECRET", "s")];
    let mut serving = Running::start_with(&own, &["serve", "--port", "0", "--host", "0.0.0.0"]);
    serving.line_with("application 7 with key k").await;
    serving.line_with("is reachable from other machines").await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn shows_what_it_refuses_and_what_passes_through() {
    use crate::support::{Running, pusher};

    let mut serving = Running::start(&["serve", "--port", "0"]);
    let line = serving.line_with("WebSocket").await;
    let url = line.split_whitespace().last().unwrap();
    let listen = ["listen", "--url", url, "--key", "app-key", "-c", "private-a", "--secret"];
    pusher(&[&listen[..], &["wrong"]].concat()).await.expect_failure(4, "private-a: ");
    serving.line_with("channel private-a  reason Invalid signature: ").await;
    let mut listening = Running::start(&[&listen[..], &["app-secret"]].concat());
    listening.line_with("pusher:subscription_succeeded").await;

    let api = ["--url", url, "--app-id", "1", "--key", "app-key", "--secret", "app-secret"];
    let trigger = [&["trigger"][..], &api, &["-c", "private-a", "-d", "{}", "-e"]].concat();
    assert_eq!(pusher(&[&trigger[..], &["order.created"]].concat()).await.code, Some(0));
    serving.line_with("publication  event order.created  channels private-a  bytes 2").await;
    assert_eq!(pusher(&[&trigger[..], &["client-x", "--as-client"]].concat()).await.code, Some(0));
    let line = serving.line_with("client event").await;
    assert!(line.contains("event client-x  channel private-a"), "{line}");
    pusher(&["channels", "--url", url, "--app-id", "1", "--key", "app-key", "--secret", "wrong"]).await;
    serving.line_with("status 401 Unauthorized  reason auth_signature does not match").await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_console_is_for_this_machine_and_for_its_own_page() {
    use crate::support::{Running, http_client};

    let mut serving = Running::start(&["serve", "--port", "0"]);
    let line = serving.line_with("console").await;
    let url = line.split_whitespace().last().unwrap();
    let client = http_client();
    let page = client.get(url).send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    assert!(page.text().await.unwrap().contains("<title>pusher console</title>"));

    let publish = |origin: Option<&str>| {
        let mut request = client.post(format!("{url}console/publish")).header("Content-Type", "application/json");
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        request.body(r#"{"channels":["chat"],"event":"e","data":"1"}"#).send()
    };
    assert_eq!(publish(None).await.unwrap().status(), 403);
    assert_eq!(publish(Some("http://localhost:1")).await.unwrap().status(), 403);
    assert_eq!(publish(Some(url.trim_end_matches('/'))).await.unwrap().status(), 204);

    // A page that follows the server does not keep it from ending.
    let feed = client.get(format!("{url}console/feed")).send().await.unwrap();
    serving.signal("TERM").await;
    assert_eq!(serving.end().await.code, Some(0));
    assert!(feed.text().await.unwrap().contains(r#""channel":"chat","event":"e","data":"1""#));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn other_machines_get_the_console_only_on_request() {
    use crate::support::{Running, http_client};

    for (flags, expected) in [(&["--host", "0.0.0.0"][..], 404), (&["--host", "0.0.0.0", "--console"], 200)] {
        let mut serving = Running::start(&[&["serve", "--port", "0"], flags].concat());
        let line = serving.line_with("auth endpoint").await;
        let port = line.rsplit(':').next().unwrap().split('/').next().unwrap();
        let page = http_client().get(format!("http://127.0.0.1:{port}/")).send().await.unwrap();
        assert_eq!(page.status(), expected, "{flags:?}");
    }
}
