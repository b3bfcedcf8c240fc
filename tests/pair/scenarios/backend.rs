//! An application's server that is down for a while.

use pusher_proto::server::Dialect;
use pusher_proto::{AuthError, CloseFrame, ConnectionState};
use pusher_tests::world::Authority;

use super::Scenario;
use crate::stage::*;

pub(super) const SCENARIOS: &[(&str, Scenario)] = &[
    ("a denial is final, also during an outage", denied),
    ("unsubscribing ends the requests for a channel", unsubscribed),
    ("a configured number of retries is kept to", counted),
    ("4009 is final once something was authorized on the connection", authorized_before),
    ("4009 is final if nothing waits for authorization", nothing_to_authorize),
];

/// The longest delay between two tries, and some trips.
const SOON: u64 = 31;

fn status(status: u16) -> AuthError {
    AuthError::Http { status, excerpt: String::new(), retry_after: None }
}

fn works_again(authority: &mut Authority) {
    (authority.refusal, authority.is_silent, authority.limit) = (None, false, None);
}

fn denied(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.authority(A).refusal = Some(status(503));
    stage.client(A).subscribe(channel("private-chat"));
    stage.pass(secs(12));
    stage.authority(A).refusal = Some(status(403));
    stage.pass(secs(SOON));
    stage.authority(A).asked.clear();
    works_again(stage.authority(A));
    stage.pass(secs(120));
    assert_eq!(stage.authority(A).asked.len(), 0);
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
    stage.authority(A).asked.clear();
    stage.pass(secs(300));
    assert_eq!(stage.authority(A).asked.len(), 0);
}

fn counted(dialect: Dialect) {
    let mut stage = Stage::new(dialect);
    stage.add("a", |builder| builder.auth_retries(2));
    stage.connect(A);
    stage.authority(A).refusal = Some(status(503));
    stage.client(A).subscribe(channel("private-chat"));
    stage.pass(secs(300));
    assert_eq!(stage.authority(A).asked.len(), 3);
    works_again(stage.authority(A));
    stage.pass(secs(60));
    assert!(!stage.is_subscribed(A, "private-chat"));
}

fn authorized_before(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribe(A, "private-chat");
    stage.authority(A).refusal = Some(status(503));
    stage.client(A).subscribe(channel("private-other"));
    stage.pass(secs(10));
    stage.world.close(A, unauthorized());
    stage.pass(secs(60));
    assert!(matches!(stage.client(A).state(), ConnectionState::Failed { .. }), "{:?}", stage.heard(A));
}

fn nothing_to_authorize(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribe(A, "chat");
    stage.authority(A).refusal = Some(status(403));
    stage.subscribe(A, "private-chat");
    stage.world.close(A, unauthorized());
    stage.pass(secs(60));
    assert!(matches!(stage.client(A).state(), ConnectionState::Failed { .. }), "{:?}", stage.heard(A));
}

fn unauthorized() -> CloseFrame {
    CloseFrame { code: 4009, reason: "Connection not authorized within timeout".into() }
}
