//! `pusher console`

use reqwest::header::{CONTENT_TYPE, HOST, ORIGIN};
use tokio::time::timeout;

use crate::support::{LIMIT, Running, http_client, nowhere, pusher, server};

/// Reads the stream of a page until it contains this text.
async fn read_until(mut feed: reqwest::Response, text: &str) -> String {
    let mut read = String::new();
    while !read.contains(text) {
        let chunk = timeout(LIMIT, feed.chunk()).await.unwrap_or_else(|_| panic!("{text} is not in {read}"));
        read += std::str::from_utf8(&chunk.expect("the feed is readable").expect("the feed goes on"))
            .expect("the feed is text");
    }
    read
}

/// Starts a console for the server, and returns it with the address of its page.
async fn console(url: &str, more: &[&str]) -> (Running, String) {
    let flags = ["console", "--url", url, "--key", "app-key", "--page-port", "0"];
    let mut running = Running::start(&[&flags[..], more].concat());
    let line = running.line_with("console of").await;
    let page = line.split_whitespace().last().expect("the line ends with the address").to_owned();
    (running, page)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_a_client_sees_and_publishes() {
    let server = server().await;
    let flags = ["-c", "presence-room", "--app-id", "1", "--secret", "app-secret", "--user-id", "ann"];
    let (_running, page) = console(&server.ws_url(), &flags).await;
    let client = http_client();
    let feed = async || client.get(format!("{page}console/feed")).send().await.unwrap();
    let seen = read_until(feed().await, r#""name":"presence-room","count":1,"users":["ann"]"#).await;
    assert!(seen.contains(r#""kind":"subscribed","channel":"presence-room""#), "{seen}");

    let publication = r#"{"channels":["presence-room"],"event":"e","data":"1"}"#;
    let publish = async |origin: &str| {
        let request = client.post(format!("{page}console/publish")).header(CONTENT_TYPE, "application/json");
        request.header(ORIGIN, origin).body(publication).send().await.unwrap().status()
    };
    assert_eq!(publish("http://evil.example").await, 403);
    assert_eq!(publish(page.trim_end_matches('/')).await, 204);
    let seen = read_until(feed().await, r#""event":"e","data":"1""#).await;
    assert!(!seen.contains("app-secret"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_only_for_this_machine() {
    let server = server().await;
    let (_running, page) = console(&server.ws_url(), &[]).await;
    let client = http_client();
    assert_eq!(client.get(&page).send().await.unwrap().status(), 200);
    assert_eq!(client.get(&page).header(HOST, "evil.example").send().await.unwrap().status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lists_channels_and_says_why_it_cannot() {
    let server = server().await;
    let mut listening = Running::start(&["listen", "--url", &server.ws_url(), "--key", "app-key", "-c", "elsewhere"]);
    listening.line_with("subscription_succeeded").await;
    let (_running, page) = console(&server.ws_url(), &["--app-id", "1", "--secret", "app-secret"]).await;
    let feed = http_client().get(format!("{page}console/feed")).send().await.unwrap();
    read_until(feed, r#""name":"elsewhere","count":1"#).await;

    let (_running, page) = console(&server.ws_url(), &["--app-id", "1", "--secret", "wrong"]).await;
    let feed = http_client().get(format!("{page}console/feed")).send().await.unwrap();
    read_until(feed, "refused the id, key or secret of the application").await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_waited_for_and_one_that_refuses_is_not() {
    let (url, _socket) = nowhere();
    let (running, page) = console(&url, &[]).await;
    let feed = http_client().get(format!("{page}console/feed")).send().await.unwrap();
    read_until(feed, r#""kind":"disconnected","note":"#).await;
    running.signal("TERM").await;
    let run = running.end().await;
    assert_eq!(run.code, Some(0), "{run:?}");

    let server = server().await;
    let run = pusher(&["console", "--url", &server.ws_url(), "--key", "wrong", "--page-port", "0"]).await;
    run.expect_failure(4, "code 4001");
}
