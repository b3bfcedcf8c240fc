//! What the loop does under the lock: it passes inputs to the core, and takes the resulting actions.

use std::collections::VecDeque;
use std::sync::Arc;

use pusher_proto::{Action, AuthRequest, ChannelName, ConnectionState, Event, Instant, with_causes};

use crate::auth::AuthCall;
use crate::routes::Deferred;
use crate::shared::{Ended, Shared, State};
use crate::step::Step;
use crate::sync::MutexGuard;
use crate::sync::atomic::{AtomicBool, Ordering};

/// The state of a client while the loop has the lock.
///
/// After every input, [`poll`](Self::poll) takes the resulting actions; a visit can have many inputs.
pub(crate) struct Visit<'a> {
    pub(crate) state: MutexGuard<'a, State>,
    now: Instant,
    shared: &'a Arc<Shared>,
    steps: &'a mut VecDeque<Step>,
    deferred: &'a mut Deferred,
    /// Calls to start; those of one visit can be sent as one request.
    calls: Vec<AuthCall>,
}

impl<'a> Visit<'a> {
    pub(crate) fn begin(
        shared: &'a Arc<Shared>,
        now: Instant,
        steps: &'a mut VecDeque<Step>,
        deferred: &'a mut Deferred,
    ) -> Self {
        let mut visit = Self { state: shared.lock(), now, shared, steps, deferred, calls: Vec::new() };
        // Changes by a callback take effect before the next message.
        if visit.state.changed {
            visit.state.routes.deliver_replays(visit.deferred);
            visit.poll();
        }
        visit
    }

    /// Takes all actions of the core.
    pub(crate) fn poll(&mut self) {
        while let Some(action) = self.state.core.poll_action(self.now) {
            match action {
                Action::Emit(event) => self.deliver(event),
                Action::Connect(socket, request) => {
                    tracing::trace!(%socket, ?request, "connect");
                    self.steps.push_back(Step::Connect(socket, request));
                }
                Action::Send(socket, text) => {
                    tracing::trace!(%socket, len = text.len(), "send");
                    self.steps.push_back(Step::Send(socket, text));
                }
                Action::Close(socket, frame) => {
                    tracing::trace!(%socket, ?frame, "close");
                    self.steps.push_back(Step::Close(socket, frame));
                }
                Action::Schedule(at) => {
                    tracing::trace!(%at, "schedule");
                    self.steps.push_back(Step::Schedule(at));
                }
                Action::RequestAuth(request) => {
                    tracing::trace!(id = %request.id, subject = %request.subject, purpose = ?request.purpose, "ask");
                    self.start_call(request);
                }
                Action::CancelAuth(id) => {
                    tracing::trace!(%id, "cancel auth");
                    if let Some(cancelled) = self.state.calls.remove(&id) {
                        cancelled.store(true, Ordering::Relaxed);
                        self.steps.push_back(Step::CancelAuth(id));
                    }
                }
            }
        }
    }

    /// Whether callbacks have to run.
    pub(crate) fn has_calls(&self) -> bool {
        !self.deferred.calls.is_empty()
    }

    /// Whether something must be done before the callbacks run.
    pub(crate) fn has_steps(&self) -> bool {
        !self.steps.is_empty() || !self.calls.is_empty()
    }

    /// Runs the callbacks without the lock, when everything is polled and there are no steps.
    #[inline]
    pub(crate) fn call(mut self) -> Self {
        self.publish();
        let Self { state, now, shared, steps, deferred, calls } = self;
        drop(state);
        deferred.call();
        Self { state: shared.lock(), now, shared, steps, deferred, calls }
    }

    /// Ends the visit when everything is polled. Returns the lock, and what has to be done after it is released.
    pub(crate) fn end(mut self) -> (MutexGuard<'a, State>, &'a mut Deferred) {
        self.publish();
        let Self { state, steps, deferred, calls, .. } = self;
        if !calls.is_empty() {
            steps.push_back(Step::Authorize(calls));
        }
        (state, deferred)
    }

    /// Shows to the handles whether the client has ended.
    #[inline]
    fn publish(&mut self) {
        self.state.ended = why_ended(self.state.core.state());
        if self.state.ended.is_some() {
            self.state.routes.stop_waiting(self.deferred);
        }
    }

    fn start_call(&mut self, request: AuthRequest) {
        let cancelled = Arc::new(AtomicBool::new(false));
        self.state.calls.insert(request.id, Arc::clone(&cancelled));
        let answers = Arc::<Shared>::clone(self.shared);
        self.calls.push(AuthCall::new(request, self.shared.auth_body, cancelled, answers));
    }

    fn deliver(&mut self, event: Event) {
        trace_event(&event, self.now);
        let State { core, routes, history, .. } = &mut *self.state;
        match event {
            Event::Channel(_) => routes.deliver(event, self.deferred),
            // A page is for the call that asked for it, and not for streams and callbacks.
            Event::History { id, result, .. } => history.complete(id, result, &mut self.deferred.wakers),
            _ => {
                let is_subscribed = |channel: &_| core.channel(channel).is_some_and(|channel| channel.is_subscribed());
                routes.observe(&event, self.now, is_subscribed, self.deferred);
                routes.deliver(event, self.deferred);
            }
        }
    }
}

/// Derived from the state and not from events, because handles may have called `connect` and `disconnect` since the
/// last time.
fn why_ended(state: &ConnectionState) -> Option<Ended> {
    match state {
        ConnectionState::Disconnected => Some(Ended::Disconnected),
        ConnectionState::Failed { reason } => Some(Ended::Failed(reason.clone())),
        ConnectionState::Initialized
        | ConnectionState::Connecting { .. }
        | ConnectionState::Waiting { .. }
        | ConnectionState::Connected { .. } => None,
    }
}

/// Logs an event, without payloads. Failures are warnings, since they cause events to be lost or delayed.
fn trace_event(event: &Event, now: Instant) {
    match event {
        Event::Diagnostic(diagnostic) => tracing::info!("{diagnostic}"),
        Event::ConnectionError(error) => tracing::warn!("{}", with_causes(error)),
        Event::StateChanged { previous, current } => tracing::debug!(?previous, ?current, "state"),
        Event::SubscriptionError { channel, error, retry_at: None } => {
            tracing::warn!(%channel, "{}", with_causes(error));
        }
        Event::SubscriptionError { channel, error, retry_at: Some(at) } => {
            tracing::warn!(%channel, "{}; retrying in {:.1?}", with_causes(error), at.since(now));
        }
        Event::SigninError { error, retry_at: None } => tracing::warn!("{}", with_causes(error)),
        Event::SigninError { error, retry_at: Some(at) } => {
            tracing::warn!("{}; retrying in {:.1?}", with_causes(error), at.since(now));
        }
        Event::TokenError { error, retry_at: None } => tracing::warn!("{}", with_causes(error)),
        Event::TokenError { error, retry_at: Some(at) } => {
            tracing::warn!("{}; retrying in {:.1?}", with_causes(error), at.since(now));
        }
        Event::DecryptionError { channel, event, error } => {
            tracing::warn!(%channel, %event, "{}", with_causes(error));
        }
        event => tracing::trace!(event = event.name(), channel = event.channel().map(ChannelName::as_str), "emit"),
    }
}
