//! What can go wrong between a client and the server.

use std::time::Duration;

use pusher_proto::{CloseFrame, CloseReason, TransportError};

/// One of the two sides of a socket; see [`Fault::HalfOpen`] and [`Fault::Lose`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// A fault of a client's network.
///
/// The first ones happen once, to the socket that the client has now, even if it is still being opened or is dead. The
/// others last until the network is healed, and also apply to later sockets.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pusher_test::network::{Authority, Fault};
/// use pusher_test::pusher_proto::server::ServerConfig;
/// use pusher_test::pusher_proto::signing::App;
/// use pusher_test::pusher_proto::{CloseFrame, Config};
/// use pusher_test::world::World;
///
/// let app = App::new("1", "app-key", "app-secret")?;
/// let mut world = World::new(ServerConfig::new(app.clone()), Duration::from_millis(20), 7);
/// let alice = world.add(Config::new("app-key", "ws://localhost")?, Authority::new(app, "alice"));
/// world.client(alice).connect();
/// world.run(Duration::from_secs(1));
///
/// let faults = [Fault::Cut, Fault::Close(CloseFrame { code: 4200, reason: "restart".into() }), Fault::Dead];
/// for fault in faults {
///     world.fault(alice, &fault);
///     world.run(Duration::from_secs(200));
///     assert!(world.client(alice).state().is_connected());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Once: the connection is reset. Both sides see that it ended without a close frame.
    Cut,
    /// Once: this side has lost the socket, and the other side does not notice. What the other side sends is lost.
    HalfOpen(Side),
    /// Once: from now on, the socket transfers nothing, and neither side notices.
    Dead,
    /// Once: the server closes the socket with this frame.
    Close(CloseFrame),
    /// Every message takes this long to arrive, in both directions, and so does the backend's answer. Messages do not
    /// overtake each other.
    Latency(Duration),
    /// The next messages to this side are lost, this many, although the socket continues to work. This happens in
    /// servers and proxies, not in TCP.
    Lose(Side, usize),
    /// Every message from the server arrives in this many parts, at this interval.
    Trickle {
        /// Number of parts, at most 1,000. With 0 or 1, the message arrives at once.
        parts: u32,
        /// Time between two parts.
        every: Duration,
    },
    /// The server hangs: it accepts sockets and messages, but what it sends arrives only after the network is healed. If
    /// more than 65,536 messages wait, the connection is reset.
    Silence,
    /// New sockets cannot be opened, and in-memory clients cannot reach their backend. Open sockets continue to work.
    Unreachable,
    /// New sockets are refused with this HTTP status.
    RefuseUpgrade {
        /// The status, such as 503.
        status: u16,
        /// The `Retry-After` of the answer.
        retry_after: Option<Duration>,
    },
}

/// The faults of a client that last.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    pub(crate) latency: Duration,
    pub(crate) is_reachable: bool,
    pub(crate) is_silent: bool,
    refusal: Option<TransportError>,
    trickle: Option<(u32, Duration)>,
    lost_at_client: usize,
    lost_at_server: usize,
}

impl Conditions {
    pub(crate) const fn new(latency: Duration) -> Self {
        Self {
            latency,
            is_reachable: true,
            is_silent: false,
            refusal: None,
            trickle: None,
            lost_at_client: 0,
            lost_at_server: 0,
        }
    }

    /// Faults that happen once change nothing here.
    pub(crate) fn apply(&mut self, fault: &Fault) {
        match fault {
            Fault::Latency(latency) => self.latency = *latency,
            Fault::Lose(side, count) => *self.lost(*side) = *count,
            Fault::Trickle { parts, every } => self.trickle = Some(((*parts).min(MAX_PARTS), *every)),
            Fault::Silence => self.is_silent = true,
            Fault::Unreachable => self.is_reachable = false,
            Fault::RefuseUpgrade { status, retry_after } => {
                self.refusal = Some(TransportError::refusal(*status, *retry_after, None, ""));
            }
            Fault::Cut | Fault::HalfOpen(_) | Fault::Dead | Fault::Close(_) => {}
        }
    }

    /// Why a new socket cannot be opened.
    pub(crate) fn obstacle(&self) -> Option<CloseReason> {
        if !self.is_reachable {
            return Some(CloseReason::Failed(TransportError::Io(NO_ROUTE.into())));
        }
        self.refusal.clone().map(CloseReason::Failed)
    }

    /// The parts of a message that arrive before its last one, and the time between two parts.
    pub(crate) fn parts(&self) -> (u32, Duration) {
        self.trickle.map_or((0, Duration::ZERO), |(parts, every)| (parts.saturating_sub(1), every))
    }

    /// Whether the next message to this side is lost.
    pub(crate) fn loses(&mut self, side: Side) -> bool {
        let lost = self.lost(side);
        let loses = *lost > 0;
        *lost = lost.saturating_sub(1);
        loses
    }

    const fn lost(&mut self, side: Side) -> &mut usize {
        match side {
            Side::Client => &mut self.lost_at_client,
            Side::Server => &mut self.lost_at_server,
        }
    }
}

pub(crate) const NO_ROUTE: &str = "no route to host";

const MAX_PARTS: u32 = 1_000;
