//! Realistic auth servers: the requests that they get, and the meaning of their answers, as bytes of HTTP.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use pusher_driver::{HttpAuth, Proxy, SubscribeError};
use pusher_proto::{AuthError, InvalidConfig, SubscriptionError};

use crate::Scenario;
use crate::adapter::Adapter;
use crate::backend::{Answer, Backend};
use crate::world::{User, World, options, text};

macro_rules! list {
    ($($scenario:ident)+) => {
        pub(crate) fn all<A: Adapter>() -> Vec<Scenario<A>> {
            vec![$((stringify!($scenario), $scenario::<A>),)+]
        }
    };
}

list! {
    an_auth_request_has_the_headers_that_backends_ask_for
    headers_of_the_application_replace_those_of_the_client
    an_expired_session_is_renewed_whatever_the_backend_calls_it
    an_answer_that_cannot_be_used_says_what_came_but_no_secret
    a_wrong_url_and_a_lost_connection_name_host_and_path_only
    an_auth_server_that_is_down_is_described_alike_by_all_adapters
    a_client_is_not_made_with_an_auth_url_that_cannot_be_used
    an_auth_server_that_never_ends_its_answer_does_not_hold_up_others
    a_request_ends_with_its_time
    a_proxy_that_never_ends_its_answer_is_no_way_to_the_auth_server
    a_kept_connection_that_the_server_closed_is_no_failure
}

/// The error of a subscription to `private-orders`.
fn refused<A: Adapter>(user: &User<A>) -> AuthError {
    match A::subscribed(&user.subscribe("private-orders")) {
        Err(SubscribeError::Channel(SubscriptionError::Auth(error))) => error,
        other => panic!("{other:?}"),
    }
}

/// A client that sends one request to this backend.
fn asking<A: Adapter>(world: &World<A>, backend: &Backend) -> User<A> {
    let user = world.user_with(world.config().auth_retries(0), backend.auth(), &options());
    user.client.connect();
    user
}

fn header<'r>(request: &'r str, name: &str) -> Vec<&'r str> {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    fields.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

fn an_auth_request_has_the_headers_that_backends_ask_for<A: Adapter>(world: &mut World<A>) {
    let backend = Backend::new([Answer::new("403 Forbidden", "", "no")]);
    let user = asking(world, &backend);
    assert_eq!(
        refused(&user),
        AuthError::Http { status: 403, excerpt: "no".into(), retry_after: None }.at(backend.url())
    );
    let request = backend.request();
    assert!(request.starts_with("POST /broadcasting/auth?token=t0ken HTTP/1.1\r\n"), "{request}");
    let agent = concat!("pusher-rust/", env!("CARGO_PKG_VERSION"));
    let expected = [
        ("Host", backend.address().to_string()),
        ("User-Agent", agent.into()),
        ("Accept", "application/json".into()),
        ("Accept-Encoding", "identity".into()),
        ("Content-Type", "application/x-www-form-urlencoded".into()),
    ];
    for (name, value) in expected {
        assert_eq!(header(&request, name), [value.as_str()], "{request}");
    }
}

fn headers_of_the_application_replace_those_of_the_client<A: Adapter>(world: &mut World<A>) {
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
    let user = world.user_with(world.config().auth_retries(0), auth, &options());
    user.client.connect();
    refused(&user);
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
        assert_eq!(header(&request, name), [value], "{request}");
    }
    let body = request.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    assert!(body.starts_with(r#"{"socket_id":""#), "{body}");
    assert_eq!(header(&request, "Content-Length"), [body.len().to_string().as_str()]);
}

fn an_expired_session_is_renewed_whatever_the_backend_calls_it<A: Adapter>(world: &mut World<A>) {
    let expired = [
        Answer::new("401 Unauthorized", "", ""),
        Answer::new("419 Page Expired", "", ""),
        Answer::new("302 Found", "Location: /login?back=t0ken\r\n", ""),
    ];
    for expired in expired {
        let backend = Backend::new([expired, Answer::new("403 Forbidden", "", "asked again")]);
        let auth = backend.auth().on_unauthorized(|_| {});
        let user = world.user_with(world.config().auth_retries(0), auth, &options());
        user.client.connect();
        let again = AuthError::Http { status: 403, excerpt: "asked again".into(), retry_after: None };
        assert_eq!(refused(&user), again.at(backend.url()));
    }
    let backend = Backend::new([Answer::new("401 Unauthorized", "", ""), Answer::new("403 Forbidden", "", "again")]);
    let auth = backend.auth().on_unauthorized(|_| {}).unauthorized_statuses([498]);
    let user = world.user_with(world.config().auth_retries(0), auth, &options());
    user.client.connect();
    assert_eq!(refused(&user).status(), 401);
}

fn an_answer_that_cannot_be_used_says_what_came_but_no_secret<A: Adapter>(world: &mut World<A>) {
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
        let error = refused(&asking(world, &backend));
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(excerpt) && !shown.contains("t0ken"), "{shown}");
    }
}

fn a_wrong_url_and_a_lost_connection_name_host_and_path_only<A: Adapter>(world: &mut World<A>) {
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
        let error = refused(&asking(world, &backend));
        let shown = format!("{error} {error:?}");
        let excerpt = excerpt.replace("BACKEND", &backend.url());
        assert!(error.to_string().starts_with(&format!("{}: ", backend.url())), "{shown}");
        assert!(shown.contains(&excerpt) && !shown.contains("t0ken"), "{excerpt}: {shown}");
    }
}

