//! What every kind of answer means, for every purpose.

use std::time::Duration;

use pusher_proto::{AuthError, AuthRequest, AuthResponse, ChannelName, SocketId};

use super::{HttpAuth, HttpAuthExt as _};
use crate::auth::message::HttpResponse;

type Answer = Result<AuthResponse, AuthError>;

/// A body: what an error shows of it, and what it means with a status of success.
struct Body {
    text: &'static str,
    excerpt: &'static str,
    meaning: Meaning,
}

#[derive(Clone, Copy)]
enum Meaning {
    /// The authorization `k:1`, and what it has besides.
    Granted(fn(AuthResponse) -> AuthResponse),
    NotAnObject,
    Wrapped,
    WithoutAuth,
    NotString(&'static str, &'static str),
}

const BODIES: [Body; 17] = [
    body(r#"{"auth":"k:1"}"#, r#"{"auth"…"#, Meaning::Granted(|plain| plain)),
    body("\u{feff} {\"auth\":\"k:1\",\"x\":[]}\n", r#"{"auth"…"#, Meaning::Granted(|plain| plain)),
    body(r#""{\"auth\":\"k:1\"}""#, r#"{"auth"…"#, Meaning::Granted(|plain| plain)),
    body(r#"{"auth":"k:0","auth":"k:1"}"#, r#"{"auth"…"#, Meaning::Granted(|plain| plain)),
    body(
        r#"{"channel_data":"{}","user_data":null,"expires_in":60,"auth":"k:1"}"#,
        r#"{"channel_data":"{}","user_data":null,"expires_in":60,"auth"…"#,
        Meaning::Granted(|plain| plain.channel_data("{}").expires_in(Duration::from_secs(60))),
    ),
    body(
        r#"{"user_data":"{}","expires_in":"soon","auth":"k:1"}"#,
        r#"{"user_data":"{}","expires_in":"soon","auth"…"#,
        Meaning::Granted(|plain| plain.user_data("{}")),
    ),
    body("", "", Meaning::NotAnObject),
    body("<h1>no</h1>", "<h1>no</h1>", Meaning::NotAnObject),
    body("true", "true", Meaning::NotAnObject),
    body(r#"["k:1"]"#, r#"["k:1"]"#, Meaning::NotAnObject),
    body(r#"{"message":"no"} x"#, r#"{"message":"no"} x"#, Meaning::NotAnObject),
    body(r#"{"message":"no"}"#, r#"{"message":"no"}"#, Meaning::WithoutAuth),
    body(r#"{"data":{"auth":"k:1"}}"#, r#"{"data":{"auth"…"#, Meaning::Wrapped),
    body(r#"{"data":{"x":1}}"#, r#"{"data":{"x":1}}"#, Meaning::WithoutAuth),
    body(r#"{"auth":7}"#, r#"{"auth"…"#, Meaning::NotString("auth", "a number")),
    body(
        r#"{"channel_data":{},"auth":"k:1"}"#,
        r#"{"channel_data":{},"auth"…"#,
        Meaning::NotString("channel_data", "an object"),
    ),
    body(r#"{"user_data":[],"auth":"k:1"}"#, r#"{"user_data":[],"auth"…"#, Meaning::NotString("user_data", "a list")),
];

const fn body(text: &'static str, excerpt: &'static str, meaning: Meaning) -> Body {
    Body { text, excerpt, meaning }
}

/// Values of `Retry-After`, of which only seconds are read.
const DELAYS: [(Option<&str>, Option<u64>); 8] = [
    (None, None),
    (Some("7"), Some(7)),
    (Some(" 0 "), Some(0)),
    (Some(""), None),
    (Some("-1"), None),
    (Some("1.5"), None),
    (Some("99999999999999999999"), None),
    (Some("Wed, 21 Oct 2026 07:28:00 GMT"), None),
];

/// Values of `Location`, and what an error shows of a redirect there.
const LOCATIONS: [(Option<&str>, Option<&str>); 4] = [
    (None, None),
    (Some("/login?back=1"), Some("/login")),
    (Some("https://h/login?back=1#x"), Some("https://h/login")),
    (Some("https://user:password@h/"), Some("…")),
];

/// What an answer with this status and this body says of a channel, a user or a token.
fn meaning(status: u16, body: &Body, delay: Option<u64>) -> Answer {
    if !(200..300).contains(&status) {
        let retry_after = delay.map(Duration::from_secs);
        return Err(AuthError::Http { status, excerpt: body.excerpt.into(), retry_after });
    }
    let excerpt = || body.excerpt.to_owned();
    match body.meaning {
        Meaning::Granted(with) => Ok(with(AuthResponse::new("k:1"))),
        Meaning::NotAnObject => Err(AuthError::InvalidJson { excerpt: excerpt() }),
        Meaning::Wrapped => Err(AuthError::Wrapped("data")),
        Meaning::WithoutAuth => Err(AuthError::MissingAuth { excerpt: excerpt() }),
        Meaning::NotString(field, found) => Err(AuthError::NotString { field, found }),
    }
}

/// Puts the probable mistake before what the endpoint says.
fn explained(answer: Answer, status: u16, redirect: Option<&str>) -> Answer {
    let hint = match (status, redirect) {
        (300..400, Some(location)) => format!("redirects to {location}; redirects are not followed"),
        (404, _) => "there is nothing at this URL".into(),
        (405, _) => "this URL does not accept POST".into(),
        _ => return answer,
    };
    match answer {
        Err(AuthError::Http { status, excerpt, retry_after }) => {
            let excerpt = if excerpt.is_empty() { hint } else { format!("{hint}: {excerpt}") };
            Err(AuthError::Http { status, excerpt, retry_after })
        }
        answer => answer,
    }
}

fn response(status: u16, body: &str, delay: Option<&str>, location: Option<&str>) -> HttpResponse {
    let (retry_after, location) = (delay.map(str::to_owned), location.map(str::to_owned));
    HttpResponse { retry_after, location, body: body.into(), ..HttpResponse::new(status) }
}

fn auth() -> HttpAuth {
    HttpAuth::new("https://h/channel?t=1").user_endpoint("https://h/user?t=1").token_endpoint("https://h/token?t=1")
}

fn socket_id() -> SocketId {
    SocketId::new("1.1").unwrap()
}

fn channel(name: &str) -> AuthRequest {
    AuthRequest::channel(ChannelName::new(name).unwrap(), socket_id())
}

/// Every status with some body, and every body with some status, since each has a meaning of its own.
fn answers() -> impl Iterator<Item = (u16, &'static Body)> {
    let statuses = (100..600).map(|status| (status, &BODIES[status as usize % BODIES.len()]));
    let few = [200, 204, 299, 300, 302, 400, 401, 403, 404, 405, 408, 419, 429, 500, 503];
    statuses.chain(few.into_iter().flat_map(|status| BODIES.iter().map(move |body| (status, body))))
}

#[test]
fn an_answer_means_the_same_for_every_purpose_and_names_its_endpoint() {
    let token = AuthRequest::token(socket_id());
    let user = AuthRequest::user(socket_id());
    let purposes = [("https://h/channel", channel("private-a")), ("https://h/user", user), ("https://h/token", token)];
    for (status, body) in answers() {
        for (delay, seconds) in DELAYS {
            for (location, redirect) in LOCATIONS {
                for (url, request) in &purposes {
                    let response = response(status, body.text, delay, location);
                    let expected = explained(meaning(status, body, seconds), status, redirect);
                    let expected = expected.map_err(|error| error.at(*url));
                    assert_eq!(
                        auth().answers(Ok(response), &[request]),
                        [expected],
                        "{url}: {status} {delay:?} {location:?} {}",
                        body.text
                    );
                }
            }
        }
    }
}

#[test]
fn credentials_are_renewed_for_the_statuses_that_say_so() {
    let (request, custom) = (channel("private-a"), [403, 302]);
    for (status, body) in answers() {
        let response = || Ok(response(status, body.text, None, None));
        let renewing = auth().on_unauthorized(|_| {});
        let is_default = matches!(status, 300..=399 | 401 | 419);
        assert_eq!(renewing.renews(&response(), &request), is_default, "{status}");
        let is_custom = custom.contains(&status);
        assert_eq!(renewing.unauthorized_statuses(custom).renews(&response(), &request), is_custom, "{status}");
        assert!(!auth().renews(&response(), &request), "no function can renew them");
    }
    assert!(!auth().on_unauthorized(|_| {}).renews(&Err(AuthError::Timeout), &request), "nothing was answered");
}

/// An entry for a channel in the answer to a batch, and its meaning.
#[derive(Clone)]
struct Entry {
    text: Option<String>,
    answer: Answer,
}

fn entries(name: &str, delay: Option<u64>) -> Vec<Entry> {
    let entry = |text: String, answer| Entry { text: Some(text), answer };
    let invalid = |text: &str| entry(text.into(), Err(AuthError::InvalidJson { excerpt: text.into() }));
    let left_out = AuthError::Handler(format!("the auth endpoint's answer leaves out {name}"));
    let nothing = Body { text: "", excerpt: "", meaning: Meaning::NotAnObject };
    let mut entries = vec![
        Entry { text: None, answer: Err(left_out) },
        entry("{}".into(), meaning(200, &nothing, delay)),
        entry(r#"{"status":403}"#.into(), meaning(403, &nothing, delay)),
        entry(r#"{"status":503,"status":"429","data":null}"#.into(), meaning(429, &nothing, delay)),
        invalid("[]"),
        invalid("7"),
        invalid(r#"{"status":"ok"}"#),
        invalid(r#"{"status":65536}"#),
        invalid(r#"{"status":true}"#),
    ];
    // A byte order mark begins a body, but no text in it.
    for body in BODIES.iter().filter(|body| !body.text.starts_with('\u{feff}')) {
        let is_json = body.text.starts_with(['{', '[', 't', '"']) && !body.text.ends_with('x');
        let data = if is_json { body.text.to_owned() } else { quoted(body.text) };
        for (status, shown) in [(None, 200), (Some("null"), 200), (Some("201"), 201), (Some(r#""503""#), 503)] {
            let status = status.map_or_else(String::new, |status| format!(r#""status":{status},"#));
            let answer = match meaning(shown, body, delay) {
                // What came is shown, which is a string here.
                Err(AuthError::InvalidJson { .. }) => Err(AuthError::InvalidJson { excerpt: data.clone() }),
                answer => answer,
            };
            entries.push(entry(format!(r#"{{{status}"data":{data}}}"#), answer));
        }
    }
    entries
}

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[test]
fn each_channel_of_a_batch_gets_what_its_own_entry_says() {
    let auth = auth().batch_endpoint("https://h/batch?t=1");
    let requests = ["private-a", "private-b"].map(channel);
    let requests: Vec<&AuthRequest> = requests.iter().collect();
    for (number, (delay, delay_secs)) in DELAYS.into_iter().enumerate() {
        let (firsts, seconds) = (entries("private-a", delay_secs), entries("private-b", delay_secs));
        for (at, first) in firsts.iter().enumerate() {
            // Every pair with one of the delays.
            for second in seconds.iter().skip((at + number) % DELAYS.len()).step_by(DELAYS.len()) {
                let named = |name: &str, entry: &Entry| Some(format!("{name:?}:{}", entry.text.as_ref()?));
                // The first one is repeated, and the last one counts; other channels do not matter.
                let repeated = first.text.as_ref().map(|_| r#""private-a":{"status":500}"#.to_owned());
                let foreign = Some(r#""private-c":{"data":{"auth":"k:9"}}"#.to_owned());
                let parts = [repeated, named("private-b", second), foreign, named("private-a", first)];
                let body = format!("{{{}}}", Vec::from_iter(parts.into_iter().flatten()).join(","));
                let expected =
                    [first, second].map(|entry| entry.answer.clone().map_err(|error| error.at("https://h/batch")));
                assert_eq!(
                    auth.answers(Ok(response(200, &body, delay, None)), &requests),
                    expected,
                    "{delay:?} {body}"
                );
            }
        }
    }
}

#[test]
fn an_answer_that_is_not_a_batch_applies_to_every_channel() {
    let auth = auth().batch_endpoint("https://h/batch?t=1");
    let requests = ["private-a", "private-b"].map(channel);
    let requests: Vec<&AuthRequest> = requests.iter().collect();
    for (status, body) in answers().filter(|(status, _)| !(200..300).contains(status)) {
        for (delay, seconds) in DELAYS {
            for (location, redirect) in LOCATIONS {
                let expected = explained(meaning(status, body, seconds), status, redirect);
                let expected = expected.map_err(|error| error.at("https://h/batch"));
                let found = auth.answers(Ok(response(status, body.text, delay, location)), &requests);
                assert_eq!(found, [expected.clone(), expected], "{status} {}", body.text);
            }
        }
    }
    for error in [AuthError::Timeout, AuthError::Network("x".into())] {
        assert_eq!(auth.answers(Err(error.clone()), &requests), [Err(error.clone()), Err(error)]);
    }
    // The user is asked for alone.
    let user = AuthRequest::user(socket_id());
    assert_eq!(auth.answers(Ok(response(200, BODIES[0].text, None, None)), &[&user]), [Ok(AuthResponse::new("k:1"))]);
}

/// A call with its number.
#[derive(Clone, Debug)]
struct Call(usize, AuthRequest);

impl AsRef<AuthRequest> for Call {
    fn as_ref(&self) -> &AuthRequest {
        &self.1
    }
}

#[test]
fn only_channels_of_one_socket_share_a_request_whatever_is_asked_at_the_same_time() {
    let sockets = ["1.1", "2.2"].map(|id| SocketId::new(id).unwrap());
    let of_socket = |id: &SocketId| {
        let channel = AuthRequest::channel(ChannelName::new("private-a").unwrap(), id.clone());
        [channel, AuthRequest::user(id.clone()), AuthRequest::token(id.clone())]
    };
    let kinds = sockets.iter().flat_map(of_socket).collect::<Vec<_>>();
    for number in 0..kinds.len().pow(4) {
        let kind = |at: usize| number / kinds.len().pow(at as u32) % kinds.len();
        let calls: Vec<_> = (0..4).map(|at| Call(at, kinds[kind(at)].clone())).collect();
        let numbers =
            |batches: &[Vec<Call>]| batches.iter().map(|batch| batch.iter().map(|call| call.0).collect()).collect();
        let alone: Vec<Vec<usize>> = numbers(&auth().batches(calls.clone()));
        assert_eq!(alone, [[0], [1], [2], [3]]);
        let batches = auth().batch_endpoint("https://h/batch").batches(calls);
        for batch in &batches {
            let is_channel_of_its_socket =
                |call: &Call| call.1.subject.channel().is_some() && call.1.socket_id == batch[0].1.socket_id;
            assert!(batch.len() == 1 || batch.iter().all(is_channel_of_its_socket), "{batches:?}");
        }
        let mut all: Vec<usize> = batches.iter().flatten().map(|call| call.0).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3], "{batches:?}");
        // Almost always, all calls are for the same socket.
        let channels = batches.iter().filter(|batch| batch[0].1.subject.channel().is_some()).count();
        let is_one_socket = (0..4).all(|at| kind(at) / 3 == kind(0) / 3);
        assert!(!is_one_socket || channels < 2, "{batches:?}");
    }
}
