//! `pusher listen --rewind` and `--filter`

use pusher_server::pusher_proto::server::{Dialect, Publication, ServerConfig};
use pusher_server::pusher_proto::signing::App;
use pusher_server::{Options, Server};
use serde_json::{Value, json};

use crate::support::{Running, pusher, server};

async fn sockudo() -> Server {
    Server::start(Options::default().dialect(Dialect::SockudoV2)).await.unwrap()
}

fn publish(server: &Server, data: &str, tags: &[(&str, &str)]) {
    let tags = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let publication = Publication::new("trade", ["trades".parse().unwrap()], data.to_owned());
    server.handle().trigger(&Publication { tags, ..publication }).unwrap();
}

fn listen<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["listen", "--url", url, "--key", "app-key", "-c", "trades"], more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_events_are_printed_first() {
    let server = sockudo().await;
    for data in ["1", "2", "3"] {
        publish(&server, data, &[]);
    }
    let url = server.ws_url();
    let mut listening = Running::start(&listen(&url, &["--rewind", "2", "--count", "3"]));
    listening.line_with("rewound: 2 earlier messages").await;
    publish(&server, "4", &[]);
    let run = listening.end().await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines: Vec<&str> = run.stdout.lines().map(|line| line.split_once("trades  ").unwrap().1).collect();
    let success = "pusher:subscription_succeeded";
    let rewound = "rewound: 2 earlier messages";
    assert_eq!(lines, [success, "trade  2  replayed", "trade  3  replayed", rewound, "trade  4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_says_what_a_rewind_has_brought() {
    let server = sockudo().await;
    publish(&server, "1", &[]);
    let url = server.ws_url();
    let mut listening = Running::start(&listen(&url, &["--rewind", "5", "--json", "--count", "2"]));
    listening.line_with("pusher:rewind_complete").await;
    publish(&server, "2", &[]);
    let run = listening.end().await;
    let lines = run.json();
    let of = |name: &str| lines.iter().filter(|line| line["event"] == name).collect::<Vec<&Value>>();
    let events: Vec<_> = of("trade").iter().map(|line| (line["data"].clone(), line.get("replayed").cloned())).collect();
    assert_eq!(events, [(json!("1"), Some(json!(true))), (json!("2"), None)]);
    assert_eq!(of("pusher:rewind_complete")[0]["data"], r#"{"replayed":1,"complete":true}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_sends_only_what_all_filters_let_through() {
    let server = sockudo().await;
    let url = server.ws_url();
    let json = r#"{"tags":{"key":"price","cmp":"gte","val":100},"events":["trade"]}"#;
    let filters = ["--filter", "asset=BTC", "--filter", "side!=sell", "--filter", json, "--count", "2"];
    let mut listening = Running::start(&listen(&url, &filters));
    listening.line_with("pusher:subscription_succeeded").await;
    publish(&server, "1", &[("asset", "ETH"), ("price", "100")]);
    publish(&server, "2", &[("asset", "BTC"), ("price", "100")]);
    publish(&server, "3", &[("asset", "BTC"), ("price", "100"), ("side", "sell")]);
    publish(&server, "4", &[("asset", "BTC"), ("price", "99"), ("side", "buy")]);
    publish(&server, "5", &[("asset", "BTC"), ("price", "101"), ("side", "buy")]);
    let run = listening.end().await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let events: Vec<&str> =
        run.stdout.lines().filter_map(|line| line.split_once("trade  ")).map(|(_, data)| data).collect();
    assert_eq!(events, ["2", "5"]);
}

#[tokio::test]
async fn a_bad_filter_is_refused_before_connecting() {
    let nowhere = "ws://127.0.0.1:9";
    for (more, error) in [
        (&["--filter", "asset"][..], "expected KEY=VALUE, KEY!=VALUE or a JSON object"),
        (&["--filter", "asset="], "a comparison needs a value that is not empty"),
        (&["--filter", r#"{"key":"asset"}"#], "expected a `cmp`"),
        (
            &["--filter", r#"{"events":["a"]}"#, "--filter", r#"{"events":["b"]}"#],
            "--filter: the filter already has event names",
        ),
        (&["presence-room", "--filter", "asset=BTC"], "presence-room: a filter also hides who joins and leaves"),
        (&["--rewind", "0"], "0 is not in 1.."),
    ] {
        let run = pusher(&listen(nowhere, more)).await;
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
        assert!(run.stderr.contains(error), "{error}: {run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_can_do_neither_is_not_listened_to() {
    let server = server().await;
    let run = pusher(&listen(&server.ws_url(), &["--filter", "asset=BTC"])).await;
    run.expect_failure(1, "--rewind and --filter need Sockudo");
    let config = ServerConfig::builder(App::new("1", "app-key", "app-secret").unwrap()).dialect(Dialect::SockudoV2);
    let server = Server::start(Options::new(config.rewind(false).build().unwrap())).await.unwrap();
    let run = pusher(&listen(&server.ws_url(), &["--rewind", "5"])).await;
    run.expect_failure(4, "Channel rewind is disabled by policy for channel 'trades'");
}
