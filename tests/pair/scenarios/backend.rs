//! Application servers that are down, slow or busy for a while.

use std::time::Duration;

use pusher_proto::server::Dialect;
use pusher_proto::signing::MasterKey;
use pusher_proto::{AuthError, AuthPurpose, CloseFrame, ConnectionState, DecryptionError, Event};
use pusher_tests::network::{Authority, Fault, Limit, Who};

use super::Scenario;
use super::users::has_signin;
use crate::stage::*;

pub(super) const SCENARIOS: &[(&str, Scenario)] = &[
    ("everything is subscribed after the backend answered 503", unavailable),
    ("everything is subscribed after the backend was unreachable", unreachable),
    ("everything is subscribed after the backend did not answer", silent),
    ("requests become fewer while the backend answers 503", fewer_after_503),
    ("requests become fewer while the backend does not answer", fewer_in_silence),
    ("a denial is final, also during an outage", denied),
    ("unsubscribing ends the requests for a channel", unsubscribed),
    ("a backend that answers 429 with Retry-After is asked little more than it allows", limited),
    ("a backend that answers 429 without Retry-After authorizes all channels in the end", limited_silently),
    ("a 503 with Retry-After holds back all requests and costs no retry", held_back),
    ("a configured number of retries is kept to", counted),
    ("reconnects after 4009 while the backend is down", never_authorized),
    ("4009 is final once something was authorized on the connection", authorized_before),
    ("4009 is final if nothing waits for authorization", nothing_to_authorize),
    ("held events are delivered when the backend can be asked for the key again", key_refreshed),
    ("held events become errors when no key comes in time", key_too_late),
];

/// A private, a presence and an encrypted channel.
const WANTED: [&str; 3] = ["private-chat", "presence-room", ENCRYPTED];
const ENCRYPTED: &str = "private-encrypted-chat";

/// The longest delay between two attempts, and some round trips.
const SOON: u64 = 31;

fn status(status: u16) -> AuthError {
    AuthError::Http { status, excerpt: String::new(), retry_after: None }
}

fn unavailable(dialect: Dialect) {
    outage(dialect, secs(12), |authority| authority.refusal = Some(status(503)));
}

fn unreachable(dialect: Dialect) {
    outage(dialect, secs(12), |authority| authority.refusal = Some(AuthError::Network("no route".into())));
}

fn silent(dialect: Dialect) {
    // Time for several requests, of which each takes 15 s.
    outage(dialect, secs(90), |authority| authority.is_silent = true);
}

fn outage(dialect: Dialect, time: Duration, begin: impl FnOnce(&mut Authority)) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    begin(stage.authority(A));
    for name in WANTED {
        stage.client(A).subscribe(channel(name));
    }
    if has_signin(dialect) {
        stage.client(A).signin();
    }
    stage.pass(time);
    works_again(stage.authority(A));
    // A request that was sent before the end of the outage has to time out first.
    let time = stage.until(secs(SOON + 15), |stage| {
        let is_signed_in = stage.client(A).user().is_some() || !has_signin(stage.dialect);
        is_signed_in && WANTED.iter().all(|name| stage.is_subscribed(A, name))
    });
    assert!(time.is_some(), "not everything is subscribed: {:?}", stage.heard(A));
    assert!(stage.is_connected(A));
    stage.pass(secs(60));
    assert!(WANTED.iter().all(|name| stage.is_subscribed(A, name)));
}

fn works_again(authority: &mut Authority) {
    (authority.refusal, authority.is_silent, authority.limit) = (None, false, None);
}

fn fewer_after_503(dialect: Dialect) {
    fewer(dialect, |authority| authority.refusal = Some(status(503)));
}

fn fewer_in_silence(dialect: Dialect) {
    fewer(dialect, |authority| authority.is_silent = true);
}

/// Twelve channels, and a backend that is down for ten minutes.
fn fewer(dialect: Dialect, begin: impl FnOnce(&mut Authority)) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    begin(stage.authority(A));
    let names = stage.want_many(A, "private-", 12);
    let mut requests = Vec::new();
    for _ in 0..10 {
        stage.authority(A).asked();
        stage.pass(secs(60));
        requests.push(stage.authority(A).asked().len());
    }
    let (first, later) = (requests[0], &requests[1..]);
    assert!(later.iter().all(|count| *count < first), "requests per minute: {requests:?}");
    // The longest delay is 30 s: there is at least one request a minute, and at most about four for each channel.
    assert!(later.iter().all(|count| (1..=6 * 12).contains(count)), "requests per minute: {requests:?}");
    works_again(stage.authority(A));
    let time = stage.until(secs(SOON + 15), |stage| names.iter().all(|name| stage.is_subscribed(A, name)));
    assert!(time.is_some(), "not everything is subscribed: {:?}", stage.heard(A));
}

