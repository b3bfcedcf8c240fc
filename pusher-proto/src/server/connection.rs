//! One client: its user, when it was last heard from, and what it may still send.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use super::channel::Member;
use super::config::{Options, ServerConfig};
use super::deltas::Deltas;
use super::dialect::Watch;
use super::filter::Filter;
use super::handshake::{Protocol, Version2};
use crate::{ChannelName, Instant, SocketId, Text};

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket_id: SocketId,
    pub(super) protocol: Protocol,
    /// What the client wants of version 2, if it speaks that.
    pub(super) version_2: Option<Version2>,
    pub(super) channels: BTreeSet<ChannelName>,
    /// The filters of these channels, in version 2.
    pub(super) filters: BTreeMap<ChannelName, Filter>,
    /// The events that deltas can refer to, in version 2.
    pub(super) deltas: Deltas,
    /// Who is signed in.
    pub(super) user: Option<User>,
    /// Whether the client has sent a WebSocket ping or pong.
    pub(super) sends_control_frames: bool,
    /// When the liveness timer fires, if the server checks at all. Signs of life do not move it; when it fires, it
    /// looks at `liveness`.
    pub(super) check_at: Option<Instant>,
    /// When the connection must have been authorized, if it must.
    pub(super) authorize_until: Option<Instant>,
    liveness: Liveness,
    client_events: Window,
}

/// A user who signed in.
#[derive(Debug)]
pub(super) struct User {
    /// As shown on presence channels.
    pub(super) member: Member,
    pub(super) watchlist: BTreeSet<Text>,
    /// Whether the application sent a watchlist, even if it is empty.
    pub(super) has_watchlist: bool,
}

/// Something that may show that the connection is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// A message or control frame of the client.
    Received,
    /// A message to the client.
    Sent,
}

/// Whether the connection is known to be alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Liveness {
    Seen { at: Instant },
    Pinged,
}

/// What a check of a connection's liveness requires. The first two contain the time of the next check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    LookAgain(Instant),
    Ping(Instant),
    End,
}

impl Connection {
    pub(super) fn new(
        socket_id: SocketId,
        protocol: Protocol,
        version_2: Option<Version2>,
        config: &ServerConfig,
        now: Instant,
    ) -> Self {
        let timeout = config.options().authorization_timeout;
        let is_limited = !timeout.is_zero() && config.profile().unauthorized.is_some();
        Self {
            socket_id,
            protocol,
            version_2,
            channels: BTreeSet::new(),
            filters: BTreeMap::new(),
            deltas: Deltas::default(),
            user: None,
            sends_control_frames: false,
            check_at: patience(config, version_2).map(|patience| now + patience),
            authorize_until: is_limited.then(|| now + timeout),
            liveness: Liveness::Seen { at: now },
            client_events: Window { since: now, count: 0 },
        }
    }

    pub(super) fn notice(&mut self, sign: Sign, watch: Watch, now: Instant) {
        let counts = match (watch, sign) {
            (Watch::Pings { .. }, Sign::Received) => true,
            (Watch::Sends(_), Sign::Sent) => true,
            (Watch::Pings { .. }, Sign::Sent) => false,
            (Watch::Sends(_), Sign::Received) => false,
            (Watch::Nothing, Sign::Received | Sign::Sent) => false,
        };
        if counts {
            self.liveness = Liveness::Seen { at: now };
        }
    }

    /// Extends the time until the client must show a sign of life.
    pub(super) fn excuse(&mut self, now: Instant) {
        self.liveness = Liveness::Seen { at: now };
    }

    /// Checks the liveness when the timer fires.
    pub(super) fn check(&mut self, config: &ServerConfig, now: Instant) -> Option<Check> {
        let patience = patience(config, self.version_2)?;
        let check = match (self.liveness, config.profile().watch) {
            (Liveness::Seen { at }, _) if now < at + patience => Check::LookAgain(at + patience),
            (Liveness::Seen { .. }, Watch::Pings { .. }) => {
                self.liveness = Liveness::Pinged;
                Check::Ping(now + config.options().pong_timeout)
            }
            (Liveness::Seen { .. }, Watch::Sends(_) | Watch::Nothing) => Check::End,
            (Liveness::Pinged, _) => Check::End,
        };
        match check {
            Check::LookAgain(at) | Check::Ping(at) => self.check_at = Some(at),
            Check::End => {}
        }
        Some(check)
    }

    /// Whether the connection has a user or a channel that needs authorization.
    pub(super) fn is_authorized(&self) -> bool {
        self.user.is_some() || self.channels.iter().any(|channel| channel.kind().needs_auth())
    }

    /// Applies the filter and the wish for deltas of a subscription. A second subscription replaces the filter.
    pub(super) fn adopt(&mut self, channel: &ChannelName, filter: Option<Filter>, deltas: Option<bool>) {
        match filter {
            Some(filter) => self.filters.insert(channel.clone(), filter),
            None => self.filters.remove(channel),
        };
        if let Some(wants) = deltas {
            self.deltas.set(channel, wants);
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

/// How long a sign of life may be missing, if one is needed. It is long enough for a client that pings on its own.
fn patience(config: &ServerConfig, version_2: Option<Version2>) -> Option<Duration> {
    if version_2.is_some() {
        return Some((config.options().activity_timeout / 2).max(PING_INTERVAL));
    }
    match config.profile().watch {
        Watch::Pings { grace } => Some(config.options().activity_timeout.saturating_add(grace)),
        Watch::Sends(patience) => Some(patience),
        Watch::Nothing => None,
    }
}

/// How long a connection of version 2 may be silent before Sockudo pings it, at least: its default `ping_interval`.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// The time that [`ServerConfigBuilder::client_event_rate`](super::ServerConfigBuilder::client_event_rate) is for.
const RATE_WINDOW: Duration = Duration::from_secs(1);
