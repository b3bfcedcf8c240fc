//! The connection: when to open a socket, what its end means, and when to try again.
//!
//! ```text
//!            connect                 greeting
//!    Idle ────────────► Connecting ────────────► Connected
//!     ▲ ▲                 │   ▲                      │
//!     │ │    the socket   ▼   │ the delay is over    │ the socket ends, or is given up
//!     │ │    fails      Waiting ◄────────────────────┘
//!     │ └─────────────────┴── a code that forbids another try, or too many attempts (from everywhere)
//!     └── disconnect (from everywhere)
//! ```
//!
//! The application sees `Idle` as the state `Initialized`, `Disconnected` or `Failed`. Switching to another server or
//! key (`switch`) leads to `Connecting` from every phase except `Idle`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use super::action::SocketEpoch;
use super::backoff::Backoff;
use super::outbox::Outbox;
use super::retry::{Plan, Planner, Retry};
use crate::config::Options;
use crate::event::{ConnectionState, Event};
use crate::wire::protocol::Protocol;
use crate::{
    AppKey, CloseFrame, CloseReason, Config, ConnectRequest, ConnectionError, Endpoint, Endpoints, FailReason, Instant,
    ServerError, SocketId,
};

/// One connection and its successors. At most one socket is in use at a time.
pub(crate) struct Connection {
    options: Arc<Options>,
    servers: Servers,
    phase: Phase,
    state: ConnectionState,
    wish: Wish,
    switch: Option<(AppKey, Endpoints)>,
    closing: Option<SocketEpoch>,
    tries: Tries,
    outage: Outage,
    /// The last error frame, which may explain a close without a reason.
    last_error: Option<(u32, Instant)>,
}

/// The servers to connect to.
struct Servers {
    key: AppKey,
    endpoints: Endpoints,
    /// The position of the current endpoint.
    place: usize,
}

/// What is known about the attempts to connect.
struct Tries {
    last_epoch: u64,
    /// Consecutive failures.
    attempt: u32,
    /// Whether one retry may be immediate; a stable connection renews this credit.
    credit: bool,
    tried_at: Instant,
    backoff: Backoff,
}

enum Phase {
    /// No socket and no plan: initialized, disconnected or failed.
    Idle,
    /// From the decision to open a socket, which has been passed on if `polled`, to the greeting.
    Connecting {
        epoch: SocketEpoch,
        deadline: Instant,
        polled: bool,
    },
    Waiting {
        retry_at: Instant,
    },
    Connected {
        epoch: SocketEpoch,
        stable_at: Option<Instant>,
        /// Whether an authorization has been sent.
        is_authorized: bool,
        protocol: Protocol,
    },
}

#[derive(Clone, Copy, Default)]
enum Wish {
    #[default]
    None,
    Connect,
    Disconnect,
    Reconnect,
}

enum Outage {
    None,
    Since { told_at: Instant },
    Told,
}

impl Connection {
    pub(crate) fn new(config: &Config, options: Arc<Options>, seed: u64) -> Self {
        Self {
            servers: Servers { key: config.key.clone(), endpoints: options.endpoints.clone(), place: 0 },
            phase: Phase::Idle,
            state: ConnectionState::Initialized,
            wish: Wish::None,
            switch: None,
            closing: None,
            tries: Tries {
                last_epoch: 0,
                attempt: 0,
                credit: true,
                tried_at: Instant::ZERO,
                backoff: Backoff::new(&options, seed),
            },
            outage: Outage::None,
            last_error: None,
            options,
        }
    }

    pub(crate) fn connect(&mut self) {
        self.wish = match self.wish {
            Wish::None | Wish::Connect => Wish::Connect,
            Wish::Disconnect | Wish::Reconnect => Wish::Reconnect,
        };
    }

    pub(crate) fn disconnect(&mut self) {
        self.wish = Wish::Disconnect;
    }

    /// Whether the application has asked to disconnect, and this has not happened yet.
    pub(crate) const fn will_disconnect(&self) -> bool {
        matches!(self.wish, Wish::Disconnect)
    }

    /// Whether the current socket is about to be closed because of what the application wants.
    pub(crate) const fn will_leave(&self) -> bool {
        matches!(self.wish, Wish::Disconnect | Wish::Reconnect) || self.switch.is_some()
    }

    pub(crate) fn switch(&mut self, key: AppKey, endpoints: Endpoints) {
        self.switch = Some((key, endpoints));
    }

    /// Starts whatever the application's wishes require.
    pub(crate) fn reconcile(&mut self, now: Instant, outbox: &mut Outbox) {
        let wish = core::mem::take(&mut self.wish);
        if matches!(wish, Wish::Disconnect | Wish::Reconnect) {
            self.apply_disconnect(outbox);
        }
        if let Some((key, endpoints)) = self.switch.take() {
            self.apply_switch(key, endpoints, now, outbox);
        }
        if matches!(wish, Wish::Connect | Wish::Reconnect) {
            self.apply_connect(now, outbox);
        }
    }

