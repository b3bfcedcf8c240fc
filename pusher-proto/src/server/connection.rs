//! One client: when it was heard last, and what it may still send.

use alloc::collections::BTreeSet;
use core::time::Duration;

use super::config::Options;
use super::handshake::Protocol;
use crate::{ChannelName, Instant, SocketId};

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket_id: SocketId,
    pub(super) protocol: Protocol,
    pub(super) channels: BTreeSet<ChannelName>,
    /// When the liveness timer fires. Activity does not move it: it looks at `liveness` when it fires.
    pub(super) check_at: Instant,
    liveness: Liveness,
    client_events: Window,
}

/// Whether the client is known to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Liveness {
    Heard { at: Instant },
    Pinged,
}

/// What a look at a connection's liveness asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    LookAgain(Instant),
    PingAndLookAgain(Instant),
    Close,
}

impl Connection {
    pub(super) fn new(socket_id: SocketId, protocol: Protocol, options: &Options, now: Instant) -> Self {
        Self {
            socket_id,
            protocol,
            channels: BTreeSet::new(),
            check_at: now + silence(options),
            liveness: Liveness::Heard { at: now },
            client_events: Window { since: now, count: 0 },
        }
    }

    pub(super) fn handle_activity(&mut self, now: Instant) {
        self.liveness = Liveness::Heard { at: now };
    }

    /// Looks at the liveness when the timer fires.
    pub(super) fn check(&mut self, options: &Options, now: Instant) -> Check {
        match self.liveness {
            Liveness::Heard { at } if now < at + silence(options) => {
                self.check_at = at + silence(options);
                Check::LookAgain(self.check_at)
            }
            Liveness::Heard { at: _ } => {
                self.liveness = Liveness::Pinged;
                self.check_at = now + options.pong_timeout;
                Check::PingAndLookAgain(self.check_at)
            }
            Liveness::Pinged => Check::Close,
        }
    }

    /// Whether one more client event is allowed now.
    pub(super) fn take_client_event(&mut self, options: &Options, now: Instant) -> bool {
        if now.since(self.client_events.since) >= RATE_WINDOW {
            self.client_events = Window { since: now, count: 0 };
        }
        self.client_events.count = self.client_events.count.saturating_add(1);
        self.client_events.count <= options.client_event_rate
    }
}

/// Client events since a point in time.
#[derive(Debug)]
struct Window {
    since: Instant,
    count: u32,
}

/// The silence after which the server pings: a client that pings by itself comes first.
fn silence(options: &Options) -> Duration {
    options.activity_timeout.saturating_add(PING_GRACE)
}

/// How long a client's own ping may be late.
const PING_GRACE: Duration = Duration::from_secs(10);

/// The time that [`ServerConfigBuilder::client_event_rate`](super::ServerConfigBuilder::client_event_rate) is for.
const RATE_WINDOW: Duration = Duration::from_secs(1);
