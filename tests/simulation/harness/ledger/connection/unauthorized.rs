//! *4009 is retried while an authorization is pending*: some servers close connections on which nothing is authorized
//! in time, and a backend that is down must not end the client permanently. *4007 is answered with version 1* if the client
//! has asked for version 2. Otherwise, *4001-4099 are never retried*.

use pusher_proto::{Action, CloseReason, ConnectionState, FailReason};

use super::super::facts::{Facts, Reported, close_code};
use super::attempts::{UNSUPPORTED_VERSION, asks_for_version_2};
use super::{Checker, Incoming, Scene};
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct Unauthorized {
    /// What must happen after the reported end of the connection.
    due: Due,
    /// Whether the last request was for version 2 of the protocol.
    is_version_2: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Due {
    #[default]
    Failure,
    Retry,
    /// Cannot be known from outside.
    Either,
}

impl Checker for Unauthorized {
    fn handed(&mut self, _: &Incoming<'_>, _: &mut Scene<'_>) {
        self.due = Due::Failure;
    }

    fn ended(&mut self, reason: &CloseReason, scene: &mut Scene<'_>) {
        let is_unauthorized = close_code(reason) == Some(UNAUTHORIZED);
        self.due = if is_unauthorized { due(scene.facts) } else { Due::Failure };
    }

    fn acted(&mut self, action: &Action, _: &mut Scene<'_>) {
        if let Action::Connect(_, request) = action {
            self.is_version_2 = asks_for_version_2(request);
        }
    }

    fn ended_with(&mut self, code: u64, scene: &mut Scene<'_>) {
        if !(4001..4100).contains(&code) {
            return;
        }
        let state = scene.client.state();
        let has_failed = matches!(state, ConnectionState::Failed { .. });
        let gave_up = matches!(state, ConnectionState::Failed { reason: FailReason::GaveUp { .. } });
        if code == UNSUPPORTED_VERSION && self.is_version_2 {
            if has_failed && !gave_up {
                return scene.violated("4007 is answered with version 1", format!("{state:?}"));
            }
            return;
        }
        match self.due {
            Due::Failure if !has_failed => {
                scene.violated("4001-4099 are never retried", format!("{code} and no failure"));
            }
            Due::Retry if has_failed && !gave_up => {
                scene.violated("4009 is retried while an authorization is pending", format!("{state:?}"));
            }
            Due::Retry => scene.reach(Rare::NotYetAuthorized),
            Due::Failure | Due::Either => {}
        }
    }
}

fn due(facts: &Facts) -> Due {
    if facts.was_unpolled || facts.has_wishes() {
        return Due::Either;
    }
    if !facts.is_connected() {
        return Due::Failure;
    }
    let needing = || facts.channels.iter().filter(|(name, channel)| channel.wanted && name.kind().needs_auth());
    if facts.user.signed_in || needing().any(|(_, channel)| channel.reported == Reported::Subscribed) {
        return Due::Failure;
    }
    // A request that waits for the end of a pause has not been sent, and may have failed before.
    let backend = &facts.backend;
    if backend.has_granted || backend.channels.may_pause(facts.now) || backend.user.may_pause(facts.now) {
        return Due::Either;
    }
    let is_waiting = facts.requests.len() > 0 || needing().any(|(_, channel)| channel.retry_at.is_some());
    let is_due = facts.user.is_pending()
        || needing().any(|(_, channel)| channel.reported == Reported::Nothing && !channel.is_listening());
    match (is_waiting, is_due) {
        (true, _) => Due::Retry,
        (false, true) => Due::Either,
        (false, false) => Due::Failure,
    }
}

/// The code with which servers close connections that were not authorized in time.
const UNAUTHORIZED: u16 = 4009;
