//! The sockets of one client: how many, how often, and whether the live one lives.

use std::collections::BTreeSet;
use std::time::Duration;

use pusher_proto::{ConnectRequest, Instant, SocketEpoch};

use super::connection::attempts::Attempts;
use crate::simulation::journal::Journal;
use crate::simulation::mix::Limits;
use crate::simulation::reached::Rare;

pub(super) struct Sockets {
    /// Sockets that neither side has closed, as far as the client may know.
    open: BTreeSet<SocketEpoch>,
    /// The one among them that the client has not left.
    current: Option<SocketEpoch>,
    connecting_since: Option<Instant>,
    connected_at: Option<Instant>,
    heard_at: Instant,
    /// When a ping was sent that nothing has followed.
    pinged_at: Option<Instant>,
    activity: Duration,
    pub(super) attempts: Attempts,
}

impl Sockets {
    pub(super) fn new() -> Self {
        Self {
            open: BTreeSet::new(),
            current: None,
            connecting_since: None,
            connected_at: None,
            heard_at: Instant::ZERO,
            pinged_at: None,
            activity: Duration::ZERO,
            attempts: Attempts::new(),
        }
    }

    pub(super) fn is_open(&self, epoch: SocketEpoch) -> bool {
        self.open.contains(&epoch)
    }

    /// Whether what comes from this socket counts. Nobody may have polled the close since the client left it.
    pub(super) fn is_current(&self, epoch: SocketEpoch) -> bool {
        self.is_open(epoch) && self.current == Some(epoch)
    }

    /// The client opens one.
    pub(super) fn connect(
        &mut self,
        epoch: SocketEpoch,
        request: &ConnectRequest,
        who: usize,
        journal: &mut Journal,
        now: Instant,
    ) {
        if let Some(other) = self.open.first() {
            journal.violated(who, "never two sockets", format!("socket {epoch} is opened while {other} is open"));
        }
        self.open.insert(epoch);
        self.current = Some(epoch);
        self.attempts.make(request, who, journal, now);
        self.connecting_since = Some(now);
    }

    /// Neither end uses it any more.
    pub(super) fn closed(&mut self, epoch: SocketEpoch, code: Option<u16>) {
        self.open.remove(&epoch);
        if code == Some(4000) {
            self.attempts.wants_tls();
        }
    }

    /// Something was handed over.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.pinged_at = None;
    }

    pub(super) fn pinged(&mut self, now: Instant) {
        self.pinged_at = Some(now);
    }

    pub(super) fn greeted(&mut self, server_timeout: Option<u64>, limits: &Limits, now: Instant) {
        let server = server_timeout.map_or(limits.activity_timeout, Duration::from_secs);
        self.activity = server.min(limits.activity_timeout);
        self.heard_at = now;
    }

    /// The machine slept until now, and the client has looked at the clock.
    pub(super) fn awoke(&self, limits: &Limits, journal: &mut Journal, now: Instant) {
        let is_overdue = self.pinged_at.is_some_and(|at| now > at + limits.pong_timeout + GRACE);
        if self.connected_at.is_some() && is_overdue {
            journal.reach(Rare::PongGrace);
        }
    }

    /// Nobody could notice anything before now.
    pub(super) fn looked_at(&mut self, now: Instant) {
        self.heard_at = self.heard_at.max(now);
        self.connecting_since = self.connecting_since.map(|_| now);
    }

    pub(super) fn entered(&mut self, now: Instant) {
        self.connecting_since = None;
        self.connected_at = Some(now);
        self.pinged_at = None;
    }

    pub(super) fn left(&mut self, now: Instant) {
        let was_stable = self.connected_at.take().is_some_and(|at| now >= at + STABLE_AFTER);
        self.attempts.lost(was_stable, now);
        self.connecting_since = None;
        self.current = None;
    }

    /// Whether the client should have noticed by now that nobody answers.
    pub(super) fn check(&self, limits: &Limits, who: usize, journal: &mut Journal, now: Instant) {
        if self.connected_at.is_some() && now > self.heard_at + self.activity + limits.pong_timeout + EPSILON {
            let silence = now.since(self.heard_at);
            journal.violated(who, "a dead link is noticed", format!("silence for {silence:?}"));
        }
        if self.connecting_since.is_some_and(|since| now > since + HANDSHAKE_TIMEOUT + EPSILON) {
            journal.violated(who, "a handshake times out", "the client still waits");
        }
    }
}

/// How long a connection must last to earn the credit.
const STABLE_AFTER: Duration = Duration::from_secs(10);

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);

/// What a late look at the clock adds to the pong timeout.
const GRACE: Duration = Duration::from_secs(5);

pub(super) const EPSILON: Duration = Duration::from_millis(100);
