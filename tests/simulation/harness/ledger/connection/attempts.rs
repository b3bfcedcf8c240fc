//! *Attempts are bounded*: a retry does not come within the base delay, except one for each connection that has lasted;
//! no delay is longer than the maximum; and no minute has more retries than growing delays allow.

use std::collections::VecDeque;
use std::time::Duration;

use pusher_proto::{Action, CloseReason, ConnectRequest, ConnectionState, Event, Instant, NetworkHint};

use super::super::facts::{close_code, is_on, leaves_socket};
use super::{AppCall, Checker, Incoming, Scene};
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct Attempts {
    /// The cause of the next attempt.
    cause: Cause,
    /// When the client began it, if it has not been polled since.
    begun_at: Option<Instant>,
    connected_at: Option<Instant>,
    lost_at: Option<Instant>,
    last: Option<(Instant, String)>,
    credit: Credit,
    wants_tls: bool,
    /// The server does not speak the version of the protocol.
    refuses_version: bool,
    /// Retries within a minute that the client made on its own.
    retries: VecDeque<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Cause {
    /// The previous attempt failed, or its connection was lost.
    Retry,
    /// The same, but the application or the network made it come sooner.
    Hastened,
    /// The application wants a connection and had none, or wants a different one.
    #[default]
    Fresh,
}

/// The right to retry at once.
struct Credit {
    is_left: bool,
    used: u32,
}

impl Default for Credit {
    fn default() -> Self {
        Self { is_left: true, used: 0 }
    }
}

impl Checker for Attempts {
    fn called(&mut self, call: &AppCall<'_>, scene: &mut Scene<'_>) {
        let is_waiting = matches!(scene.facts.state, ConnectionState::Waiting { .. });
        match call {
            AppCall::Connect | AppCall::Hint(NetworkHint::Online) if is_waiting => self.hasten(),
            AppCall::Switch if scene.facts.is_on() => self.cause = Cause::Fresh,
            AppCall::Connect
            | AppCall::Disconnect
            | AppCall::Switch
            | AppCall::Hint(_)
            | AppCall::Subscribe(_)
            | AppCall::Unsubscribe(_)
            | AppCall::Signin
            | AppCall::Signout
            | AppCall::Trigger
            | AppCall::Triggered(..) => {}
        }
    }

    fn handed(&mut self, frame: &Incoming<'_>, scene: &mut Scene<'_>) {
        let Incoming::Error { code: Some(code) } = frame else { return };
        if !scene.facts.is_connected() {
            self.wants_tls |= *code == USE_TLS;
            self.refuses_version |= *code == UNSUPPORTED_VERSION;
        }
    }

    fn ended(&mut self, reason: &CloseReason, scene: &mut Scene<'_>) {
        let code = close_code(reason).map(u64::from);
        let has_credit = self.credit.is_left || self.cause == Cause::Fresh;
        if code.is_some_and(|code| (4200..4300).contains(&code)) && !has_credit {
            scene.reach(Rare::CreditMissing);
        }
        self.wants_tls |= code == Some(USE_TLS);
        self.refuses_version |= code == Some(UNSUPPORTED_VERSION);
    }

    fn moved(&mut self, from: &ConnectionState, to: &ConnectionState, scene: &mut Scene<'_>) {
        let now = scene.facts.now;
        if leaves_socket(from, to) {
            self.credit.is_left |= self.connected_at.take().is_some_and(|at| now >= at + STABLE_AFTER);
            self.lost_at = Some(now);
        }
        if matches!(to, ConnectionState::Connecting { .. }) {
            self.begun_at = Some(now);
        }
        if to.is_connected() {
            self.connected_at = Some(now);
        }
    }

    fn acted(&mut self, action: &Action, scene: &mut Scene<'_>) {
        if let Action::Connect(_, request) = action {
            self.make(request, scene);
        }
    }

    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        let Event::StateChanged { current, .. } = event else { return };
        if let ConnectionState::Waiting { retry_at, .. } = current {
            let delay = retry_at.since(scene.facts.now);
            if delay > LONGEST_DELAY {
                scene.violated(BOUNDED, format!("the next one comes in {delay:?}"));
            }
        }
        if !scene.facts.is_on() && is_on(current) {
            self.cause = Cause::Fresh;
        }
    }
}