fn denied(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.authority(A).refusal = Some(status(503));
    stage.client(A).subscribe(channel("private-chat"));
    stage.pass(secs(12));
    stage.authority(A).refusal = Some(status(403));
    stage.pass(secs(SOON));
    stage.authority(A).asked();
    works_again(stage.authority(A));
    stage.pass(secs(120));
    assert_eq!(stage.authority(A).asked().len(), 0);
    assert!(!stage.is_subscribed(A, "private-chat"));
    // The application may try again.
    stage.subscribe(A, "private-chat");
    assert!(stage.is_subscribed(A, "private-chat"));
}

fn unsubscribed(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.authority(A).refusal = Some(status(503));
    stage.client(A).subscribe(channel("private-chat"));
    stage.pass(secs(20));
    stage.unsubscribe(A, "private-chat");
    stage.authority(A).asked();
    stage.pass(secs(300));
    assert_eq!(stage.authority(A).asked().len(), 0);
}

/// Two authorizations in ten seconds: twelve channels take at least 50 s.
fn limited(dialect: Dialect) {
    let mut stage = limited_stage(dialect, true);
    for who in USERS {
        // The first burst is as large as the window, which is 8. Later ones begin with a single request.
        let asked = asked_for_all(&mut stage, who, secs(120));
        assert!(asked <= 12 + MOST_WASTED, "{asked} requests for 12 channels");
    }
}

/// Of the first burst 6, and of each of the five later turns 2.
const MOST_WASTED: usize = 16;

fn limited_silently(dialect: Dialect) {
    let mut stage = limited_stage(dialect, false);
    for who in USERS {
        let asked = asked_for_all(&mut stage, who, secs(180));
        assert!(asked <= 6 * 12, "{asked} requests for 12 channels");
    }
}

/// Several clients with different random delays, each with a backend that accepts two requests in ten seconds.
fn limited_stage(dialect: Dialect, says_when: bool) -> Stage {
    let mut stage = Stage::new(dialect).connected(&["a", "b", "c", "d"]);
    for who in USERS {
        stage.authority(who).limit = Some(Limit::new(2, secs(10)));
        stage.authority(who).says_when = says_when;
    }
    stage
}

const USERS: [Who; 4] = [A, B, C, D];

/// Subscribes twelve channels. Returns how many requests that took.
fn asked_for_all(stage: &mut Stage, who: Who, limit: Duration) -> usize {
    let names = stage.want_many(who, "private-", 12);
    let time = stage.until(limit, |stage| names.iter().all(|name| stage.is_subscribed(who, name)));
    assert!(time.is_some(), "not everything is subscribed: {:?}", stage.heard(who));
    stage.authority(who).asked().len()
}

fn held_back(dialect: Dialect) {
    let mut stage = Stage::new(dialect);
    stage.add("a", |builder| builder.auth_retries(1));
    stage.connect(A);
    let later = |seconds| AuthError::Http { status: 503, excerpt: String::new(), retry_after: Some(secs(seconds)) };
    stage.authority(A).refusal = Some(later(20));
    stage.client(A).subscribe(channel("private-chat"));
    stage.pass(secs(5));
    stage.client(A).subscribe(channel("private-other"));
    stage.pass(secs(14));
    assert_eq!(stage.authority(A).asked().len(), 1);
    // Three of them are more than the one retry that there is.
    stage.pass(secs(60));
    assert!(stage.authority(A).asked().len() > 2);
    works_again(stage.authority(A));
    let time = stage
        .until(secs(SOON), |stage| ["private-chat", "private-other"].iter().all(|name| stage.is_subscribed(A, name)));
    assert!(time.is_some(), "not everything is subscribed: {:?}", stage.heard(A));
}

