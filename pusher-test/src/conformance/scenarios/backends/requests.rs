//! What auth servers get and answer.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pusher_driver::{HttpAuth, HttpResponse};
use pusher_proto::{AuthError, ConfigBuilder, InvalidConfig};

use crate::conformance::backend::{Answer, Backend};
use crate::conformance::handles::WithHandles;
use crate::conformance::stage::{Stage, options};
use crate::conformance::user::User;

/// The error of a subscription to `private-orders`.
fn refused<H: WithHandles>(mut user: User<H>) -> AuthError {
    user.subscribe("private-orders").expect_refused_auth()
}

fn connecting<H: WithHandles>(stage: &Stage<H>, config: ConfigBuilder, auth: HttpAuth) -> User<H> {
    let mut user = stage.handles(config, auth, &options());
    user.connect();
    user
}

/// A client that sends one request to this backend.
fn asking<H: WithHandles>(stage: &Stage<H>, backend: &Backend) -> User<H> {
    connecting(stage, stage.config().auth_retries(0), backend.auth())
}

/// Checks that a request has this header once.
fn expect_header(request: &str, name: &str, value: &str) {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let found = fields.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    assert!(found.eq([value]), "expected the header {name}: {value} once, but the request is\n{request}");
}

pub(super) fn an_auth_request_has_the_headers_that_backends_ask_for<H: WithHandles>(stage: &mut Stage<H>) {
    let backend = Backend::new([Answer::new("403 Forbidden", "", "no")]);
    let user = asking(stage, &backend);
    let expected = AuthError::Http { status: 403, excerpt: "no".into(), retry_after: None }.at(backend.url());
    assert_eq!(refused(user), expected, "the refusal of the auth endpoint");
    let request = backend.request();
    let line = "POST /broadcasting/auth?token=t0ken HTTP/1.1\r\n";
    assert!(request.starts_with(line), "expected a request that begins with {line:?}, but it is\n{request}");
    let agent = concat!("pusher-rust/", env!("CARGO_PKG_VERSION"));
    let expected = [
        ("Host", backend.address().to_string()),
        ("User-Agent", agent.into()),
        ("Accept", "application/json".into()),
        ("Accept-Encoding", "identity".into()),
        ("Content-Type", "application/x-www-form-urlencoded".into()),
    ];
    for (name, value) in expected {
        expect_header(&request, name, &value);
    }
}

