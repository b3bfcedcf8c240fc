//! Whether the peer is still there (Pusher protocol, *Detecting that the connection is alive*).

use core::time::Duration;

use crate::Instant;
use crate::config::Options;

/// Watches a connection for silence. A message only updates a number; deadlines are compared when time passes.
#[derive(Default)]
pub(crate) struct Activity {
    interval: Duration,
    max_ping_interval: Option<Duration>,
    pong_timeout: Duration,
    seen_at: Instant,
    pinged_at: Instant,
    /// The awaited answer.
    pong: Option<Pong>,
    /// When the ping was sent whose answer is used to measure the round trip.
    round_trip_from: Option<Instant>,
    ping_due: bool,
    pong_due: bool,
}

#[derive(Clone, Copy)]
struct Pong {
    deadline: Instant,
    extended: bool,
}

/// What a passed deadline means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    Alive,
    /// The peer did not answer a ping.
    Dead,
}

impl Activity {
    /// Starts to watch a new connection whose server wants a ping after `server_timeout` of silence.
    pub(crate) fn start(options: &Options, server_timeout: Option<Duration>, now: Instant) -> Self {
        let wanted = server_timeout.map_or(options.activity_timeout, |server| server.min(options.activity_timeout));
        Self {
            interval: wanted.max(MIN_INTERVAL),
            max_ping_interval: options.max_ping_interval.resolve(server_timeout),
            pong_timeout: options.pong_timeout,
            seen_at: now,
            pinged_at: now,
            ..Self::default()
        }
    }

    /// Something arrived, whatever it was.
    pub(crate) fn handle_seen(&mut self, now: Instant) {
        self.seen_at = now;
        self.pong = None;
    }

    /// A part of a message arrived. Its end may be far away, and a pong would come only after it.
    pub(crate) fn handle_part(&mut self, now: Instant) {
        let Some(pong) = &mut self.pong else { return };
        let latest = self.pinged_at + MAX_PART_TIME;
        pong.deadline = pong.deadline.max((now + self.pong_timeout).min(latest));
    }

    pub(crate) fn handle_ping(&mut self) {
        self.pong_due = true;
    }

    /// The answer to our ping; returns the round trip.
    pub(crate) fn handle_pong(&mut self, now: Instant) -> Option<Duration> {
        self.round_trip_from.take().map(|sent_at| now.since(sent_at))
    }

    /// Asks the peer for a sign of life within the pong timeout.
    pub(crate) fn probe(&mut self, now: Instant) {
        self.ping(self.pong_timeout, now);
    }

    /// Asks the peer for a sign of life within seconds, because the network may have changed.
    pub(crate) fn probe_quickly(&mut self, now: Instant) {
        self.ping(QUICK_PONG_TIMEOUT.min(self.pong_timeout), now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Liveness {
        if let Some(pong) = &mut self.pong {
            if now < pong.deadline {
                return Liveness::Alive;
            }
            // A check this late means that the machine slept: messages that arrived in the meantime may still have to
            // be read.
            if !pong.extended && now.since(pong.deadline) > GRACE {
                *pong = Pong { deadline: now + GRACE, extended: true };
                return Liveness::Alive;
            }
            return Liveness::Dead;
        }
        if now >= self.ping_at() {
            self.probe(now);
        }
        Liveness::Alive
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.pong.map_or_else(|| self.ping_at(), |pong| pong.deadline)
    }

    /// Whether a ping is unanswered.
    pub(crate) fn awaits_answer(&self) -> bool {
        self.pong.is_some()
    }

    /// Whether a ping is to be sent now.
    pub(crate) fn poll_ping(&mut self) -> bool {
        core::mem::take(&mut self.ping_due)
    }

    /// Whether a pong is to be sent now.
    pub(crate) fn poll_pong(&mut self) -> bool {
        core::mem::take(&mut self.pong_due)
    }

    fn ping(&mut self, timeout: Duration, now: Instant) {
        let deadline = now + timeout;
        if let Some(pong) = &mut self.pong {
            pong.deadline = pong.deadline.min(deadline);
            return;
        }
        self.pong = Some(Pong { deadline, extended: false });
        self.pinged_at = now;
        self.round_trip_from = Some(now);
        self.ping_due = true;
    }

    fn ping_at(&self) -> Instant {
        let silent_at = self.seen_at + self.interval;
        self.max_ping_interval.map_or(silent_at, |interval| silent_at.min(self.pinged_at + interval))
    }
}

/// Shortest silence before a ping, whatever a server asks for.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Time for an answer after the network came back.
const QUICK_PONG_TIMEOUT: Duration = Duration::from_secs(5);

/// How long parts of a message can postpone the deadline of one ping. After that, a peer that sends one byte every few
/// seconds is dropped; at 55 KB/s, 16 MB arrive in this time.
const MAX_PART_TIME: Duration = Duration::from_secs(5 * 60);

/// Time to read waiting messages after the machine slept.
const GRACE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
