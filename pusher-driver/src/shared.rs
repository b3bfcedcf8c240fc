//! The state that the handles and the loop share: the core and the routes, behind one lock.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::Duration;
use std::{fmt, mem};

use pusher_proto::{
    AuthBody, AuthError, AuthId, AuthResponse, ChannelName, ClientEventName, Config, Data, FailReason, HistoryError,
    HistoryId, HistoryQuery, Instant, InvalidName, Text, TriggerError,
};
use serde::Serialize;

use crate::auth::Answers;
use crate::clock::Clock;
use crate::history::Requests;
use crate::log_span::LogSpan;
use crate::mailbox::{Budget, replace_waker};
use crate::options::Options;
use crate::routes::Routes;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// The state that all handles and the loop of one client share.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) clock: Arc<dyn Clock>,
    last_id: AtomicU64,
    pub(crate) budget: Arc<Budget>,
    pub(crate) auth_body: AuthBody,
    /// Entered by everything that may log or that runs application code.
    pub(crate) span: LogSpan,
}

/// Changed only under the lock, and never while application code runs.
pub(crate) struct State {
    pub(crate) core: pusher_proto::Client,
    pub(crate) routes: Routes,
    /// Calls that wait for a page of history.
    pub(crate) history: Requests,
    /// Running calls; the flag shows them that their answer is no longer needed.
    pub(crate) calls: BTreeMap<AuthId, Arc<AtomicBool>>,
    answers: Vec<(AuthId, Result<AuthResponse, AuthError>)>,
    /// Why no subscription can succeed at the moment.
    pub(crate) ended: Option<Ended>,
    pub(crate) life: Life,
    /// Calls of `shutdown` that wait for the end of the loop.
    pub(crate) shutdown_waiters: Vec<Waker>,
    loop_waker: Option<Waker>,
    /// Whether something has changed that the loop has not seen yet.
    pub(crate) changed: bool,
}

/// Why no subscription can succeed at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Disconnected,
    Failed(FailReason),
}

/// Whether a client runs, is shutting down, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Running,
    /// It is shutting down, for at most this long if there is a limit.
    Leaving(Option<Duration>),
    /// The loop has ended.
    Ended,
}

/// A handle. Dropping the last one closes the connection.
pub(crate) struct Handle(pub(crate) Arc<Shared>);

/// A client event that the application wants to send.
pub(crate) struct ClientEvent {
    name: ClientEventName,
    data: Data,
}

impl ClientEvent {
    pub(crate) fn new<E, D>(name: E, data: &D) -> Result<Self, TriggerError>
    where
        E: TryInto<ClientEventName>,
        InvalidName: From<E::Error>,
        D: Serialize + ?Sized,
    {
        let name = name.try_into().map_err(InvalidName::from)?;
        Ok(Self { name, data: data_of(data)? })
    }
}

/// What the application sends, as JSON.
pub(crate) fn data_of<D: Serialize + ?Sized>(data: &D) -> Result<Data, TriggerError> {
    Data::from_serialize(data).map_err(|error| TriggerError::Data(error.to_string().into()))
}

impl Shared {
    pub(crate) fn new(config: Config, options: &Options, clock: Arc<dyn Clock>) -> Arc<Self> {
        let span = options.span(config.key());
        let core = pusher_proto::Client::new(config, options.draw_seed());
        Arc::new(Self {
            state: Mutex::new(State::new(core)),
            clock,
            last_id: AtomicU64::new(0),
            budget: Budget::new(options),
            auth_body: options.auth_body,
            span,
        })
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Returns a number that this client has not used yet.
    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something that the loop must see.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        state.changed = true;
        let waker = state.loop_waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }

    /// Registers a waker for the next change, unless there is one that the loop has not seen yet.
    pub(crate) fn park(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        if state.changed {
            return false;
        }
        let replaced = replace_waker(&mut state.loop_waker, waker);
        drop(state);
        drop(replaced);
        true
    }
}

impl Answers for Shared {
    /// An answer that is no longer needed is dropped.
    fn answer(&self, id: AuthId, answer: Result<AuthResponse, AuthError>) {
        self.change(|state| {
            if state.calls.remove(&id).is_some() {
                state.answers.push((id, answer));
            }
        });
    }

    /// The loop need not know.
    fn asks(&self, id: AuthId, url: Text) {
        self.lock().core.note_auth_url(id, url);
    }
}

impl State {
    fn new(core: pusher_proto::Client) -> Self {
        Self {
            core,
            routes: Routes::default(),
            history: Requests::default(),
            calls: BTreeMap::new(),
            answers: Vec::new(),
            ended: None,
            life: Life::Running,
            shutdown_waiters: Vec::new(),
            loop_waker: None,
            changed: true,
        }
    }

    /// Tells the loop to shut down; the shortest limit counts.
    pub(crate) fn leave(&mut self, limit: Option<Duration>) {
        self.life = match self.life {
            Life::Running => Life::Leaving(limit),
            Life::Leaving(earlier) => Life::Leaving(earlier.into_iter().chain(limit).min()),
            Life::Ended => Life::Ended,
        };
    }

    /// Sends a client event, if there is a loop that will.
    pub(crate) fn trigger(
        &mut self,
        channel: &ChannelName,
        event: &ClientEvent,
        now: Instant,
    ) -> Result<(), TriggerError> {
        match self.life {
            Life::Running => self.core.trigger(channel, &event.name, &event.data, now),
            Life::Leaving(_) | Life::Ended => Err(TriggerError::NotConnected),
        }
    }

    /// Asks for a page of history, if there is a loop that will.
    pub(crate) fn request_history(
        &mut self,
        channel: &ChannelName,
        query: HistoryQuery,
    ) -> Result<HistoryId, HistoryError> {
        match self.life {
            Life::Running => {}
            Life::Leaving(_) | Life::Ended => return Err(HistoryError::NotConnected),
        }
        let id = self.core.request_history(channel, query)?;
        self.history.insert(id);
        Ok(id)
    }

    /// Passes on what arrived while the loop was busy.
    pub(crate) fn take_changes(&mut self, now: Instant) {
        self.changed = false;
        for (id, answer) in mem::take(&mut self.answers) {
            tracing::trace!(%id, ok = answer.is_ok(), "auth");
            self.core.handle_auth(id, answer, now);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.change(|state| state.leave(None));
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}
