use reqwest::header::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

#[tokio::test]
async fn an_event_of_the_http_api_reaches_a_subscriber_that_the_auth_endpoint_let_in() {
    let server = start().await;
    let (mut client, socket_id) = Client::connect(&server).await;
    let (status, auth) = ask(&server, FORM, &format!("socket_id={socket_id}&channel_name=private-a")).await;
    assert_eq!(status, 200);
    client.subscribe(&json!({ "channel": "private-a", "auth": auth["auth"] })).await;

    let body = r#"{"name":"e","channels":["private-a"],"data":"{\"n\":1}","info":"subscription_count"}"#;
    let result = call(&server, "POST /apps/1/events", &[], body, 0).await;
    assert_eq!(result, (200, json!({ "channels": { "private-a": { "subscription_count": 1 } } })));
    assert_eq!(client.event().await, ("e".into(), json!({ "n": 1 })));

    let body =
        r#"{"batch":[{"name":"b","channel":"private-a","data":"2"},{"name":"c","channel":"private-a","data":[3]}]}"#;
    assert_eq!(call(&server, "POST /apps/1/batch_events", &[], body, 0).await, (200, json!({})));
    assert_eq!(client.event().await, ("b".into(), json!(2)));
    assert_eq!(client.event().await, ("c".into(), json!([3])));
}

/// Each event of a batch gets the answer that it gets alone.
#[tokio::test]
async fn a_batch_says_of_each_event_what_a_call_for_it_alone_says() {
    let server = start().await;
    let (mut client, socket_id) = Client::connect(&server).await;
    client.subscribe(&json!({ "channel": "a" })).await;
    let question = json!({ "socket_id": socket_id, "channel_name": "presence-b", "user_id": 7 });
    let (_, mut auth) = ask(&server, "application/json", &question.to_string()).await;
    auth["channel"] = json!("presence-b");
    client.subscribe(&auth).await;
    let events = [
        json!({ "name": "e", "channel": "a", "data": "" }),
        json!({ "name": "e", "channel": "a", "data": "", "info": "subscription_count" }),
        json!({ "name": "e", "channel": "presence-b", "data": "", "info": "user_count" }),
        json!({ "name": "e", "channel": "empty", "data": "", "info": "subscription_count" }),
    ];
    let mut alone = Vec::new();
    for event in &events {
        let (status, mut answer) = call(&server, "POST /apps/1/events", &[], &event.to_string(), 0).await;
        assert_eq!(status, 200);
        let name = event["channel"].as_str().unwrap_or_default();
        let counts = answer["channels"][name].take();
        alone.push(if counts.is_null() { json!({}) } else { counts });
    }
    assert_eq!(
        alone[1..],
        [json!({ "subscription_count": 1 }), json!({ "user_count": 1 }), json!({ "subscription_count": 0 })]
    );
    for subset in 1..1_usize << events.len() {
        let chosen: Vec<usize> = (0..events.len()).filter(|at| subset >> at & 1 == 1).collect();
        let batch: Vec<_> = chosen.iter().map(|at| events[*at].clone()).collect();
        let answer = call(&server, "POST /apps/1/batch_events", &[], &json!({ "batch": batch }).to_string(), 0).await;
        let expected: Vec<_> = chosen.iter().map(|at| alone[*at].clone()).collect();
        let is_asked = batch.iter().any(|event| !event["info"].is_null());
        assert_eq!(answer, (200, if is_asked { json!({ "batch": expected }) } else { json!({}) }), "{batch:?}");
    }
}

#[tokio::test]
async fn tags_of_the_http_api_decide_who_receives_an_event() {
    let server = Server::start(Options::default().dialect(Dialect::SockudoV2)).await.unwrap();
    let mut client = Client::open(&server, "/app/app-key?protocol=2").await;
    assert_eq!(client.event().await.0, "sockudo:connection_established");
    let data = json!({ "channel": "a", "filter": { "key": "asset", "cmp": "eq", "val": "BTC" } });
    client.send(json!({ "event": "sockudo:subscribe", "data": data }).to_string()).await;
    assert_eq!(client.event().await.0, "sockudo_internal:subscription_succeeded");
    for (number, asset) in [(1, "ETH"), (2, "BTC")] {
        let body = json!({ "name": "e", "channel": "a", "data": number.to_string(), "tags": { "asset": asset } });
        assert_eq!(call(&server, "POST /apps/1/events", &[], &body.to_string(), 0).await, (200, json!({})));
    }
    assert_eq!(client.event().await, ("e".into(), json!(2)));
}

