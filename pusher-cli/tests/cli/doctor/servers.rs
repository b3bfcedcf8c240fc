//! The server, the network, and the application on the server.

use futures_util::{SinkExt as _, StreamExt as _};
use pusher_server::pusher_proto::server::{Dialect, ServerConfig};
use pusher_server::pusher_proto::signing::App;
use pusher_server::{Options, Server};

use super::{MASTER_KEY, NOT_FOUND, answer, doctor, expect, name, response, route, run, tls_server};
#[cfg(unix)]
use crate::support::Running;
use crate::support::{hang, nowhere, pusher, server, silent_server, tcp_server};
use crate::tls::Authority;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_every_dialect_is_healthy_and_recognised() {
    let table = [
        (Dialect::Pusher, "not recognised: it writes frames as hosted Pusher does", true),
        (Dialect::Reverb, "Laravel Reverb", false),
        (Dialect::LaravelWebsockets, "laravel-websockets", false),
        (Dialect::Soketi, "soketi", true),
        (Dialect::Sockudo, "Sockudo", true),
    ];
    for (dialect, seen, has_signin) in table {
        let server = Server::start(Options::default().dialect(dialect)).await.unwrap();
        let auth = format!("{}/pusher/auth", server.http_url());
        let user_auth = format!("{}/pusher/user-auth", server.http_url());
        let mut more = vec!["--auth-url", &auth, "--master-key", MASTER_KEY];
        if has_signin {
            more.extend(["--user-auth-url", &user_auth]);
        }
        let run = doctor(&server.ws_url(), &more).await;
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{dialect}: {run:?}");
        let mut lines = run.json();
        assert_eq!(lines.pop().unwrap(), serde_json::json!({ "healthy": true }), "{dialect}");
        assert_eq!(lines.len(), 20, "{dialect}: {run:?}");
        let not_ok: Vec<_> = lines.iter().filter(|line| line["outcome"] != "ok").map(name).collect();
        let skipped = if has_signin { vec!["TLS"] } else { vec!["TLS", "user auth", "sign-in"] };
        assert_eq!(not_ok, skipped, "{dialect}: {run:?}");
        let server = lines.iter().find(|line| line["check"] == "server").unwrap();
        assert!(server["seen"].as_str().unwrap().starts_with(seen), "{dialect}: {server}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_gets_a_line_for_each_check_and_a_sentence_at_the_end() {
    let server = server().await;
    let run = pusher(&["doctor", "--url", &server.ws_url(), "--key", "app-key"]).await;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let lines: Vec<_> = run.stdout.lines().collect();
    let (verdict, checks) = lines.split_last().unwrap();
    assert_eq!(*verdict, "healthy: 9 checks passed, 11 skipped");
    assert_eq!(checks.len(), 20, "{run:?}");
    assert!(checks[0].starts_with("✓  DNS                "), "{run:?}");
    let words: Vec<_> = checks[10].split_whitespace().collect();
    assert_eq!(words.join(" "), "– HTTP API skipped: needs --app-id and --secret");
    assert!(!run.stdout.contains('\u{1b}'), "colours are for terminals");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_leaves_out_what_needs_it_and_says_why() {
    let (url, _port) = nowhere();
    let human = pusher(&["doctor", "--url", &url, "--key", "app-key"]).await;
    let last = human.stdout.lines().last().unwrap();
    assert!(last.starts_with("–  left out, since TCP failed: TLS, upgrade, greeting, clock, ping, "), "{human:?}");
    let run = doctor(&url, &[]).await;
    expect(&run, 3, "TCP", "127.0.0.1:", "start the server, or check the port of --url");
    let skipped: Vec<_> = run.json().iter().filter(|line| line["seen"] == "TCP failed").map(name).collect();
    assert_eq!(skipped.len(), 18, "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_secret() {
    let server = server().await;
    let run = run(&server.ws_url(), &["--app-id", "1", "--secret", "wrong-s3cret"]).await;
    expect(&run, 4, "HTTP API", "refused with status 401", "check --secret");
    let soketi = Server::start(Options::default().dialect(Dialect::Soketi)).await.unwrap();
    let run = super::run(&soketi.ws_url(), &["--app-id", "1", "--secret", "wrong-s3cret"]).await;
    expect(&run, 4, "HTTP API", "refused with status 401, in an answer with status 200", "check --secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_that_refuse_a_connection_are_explained() {
    let table = [
        (4003, 4, "enable the application"),
        (4004, 4, "raise the limit"),
        (4007, 4, "update the server"),
        (4009, 4, "check the allowed origins"),
        (4100, 3, "try again later"),
        (4200, 3, "try again in a moment"),
        (4999, 4, "check the logs of the server"),
    ];
    for (code, exit_code, fix) in table {
        let (address, _) = tcp_server(move |stream| async move {
            let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
            let error = format!(r#"{{"event":"pusher:error","data":{{"code":{code},"message":"no"}}}}"#);
            let _ = socket.send(error.into()).await;
            let _ = socket.next().await;
        })
        .await;
        let run = doctor(&format!("ws://{address}"), &["--timeout", "3"]).await;
        expect(&run, exit_code, "greeting", &format!("error {code}: no"), fix);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_that_refuse_the_upgrade_are_explained() {
    let table = [
        ("301 Moved", "Location: https://user:tofu@example.com/app?x=s3cret", 4, "the address that it points to"),
        ("400 Bad Request", "X-A: b", 4, "proxy_set_header Upgrade"),
        ("403 Forbidden", "X-A: b", 4, "check the allowed hosts and origins"),
        ("502 Bad Gateway", "X-A: b", 3, "check that the server runs"),
        ("200 OK", "X-A: b", 4, "add the path to --url"),
    ];
    for (status, header, code, fix) in table {
        let (address, _) =
            tcp_server(move |stream| answer(stream, move |_, _| response(status, header, "<b>no</b>"))).await;
        let run = doctor(&format!("ws://{address}"), &[]).await;
        let number = status.split(' ').next().unwrap();
        expect(&run, code, "upgrade", &format!("HTTP status {number}"), fix);
        assert!(!run.stderr.contains("tofu") && !run.stdout.contains("tofu"), "{run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_app_id() {
    let server = server().await;
    let run = run(&server.ws_url(), &["--app-id", "2", "--secret", "app-secret"]).await;
    expect(&run, 4, "HTTP API", "refused with status 404", "check --app-id");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_key() {
    for dialect in [Dialect::Pusher, Dialect::Reverb, Dialect::LaravelWebsockets] {
        let server = Server::start(Options::default().dialect(dialect)).await.unwrap();
        let run = pusher(&["doctor", "--url", &server.ws_url(), "--key", "wrong", "--json"]).await;
        expect(&run, 4, "greeting", "error 4001", "check --key");
    }
    let run = pusher(&["doctor", "--url", &silent_server().await, "--key", "wrong", "--json"]).await;
    expect(&run, 4, "greeting", "the key may be wrong", "check --key");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_path_prefix() {
    let server = server().await;
    let url = server.ws_url();
    let below = doctor(&format!("{url}/wrong"), &[]).await;
    expect(&below, 4, "greeting", "error 4005", &format!("use --url {url}, without the path"));

    // As a proxy does that passes /app on, and nothing else.
    let address = server.address();
    let (proxy, _) = tcp_server(move |stream| route(stream, address, |_| NOT_FOUND.to_owned())).await;
    let below = doctor(&format!("ws://{proxy}/wrong"), &[]).await;
    expect(&below, 4, "upgrade", "HTTP status 404", &format!("use --url ws://{proxy}, without the path"));
    let (elsewhere, _) = tcp_server(move |stream| answer(stream, |_, _| NOT_FOUND.to_owned())).await;
    let above = doctor(&format!("ws://{elsewhere}"), &[]).await;
    expect(&above, 4, "upgrade", "HTTP status 404", "add the path to --url");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_for_another_name() {
    let authority = Authority::new("doctor-name");
    let url = tls_server(authority.acceptor(&["other.example"])).await;
    let run = doctor(&url, &["--ca-file", authority.file()]).await;
    let fix = "connect by a name that is in the certificate, or get a certificate for 127.0.0.1";
    expect(&run, 3, "TLS", "the certificate is for other.example, not for 127.0.0.1", fix);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_certificate() {
    let authority = Authority::new("doctor-expired");
    let url = tls_server(authority.acceptor_until(&["127.0.0.1"], 2_020)).await;
    let run = doctor(&url, &["--ca-file", authority.file()]).await;
    expect(&run, 3, "TLS", "the certificate expired on 2020-01-01", "renew the certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_of_an_unknown_authority_and_a_server_without_tls() {
    let authority = Authority::new("doctor-unknown");
    let url = tls_server(authority.acceptor(&["127.0.0.1"])).await;
    expect(&doctor(&url, &[]).await, 3, "TLS", "which is not trusted", "trust the CA with --ca-file");
    let trusted = doctor(&url, &["--ca-file", authority.file()]).await;
    assert_eq!(trusted.code, Some(0), "{trusted:?}");
    let server = server().await;
    let plain = server.ws_url().replace("ws:", "wss:");
    expect(&doctor(&plain, &[]).await, 3, "TLS", "the server does not speak TLS on this port", "use ws://");
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_that_is_off_by_an_hour() {
    let address = server().await;
    let target = address.address();
    let (proxy, _) = tcp_server(move |stream| {
        route(stream, target, |path| {
            let hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
            let date = hour_ago.strftime("Date: %a, %d %b %Y %H:%M:%S GMT").to_string();
            match path {
                "/" => response("404 Not Found", &date, ""),
                _ => response("401 Unauthorized", &date, r#"{"error":"Timestamp expired"}"#),
            }
        })
    })
    .await;
    let run = doctor(&format!("ws://{proxy}"), &[]).await;
    expect(&run, 1, "clock", "the server's clock is 60 min behind the clock of this machine", "set both clocks by NTP");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_given_up_after_the_timeout() {
    let (address, _connections) = tcp_server(hang).await;
    let run =
        pusher(&["doctor", "--url", &format!("ws://{address}"), "--key", "k", "--json", "--timeout", "0.2"]).await;
    expect(&run, 3, "upgrade", "does not answer the upgrade", "check the port");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_events_that_are_disabled_are_a_warning() {
    let app = App::new("1", "app-key", "app-secret").unwrap();
    let config = ServerConfig::builder(app).client_events(false).build().unwrap();
    let server = Server::start(config).await.unwrap();
    let run = doctor(&server.ws_url(), &["--timeout", "2"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let line = run.json().into_iter().find(|line| line["check"] == "client event").unwrap();
    assert_eq!(line["outcome"], "warning", "{run:?}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_examination_is_not_a_success() {
    for signal in ["INT", "TERM"] {
        let (address, mut connections) = tcp_server(hang).await;
        let examining = Running::start(&["doctor", "--url", &format!("ws://{address}"), "--key", "k"]);
        connections.recv().await;
        examining.signal(signal).await;
        examining.end().await.expect_failure(1, "interrupted before the last check");
    }
}