    /// The network is back: an attempt or a delay that began before no longer makes sense.
    pub(crate) fn handle_online(&mut self, now: Instant, outbox: &mut Outbox) {
        match self.phase {
            Phase::Idle | Phase::Connected { .. } => {}
            Phase::Waiting { .. } => self.hasten(now, outbox),
            Phase::Connecting { .. } => {
                if now >= self.tries.tried_at + self.tries.backoff.base() {
                    self.close_socket();
                    self.open(now, outbox);
                }
            }
        }
    }

    /// The server greeted, in this protocol.
    pub(crate) fn handle_established(
        &mut self,
        socket_id: SocketId,
        protocol: Protocol,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        let Some(epoch) = self.socket() else { return };
        let stable_at = Some(now + self.options.reconnect_reset_after);
        self.phase = Phase::Connected { epoch, stable_at, is_authorized: false, protocol };
        self.outage = Outage::None;
        self.last_error = None;
        self.set_state(ConnectionState::Connected { socket_id }, outbox);
    }

    /// The server answered the handshake with an error. Some servers then leave the socket open, so the client closes
    /// it.
    pub(crate) fn handle_refusal(&mut self, error: ServerError, now: Instant, outbox: &mut Outbox) {
        let plan = match error.code {
            None => Plan::DELAYED,
            Some(code) => self.planner().for_code(code, &error.message),
        };
        self.give_up_socket(ConnectionError::Refused(error), plan, now, outbox);
    }

    /// Closes the socket from the client's side because of an error, with the usual delay.
    pub(crate) fn handle_breach(&mut self, error: ConnectionError, now: Instant, outbox: &mut Outbox) {
        self.give_up_socket(error, Plan::DELAYED, now, outbox);
    }

    pub(crate) fn handle_pong_timeout(&mut self, now: Instant, outbox: &mut Outbox) {
        self.give_up_socket(ConnectionError::PongTimeout, Plan::Retry(Retry::Prompt), now, outbox);
    }

    /// An error frame on a connection that stays open.
    pub(crate) fn note_error(&mut self, error: &ServerError, now: Instant) {
        if let Some(code) = error.code {
            self.last_error = Some((code, now));
        }
    }

    /// An authorization of a channel or the user was sent.
    pub(crate) fn note_authorized(&mut self) {
        if let Phase::Connected { is_authorized, .. } = &mut self.phase {
            *is_authorized = true;
        }
    }

    /// Whether an authorization of a channel or the user was sent on this socket.
    pub(crate) fn is_authorized(&self) -> bool {
        matches!(self.phase, Phase::Connected { is_authorized: true, .. })
    }

    /// `is_excused` is whether the server may find the connection unauthorized although nothing was refused.
    pub(crate) fn handle_close(&mut self, reason: CloseReason, is_excused: bool, now: Instant, outbox: &mut Outbox) {
        let during_handshake = !self.is_connected() && reason != CloseReason::TlsUnavailable;
        let is_excused = is_excused && self.is_connected();
        let plan = self.plan_for_close(&reason, is_excused, now);
        let expected = matches!(&reason, CloseReason::Closed(Some(CloseFrame { code: 1000 | 1001, .. })));
        let error = match reason {
            CloseReason::Failed(error) => ConnectionError::Transport(error),
            reason => ConnectionError::Closed { reason, during_handshake },
        };
        if !expected || !self.is_connected() {
            outbox.offer(Event::ConnectionError(error.clone()));
        }
        self.lose(error, plan, now, outbox);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, outbox: &mut Outbox) {
        if matches!(self.outage, Outage::Since { told_at } if told_at <= now) {
            self.outage = Outage::Told;
            outbox.emit(Event::Unavailable);
        }
        match &mut self.phase {
            Phase::Idle => {}
            Phase::Connecting { deadline, .. } => {
                if *deadline <= now {
                    self.give_up_socket(ConnectionError::HandshakeTimeout, Plan::DELAYED, now, outbox);
                }
            }
            Phase::Waiting { retry_at } => {
                if *retry_at <= now {
                    self.open(now, outbox);
                }
            }
            Phase::Connected { .. } => self.earn_credit(now),
        }
    }

    pub(crate) fn poll_close(&mut self) -> Option<SocketEpoch> {
        self.closing.take()
    }

