//! Signatures of the HTTP API, by a recipe that shares nothing with the server: a call is answered if it is signed as it
//! arrives, and otherwise it is refused and has no effect.

use std::sync::Arc;

use axum::body::{self, Body};
use axum::http::Request;
use futures_util::FutureExt as _;
use hmac::{Hmac, Mac};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::http::router;
use crate::hub::Shared;
use crate::line::{Line, Outgoing};

/// A call on its way to the server.
#[derive(Clone, Debug)]
struct Call {
    method: &'static str,
    path: &'static str,
    body: &'static str,
    params: Vec<(String, String)>,
}

impl Call {
    /// A call that is not signed yet.
    fn new((method, path, body, _): Route, now: u64) -> Self {
        let mut call = Self { method, path, body, params: Vec::new() };
        call.set("auth_key", "app-key");
        call.set("auth_timestamp", &now.to_string());
        call.set("auth_version", "1.0");
        if !body.is_empty() {
            call.set("body_md5", &hex(&Md5::digest(body)));
        }
        call
    }

    fn set(&mut self, name: &str, value: &str) {
        self.params.retain(|(known, _)| known != name);
        self.params.push((name.into(), value.into()));
    }

    fn remove(&mut self, name: &str) {
        self.params.retain(|(known, _)| known != name);
    }

    fn signed(self) -> Self {
        self.signed_with("app-secret")
    }

