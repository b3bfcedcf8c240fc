//! Threads that wait for authorizations.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use pusher_driver::adapter::{Fragile, LogSpan, guard};
use pusher_proto::{AuthError, AuthSubject};

use crate::auth::{AuthCall, Authorizer};
use crate::http::Http;

/// Runs each batch of calls in its own thread, so that none waits for another.
///
/// An abandoned call cannot be interrupted. Until it returns, it counts towards the limit of its own channel and the
/// total number of threads, and has no other effect.
pub(crate) struct Helpers {
    pool: Arc<Pool>,
}

struct Pool {
    authorizer: Fragile<Arc<dyn Authorizer>>,
    http: Arc<Http>,
    state: Mutex<State>,
    /// Log lines of authorizers belong to the client, too.
    span: LogSpan,
}

#[derive(Default)]
struct State {
    /// Batches for which there was no thread.
    waiting: VecDeque<Vec<pusher_driver::AuthCall>>,
    /// Threads of batches.
    threads: usize,
    /// The subjects of calls that have not returned. Each call may have its own thread, too.
    out: Vec<AuthSubject>,
}

/// The entry of a call that has not returned.
struct Place {
    pool: Arc<Pool>,
    subject: AuthSubject,
}

/// The thread of one batch.
struct Thread(Arc<Pool>);

impl Helpers {
    pub(crate) fn new(authorizer: Arc<dyn Authorizer>, http: Http, span: LogSpan) -> Self {
        let (authorizer, http) = (span.in_scope(|| Fragile::new(authorizer)), Arc::new(http));
        Self { pool: Arc::new(Pool { authorizer, http, state: Mutex::default(), span }) }
    }

    pub(crate) fn authorize(&self, calls: Vec<pusher_driver::AuthCall>) {
        let mut state = self.pool.lock();
        let (calls, refused): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|call| state.has_room_for(&call.request().subject));
        state.waiting.push_back(calls);
        drop(state);
        for call in refused {
            let error =
                format!("{MAX_CALLS_PER_SUBJECT} earlier calls for {} have not returned", call.request().subject);
            call.answer(Err(AuthError::Network(error)));
        }
        self.pool.start();
    }
}

/// Ends the requests that are still in progress.
impl Drop for Helpers {
    fn drop(&mut self) {
        let unanswered = mem::take(&mut self.pool.lock().waiting);
        drop(unanswered);
        self.pool.http.shut_down();
    }
}

impl Pool {
    /// Starts waiting batches, as far as threads are available.
    fn start(self: &Arc<Self>) {
        while let Some(calls) = self.take_batch() {
            let thread = Thread(Arc::clone(self));
            let calls: Vec<_> = calls
                .into_iter()
                .map(|call| {
                    let place = Place { pool: Arc::clone(self), subject: call.request().subject.clone() };
                    AuthCall::new(call, Arc::clone(&self.http), Box::new(place))
                })
                .collect();
            let work = move || {
                let run = || thread.0.authorizer.authorize_many(calls);
                // A call that is dropped because of a panic is answered with an error.
                thread.0.span.in_scope(|| guard("an authorizer", run));
            };
            if let Err(error) = thread::Builder::new().name("pusher-auth".into()).spawn(work) {
                self.span.in_scope(|| tracing::error!(%error, "cannot start a thread for authorizations"));
            }
        }
    }

    /// Takes the calls for which there is a thread now.
    fn take_batch(&self) -> Option<Vec<pusher_driver::AuthCall>> {
        loop {
            let mut state = self.lock();
            // One for the batch.
            let room = MAX_THREADS.saturating_sub(state.threads + state.out.len() + 1);
            if room == 0 {
                return None;
            }
            let batch = state.waiting.pop_front()?;
            let (cancelled, mut calls): (Vec<_>, Vec<_>) =
                batch.into_iter().partition(pusher_driver::AuthCall::is_cancelled);
            if calls.len() > room {
                let rest = calls.split_off(room);
                state.waiting.push_front(rest);
            }
            if !calls.is_empty() {
                state.threads += 1;
                state.out.extend(calls.iter().map(|call| call.request().subject.clone()));
            }
            drop(state);
            drop(cancelled);
            if !calls.is_empty() {
                return Some(calls);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room_for(&self, subject: &AuthSubject) -> bool {
        self.out.iter().filter(|other| *other == subject).count() < MAX_CALLS_PER_SUBJECT
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        if let Some(at) = state.out.iter().position(|subject| *subject == self.subject) {
            state.out.swap_remove(at);
        }
        drop(state);
        self.pool.start();
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
        self.0.start();
    }
}

/// How many threads of one client may wait for authorizations, including those of abandoned calls. The default
/// [`auth_window`](pusher_proto::ConfigBuilder::auth_window) of 8 needs at most 16.
const MAX_THREADS: usize = 64;

/// How many unreturned calls there may be for one channel, or the user. There are several only if some were abandoned,
/// because they took too long or the connection was lost in the meantime.
const MAX_CALLS_PER_SUBJECT: usize = 3;
