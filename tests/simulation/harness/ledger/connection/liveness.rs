//! *A dead link is noticed* after the activity timeout and the pong timeout, and *a handshake times out*.

use std::time::Duration;

use pusher_proto::{Action, ConnectionState, Instant};

use super::super::EPSILON;
use super::super::facts::leaves_socket;
use super::super::outputs::Outgoing;
use super::{Checker, Incoming, Message, Scene};
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct Liveness {
    connecting_since: Option<Instant>,
    is_connected: bool,
    heard_at: Instant,
    /// When a ping was sent after which nothing has arrived.
    pinged_at: Option<Instant>,
    /// The shorter of the server's announced and the client's configured timeout.
    activity_timeout: Duration,
}

impl Checker for Liveness {
    fn handed(&mut self, frame: &Incoming<'_>, scene: &mut Scene<'_>) {
        self.heard_at = scene.facts.now;
        self.pinged_at = None;
        if let Incoming::Greeting { activity_timeout } = frame {
            let ours = scene.facts.limits.activity_timeout;
            self.activity_timeout = activity_timeout.map_or(ours, |theirs| Duration::from_secs(theirs).min(ours));
        }
    }

    fn moved(&mut self, from: &ConnectionState, to: &ConnectionState, _: &mut Scene<'_>) {
        if leaves_socket(from, to) {
            self.connecting_since = None;
            self.is_connected = false;
        }
        if to.is_connected() {
            self.connecting_since = None;
            self.is_connected = true;
            self.pinged_at = None;
        }
    }

    fn resumed(&mut self, scene: &mut Scene<'_>) {
        self.heard_at = self.heard_at.max(scene.facts.now);
        self.connecting_since = self.connecting_since.map(|_| scene.facts.now);
    }

    fn awoke(&mut self, scene: &mut Scene<'_>) {
        let longest = scene.facts.limits.pong_timeout + GRACE;
        if self.is_connected && self.pinged_at.is_some_and(|at| scene.facts.now > at + longest) {
            scene.reach(Rare::PongGrace);
        }
    }

    fn acted(&mut self, action: &Action, scene: &mut Scene<'_>) {
        if matches!(action, Action::Connect(..)) {
            self.connecting_since = Some(scene.facts.now);
        }
    }

    fn sent(&mut self, message: &Message<'_>, scene: &mut Scene<'_>) {
        if matches!(message.kind, Outgoing::Ping) {
            self.pinged_at = Some(scene.facts.now);
        }
    }

    fn ticked(&mut self, scene: &mut Scene<'_>) {
        let now = scene.facts.now;
        let longest_silence = self.activity_timeout + scene.facts.limits.pong_timeout + EPSILON;
        if self.is_connected && now > self.heard_at + longest_silence {
            let silence = now.since(self.heard_at);
            scene.violated("a dead link is noticed", format!("silence for {silence:?}"));
        }
        if self.connecting_since.is_some_and(|since| now > since + HANDSHAKE_TIMEOUT + EPSILON) {
            scene.violated("a handshake times out", "the client still waits");
        }
    }
}

/// The client's default, which no mix changes.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);

/// The addition to the pong timeout after a late wake-up.
const GRACE: Duration = Duration::from_secs(5);