    /// Pusher docs, *HTTP API reference, Authentication*.
    fn signed_with(mut self, secret: &str) -> Self {
        self.params.sort();
        let params: Vec<_> =
            self.params.iter().map(|(name, value)| format!("{}={value}", name.to_lowercase())).collect();
        let text = format!("{}\n{}\n{}", self.method, self.path, params.join("&"));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        self.params.push(("auth_signature".into(), hex(&mac.finalize().into_bytes())));
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Sends it; returns the code of the refusal.
    async fn send(&self, shared: &Arc<Shared>) -> Option<u64> {
        let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let query: Vec<_> =
            self.params.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        let request = Request::builder().method(self.method).uri(format!("{}?{}", self.path, query.join("&")));
        let request = request.body(Body::from(self.body)).unwrap();
        let response = TowerToHyperService::new(router(Arc::clone(shared))).call(request).await.unwrap();
        let status = response.status().as_u16();
        let answer = body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let code = answer["code"].as_u64();
        assert_eq!(status, code.map_or(200, |code| shared.dialect.api_status(code as u16)), "{answer}");
        code
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Calls that should be answered.
fn answered(route: Route, now: u64) -> Vec<(&'static str, Call)> {
    let call = Call::new(route, now);
    let mut calls = vec![
        ("as it should be", call.clone().signed()),
        ("with a parameter", call.clone().with(|call| call.set("x", "a+b c=ä%25")).signed()),
        ("with an empty parameter", call.clone().with(|call| call.set("x", "")).signed()),
        ("in another order", call.clone().signed().with(|call| call.params.reverse())),
        ("a little late", call.clone().with(|call| call.set("auth_timestamp", &(now - 590).to_string())).signed()),
        ("a little early", call.clone().with(|call| call.set("auth_timestamp", &(now + 590).to_string())).signed()),
    ];
    if call.body.is_empty() {
        let digest = hex(&Md5::digest(""));
        calls.push(("with the digest of nothing", call.with(|call| call.set("body_md5", &digest)).signed()));
    }
    calls
}

/// Calls that should be refused.
fn refused(route: Route, now: u64, checks_timestamp: bool) -> Vec<(String, Call)> {
    let call = Call::new(route, now);
    let mut calls = vec![
        ("not signed".into(), call.clone()),
        ("signed by someone else".into(), call.clone().signed_with("other-secret")),
        ("for another key".into(), call.clone().with(|call| call.set("auth_key", "other-key")).signed()),
        ("in another version".into(), call.clone().with(|call| call.set("auth_version", "1.1")).signed()),
        ("at no time".into(), call.clone().with(|call| call.set("auth_timestamp", "now")).signed()),
        ("with a name in capitals".into(), call.clone().with(|call| call.set("X", "1")).signed()),
        (
            "with the digest of another body".into(),
            call.clone().with(|call| call.set("body_md5", &hex(&Md5::digest("other")))).signed(),
        ),
        ("with a parameter more".into(), call.clone().signed().with(|call| call.set("x", "1"))),
        (
            "with two signatures".into(),
            call.clone().signed().with(|call| call.params.push(("auth_signature".into(), "00".into()))),
        ),
        (
            "for another method".into(),
            call.clone().with(|call| call.method = "PUT").signed().with(|signed| signed.method = call.method),
        ),
        (
            "for another path".into(),
            call.clone().with(|call| call.path = "/apps/1/other").signed().with(|signed| signed.path = call.path),
        ),
    ];
    let far = [now - 610, now + 610, 0, u64::MAX].map(|time| {
        let call = call.clone().with(|call| call.set("auth_timestamp", &time.to_string()));
        (format!("at {time}"), call.signed())
    });
    calls.extend(far.into_iter().filter(|_| checks_timestamp));
    let signed = call.clone().with(|call| call.set("x", "1")).signed();
    for (at, (name, value)) in signed.params.iter().enumerate() {
        if name != "x" && name != "auth_signature" {
            calls.push((format!("without {name}"), call.clone().with(|call| call.remove(name)).signed()));
        }
        calls.push((format!("after {name} was removed"), signed.clone().with(|call| call.remove(name))));
        let twice = (name.clone(), value.clone());
        calls.push((format!("with {name} twice"), signed.clone().with(|call| call.params.insert(at, twice))));
        // Every character is replaced by another digit.
        for place in 0..value.len() {
            let digit = if value.as_bytes()[place] == b'0' { "1" } else { "0" };
            let mut other = value.clone();
            other.replace_range(place..=place, digit);
            let changed = signed.clone().with(|call| call.params[at].1 = other);
            calls.push((format!("with another character {place} of {name}"), changed));
        }
    }
    calls
}

/// A client that receives what is published on the channel `a`.
fn subscriber(shared: &Shared) -> Line {
    let (id, mut line) = shared.open("/app/app-key?protocol=7");
    shared.receive(id, Frame::Text(r#"{"event":"pusher:subscribe","data":{"channel":"a"}}"#.into()));
    received(&mut line);
    line
}

/// How many events have arrived.
fn received(line: &mut Line) -> usize {
    let texts = std::iter::from_fn(|| {
        line.queue.due().now_or_never()?;
        line.next_due()
    });
    texts.filter(|text| matches!(text, Outgoing::Text(text) if text.contains(r#""e""#))).count()
}

#[tokio::test]
async fn a_call_is_answered_if_it_is_signed_as_it_arrives_and_otherwise_has_no_effect() {
    for dialect in [Dialect::Pusher, Dialect::Sockudo, Dialect::Soketi] {
        let shared = Arc::new(Shared::new(&Options::default().dialect(dialect)));
        let mut line = subscriber(&shared);
        for route in ROUTES {
            let now = now().as_secs();
            for (name, call) in answered(route, now) {
                assert_eq!(call.send(&shared).await, None, "{dialect}, {name}: {call:?}");
                assert_eq!(received(&mut line), route.3, "{name}: {call:?}");
            }
            for (name, call) in refused(route, now, dialect.checks_timestamp()) {
                assert_eq!(call.send(&shared).await, Some(401), "{dialect}, {name}: {call:?}");
                assert_eq!(received(&mut line), 0, "{name}: {call:?}");
            }
        }
    }
}

/// Method, path, body, and how many events it publishes.
type Route = (&'static str, &'static str, &'static str, usize);

const ROUTES: [Route; 6] = [
    ("POST", "/apps/1/events", r#"{"name":"e","channel":"a","data":"1"}"#, 1),
    (
        "POST",
        "/apps/1/batch_events",
        r#"{"batch":[{"name":"e","channel":"a","data":"1"},{"name":"e","channel":"a","data":"2"}]}"#,
        2,
    ),
    ("GET", "/apps/1/channels", "", 0),
    ("GET", "/apps/1/channels/a", "", 0),
    ("GET", "/apps/1/channels/presence-a/users", "", 0),
    ("POST", "/apps/1/users/7/terminate_connections", "", 0),
];
