//! What is known about the application's server. Requests for channels and those for the user go to different
//! endpoints.

use std::time::Duration;

use pusher_proto::{AuthError, Event, Instant};

use super::Request;

#[derive(Default)]
pub(crate) struct Backend {
    pub(crate) channels: Endpoint,
    pub(crate) user: Endpoint,
    /// Whether it has authorized anything on this socket.
    pub(crate) has_granted: bool,
}

#[derive(Default)]
pub(crate) struct Endpoint {
    /// The end of the latest `Retry-After`.
    pub(crate) wants_from: Option<Instant>,
    failed: Option<Failed>,
}

/// Temporary failures.
struct Failed {
    /// When the last one happened.
    at: Instant,
    successes_since: usize,
}

impl Backend {
    pub(crate) fn endpoint(&self, is_for_channel: bool) -> &Endpoint {
        if is_for_channel { &self.channels } else { &self.user }
    }

    pub(super) fn answered(&mut self, request: &Request, error: Option<&AuthError>, now: Instant) {
        self.has_granted |= error.is_none();
        let endpoint = if request.channel.is_some() { &mut self.channels } else { &mut self.user };
        endpoint.answered(error, now);
    }

    /// From outside, it is unknown whether the client accepted this answer or had abandoned the request.
    pub(super) fn answered_late(&mut self, request: &Request, error: Option<&AuthError>, now: Instant) {
        self.answered(request, Some(&AuthError::Timeout), now);
        self.has_granted |= error.is_none();
    }

    pub(super) fn leave_socket(&mut self) {
        self.has_granted = false;
    }
}

impl Endpoint {
    /// How many of at most `max` requests must be open before others may wait. After failures, a client may start with
    /// one, and allow one more whenever a whole window has succeeded.
    pub(crate) fn window(&self, max: usize) -> usize {
        let Some(failed) = &self.failed else { return max };
        let needed = |window: usize| window * (window - 1) / 2;
        (1..=max).rev().find(|window| needed(*window) <= failed.successes_since).unwrap_or(1)
    }

    /// Whether requests may be waiting because of a `Retry-After`, or because everything failed.
    pub(crate) fn may_pause(&self, now: Instant) -> bool {
        let is_soon_after = |at: Option<Instant>, time| at.is_some_and(|at| now < at + time);
        let failed_at = self.failed.as_ref().filter(|failed| failed.successes_since == 0).map(|failed| failed.at);
        is_soon_after(self.wants_from, SPREAD) || is_soon_after(failed_at, LONGEST_DELAY)
    }

    fn answered(&mut self, error: Option<&AuthError>, now: Instant) {
        match error {
            None => {
                if let Some(failed) = &mut self.failed {
                    failed.successes_since += 1;
                }
            }
            Some(error) if error.is_retryable() => self.failed = Some(Failed { at: now, successes_since: 0 }),
            Some(_) => {}
        }
        if let Some(AuthError::Http { status: 429 | 503, retry_after: Some(delay), .. }) = error {
            self.wants_from = self.wants_from.max(Some(now + *delay));
        }
    }
}

/// When the client will try again what has failed, if it will.
pub(crate) fn retry_at(event: &Event) -> Option<Instant> {
    match event {
        Event::SubscriptionError { retry_at, .. } | Event::SigninError { retry_at, .. } => *retry_at,
        _ => None,
    }
}

/// Requests that waited for the end of a `Retry-After` are spread over this time.
const SPREAD: Duration = Duration::from_secs(1);

/// The longest delay between two requests that fail, and a little more.
const LONGEST_DELAY: Duration = Duration::from_secs(31);
