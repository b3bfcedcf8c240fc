//! `pusher record` and `pusher replay`, and the frames of `listen -v`.

use std::fs;
use std::path::{Path, PathBuf};

use pusher_server::pusher_proto::server::ServerConfig;
use pusher_server::{Options, Server};
use pusher_tokio::pusher_proto::signing::{App, MasterKey};

#[cfg(unix)]
use crate::support::tcp_server;
use crate::support::{Running, pusher, pusher_with, server, server_at};
#[cfg(unix)]
use crate::tls::{Authority, forward};

const SUCCEEDED: &str = "pusher:subscription_succeeded";

/// A session with a restart of the server, as the program recorded it.
const RECONNECT: &str = include_str!("reconnect.txt");

/// Credentials that occur nowhere by chance.
const KEY: &str = "278d425bdf160c739803";
const SECRET: &str = "7ad3773142a6692b25b8";
const MASTER_KEY: [u8; 32] = [0xb7; 32];
const MASTER_KEY_BASE64: &str = "t7e3t7e3t7e3t7e3t7e3t7e3t7e3t7e3t7e3t7e3t7c=";

fn options() -> Options {
    let app = App::new("1", KEY, SECRET).unwrap().encryption_master_key(MasterKey::new(MASTER_KEY));
    Options::new(ServerConfig::new(app))
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn record(url: &str, file: &Path, more: &[&str]) -> Running {
    let env = [("PUSHER_SECRET", SECRET), ("PUSHER_ENCRYPTION_MASTER_KEY", MASTER_KEY_BASE64)];
    Running::start_with(&env, &[&["record", "--url", url, "--key", KEY, "-o", text(file)], more].concat())
}

async fn publish(server: &Server, channel: &str, data: &str) {
    let (url, env) =
        (server.ws_url(), [("PUSHER_SECRET", SECRET), ("PUSHER_ENCRYPTION_MASTER_KEY", MASTER_KEY_BASE64)]);
    let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", KEY, "-c", channel, "-e", "e", "-d", data];
    assert_eq!(pusher_with(&env, &trigger).await.code, Some(0));
}

async fn expect_same(file: &Path) {
    let run = pusher(&["replay", text(file)]).await;
    assert!(run.code == Some(0) && run.stdout.starts_with("no difference in "), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_recorded_without_secrets_and_replayed_byte_for_byte() {
    let server = Server::start(options()).await.unwrap();
    let file = path("session.txt");
    let endpoint = [format!("{}/pusher/auth", server.http_url()), format!("{}/pusher/user-auth", server.http_url())];
    let channels = ["-c", "chat", "private-a", "presence-a", "private-encrypted-a", "--signin", "--count", "4"];
    let endpoints = ["--auth-url", &endpoint[0], "--user-auth-url", &endpoint[1], "--auth-header"];
    let by_endpoint = [&endpoints[..], &["Cookie=sid=c00kie-7f3a", "--user-id", "ann"]].concat();
    for more in [&["--user-id", "ann"][..], &by_endpoint] {
        let mut recording = record(&server.ws_url(), &file, &[&channels[..], more].concat());
        for _ in 0..4 {
            recording.line_with(SUCCEEDED).await;
        }
        for channel in ["chat", "private-a", "presence-a", "private-encrypted-a"] {
            publish(&server, channel, r#"{"payload":"tofu"}"#).await;
        }
        let run = recording.end().await;
        assert_eq!(run.code, Some(0), "{run:?}");
        let recorded = fs::read_to_string(&file).unwrap();
        let app = server.app();
        let channel = "private-encrypted-a".parse().unwrap();
        let shared = MasterKey::new(MASTER_KEY).shared_secret(&channel);
        let signature = |line: &str| {
            // What was signed is in the recording, so a test can sign it again.
            let id = line.split(r#"\"socket_id\":\""#).nth(1)?.split('\\').next()?.parse().ok()?;
            app.authorize_channel(&id, &"private-a".parse().unwrap()).ok()
        };
        let signed = recorded.lines().find_map(signature).unwrap();
        let signed = signed.auth.expose().split_once(':').unwrap().1;
        let forms = |secret: &str| [secret.to_owned(), secret.replace('/', "\\/"), secret.to_ascii_uppercase()];
        for secret in [KEY, SECRET, MASTER_KEY_BASE64, shared.expose(), signed, "c00kie-7f3a"] {
            for form in forms(secret) {
                assert!(!recorded.contains(&form) && !format!("{run:?}").contains(&form), "{form} in {recorded}");
            }
        }
        assert_eq!(recorded.matches("tofu").count(), 6, "three payloads and their events: {recorded}");
        assert!(recorded.lines().last() == Some("end") && !recorded.contains("decryption_error"), "{recorded}");
        expect_same(&file).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_of_an_encrypted_channel_is_replayed_without_the_key() {
    let server = Server::start(options()).await.unwrap();
    let file = path("rotation.txt");
    let endpoint = format!("{}/pusher/auth", server.http_url());
    let channel = ["-c", "private-encrypted-a", "--auth-url", &endpoint, "--count", "2"];
    let mut recording = record(&server.ws_url(), &file, &channel);
    recording.line_with(SUCCEEDED).await;
    publish(&server, "private-encrypted-a", "1").await;
    recording.line_with("private-encrypted-a  e  ").await;
    server.handle().rotate_master_key(MasterKey::new([0xc8; 32]));
    let env = [("PUSHER_ENCRYPTION_MASTER_KEY", "yMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMg=")];
    let url = server.ws_url();
    let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", KEY, "--secret", SECRET, "-e", "e", "-d", "2"];
    assert_eq!(pusher_with(&env, &[&trigger[..], &["-c", "private-encrypted-a"]].concat()).await.code, Some(0));
    assert_eq!(recording.end().await.code, Some(0));
    let recorded = fs::read_to_string(&file).unwrap();
    assert!(recorded.contains("newer key") && !recorded.contains("decryption_error"), "{recorded}");
    expect_same(&file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redacted_data_is_not_in_the_recording_and_the_session_goes_on() {
    let server = Server::start(options()).await.unwrap();
    let file = path("redacted.txt");
    let user = ["--user-id", "ann-7", "--user-info", r#"{"name":"tofu"}"#, "--signin", "--redact-data"];
    let mut recording = record(&server.ws_url(), &file, &[&["-c", "presence-a", "--count", "1"], &user[..]].concat());
    recording.line_with("1 here: user-1").await;
    publish(&server, "presence-a", r#"{"payload":"tofu"}"#).await;
    let run = recording.end().await;
    assert!(run.code == Some(0) && run.stdout.contains("signed in as user-1"), "{run:?}");
    let recorded = fs::read_to_string(&file).unwrap();
    assert!(!recorded.contains("tofu") && !recorded.contains("ann-7"), "{recorded}");
    assert!(!recorded.contains("pusher:error"), "the channel of the user is subscribed: {recorded}");
    expect_same(&file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_recorded_with_the_new_one() {
    let server = Server::start(options()).await.unwrap();
    let (address, url, file) = (server.address(), server.ws_url(), path("lost.txt"));
    let mut recording = record(&url, &file, &["-c", "private-a", "presence-a", "--count", "1"]);
    recording.line_with(SUCCEEDED).await;
    recording.line_with(SUCCEEDED).await;
    server.shutdown().await;
    recording.error_with("waiting").await;
    let server = server_at(options(), address).await;
    recording.line_with("the connection was lost").await;
    recording.line_with(SUCCEEDED).await;
    recording.line_with(SUCCEEDED).await;
    publish(&server, "private-a", "1").await;
    assert_eq!(recording.end().await.code, Some(0));
    expect_same(&file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_program_that_was_killed_is_of_use() {
    let server = Server::start(options()).await.unwrap();
    let file = path("killed.txt");
    let mut recording = record(&server.ws_url(), &file, &["-c", "chat"]);
    recording.line_with(SUCCEEDED).await;
    publish(&server, "chat", "1").await;
    recording.line_with("chat  e  1").await;
    drop(recording);
    let run = pusher(&["replay", text(&file)]).await;
    assert!(run.code == Some(0) && run.stdout.contains("cut off"), "{run:?}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_session_over_tls_is_recorded_until_the_program_is_interrupted() {
    let server = Server::start(options()).await.unwrap();
    let authority = Authority::new("recorded");
    let (acceptor, target) = (authority.acceptor(&["127.0.0.1"]), server.address());
    let (address, _) = tcp_server(move |stream| forward(acceptor.clone(), stream, target)).await;
    let (wss, https) = (format!("wss://{address}"), format!("https://{address}/pusher/auth"));
    let file = path("interrupted.txt");
    let secured = ["-c", "private-a", "--auth-url", &https, "--ca-file", authority.file(), "-v"];
    let mut recording = record(&wss, &file, &secured);
    recording.line_with(SUCCEEDED).await;
    recording.signal("INT").await;
    let run = recording.end().await;
    let subscribe = r#"→ {"event":"pusher:subscribe","data":{"channel":"private-a","auth":"…"}}"#;
    assert!(run.code == Some(0) && run.stderr.contains(subscribe), "{run:?}");
    let recorded = fs::read_to_string(&file).unwrap();
    assert!(recorded.contains(" ! disconnect\n* close 1000\n") && recorded.ends_with("\nend\n"), "{recorded}");
    expect_same(&file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_recorded_and_ends_the_program() {
    let server = Server::start(options()).await.unwrap();
    let (url, file) = (server.ws_url(), path("refused.txt"));
    let endpoint = format!("{}/pusher/auth", server.http_url());
    let recording = record(&url, &file, &["-c", "private-forbidden", "--auth-url", &endpoint]);
    recording.end().await.expect_failure(4, "private-forbidden: the channel was not authorized");
    expect_same(&file).await;
    let recorded = fs::read_to_string(&file).unwrap();
    assert!(recorded.contains("403") && recorded.ends_with("\nend\n"), "{recorded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_does_not_grow_beyond_its_limit() {
    let server = Server::start(options()).await.unwrap();
    let file = path("full.txt");
    let mut recording = record(&server.ws_url(), &file, &["-c", "chat", "--max-size", "1"]);
    recording.line_with(SUCCEEDED).await;
    let data = format!("\"{}\"", "x".repeat(9_000));
    let event = format!(r#"{{"channel":"chat","event":"e","data":{data}}}"#);
    let batch = path("full.ndjson");
    fs::write(&batch, format!("{event}\n").repeat(80)).unwrap();
    let (url, env) = (server.ws_url(), [("PUSHER_SECRET", SECRET)]);
    let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", KEY, "--batch", text(&batch)];
    assert_eq!(pusher_with(&env, &trigger).await.code, Some(0));
    let run = recording.end().await;
    assert!(run.code == Some(0) && run.stderr.contains("--max-size"), "{:?}", run.stderr);
    assert!(fs::metadata(&file).unwrap().len() <= 1_024 * 1_024);
    expect_same(&file).await;
}

#[tokio::test]
async fn the_first_difference_is_shown_with_its_line() {
    let file = path("changed.txt");
    for (from, to, line, part) in [
        (r#"text\":\"hi\"}"#, r#"text\":\"ho\"}"#, 35, r#"recorded  …"#),
        ("* close 1000\n", "", 78, "replayed  * close 1000"),
        ("* close 1000\n", "* close 1000\n* close 1000\n", 79, "recorded  * close 1000"),
        ("retry at 2.227839984", "retry at 2.227839985", 38, "2.227839984"),
    ] {
        assert!(RECONNECT.contains(from));
        fs::write(&file, RECONNECT.replacen(from, to, 1)).unwrap();
        let run = pusher(&["replay", text(&file)]).await;
        run.expect_failure(1, &format!("changed.txt, line {line}: the replay differs from the recording"));
        assert!(run.stdout.contains(part), "{run:?}");
    }
    fs::write(&file, RECONNECT).unwrap();
    let run = pusher(&["replay", text(&file), "--print"]).await;
    assert!(run.code == Some(0) && run.stdout.contains("  chat  message  {\"text\":\"hi\"}\n"), "{run:?}");
}

#[tokio::test]
async fn a_file_that_is_not_a_recording_is_refused() {
    let file = path("hostile.txt");
    let long = format!("{}0.000001 < {{{}\n", &RECONNECT[..RECONNECT.find("0.000").unwrap()], "x".repeat(101 << 20));
    let table = [
        ("", "line 1: not a recording"),
        ("\u{1b}[2J\n", "line 1: not a recording"),
        ("pusher recording 9\n", "line 1: version \"9\" of the format"),
        (&RECONNECT.replacen("0.015389", "0.000001", 1), "line 14: earlier than the input before"),
        (&RECONNECT.replacen("! auth #2", "! auth #9", 1), "line 22: no authorization #9 is requested"),
        (&long, "line 7: longer than 104857600 bytes"),
    ];
    for (recorded, part) in table {
        fs::write(&file, recorded).unwrap();
        let run = pusher(&["replay", text(&file)]).await;
        run.expect_failure(1, part);
        assert!(run.stderr.len() < 500 && !run.stderr.contains('\u{1b}'), "{run:?}");
    }
    fs::remove_file(&file).unwrap();
    pusher(&["replay", text(&file)]).await.expect_failure(1, "cannot read ");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_server_is_played_for_any_client() {
    let file = path("served.txt");
    fs::write(&file, RECONNECT).unwrap();
    let mut serving = Running::start(&["replay", text(&file), "--serve", "--port", "0", "--speed", "20"]);
    let url = serving.line_with("ws://").await.split(' ').next().unwrap_or_default().to_owned();
    let channels = ["-c", "chat", "private-orders", "presence-room", "--user-id", "ann", "--secret", "x"];
    let mut listening =
        Running::start(&[&["listen", "--url", &url, "--key", "other", "--count", "2"], &channels[..]].concat());
    listening.error_with("connected as 307710.1").await;
    listening.line_with("1 here: ann").await;
    listening.line_with(r#"chat  message  {"text":"hi"}"#).await;
    listening.error_with("closed with 4200: Server is shutting down").await;
    listening.error_with("connected as 868309.1").await;
    listening.line_with("the connection was lost: events may be missing here").await;
    listening.line_with(r#"private-orders  created  {"id":7}"#).await;
    assert_eq!(listening.end().await.code, Some(0));
    serving.error_with("connection 2: the client has gone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_shows_frames_in_both_directions_without_signatures() {
    let server = server().await;
    let (url, endpoint) = (server.ws_url(), format!("{}/pusher/auth", server.http_url()));
    let listen = ["listen", "-v", "--url", &url, "--key", "app-key", "-c", "private-a", "--timeout", "2"];
    for auth in [["--secret", "app-secret"], ["--auth-url", &endpoint]] {
        let run = pusher(&[&listen[..], &auth].concat()).await;
        assert_eq!(run.code, Some(0), "{run:?}");
        for part in [
            r#"← {"event":"pusher:connection_established","#,
            r#"→ {"event":"pusher:subscribe","data":{"channel":"private-a","auth":"…"}}"#,
            r#"← {"event":"pusher_internal:subscription_succeeded","channel":"private-a","#,
            "→ closed with 1000",
        ] {
            assert!(run.stderr.contains(part), "{part} is missing: {run:?}");
        }
        assert!(run.stdout.contains("private-a  pusher:subscription_succeeded") && !run.stdout.contains('←'));
        assert!(!run.stderr.contains("app-key:") && !run.stderr.contains("app-secret"), "{run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_repeated_against_a_server() {
    let server = Server::start(options()).await.unwrap();
    let (first, second) = (path("first.txt"), path("second.txt"));
    let mut recording = record(&server.ws_url(), &first, &["-c", "chat", "private-a", "--count", "1"]);
    recording.line_with(SUCCEEDED).await;
    recording.line_with(SUCCEEDED).await;
    publish(&server, "private-a", "1").await;
    assert_eq!(recording.end().await.code, Some(0));

    // The same again, with an event in time.
    let mut text_of_first = fs::read_to_string(&first).unwrap();
    let end = text_of_first.rfind(" ! disconnect").and_then(|at| text_of_first[..at].rfind('\n')).unwrap();
    text_of_first.replace_range(end + 1.., "4.000000 ! disconnect\n");
    fs::write(&first, text_of_first).unwrap();
    let repeat = ["--repeat", text(&first)];
    let mut repeating = record(&server.ws_url(), &second, &repeat);
    repeating.line_with(SUCCEEDED).await;
    repeating.line_with(SUCCEEDED).await;
    publish(&server, "private-a", "2").await;
    let run = repeating.end().await;
    assert!(run.code == Some(0) && run.stdout.contains("as in the recording: "), "{run:?}");
    expect_same(&second).await;

    // Without the event.
    let run = record(&server.ws_url(), &second, &repeat).end().await;
    assert!(run.stdout.ends_with("recorded  now       event\n1         0         e  private-a\n"), "{run:?}");
    run.expect_failure(1, "the server's events differ from the recording");
}