#[tokio::test]
async fn the_http_api_lists_who_is_subscribed() {
    let server = start().await;
    let (mut client, socket_id) = Client::connect(&server).await;
    let question = json!({ "socket_id": socket_id, "channel_name": "presence-a", "user_id": 7, "user_info": [1] });
    let (_, mut auth) = ask(&server, "application/json", &question.to_string()).await;
    auth["channel"] = json!("presence-a");
    let presence = json!({ "count": 1, "ids": ["7"], "hash": { "7": [1] } });
    assert_eq!(client.subscribe(&auth).await, json!({ "presence": presence }));

    let params = [("filter_by_prefix", "presence-"), ("info", "user_count")];
    let channels = json!({ "channels": { "presence-a": { "user_count": 1 } } });
    assert_eq!(call(&server, "GET /apps/1/channels", &params, "", 0).await, (200, channels));
    let channel = call(&server, "GET /apps/1/channels/presence-a", &params[1..], "", 0).await;
    assert_eq!(channel, (200, json!({ "occupied": true, "user_count": 1 })));
    let users = call(&server, "GET /apps/1/channels/presence-a/users", &[], "", 0).await;
    assert_eq!(users, (200, json!({ "users": [{ "id": "7" }] })));
}

#[tokio::test]
async fn the_http_api_refuses_with_the_status_of_the_reason() {
    let server = start().await;
    let large = json!({ "name": "e", "channel": "a", "data": "x".repeat(10_241) }).to_string();
    let huge = "x".repeat(2_000_000);
    let table = [
        ("POST /apps/1/events", large.as_str(), 0, 413),
        ("POST /apps/1/events", huge.as_str(), 0, 413),
        ("POST /apps/1/events", "{}", 0, 400),
        ("POST /apps/1/events", r##"{"name":"e","channel":"#a","data":""}"##, 0, 400),
        ("POST /apps/1/events", r#"{"name":"pusher:signin_success","channel":"a","data":"1"}"#, 0, 400),
        ("POST /apps/1/events", r#"{"name":"pusher_internal:x","channel":"a","data":"1"}"#, 0, 400),
        ("GET /apps/1/channels/a/users", "", 0, 400),
        ("GET /apps/1/channels", "", 700, 401),
        ("GET /apps/other/channels", "", 0, 404),
        ("GET /elsewhere", "", 0, 404),
    ];
    for (line, body, age, expected) in table {
        let (status, answer) = call(&server, line, &[], body, age).await;
        assert_eq!((status, &answer["code"]), (expected, &json!(expected)), "{line} {answer}");
    }
    let unsigned = http_client().get(format!("{}/apps/1/channels", server.http_url())).send().await.unwrap();
    assert_eq!(unsigned.status(), 401);
}

#[tokio::test]
async fn soketi_reports_failed_calls_of_the_http_api_with_status_200() {
    let server = Server::start(Options::default().dialect(Dialect::Soketi)).await.unwrap();
    let empty = r#"{"name":"e","channel":"a","data":""}"#;
    for (line, body, code) in
        [("POST /apps/1/events", empty, 400), ("POST /apps/1/events", "{}", 400), ("GET /apps/other/channels", "", 404)]
    {
        let (status, answer) = call(&server, line, &[], body, 0).await;
        assert_eq!((status, &answer["code"]), (200, &json!(code)), "{line} {answer}");
        assert!(answer["error"].is_string(), "{line} {answer}");
    }
    let unsigned = answer(http_client().get(format!("{}/apps/1/channels", server.http_url()))).await;
    assert_eq!((unsigned.0, &unsigned.1["code"]), (200, &json!(401)));
    let good = r#"{"name":"e","channel":"a","data":"1"}"#;
    assert_eq!(call(&server, "POST /apps/1/events", &[], good, 0).await, (200, json!({})));
    // Auth endpoints belong to the application, not to soketi.
    assert_eq!(ask(&server, FORM, "channel_name=private-a").await.0, 400);
}

#[tokio::test]
async fn old_calls_and_calls_for_unknown_applications_are_answered_as_in_the_dialect() {
    for dialect in Dialect::ALL {
        let server = Server::start(Options::default().dialect(dialect)).await.unwrap();
        let (status, _) = call(&server, "GET /apps/1/channels", &[], "", 700).await;
        let expected = match dialect {
            Dialect::Pusher | Dialect::Sockudo | Dialect::SockudoV2 => 401,
            Dialect::Reverb | Dialect::LaravelWebsockets | Dialect::Soketi => 200,
        };
        assert_eq!(status, expected, "{dialect}");
        let (status, answer) = call(&server, "GET /apps/other/channels", &[], "", 0).await;
        let unknown = if dialect == Dialect::LaravelWebsockets { 401 } else { 404 };
        assert_eq!((status, &answer["code"]), (dialect.api_status(unknown), &json!(unknown)), "{dialect}");
        let url = format!("{}/apps/1/channels?auth_timestamp=0", server.http_url());
        let unsigned = http_client().get(url).send().await.unwrap();
        assert_eq!(unsigned.status().as_u16(), dialect.api_status(401), "{dialect}");
    }
}

#[tokio::test]
async fn says_that_it_closes_after_a_body_that_it_does_not_read() {
    let server = start().await;
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let head = "POST /apps/1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    // One byte above the limit, so that the server has read all when it answers.
    socket.write_all(&vec![b'x'; 1_048_577]).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(5), socket.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn the_auth_endpoint_refuses_what_it_is_told_to() {
    let app = App::new("1", "key", "secret").unwrap();
    let options = Options::new(ServerConfig::new(app)).authorize(|channel| channel.as_str() == "private-a");
    let options = options.sign_for_unknown_sockets(true);
    let server = Server::start(options).await.unwrap();
    let form = |channel: &str| format!("socket_id=1.2&channel_name={channel}");
    assert_eq!(ask(&server, FORM, &form("private-a")).await.0, 200);
    assert_eq!(ask(&server, FORM, &form("private-b")).await.0, 403);
    assert_eq!(ask(&server, FORM, "channel_name=private-a").await.0, 400);
    assert_eq!(ask(&server, FORM, "socket_id=1.2:x&channel_name=private-a").await.0, 400);
    server.handle().refuse_auth(true);
    assert_eq!(ask(&server, FORM, &form("private-a")).await.0, 403);
    server.handle().auth_status(Some(503));
    assert_eq!(ask(&server, FORM, &form("private-a")).await.0, 503);
    server.handle().refuse_auth(false);
    assert_eq!(ask(&server, FORM, &form("private-a")).await.0, 200);
    assert_eq!(ask(&start().await, FORM, &form("private-forbidden")).await.0, 403);
}

#[tokio::test]
async fn the_auth_endpoints_sign_nothing_that_is_valid_for_something_else() {
    let app = App::new("1", "key", "secret").unwrap();
    let options = Options::new(ServerConfig::new(app)).authorize(|channel| channel.as_str() != "private-admin");
    let options = options.sign_for_unknown_sockets(true);
    let server = Server::start(options).await.unwrap();
    for channel in [r#":user::{"id":"admin"}"#, "private-admin:x", r#"presence-a:{"user_id":"root"}"#, "public"] {
        let question = json!({ "socket_id": "1.2", "channel_name": channel });
        let (status, answer) = ask(&server, "application/json", &question.to_string()).await;
        assert_eq!((status, &answer["auth"]), (400, &Value::Null), "{channel}: {answer}");
        let batch = json!({ "socket_id": "1.2", "channel_name": [channel] });
        let url = format!("{}/pusher/auth/batch", server.http_url());
        let request = http_client().post(url).header("Content-Type", "application/json").body(batch.to_string());
        let (_, answer) = super::answer(request).await;
        assert_eq!(answer[channel]["status"], 400, "{channel}: {answer}");
    }
}

#[tokio::test]
async fn the_auth_endpoints_sign_only_for_sockets_that_are_connected_to_this_server() {
    let server = Server::start(Options::default()).await.unwrap();
    let (_client, socket_id) = Client::connect(&server).await;
    for (socket_id, expected) in [(socket_id.as_str(), 200), ("1.2", 403)] {
        for (path, rest) in [
            ("auth", "&channel_name=private-a"),
            ("auth/batch", "&channel_name[0]=private-a"),
            ("user-auth", "&user_id=ann"),
        ] {
            let request = http_client().post(format!("{}/pusher/{path}", server.http_url()));
            let body = format!("socket_id={socket_id}{rest}");
            let (status, answer) = super::answer(request.header("Content-Type", FORM).body(body)).await;
            assert_eq!(status, expected, "{path}: {answer}");
        }
    }
}

#[tokio::test]
async fn refuses_hosts_and_origins_that_are_not_this_machine_unless_asked() {
    for any in [false, true] {
        let server = Server::start(Options::default().allow_any_origin(any)).await.unwrap();
        for (name, value, is_local) in [
            ("Host", "localhost:6001", true),
            ("Host", "[::1]:6001", true),
            ("Host", "evil.example", false),
            ("Origin", "http://localhost:3000", true),
            ("Origin", "http://127.0.0.1", true),
            ("Origin", "https://evil.example", false),
            ("Origin", "https://localhost.evil.example", false),
            ("Origin", "null", false),
        ] {
            let url = format!("{}/pusher/auth", server.http_url());
            let body = "socket_id=1.2&channel_name=private-a:x";
            let request = http_client().post(url).header("Content-Type", FORM).header(name, value).body(body);
            let (status, answer) = super::answer(request).await;
            let is_refused = answer["error"].as_str().unwrap().contains("this machine");
            assert_eq!((status, is_refused), (403, !is_local && !any), "{name} {value}: {answer}");
        }
    }
}

/// Whoever can have a page call this machine must not reach anything of the server.
#[tokio::test]
async fn refuses_foreign_pages_on_every_route_whatever_else_they_send() {
    let server = start().await;
    let routes = [
        ("GET", "/app/app-key"),
        ("GET", "/elsewhere"),
        ("POST", "/apps/1/events"),
        ("POST", "/apps/1/batch_events"),
        ("GET", "/apps/1/channels"),
        ("GET", "/apps/1/channels/a"),
        ("GET", "/apps/1/channels/presence-a/users"),
        ("POST", "/apps/1/users/ann/terminate_connections"),
        ("POST", "/pusher/auth"),
        ("POST", "/pusher/auth/batch"),
        ("POST", "/pusher/user-auth"),
        ("OPTIONS", "/pusher/auth"),
    ];
    let foreign: [&[(&str, &[u8])]; 10] = [
        &[("Origin", b"https://evil.example")],
        &[("Origin", b"http://192.0.2.1")],
        &[("Origin", b"http://[2001:db8::1]:6001")],
        &[("Origin", b"127.0.0.1")],
        &[("Origin", b"")],
        &[("Origin", b"http://localhost\xff")],
        &[("Host", b"evil.example"), ("Origin", b"http://localhost")],
        &[("Host", b"localhost:6001"), ("Origin", b"http://evil.example")],
        &[("Host", b"192.0.2.1:6001"), ("Origin", b"http://192.0.2.1:6001")],
        &[("Host", b"localhost.evil.example")],
    ];
    for (method, path) in routes {
        for headers in foreign {
            let url = format!("{}{path}", server.http_url());
            let mut request = http_client().request(method.parse().unwrap(), url);
            for (name, value) in headers {
                request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
            }
            let answer = request.send().await.unwrap();
            let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
            assert!(status == 403 && body.contains("this machine"), "{method} {path} {headers:?}: {status} {body}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn gives_up_a_request_whose_body_does_not_come() {
    let server = start().await;
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let head = "POST /pusher/auth HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\nx";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn the_auth_endpoint_gives_every_member_an_info() {
    let server = start().await;
    for (info, expected) in [("", "null"), ("&user_info=%5B1%5D", "[1]")] {
        let form = format!("socket_id=1.2&channel_name=presence-a&user_id=ann{info}");
        let (_, answer) = ask(&server, FORM, &form).await;
        let expected = format!(r#"{{"user_id":"ann","user_info":{expected}}}"#);
        assert_eq!(answer["channel_data"], json!(expected));
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_read_what_the_auth_endpoints_answer_and_nothing_else() {
    let server = start().await;
    let url = |path: &str| format!("{}{path}", server.http_url());
    let origin = "http://localhost:3000";
    for path in ["/pusher/auth", "/pusher/auth/batch", "/pusher/user-auth"] {
        let preflight = http_client().request(reqwest::Method::OPTIONS, url(path));
        let headers = [("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization")];
        let preflight = headers.into_iter().fold(preflight, |request, (name, value)| request.header(name, value));
        let answer = preflight.header("Origin", origin).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "access-control-allow-methods")), (200, "POST"));
        assert_eq!(header(&answer, "access-control-allow-headers"), "authorization");

        // A refusal can be read too.
        let answer = http_client().post(url(path)).header("Origin", origin).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "access-control-allow-origin")), (400, "*"));
    }
    let answer = http_client().get(url("/apps/1/channels")).header("Origin", origin).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "access-control-allow-origin")), (401, ""));
}

fn header<'a>(answer: &'a reqwest::Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_only_sent_by_half_loses_its_connection() {
    let server = start().await;
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(b"GET /apps/1/channels HTTP/1.1\r\nHost: loc").await.unwrap();
    let mut answer = String::new();
    // Time that is paused passes only where everything waits.
    timeout(Duration::from_secs(60), socket.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
}