impl Attempts {
    /// A delay ends early, but not within the base delay after the last attempt.
    fn hasten(&mut self) {
        if self.cause == Cause::Retry {
            self.cause = Cause::Hastened;
        }
    }

    fn make(&mut self, request: &ConnectRequest, scene: &mut Scene<'_>) {
        let at = self.begun_at.take().unwrap_or(scene.facts.now);
        let cause = std::mem::replace(&mut self.cause, Cause::Retry);
        let wants_tls = std::mem::take(&mut self.wants_tls);
        let wants_version_1 = std::mem::take(&mut self.refuses_version) && !asks_for_version_2(request);
        let last = self.last.replace((at, request.host.to_string()));
        if self.is_quick(cause, last.as_ref().map(|(at, _)| *at), at) {
            self.excuse(wants_tls && request.tls, wants_version_1, scene);
        }
        match cause {
            Cause::Fresh => {
                self.credit.is_left = true;
                self.retries.clear();
            }
            Cause::Hastened => {}
            Cause::Retry => self.count(at, scene),
        }
        if cause != Cause::Fresh && last.is_some_and(|(_, host)| host != *request.host) {
            scene.reach(Rare::RingAdvance);
        }
    }

    fn is_quick(&self, cause: Cause, last_at: Option<Instant>, at: Instant) -> bool {
        let soon_after = |then: Option<Instant>| then.is_some_and(|then| at < then + BASE_DELAY);
        match cause {
            Cause::Fresh => false,
            Cause::Hastened => soon_after(last_at),
            Cause::Retry => soon_after(last_at) || soon_after(self.lost_at),
        }
    }

    /// A quick retry is for TLS or for version 1, or uses the credit.
    fn excuse(&mut self, is_for_tls: bool, is_for_version_1: bool, scene: &mut Scene<'_>) {
        if is_for_tls {
            scene.reach(Rare::OverTls);
        } else if is_for_version_1 {
            scene.reach(Rare::Version2Refused);
        } else if std::mem::take(&mut self.credit.is_left) {
            self.credit.used += 1;
            scene.reach(if self.credit.used > 1 { Rare::CreditUsedTwice } else { Rare::CreditUsed });
        } else {
            scene.violated(BOUNDED, "a retry came within the base delay, without a credit");
        }
    }

    fn count(&mut self, at: Instant, scene: &mut Scene<'_>) {
        self.retries.retain(|then| at < *then + MINUTE);
        self.retries.push_back(at);
        if self.retries.len() > MAX_RETRIES {
            scene.violated(BOUNDED, format!("{} retries within a minute", self.retries.len()));
        }
    }
}

pub(super) fn asks_for_version_2(request: &ConnectRequest) -> bool {
    request.target.contains("protocol=2&")
}

const BOUNDED: &str = "attempts are bounded";

/// The code with which a server asks for TLS.
const USE_TLS: u64 = 4000;

/// The code of a server that does not speak the version of the protocol that it is asked for.
pub(super) const UNSUPPORTED_VERSION: u64 = 4007;

/// The base delay between attempts.
const BASE_DELAY: Duration = Duration::from_secs(1);

/// The longest delay between attempts, with the random part that is added where a server names a time.
const LONGEST_DELAY: Duration = Duration::from_secs(31);

/// How long a connection must last to renew the credit.
const STABLE_AFTER: Duration = Duration::from_secs(10);

const MINUTE: Duration = Duration::from_secs(60);

/// More retries than growing delays allow within a minute.
const MAX_RETRIES: usize = 20;