    pub(crate) fn poll_connect(&mut self) -> Option<(SocketEpoch, ConnectRequest)> {
        let Phase::Connecting { epoch, polled, .. } = &mut self.phase else { return None };
        let epoch = *epoch;
        if core::mem::replace(polled, true) {
            return None;
        }
        let endpoint = self.servers.endpoints.at(self.servers.place)?;
        let Options { client_name, client_version, .. } = &*self.options;
        let request = endpoint.request(&self.servers.key, client_name, client_version, self.asks_for_v2());
        Some((epoch, request))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Idle => None,
            Phase::Connecting { deadline, .. } => Some(*deadline),
            Phase::Waiting { retry_at } => Some(*retry_at),
            Phase::Connected { stable_at, .. } => *stable_at,
        };
        let outage = match self.outage {
            Outage::None | Outage::Told => None,
            Outage::Since { told_at } => Some(told_at),
        };
        phase.into_iter().chain(outage).min()
    }

    /// The current socket, whose input is accepted.
    pub(crate) fn socket(&self) -> Option<SocketEpoch> {
        match self.phase {
            Phase::Idle | Phase::Waiting { .. } => None,
            Phase::Connecting { epoch, .. } | Phase::Connected { epoch, .. } => Some(epoch),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected { .. })
    }

    /// The protocol of the current socket, once the server has greeted.
    pub(crate) fn protocol(&self) -> Option<Protocol> {
        match self.phase {
            Phase::Connected { protocol, .. } => Some(protocol),
            Phase::Idle | Phase::Connecting { .. } | Phase::Waiting { .. } => None,
        }
    }

    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(self.outage, Outage::Told)
    }

    pub(crate) fn state(&self) -> &ConnectionState {
        &self.state
    }

    pub(crate) fn key(&self) -> &AppKey {
        &self.servers.key
    }

    fn apply_connect(&mut self, now: Instant, outbox: &mut Outbox) {
        match self.phase {
            Phase::Idle => {
                self.start_over(now);
                self.open(now, outbox);
            }
            Phase::Waiting { .. } => self.hasten(now, outbox),
            Phase::Connecting { .. } | Phase::Connected { .. } => {}
        }
    }

    fn apply_disconnect(&mut self, outbox: &mut Outbox) {
        match self.phase {
            Phase::Idle => match self.state {
                ConnectionState::Disconnected | ConnectionState::Failed { .. } => return,
                ConnectionState::Initialized
                | ConnectionState::Connecting { .. }
                | ConnectionState::Waiting { .. }
                | ConnectionState::Connected { .. } => {}
            },
            Phase::Waiting { .. } => {}
            Phase::Connecting { .. } | Phase::Connected { .. } => self.close_socket(),
        }
        self.phase = Phase::Idle;
        self.outage = Outage::None;
        self.set_state(ConnectionState::Disconnected, outbox);
    }

    fn apply_switch(&mut self, key: AppKey, endpoints: Endpoints, now: Instant, outbox: &mut Outbox) {
        self.servers.key = key;
        self.servers.endpoints = endpoints;
        self.servers.place = 0;
        if matches!(self.phase, Phase::Idle) {
            return;
        }
        self.close_socket();
        let outage = core::mem::replace(&mut self.outage, Outage::None);
        self.start_over(now);
        if !matches!(outage, Outage::None) {
            self.outage = outage;
        }
        self.open(now, outbox);
    }

    fn start_over(&mut self, now: Instant) {
        self.tries.attempt = 0;
        self.tries.credit = true;
        self.outage = Outage::Since { told_at: now + self.options.unavailable_timeout };
    }

    /// Ends a delay, but does not try more often than once per base delay.
    fn hasten(&mut self, now: Instant, outbox: &mut Outbox) {
        let Phase::Waiting { retry_at } = &mut self.phase else { return };
        let earliest = self.tries.tried_at + self.tries.backoff.base();
        if earliest <= now {
            return self.open(now, outbox);
        }
        *retry_at = earliest.min(*retry_at);
        if let ConnectionState::Waiting { attempt, cause, .. } = &self.state {
            let state = ConnectionState::Waiting { attempt: *attempt, retry_at: *retry_at, cause: cause.clone() };
            self.set_state(state, outbox);
        }
    }

    fn open(&mut self, now: Instant, outbox: &mut Outbox) {
        if self.servers.endpoints.at(self.servers.place).is_none() {
            return self.fail(FailReason::NoEndpoint, outbox);
        }
        self.tries.last_epoch += 1;
        let deadline = now + self.options.handshake_timeout;
        self.phase = Phase::Connecting { epoch: SocketEpoch(self.tries.last_epoch), deadline, polled: false };
        self.tries.tried_at = now;
        self.last_error = None;
        self.set_state(ConnectionState::Connecting { attempt: self.tries.attempt }, outbox);
    }

    /// Closes the socket, unless the driver has not been asked to open it yet.
    fn close_socket(&mut self) {
        match self.phase {
            Phase::Idle | Phase::Waiting { .. } | Phase::Connecting { polled: false, .. } => {}
            Phase::Connecting { epoch, .. } | Phase::Connected { epoch, .. } => {
                self.closing = Some(epoch);
            }
        }
    }

    fn give_up_socket(&mut self, error: ConnectionError, plan: Plan, now: Instant, outbox: &mut Outbox) {
        self.close_socket();
        outbox.offer(Event::ConnectionError(error.clone()));
        self.lose(error, plan, now, outbox);
    }

    /// The socket is lost.
    fn lose(&mut self, cause: ConnectionError, plan: Plan, now: Instant, outbox: &mut Outbox) {
        let failed_try = !self.is_connected();
        self.earn_credit(now);
        if !failed_try {
            self.outage = Outage::Since { told_at: now + self.options.unavailable_timeout };
        }
        self.tries.attempt = self.tries.attempt.saturating_add(1);
        let retry = match plan {
            Plan::Fail(reason) => return self.fail(reason, outbox),
            Plan::Retry(retry) => retry,
        };
        if self.options.max_attempts.is_some_and(|max| self.tries.attempt > max) {
            return self.fail(FailReason::GaveUp { attempts: self.tries.attempt, last: Box::new(cause) }, outbox);
        }
        match retry {
            Retry::OverTls => self.servers.endpoints.switch_to_tls(self.servers.place),
            Retry::InVersion1 => self.servers.endpoints.fall_back_to_v1(self.servers.place),
            Retry::Delayed { .. } | Retry::Spread | Retry::Prompt if failed_try => {
                self.servers.place = self.servers.place.wrapping_add(1);
            }
            Retry::Delayed { .. } | Retry::Spread | Retry::Prompt => {}
        }
        let retry_at = now + self.delay(retry);
        let cause = Box::new(cause);
        self.phase = Phase::Waiting { retry_at };
        self.set_state(ConnectionState::Waiting { attempt: self.tries.attempt, retry_at, cause }, outbox);
        if retry_at <= now {
            self.open(now, outbox);
        }
    }

    /// After a connection that has lasted, earlier failures no longer count.
    fn earn_credit(&mut self, now: Instant) {
        let Phase::Connected { stable_at, .. } = &mut self.phase else { return };
        if stable_at.is_some_and(|stable_at| stable_at <= now) {
            *stable_at = None;
            self.tries.attempt = 0;
            self.tries.credit = true;
        }
    }

    fn fail(&mut self, reason: FailReason, outbox: &mut Outbox) {
        self.phase = Phase::Idle;
        self.outage = Outage::None;
        self.set_state(ConnectionState::Failed { reason }, outbox);
    }

    fn delay(&mut self, retry: Retry) -> Duration {
        match retry {
            Retry::OverTls | Retry::InVersion1 => Duration::ZERO,
            Retry::Delayed { at_least } => {
                let delay = self.tries.backoff.delay(self.tries.attempt);
                // A server that names a time names it to all clients.
                if delay < at_least { at_least + self.tries.backoff.spread() } else { delay }
            }
            Retry::Spread | Retry::Prompt if !core::mem::take(&mut self.tries.credit) => {
                self.tries.backoff.delay(self.tries.attempt)
            }
            Retry::Spread => self.tries.backoff.spread(),
            Retry::Prompt => Duration::ZERO,
        }
    }

    fn plan_for_close(&self, reason: &CloseReason, is_excused: bool, now: Instant) -> Plan {
        let explanation = self.last_error.filter(|(_, at)| now.since(*at) <= INFERENCE_WINDOW).map(|(code, _)| code);
        Planner { is_excused, ..self.planner() }.for_close(reason, explanation)
    }

    /// Whether the server in use is hosted Pusher.
    pub(crate) fn is_hosted(&self) -> bool {
        self.servers.endpoints.at(self.servers.place).is_some_and(|endpoint| endpoint.hosted)
    }

    /// Whether the server in use is asked for version 2 of the protocol.
    pub(crate) fn asks_for_v2(&self) -> bool {
        let endpoint = self.servers.endpoints.at(self.servers.place);
        self.options.recovery.is_some() && endpoint.is_some_and(Endpoint::may_speak_v2)
    }

    fn planner(&self) -> Planner<'_> {
        let endpoint = self.servers.endpoints.at(self.servers.place);
        let can_switch_to_tls = endpoint.is_some_and(Endpoint::can_switch_to_tls);
        Planner { options: &self.options, can_switch_to_tls, can_fall_back: self.asks_for_v2(), is_excused: false }
    }

    fn set_state(&mut self, state: ConnectionState, outbox: &mut Outbox) {
        if self.state == state {
            return;
        }
        let previous = core::mem::replace(&mut self.state, state.clone());
        outbox.emit(Event::StateChanged { previous, current: state });
    }
}

/// How long an error frame may explain a close without a code.
const INFERENCE_WINDOW: Duration = Duration::from_secs(2);