pub(super) fn headers_of_the_application_replace_those_of_the_client<H: WithHandles>(stage: &mut Stage<H>) {
    let backend = Backend::new([Answer::new("403 Forbidden", "", "no")]);
    let auth = backend
        .auth()
        .header("content-type", "application/json")
        .header("HOST", "tenant.example")
        .header("user-agent", "app/1")
        .header("accept", "text/plain")
        .header("accept-encoding", "br")
        .header("content-length", "1")
        .header("authorization", "Bearer old")
        .headers_with(|_| [("Authorization", "Bearer new")]);
    let user = connecting(stage, stage.config().auth_retries(0), auth);
    drop(refused(user));
    let request = backend.request();
    let expected = [
        ("Content-Type", "application/json"),
        ("Host", "tenant.example"),
        ("User-Agent", "app/1"),
        ("Accept", "text/plain"),
        ("Accept-Encoding", "br"),
        ("Authorization", "Bearer new"),
    ];
    for (name, value) in expected {
        expect_header(&request, name, value);
    }
    let body = request.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    assert!(
        body.starts_with(r#"{"socket_id":""#),
        "expected a body of JSON, as the content type says, but it is {body}"
    );
    expect_header(&request, "Content-Length", &body.len().to_string());
}

pub(super) fn an_expired_session_is_renewed_whatever_the_backend_calls_it<H: WithHandles>(stage: &mut Stage<H>) {
    let expired = [
        Answer::new("401 Unauthorized", "", ""),
        Answer::new("419 Page Expired", "", ""),
        Answer::new("302 Found", "Location: /login?back=t0ken\r\n", ""),
    ];
    for expired in expired {
        let backend = Backend::new([expired, Answer::new("403 Forbidden", "", "asked again")]);
        let session = Arc::new(AtomicUsize::new(1));
        let (renewing, header, param) = (Arc::clone(&session), Arc::clone(&session), session);
        let auth = backend
            .auth()
            .on_unauthorized(move |_| _ = renewing.fetch_add(1, Ordering::SeqCst))
            .headers_with(move |_| [("X-Session", header.load(Ordering::SeqCst).to_string())])
            .params_with(move |_| [("session", param.load(Ordering::SeqCst).to_string())]);
        let user = connecting(stage, stage.config().auth_retries(0), auth);
        let again = AuthError::Http { status: 403, excerpt: "asked again".into(), retry_after: None };
        assert_eq!(refused(user), again.at(backend.url()), "the answer to the second request, after renewing");
        for session in ["1", "2"] {
            let request = backend.request();
            expect_header(&request, "X-Session", session);
            let param = format!("session={session}");
            assert!(request.ends_with(&param), "expected the parameter {param} last, but the request is\n{request}");
        }
    }
    let backend = Backend::new([Answer::new("401 Unauthorized", "", ""), Answer::new("403 Forbidden", "", "again")]);
    let auth = backend.auth().on_unauthorized(|_| {}).unauthorized_statuses([498]);
    let user = connecting(stage, stage.config().auth_retries(0), auth);
    assert_eq!(refused(user).status(), 401, "401 is not a status that renews here");
}

pub(super) fn an_answer_that_cannot_be_used_says_what_came_but_no_secret<H: WithHandles>(stage: &mut Stage<H>) {
    let table = [
        ("", "answered nothing"),
        ("<!DOCTYPE html>", "answered HTML: <!DOCTYPE html>"),
        (r#"{"data":{"auth":"app-key:t0ken"}}"#, "wrapped its answer in `data`"),
        (r#"{"message":"ok","x":{"auth":"app-key:t0ken"}}"#, r#"without `auth`: {"message":"ok","x":{"auth"…"#),
        (r#"{"auth":"app-key:t0ken","channel_data":{"user_id":"1"}}"#, "`channel_data` in"),
        (r#"{"auth":"app-key:t0ken","#, r#"something other than a JSON object: {"auth"…"#),
    ];
    for (body, excerpt) in table {
        let backend = Backend::new([Answer::new("200 OK", "", body)]);
        let error = refused(asking(stage, &backend));
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(excerpt), "expected {excerpt:?} in the error, but it is {shown}");
        assert!(!shown.contains("t0ken"), "expected no secret in the error, but it is {shown}");
    }
}

pub(super) fn a_wrong_url_and_a_lost_connection_name_host_and_path_only<H: WithHandles>(stage: &mut Stage<H>) {
    let answers = [
        (Answer::new("403 Forbidden", "", "no"), "BACKEND: authorization denied with status 403: no"),
        (Answer::new("200 OK", "", ""), "BACKEND: the auth endpoint answered nothing"),
        (Answer::new("404 Not Found", "", "<h1>Not Found</h1>"), "404: there is nothing at this URL: <h1>"),
        (Answer::new("405 Method Not Allowed", "", ""), "405: this URL does not accept POST"),
        (
            Answer::new("302 Found", "Location: https://h/login?back=t0ken\r\n", ""),
            "302: redirects to https://h/login;",
        ),
        (Answer::Close, "BACKEND: authorization failed: the connection ended before the answer"),
    ];
    for (answer, excerpt) in answers {
        let backend = Backend::new([answer]);
        let error = refused(asking(stage, &backend));
        let shown = format!("{error} {error:?}");
        let excerpt = excerpt.replace("BACKEND", &backend.url());
        let url = format!("{}: ", backend.url());
        assert!(shown.starts_with(&url), "expected an error that begins with {url:?}, but it is {shown}");
        assert!(shown.contains(&excerpt), "expected {excerpt:?} in the error, but it is {shown}");
        assert!(!shown.contains("t0ken"), "expected no secret in the error, but it is {shown}");
    }
}

pub(super) fn an_auth_server_that_is_down_is_described_alike_by_all_adapters<H: WithHandles>(stage: &mut Stage<H>) {
    // The port was just free.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let Err(refusal) = TcpStream::connect(address) else { panic!("another program listens at {address} now") };
    let url = format!("http://{address}/auth");
    let user = connecting(stage, stage.config().auth_retries(0), HttpAuth::new(url.as_str()));
    let expected = AuthError::Network(format!("{address}: {refusal}")).at(url);
    assert_eq!(refused(user), expected, "the error of an auth endpoint that is down");
}

pub(super) fn a_client_is_not_made_with_an_auth_url_that_cannot_be_used<H: WithHandles>(stage: &mut Stage<H>) {
    let urls = [
        ("http://h:808080/auth", "has a port that is not a number from 1 to 65535"),
        ("https://user:t0ken@h/auth", "contains a user name or password; set the Authorization header instead"),
        ("/broadcasting/auth", "must have the form http://host/path or https://host/path"),
    ];
    let start = |auth| WithHandles::start(&**stage.runtime(), stage.setup(stage.config()).config, auth, &options());
    for (url, reason) in urls {
        let made = start(HttpAuth::new(url));
        let expected = Some(InvalidConfig::AuthUrl { endpoint: "auth", reason: reason.into() });
        assert_eq!(made.err(), expected, "the error of the auth URL {url}");
        let made = start(stage.auth().user_endpoint(url));
        assert!(made.is_err(), "expected that the URL {url} for users is refused, but it is accepted");
    }
}

/// 64 bytes of a body.
const CHUNK: &str = "40\r\n0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n";

pub(super) fn an_auth_server_that_never_ends_its_answer_does_not_hold_up_others<H: WithHandles>(stage: &mut Stage<H>) {
    let hint = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let floods = [
        Answer::Flood("", hint),
        Answer::Flood("HTTP/1.1 200 OK\r\nX: ", "y"),
        Answer::Flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNK),
        Answer::Trickle(hint),
    ];
    for flood in floods {
        let backend = Backend::new([flood.clone()]);
        let config = stage.config().auth_retries(0).auth_timeout(Duration::from_secs(2));
        let mut user = connecting(stage, config, backend.auth());
        let mut orders = user.subscribe("private-orders");
        backend.request();
        let mut chat = user.subscribed("chat");
        stage.publish("chat", "1");
        chat.expect_text("1");
        match orders.expect_refused_auth() {
            AuthError::At { url, error } => {
                assert_eq!(url, backend.url().as_str(), "the URL of the auth endpoint");
                match *error {
                    AuthError::Timeout => {
                        assert!(
                            matches!(flood, Answer::Trickle(_)),
                            "expected a bound for {flood:?}, but it is read until its time is over"
                        );
                    }
                    AuthError::Handler(_) | AuthError::Network(_) => {}
                    error => panic!("expected that the answer is given up, but the error is {error:?}"),
                }
            }
            error => panic!("expected an error with the URL, but it is {error:?}"),
        }
    }
}

pub(super) fn a_request_ends_with_its_time<H: WithHandles>(stage: &mut Stage<H>) {
    let backend = Backend::new([Answer::Hang]);
    let config = stage.config().auth_retries(0).auth_timeout(Duration::from_millis(50));
    let mut user = connecting(stage, config, backend.auth());
    // More channels than the blocking adapter has helper threads: no request waits longer than its timeout for an
    // earlier one.
    let channels: Vec<_> = (0..9).map(|number| user.subscribe(&format!("private-{number}"))).collect();
    for mut channel in channels {
        assert_eq!(channel.expect_refused_auth(), AuthError::Timeout.at(backend.url()), "the endpoint does not answer");
    }
}

pub(super) fn a_kept_connection_that_the_server_closed_is_no_failure<H: WithHandles>(stage: &mut Stage<H>) {
    let refusal = Answer::new("403 Forbidden", "", "no");
    let backend = Backend::new([refusal.clone(), Answer::Close, refusal]);
    let mut user = asking(stage, &backend);
    let expected = AuthError::Http { status: 403, excerpt: "no".into(), retry_after: None }.at(backend.url());
    // The second request goes over the connection of the first, which then ends without an answer.
    for _ in 0..2 {
        assert_eq!(
            user.subscribe("private-orders").expect_refused_auth(),
            expected,
            "the refusal of the auth endpoint"
        );
    }
    let requests = [backend.request(), backend.request(), backend.request()];
    assert_eq!(requests[1], requests[2], "the request that was not answered is sent once more");
}

pub(super) fn a_kept_connection_brings_any_number_of_large_answers<H: WithHandles>(stage: &mut Stage<H>) {
    let backend = Backend::new([Answer::new("403 Forbidden", "", &"no".repeat(HttpResponse::MAX_LEN / 2))]);
    let mut user = asking(stage, &backend);
    for _ in 0..5 {
        let AuthError::At { error, .. } = user.subscribe("private-orders").expect_refused_auth() else {
            panic!("expected an error with the URL")
        };
        assert!(
            matches!(&*error, AuthError::Http { status: 403, .. }),
            "expected the refusal of the auth endpoint, but the error is {error:?}"
        );
    }
    assert_eq!(backend.connections(), 1, "connections to the auth endpoint");
}