fn counted(dialect: Dialect) {
    let mut stage = Stage::new(dialect);
    stage.add("a", |builder| builder.auth_retries(2));
    stage.connect(A);
    stage.authority(A).refusal = Some(status(503));
    stage.client(A).subscribe(channel("private-chat"));
    stage.pass(secs(300));
    assert_eq!(stage.authority(A).asked().len(), 3);
    works_again(stage.authority(A));
    stage.pass(secs(60));
    assert!(!stage.is_subscribed(A, "private-chat"));
}

fn never_authorized(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.authority(A).refusal = Some(status(503));
    stage.client(A).subscribe(channel("private-chat"));
    for _ in 0..3 {
        stage.pass(secs(10));
        stage.world.fault(A, Fault::Close(unauthorized()));
        let time = stage.until(secs(SOON), |stage| stage.is_connected(A));
        assert!(time.is_some(), "it does not come back: {:?}", stage.heard(A));
    }
    works_again(stage.authority(A));
    let time = stage.until(secs(SOON), |stage| stage.is_subscribed(A, "private-chat"));
    assert!(time.is_some(), "it is not subscribed: {:?}", stage.heard(A));
}

fn authorized_before(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribe(A, "private-chat");
    stage.authority(A).refusal = Some(status(503));
    stage.client(A).subscribe(channel("private-other"));
    stage.pass(secs(10));
    stage.world.fault(A, Fault::Close(unauthorized()));
    stage.pass(secs(60));
    assert!(matches!(stage.client(A).state(), ConnectionState::Failed { .. }), "{:?}", stage.heard(A));
}

fn nothing_to_authorize(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribe(A, "chat");
    stage.authority(A).refusal = Some(status(403));
    stage.subscribe(A, "private-chat");
    stage.world.fault(A, Fault::Close(unauthorized()));
    stage.pass(secs(60));
    assert!(matches!(stage.client(A).state(), ConnectionState::Failed { .. }), "{:?}", stage.heard(A));
}

fn unauthorized() -> CloseFrame {
    CloseFrame { code: 4009, reason: "Connection not authorized within timeout".into() }
}

fn key_refreshed(dialect: Dialect) {
    let mut stage = rotated(dialect);
    seal(&mut stage, &["1", "2"]);
    stage.pass(secs(12));
    stage.expect_silence(A);
    works_again(stage.authority(A));
    stage.pass(secs(SOON));
    stage.expect(A, &["1", "2"].map(readable).each_ref().map(String::as_str));
    let purposes = stage.authority(A).asked().into_iter().map(|(_, request)| request.purpose);
    assert!(purposes.skip(1).all(|purpose| purpose == AuthPurpose::KeyRefresh));
}

fn key_too_late(dialect: Dialect) {
    let mut stage = rotated(dialect);
    seal(&mut stage, &["1", "2"]);
    stage.pass(secs(29));
    stage.expect_silence(A);
    stage.pass(secs(2));
    let heard = stage.world.heard(A).map(|(_, event)| event);
    let heard: Vec<Event> = heard.filter(|event| !matches!(event, Event::Diagnostic(_))).collect();
    let is_lost = |event: &Event| {
        let Event::DecryptionError { channel, error: DecryptionError::KeyRefresh(_), .. } = event else { return false };
        channel.as_str() == ENCRYPTED
    };
    assert!(heard.len() == 2 && heard.iter().all(is_lost), "{heard:?}");
    stage.pass(secs(14));
    stage.expect_silence(A);
    works_again(stage.authority(A));
    seal(&mut stage, &["3"]);
    stage.pass(secs(SOON));
    stage.expect(A, &[&readable("3")]);
}

/// A subscribed channel whose key was replaced, and a backend that is down.
fn rotated(dialect: Dialect) -> Stage {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribed(A, ENCRYPTED);
    stage.authority(A).app = app().encryption_master_key(new_key());
    stage.authority(A).refusal = Some(status(503));
    stage
}

fn seal(stage: &mut Stage, texts: &[&str]) {
    for text in texts {
        let nonce = [text.as_bytes()[0]; 24];
        let sealed = new_key().seal(&channel(ENCRYPTED), text, nonce).text().into_owned();
        let publication = pusher_proto::server::Publication::new("secret", [channel(ENCRYPTED)], sealed);
        let now = stage.world.now();
        stage.world.server().trigger(&publication, now).expect("the event is within the limits");
    }
}

fn new_key() -> MasterKey {
    MasterKey::new([8; MasterKey::LEN])
}

fn readable(text: &str) -> String {
    format!("event {ENCRYPTED} secret \"{text}\"")
}
