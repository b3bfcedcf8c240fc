//! The capability token of a connection, which limits what the connection may do (Sockudo, protocol version 2).
//!
//! ```text
//!            the greeting         answer              sent            confirmed
//!  (nothing) ─────────────► Asking ──────► Authorized ─────► Sent ───────────────► Held
//!                             ▲                                                      │
//!                             └────────── soon to expire, or expired ────────────────┘
//! ```
//!
//! The token is sent in a message after the greeting and not in the URL, because URLs reach logs. Until the server has
//! confirmed the first one of a socket, no channel is subscribed.

use core::time::Duration;

use super::authorizations::{Authorizations, Outcome};
use super::outbox::Outbox;
use crate::config::Options;
use crate::event::Event;
use crate::wire::protocol::Protocol;
use crate::wire::write;
use crate::{Instant, Secret, ServerError, Text, TokenError};

/// The token of the current socket.
pub(crate) struct Token {
    /// How long the server may take to confirm a token; `None` if there are no tokens.
    timeout: Option<Duration>,
    phase: Phase,
    /// Whether channels wait for the first token of the socket.
    is_first: bool,
    /// Whether the server has said on this socket that the token has expired.
    has_expired: bool,
    /// When the last one was requested.
    asked_at: Instant,
}

enum Phase {
    /// None is needed now.
    None,
    /// A request to the application's server is in progress, or waits to be sent.
    Asking,
    /// Waits to be sent.
    Authorized { token: Secret, expires_in: Option<Duration> },
    /// Waits to be confirmed until `deadline`.
    Sent { sent_at: Instant, deadline: Instant, expires_in: Option<Duration> },
    /// Another one is needed at this time, if that is known.
    Held { renew_at: Option<Instant> },
}

impl Token {
    pub(crate) fn new(options: &Options) -> Self {
        let timeout = options.recovery.filter(|recovery| recovery.tokens).map(|_| options.signin_timeout);
        Self { timeout, phase: Phase::None, is_first: false, has_expired: false, asked_at: Instant::ZERO }
    }

    /// There is a connection. Only version 2 has tokens.
    pub(crate) fn enter(&mut self, protocol: Protocol, requests: &mut Authorizations, now: Instant) {
        if self.timeout.is_some() && protocol == Protocol::V2 {
            self.is_first = true;
            self.ask(requests, now);
        }
    }

    /// The connection is lost.
    pub(crate) fn leave(&mut self) {
        self.phase = Phase::None;
        self.is_first = false;
        self.has_expired = false;
    }

    /// Whether channels wait for a token.
    pub(crate) const fn is_first(&self) -> bool {
        self.is_first
    }

    pub(crate) const fn has_expired(&self) -> bool {
        self.has_expired
    }

    /// A request for a token to the application's server has ended.
    pub(crate) fn handle_auth(&mut self, outcome: Outcome, outbox: &mut Outbox) {
        match outcome {
            Outcome::Authorized(auth) => {
                self.phase = Phase::Authorized { token: auth.auth, expires_in: auth.expires_in };
            }
            Outcome::Delayed { error, retry_at, .. } => {
                outbox.emit(Event::TokenError { error: TokenError::Auth(error), retry_at: Some(retry_at) });
            }
            Outcome::Failed(error) | Outcome::TooLate(error) => self.fail(TokenError::Auth(error), outbox),
        }
    }

    /// The message with the token, if it is to be sent now.
    pub(crate) fn poll_send(&mut self, now: Instant) -> Option<Text> {
        let Phase::Authorized { token, expires_in } = &self.phase else { return None };
        let text = write::token(token);
        let deadline = now + self.timeout?;
        self.phase = Phase::Sent { sent_at: now, deadline, expires_in: *expires_in };
        Some(text)
    }

    /// The server has confirmed the token.
    pub(crate) fn handle_success(&mut self) {
        let Phase::Sent { sent_at, expires_in, .. } = self.phase else { return };
        // The time on the way from the application's server is part of what is left.
        let renew_at = expires_in.map(|lifetime| sent_at + lifetime.saturating_sub(MARGIN).max(lifetime / 2));
        self.phase = Phase::Held { renew_at };
        self.is_first = false;
        self.has_expired = false;
    }

    /// The server has sent an error without a channel. Returns whether it refuses the token.
    pub(crate) fn handle_error(&mut self, error: &ServerError, outbox: &mut Outbox) -> bool {
        let is_refused = matches!(self.phase, Phase::Sent { .. }) && error.message.contains(WORDS);
        if is_refused {
            self.fail(TokenError::Refused(error.clone()), outbox);
        }
        is_refused
    }

    /// The token has expired. The server ends the connection if it does not get another one soon.
    pub(crate) fn handle_expired(&mut self, requests: &mut Authorizations, now: Instant) {
        if self.timeout.is_none() {
            return;
        }
        self.has_expired = true;
        match self.phase {
            Phase::None | Phase::Held { .. } => {
                self.phase = Phase::Held { renew_at: Some(now) };
                self.renew(requests, now);
            }
            Phase::Asking | Phase::Authorized { .. } | Phase::Sent { .. } => {}
        }
    }

    pub(crate) fn handle_timeout(&mut self, requests: &mut Authorizations, now: Instant, outbox: &mut Outbox) {
        match self.phase {
            Phase::Held { .. } => self.renew(requests, now),
            Phase::Sent { deadline, .. } if deadline <= now => self.fail(TokenError::Timeout, outbox),
            Phase::None | Phase::Asking | Phase::Authorized { .. } | Phase::Sent { .. } => {}
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Held { renew_at } => renew_at.map(|at| at.max(self.asked_at + PAUSE)),
            Phase::Sent { deadline, .. } => Some(deadline),
            Phase::None | Phase::Asking | Phase::Authorized { .. } => None,
        }
    }

    /// Asks for another token if it is time.
    fn renew(&mut self, requests: &mut Authorizations, now: Instant) {
        if self.deadline().is_some_and(|at| at <= now) {
            self.ask(requests, now);
        }
    }

    fn ask(&mut self, requests: &mut Authorizations, now: Instant) {
        self.phase = Phase::Asking;
        self.asked_at = now;
        requests.ask_for_token();
    }

    /// Without a token, the server decides what the connection may do.
    fn fail(&mut self, error: TokenError, outbox: &mut Outbox) {
        self.phase = Phase::None;
        self.is_first = false;
        outbox.emit(Event::TokenError { error, retry_at: None });
    }
}

/// How long before its end a token is replaced, unless that is more than half of its time.
const MARGIN: Duration = Duration::from_secs(60);

/// Between two requests for a token there is at least this time, however short-lived tokens are and whatever the server says.
const PAUSE: Duration = Duration::from_secs(1);

/// What every error of Sockudo about a token contains.
const WORDS: &str = "capability token";

#[cfg(test)]
mod tests;
