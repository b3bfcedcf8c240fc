//! `pusher load`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pusher_server::{Activity, Options, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::support::{Run, Running, hang, nowhere, pusher, server, server_at, tcp_server};

/// Small, and over as soon as it can be.
const SMALL: [&str; 8] = ["--clients", "4", "--ramp", "0", "--channels", "2", "--threads", "1"];

#[tokio::test(flavor = "multi_thread")]
async fn all_events_reach_all_clients() {
    let server = server().await;
    let url = server.ws_url();
    let master_key = ["--master-key", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="];
    for (kind, more) in [("public", &[][..]), ("presence", &[]), ("encrypted", &master_key)] {
        let run = load(&url, &["--rate", "40", "--for", "1", "--json", "--kind", kind], more).await;
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
        let report = report(&run);
        assert_eq!(report["plan"]["kind"], kind);
        assert_eq!(report["clients"], json!({ "started": 4, "connected": 4, "subscribed": 4 }));
        assert_eq!(report["connections"], json!({ "opened": 4, "lost": 0 }));
        let events = &report["events"];
        assert_eq!([&events["due"], &events["accepted"], &events["failed"], &events["unsent"]], [40, 40, 0, 0]);
        // Two clients have each of the two channels.
        expect_deliveries(&report, [80, 80, 0, 0, 0]);
        let latency = &report["latency"];
        assert_eq!(latency["count"], 80);
        assert!(
            latency["p50"].as_f64() <= latency["p99"].as_f64() && latency["p99"].as_f64() <= latency["max"].as_f64()
        );
        assert_eq!((&report["storm"], &report["errors"]), (&Value::Null, &json!([])));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_assigned_in_turn() {
    let server = server().await;
    let plan = ["--clients", "3", "--ramp", "0", "--channels", "4", "--channels-per-client", "2"];
    let run = load(&server.ws_url(), &["--rate", "40", "--for", "1", "--json"], &plan).await;
    // The clients have the channels 0 and 1, 2 and 3, and again 0 and 1.
    expect_deliveries(&report(&run), [60, 60, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_clients_return_from_a_storm() {
    let server = server().await;
    let storm = ["--rate", "50", "--for", "2", "--storm", "0.5", "--storm-spread", "0.2", "--json"];
    let run = load(&server.ws_url(), &storm, &[]).await;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let report = report(&run);
    assert_eq!(report["connections"], json!({ "opened": 8, "lost": 0 }));
    assert_eq!((&report["storm"]["cut"], &report["storm"]["returned"]), (&json!(4), &json!(4)));
    assert_eq!(report["clients"]["subscribed"], 4);
    let deliveries = &report["deliveries"];
    // What was published meanwhile is missed, and nothing else is missing.
    assert_eq!([&deliveries["lost"], &deliveries["missed"], &deliveries["gaps"]], [0, 0, 4], "{run:?}");
    let [expected, received, missed] =
        ["expected", "received", "missed_in_storm"].map(|name| deliveries[name].as_u64().unwrap());
    assert!(missed > 0 && received > 0 && expected == received + missed && expected <= 200, "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_makes_clients_miss_events() {
    let server = server().await;
    let (address, url) = (server.address(), server.ws_url());
    let run = tokio::spawn(async move { load(&url, &["--rate", "40", "--for", "5", "--json"], &[]).await });
    published(&server, 20).await;
    server.shutdown().await;
    let _server = server_at(Options::default(), address).await;
    let run = run.await.unwrap();
    run.expect_failure(1, "missed while the connection was down");
    let report = report(&run);
    assert_eq!((&report["connections"]["lost"], &report["deliveries"]["gaps"]), (&json!(4), &json!(4)), "{run:?}");
    assert!(report["deliveries"]["missed"].as_u64() > Some(0) && !report["errors"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_for_good_leaves_clients_without_a_subscription() {
    let server = server().await;
    let url = server.ws_url();
    let run = tokio::spawn(async move { load(&url, &["--rate", "40", "--for", "2"], &[]).await });
    published(&server, 20).await;
    server.shutdown().await;
    let run = run.await.unwrap();
    run.expect_failure(1, "4 of 4 clients were not subscribed at the end");
    assert!(run.stderr.contains("the HTTP API did not accept"), "{run:?}");
    assert!(run.stdout.contains("0 of 4 subscribed at the end"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_the_server_drops_are_lost() {
    let server = server().await;
    let url = server.ws_url();
    let run = tokio::spawn(async move { load(&url, &["--rate", "40", "--for", "3", "--json"], &[]).await });
    published(&server, 20).await;
    // It accepts events and sends nothing.
    server.handle().silence(true);
    let run = run.await.unwrap();
    run.expect_failure(1, "deliveries were lost");
    let report = report(&run);
    let deliveries = &report["deliveries"];
    assert_eq!([&deliveries["expected"], &deliveries["missed"], &deliveries["gaps"]], [240, 0, 0], "{run:?}");
    assert!(deliveries["lost"].as_u64() > Some(0) && deliveries["received"].as_u64() > Some(0), "{run:?}");
    assert_eq!(report["clients"]["subscribed"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_over_time_are_written_to_files() {
    let server = server().await;
    let (csv, svg) = (file("load.csv"), file("load.svg"));
    let files = ["--csv", csv.to_str().unwrap(), "--svg", svg.to_str().unwrap()];
    let run = load(&server.ws_url(), &["--rate", "40", "--for", "2", "--storm", "1"], &files).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    for part in ["4 of 4 subscribed at the end", "80 of 80 events", "0 while subscribed", "p99.9", "resubscribe"] {
        assert!(run.stdout.contains(part), "{part}: {run:?}");
    }

    let csv = std::fs::read_to_string(csv).unwrap();
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((rows[0][0], rows[0][4], rows[0].len()), ("second", "published", 17));
    assert!(rows.len() > 2 && rows.iter().all(|row| row.len() == rows[0].len()), "{csv}");
    let published: u64 = rows[1..].iter().map(|row| row[4].parse::<u64>().unwrap()).sum();
    assert_eq!(published, 80);

    let svg = std::fs::read_to_string(svg).unwrap();
    expect_well_formed(&svg);
    assert!(svg.contains("prefers-color-scheme: dark") && svg.contains(">storm<") && svg.contains(">p99<"), "{svg}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_machines_need_a_flag_that_says_so() {
    let flags = ["--app-id", "1", "--key", "k", "--secret", "s", "--clients", "10"];
    for server in [
        &["--url", "ws://192.0.2.1:6001"][..],
        &["--url", "ws://localhost.example"],
        &["--cluster", "eu"],
        &["--url", "ws://127.0.0.1:6001", "--proxy", "http://192.0.2.1:3128"],
    ] {
        let run = pusher(&[&["load"], server, &flags[..]].concat()).await;
        run.expect_failure(2, "is not on this machine: use --allow-remote");
    }
    let run = pusher(&["load", "--help"]).await;
    assert!(run.stdout.contains("--allow-remote") && run.stdout.contains("charges for them"), "{run:?}");
    // With the flag, it tries: this name does not exist.
    let run = pusher(&[&["load", "--url", "ws://load.invalid", "--allow-remote"], &flags[..]].concat()).await;
    run.expect_failure(3, "cannot reach the HTTP API at http://load.invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_do_not_fit_are_refused() {
    let refused = async |more: &[&str], part| load("ws://127.0.0.1:1", more, &[]).await.expect_failure(2, part);
    refused(&["--channels-per-client", "3"], "more than --channels").await;
    refused(&["--size", "10"], "80..=65536").await;
    refused(&["--rate", "20001"], "from 0 to 20000").await;
    refused(&["--for", "90000"], "from 0 to 86400").await;
    refused(&["--for", "2", "--storm", "2"], "before the end of --for").await;
    refused(&["--storm-spread", "2"], "required").await;
    let clients = async |more: &[&str], part| load("ws://127.0.0.1:1", &[], more).await.expect_failure(2, part);
    clients(&["--clients", "60000"], "1..=50000").await;
    clients(&["--clients", "2", "--channels", "5"], "3 of 5 channels would have no subscriber").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_begin_says_why() {
    let (nowhere, _port) = nowhere();
    load(&nowhere, &[], &[]).await.expect_failure(3, "cannot reach the HTTP API at http://127.0.0.1:");
    let server = server().await;
    let run = load(&server.ws_url(), &["--secret", "wrong"], &[]).await;
    run.expect_failure(4, "the HTTP API refused the id, key or secret of the application");
    server.handle().refuse_connections(Some((4001, "no such app")));
    load(&server.ws_url(), &[], &[]).await.expect_failure(4, "no such app (code 4001)");
    server.handle().refuse_connections(Some((4100, "full")));
    load(&server.ws_url(), &[], &[]).await.expect_failure(3, "closed with 4100: full");
    let run = load(&server.ws_url(), &["--csv", "/no/such/directory/load.csv"], &[]).await;
    run.expect_failure(1, "cannot write /no/such/directory/load.csv");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_the_server_does_not_greet_are_not_connected() {
    let (url, _) = half_server(None).await;
    let run = load(&url, &[], &[]).await;
    run.expect_failure(3, &format!("no client was connected to {url} 10 s after the last one started"));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_accepted_and_not_delivered_are_lost() {
    let server = server().await;
    let (url, _) = half_server(Some(server.address())).await;
    let run = load(&url, &["--rate", "20", "--for", "1", "--json"], &[]).await;
    run.expect_failure(1, "40 of 40 deliveries were lost");
    let report = report(&run);
    expect_deliveries(&report, [40, 0, 40, 0, 0]);
    assert_eq!(report["latency"]["p50"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_cannot_be_sent_at_the_rate_are_reported() {
    let server = server().await;
    let (url, answers) = half_server(Some(server.address())).await;
    // The first call is the check before the run.
    answers.store(1, Ordering::SeqCst);
    let run = load(&url, &["--rate", "20", "--for", "1", "--in-flight", "1", "--json"], &[]).await;
    run.expect_failure(1, "the HTTP API did not accept 1 of 20 events");
    assert!(
        run.stderr.contains("19 of 20 events were not sent, since all calls waited for answers (--in-flight 1)"),
        "{run:?}"
    );
    let report = report(&run);
    let events = &report["events"];
    assert_eq!([&events["due"], &events["accepted"], &events["failed"], &events["unsent"]], [20, 0, 1, 19]);
    // An event that may not have been published is not expected.
    expect_deliveries(&report, [0, 0, 0, 0, 0]);
    assert!(report["errors"][0]["error"].as_str().unwrap().contains("did not answer within 10 s"), "{run:?}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn too_small_a_limit_of_open_files_is_reported() {
    let load = "ulimit -n 100 && exec \"$0\" load --url ws://127.0.0.1:1 --app-id 1 --key k --secret s --clients 200";
    let output = Command::new("sh").args(["-c", load, env!("CARGO_BIN_EXE_pusher")]).output().await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("216 connections need 280 open files, and this process may have 100"), "{error}");
    assert!(error.contains("`ulimit -n 280`"), "{error}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_prints_what_was_measured() {
    let server = server().await;
    for signal in ["INT", "TERM"] {
        let url = server.ws_url();
        let running = Running::start(&flags(&url, &["--rate", "40", "--for", "600", "--json"], &[]));
        published(&server, 20).await;
        running.signal(signal).await;
        let run = running.end().await;
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
        let report = report(&run);
        assert_eq!((&report["interrupted"], &report["clients"]["subscribed"]), (&json!(true), &json!(4)));
        let [due, accepted, received, lost] = [
            &report["events"]["due"],
            &report["events"]["accepted"],
            &report["deliveries"]["received"],
            &report["deliveries"]["lost"],
        ]
        .map(|value| value.as_u64().unwrap());
        assert!(accepted >= 10 && due >= 10 && received >= 2 * accepted && lost == 0, "{run:?}");
    }
}

/// Runs it with the credentials of the development server.
async fn load(url: &str, first: &[&str], more: &[&str]) -> Run {
    pusher(&flags(url, first, more)).await
}

fn flags<'a>(url: &'a str, first: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let mut flags = vec!["load", "--url", url, "--app-id", "1", "--key", "app-key"];
    if !first.contains(&"--secret") {
        flags.extend(["--secret", "app-secret"]);
    }
    if !more.contains(&"--clients") {
        flags.extend(SMALL);
    }
    flags.extend(first);
    flags.extend(more);
    flags
}

fn report(run: &Run) -> Value {
    let [report] = &run.json()[..] else { panic!("{run:?}") };
    report.clone()
}

/// Expected, received, lost, missed and duplicates.
fn expect_deliveries(report: &Value, figures: [u64; 5]) {
    let names = ["expected", "received", "lost", "missed", "duplicates"];
    assert_eq!(names.map(|name| report["deliveries"][name].as_u64().unwrap()), figures, "{report}");
}

/// Waits until so many events were published.
async fn published(server: &Server, count: usize) {
    let mut activities = server.handle().activities();
    let mut seen = 0;
    while seen < count {
        let activity = activities.next().await.unwrap();
        seen += usize::from(matches!(activity, Activity::Published { .. }));
    }
}

/// Passes WebSockets on to a server, or keeps them waiting, and accepts so many calls of the HTTP API without an effect.
async fn half_server(server: Option<SocketAddr>) -> (String, Arc<AtomicUsize>) {
    let answers = Arc::new(AtomicUsize::new(usize::MAX));
    let left = Arc::clone(&answers);
    let (address, _) = tcp_server(move |mut stream| {
        let left = Arc::clone(&left);
        async move {
            let mut start = [0; 4];
            stream.peek(&mut start).await.unwrap();
            match (&start, server) {
                (b"POST", _) => {
                    let answers = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                    if answers.is_ok() {
                        let _ = stream.read(&mut [0; 65_536]).await;
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
                        stream.write_all(answer).await.unwrap();
                    } else {
                        hang(stream).await;
                    }
                }
                (_, Some(server)) => {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut server).await;
                }
                (_, None) => hang(stream).await,
            }
        }
    })
    .await;
    (format!("ws://{address}"), answers)
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Every element that begins ends, in order, and texts contain no mark-up.
fn expect_well_formed(svg: &str) {
    let mut open = Vec::new();
    for element in svg.split('<').skip(1) {
        let (tag, text) = element.split_once('>').expect("an element that ends");
        assert!(!text.contains('>') && !tag.contains('&'), "{element}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{element}");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) => assert_eq!(open.pop(), Some(name)),
            (false, true) => {}
            (false, false) => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
