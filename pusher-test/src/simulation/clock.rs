//! Time that passes only when the executor says so.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pusher_proto::Instant;

use super::tasks::{LocalWork, Ready};
use crate::memory::{Time, Work};

/// The clock, the timers, and the tasks that the executor has not taken over yet.
#[derive(Default)]
pub(crate) struct VirtualTime {
    state: Arc<Mutex<State>>,
    ready: Arc<Ready>,
}

#[derive(Default)]
struct State {
    now: Instant,
    timers: BTreeMap<(Instant, u64), Waker>,
    set: u64,
    spawned: Vec<Work>,
}

impl VirtualTime {
    pub(super) const fn ready(&self) -> &Arc<Ready> {
        &self.ready
    }

    /// Returns the tasks that were spawned since the last call.
    pub(super) fn spawned(&self) -> Vec<LocalWork> {
        mem::take(&mut lock(&self.state).spawned).into_iter().map(|work| -> LocalWork { work }).collect()
    }

    /// Returns when the first timer rings.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        lock(&self.state).timers.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn advance(&self, at: Instant) {
        let mut state = lock(&self.state);
        state.now = state.now.max(at);
    }

    /// Wakes those whose time has come, in the order of their times.
    pub(super) fn ring(&self) {
        let mut state = lock(&self.state);
        let now = state.now;
        let later = state.timers.split_off(&(now, u64::MAX));
        let due = mem::replace(&mut state.timers, later);
        drop(state);
        due.into_values().for_each(Waker::wake);
    }
}

impl Time for VirtualTime {
    fn now(&self) -> Instant {
        lock(&self.state).now
    }

    fn sleep(&self, duration: Duration) -> Work {
        let at = lock(&self.state).now + duration;
        Box::pin(Sleep { state: Arc::clone(&self.state), at, timer: None })
    }

    fn spawn(&self, work: Work) {
        lock(&self.state).spawned.push(work);
    }

    fn wait(&self, _limit: Option<Duration>, _poll: &mut dyn FnMut(&mut Context<'_>) -> bool) {
        panic!("a method that blocks was called in a Simulation, whose time would stop; use pusher_test::Threads")
    }

    /// The executor looks at the model before time passes.
    fn changed(&self) {}
}

/// Completes at a certain time.
struct Sleep {
    state: Arc<Mutex<State>>,
    at: Instant,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.now >= self.at {
            return Poll::Ready(());
        }
        let timer = self.timer.unwrap_or_else(|| {
            state.set += 1;
            state.set
        });
        let replaced = state.timers.insert((self.at, timer), context.waker().clone());
        drop(state);
        drop(replaced);
        self.timer = Some(timer);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let Some(timer) = self.timer else { return };
        let removed = lock(&self.state).timers.remove(&(self.at, timer));
        drop(removed);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for VirtualTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualTime").field("now", &self.now()).finish_non_exhaustive()
    }
}