fn an_auth_server_that_is_down_is_described_alike_by_all_adapters<A: Adapter>(world: &mut World<A>) {
    // The port was just free.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refusal = TcpStream::connect(address).unwrap_err();
    let url = format!("http://{address}/auth");
    let user = world.user_with(world.config().auth_retries(0), HttpAuth::new(url.as_str()), &options());
    user.client.connect();
    assert_eq!(refused(&user), AuthError::Network(format!("{address}: {refusal}")).at(url));
}

fn a_client_is_not_made_with_an_auth_url_that_cannot_be_used<A: Adapter>(world: &mut World<A>) {
    let urls = [
        ("http://h:808080/auth", "has a port that is not a number from 1 to 65535"),
        ("https://user:t0ken@h/auth", "contains a user name or password; set the Authorization header instead"),
        ("/broadcasting/auth", "must have the form http://host/path or https://host/path"),
    ];
    for (url, reason) in urls {
        let auth = pusher_driver::HttpAuth::new(url);
        let made = A::connect(world.config().build().unwrap(), auth, &options());
        let Err(error) = made else { panic!("{url} is accepted") };
        assert_eq!(error, InvalidConfig::AuthUrl { endpoint: "auth", reason: reason.into() });
        let auth = world.auth().user_endpoint(url);
        assert!(A::connect(world.config().build().unwrap(), auth, &options()).is_err());
    }
}

/// 64 bytes of a body.
const CHUNK: &str = "40\r\n0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n";

fn an_auth_server_that_never_ends_its_answer_does_not_hold_up_others<A: Adapter>(world: &mut World<A>) {
    let hint = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let floods = [
        Answer::Flood("", hint),
        Answer::Flood("HTTP/1.1 200 OK\r\nX: ", "y"),
        Answer::Flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNK),
        Answer::Trickle(hint),
    ];
    for flood in floods {
        let backend = Backend::new([flood.clone()]);
        let config = world.config().auth_retries(0).auth_timeout(Duration::from_secs(2));
        let user = world.user_with(config, backend.auth(), &options());
        user.client.connect();
        let orders = user.subscribe("private-orders");
        backend.request();
        let mut chat = user.subscribed("chat");
        world.publish("chat", "1");
        assert_eq!(text::<A>(&mut chat), "1");
        match A::subscribed(&orders) {
            Err(SubscribeError::Channel(SubscriptionError::Auth(AuthError::At { url, error }))) => {
                assert_eq!(url, backend.url().as_str());
                match *error {
                    AuthError::Timeout => {
                        assert!(matches!(flood, Answer::Trickle(_)), "{flood:?} is read until its time is over");
                    }
                    AuthError::Handler(_) | AuthError::Network(_) => {}
                    error => panic!("{error:?}"),
                }
            }
            other => panic!("{flood:?}: {other:?}"),
        }
    }
}

fn a_request_ends_with_its_time<A: Adapter>(world: &mut World<A>) {
    let backend = Backend::new([Answer::Hang]);
    let config = world.config().auth_retries(0).auth_timeout(Duration::from_millis(50));
    let user = world.user_with(config, backend.auth(), &options());
    user.client.connect();
    // More channels than the blocking adapter has helper threads: no request waits longer than its timeout for an
    // earlier one.
    let channels: Vec<_> = (0..9).map(|number| user.subscribe(&format!("private-{number}"))).collect();
    for channel in channels {
        let timeout = SubscribeError::Channel(SubscriptionError::Auth(AuthError::Timeout.at(backend.url())));
        assert_eq!(A::subscribed(&channel), Err(timeout));
    }
}

fn a_proxy_that_never_ends_its_answer_is_no_way_to_the_auth_server<A: Adapter>(world: &mut World<A>) {
    let endless = [Answer::Flood("HTTP/1.1 200 OK\r\nX: ", "y"), Answer::Flood("", "HTTP/1.1 103 Early Hints\r\n\r\n")];
    for answer in endless {
        let proxy = Backend::new([answer]);
        let options = options().proxy(Proxy::http("127.0.0.1", proxy.address().port()));
        let config = world.config().auth_retries(0).auth_timeout(Duration::from_secs(2));
        let user = world.user_with(config, world.auth(), &options);
        user.client.connect();
        let error = user.until("an error", |event| matches!(event, pusher_proto::Event::ConnectionError(_)));
        assert!(format!("{error:?}").contains("the proxy 127.0.0.1:"), "{error:?}");
        assert_eq!(world.connection_count(), 0);
    }
}

fn a_kept_connection_that_the_server_closed_is_no_failure<A: Adapter>(world: &mut World<A>) {
    let refusal = Answer::new("403 Forbidden", "", "no");
    let backend = Backend::new([refusal.clone(), Answer::Close, refusal]);
    let user = asking(world, &backend);
    for _ in 0..2 {
        assert_eq!(
            refused(&user),
            AuthError::Http { status: 403, excerpt: "no".into(), retry_after: None }.at(backend.url())
        );
    }
    let requests = [backend.request(), backend.request(), backend.request()];
    assert_eq!(requests[1], requests[2], "the request that was not answered is sent once more");
}
