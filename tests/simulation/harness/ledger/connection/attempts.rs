//! How often one client tries to get a connection.

use std::collections::VecDeque;
use std::time::Duration;

use pusher_proto::{ConnectRequest, Instant};

use crate::simulation::journal::Journal;
use crate::simulation::reached::Rare;

pub(crate) struct Attempts {
    /// Why the next one comes.
    cause: Cause,
    /// When the client began with it, if it was not polled since.
    begun_at: Option<Instant>,
    last_at: Option<Instant>,
    lost_at: Option<Instant>,
    last_host: Option<String>,
    /// Whether one retry may come at once.
    credit: bool,
    credits_used: u32,
    wants_tls: bool,
    /// Those within a minute that only the client wanted.
    retries: VecDeque<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The one before failed, or its connection was lost.
    Retry,
    /// The same, and the application or the network made it come sooner.
    Hastened,
    /// The application wants a connection and had none, or wants another one.
    Fresh,
}

impl Attempts {
    pub(crate) fn new() -> Self {
        Self {
            cause: Cause::Fresh,
            begun_at: None,
            last_at: None,
            lost_at: None,
            last_host: None,
            credit: true,
            credits_used: 0,
            wants_tls: false,
            retries: VecDeque::new(),
        }
    }

    /// Nothing that came before counts.
    pub(crate) fn start_over(&mut self) {
        self.cause = Cause::Fresh;
    }

    /// A delay ends early, but not within the base delay after the last attempt.
    pub(crate) fn hasten(&mut self) {
        if self.cause == Cause::Retry {
            self.cause = Cause::Hastened;
        }
    }

    pub(crate) fn begun(&mut self, now: Instant) {
        self.begun_at = Some(now);
    }

    /// A socket is gone; `was_stable` says whether its connection has lasted.
    pub(crate) fn lost(&mut self, was_stable: bool, now: Instant) {
        self.credit |= was_stable;
        self.lost_at = Some(now);
    }

    /// The server wants TLS.
    pub(crate) fn wants_tls(&mut self) {
        self.wants_tls = true;
    }

    pub(crate) fn has_credit(&self) -> bool {
        self.credit || self.cause == Cause::Fresh
    }

    /// The client makes one.
    pub(crate) fn make(&mut self, request: &ConnectRequest, who: usize, journal: &mut Journal, now: Instant) {
        let at = self.begun_at.take().unwrap_or(now);
        let cause = std::mem::replace(&mut self.cause, Cause::Retry);
        let wants_tls = std::mem::take(&mut self.wants_tls);
        let soon_after = |then: Option<Instant>| then.is_some_and(|then| at < then + BASE_DELAY);
        let is_quick = match cause {
            Cause::Fresh => false,
            Cause::Hastened => soon_after(self.last_at),
            Cause::Retry => soon_after(self.last_at) || soon_after(self.lost_at),
        };
        if is_quick && wants_tls && request.tls {
            journal.reach(Rare::OverTls);
        } else if is_quick && std::mem::take(&mut self.credit) {
            self.credits_used += 1;
            journal.reach(if self.credits_used > 1 { Rare::CreditUsedTwice } else { Rare::CreditUsed });
        } else if is_quick {
            journal.violated(who, "attempts are bounded", "a retry came within the base delay, without a credit");
        }
        match cause {
            Cause::Fresh => {
                self.credit = true;
                self.retries.clear();
            }
            Cause::Hastened => {}
            Cause::Retry => {
                self.retries.retain(|then| at < *then + MINUTE);
                self.retries.push_back(at);
                if self.retries.len() > MAX_RETRIES {
                    let details = format!("{} retries within a minute", self.retries.len());
                    journal.violated(who, "attempts are bounded", details);
                }
            }
        }
        if cause != Cause::Fresh && self.last_host.as_deref().is_some_and(|host| host != &*request.host) {
            journal.reach(Rare::RingAdvance);
        }
        self.last_host = Some(request.host.to_string());
        self.last_at = Some(at);
    }
}

/// The base delay between attempts.
const BASE_DELAY: Duration = Duration::from_secs(1);

const MINUTE: Duration = Duration::from_secs(60);

/// More retries than growing delays leave room for within a minute.
const MAX_RETRIES: usize = 20;
