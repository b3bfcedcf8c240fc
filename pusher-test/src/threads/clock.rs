//! Time that passes only while all threads wait.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use pusher_proto::Instant;

use crate::memory::{Time, Work};
use crate::simulation::{Simulation, VirtualTime};

/// The clock of the clients, and the threads that wait for it.
pub(super) struct ThreadTime {
    clock: Arc<VirtualTime>,
    waits: Arc<Waits>,
}

/// Which threads wait. Everything else runs on a thread of its own, while all of them do.
#[derive(Default)]
pub(super) struct Waits {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Known threads that do not wait.
    running: usize,
    waits: BTreeMap<u64, Wait>,
    last: u64,
    /// Grows whenever a thread or a client may have done something.
    news: u64,
    /// Why time no longer passes.
    end: Option<String>,
}

/// A call that waits.
struct Wait {
    /// Whether its thread runs: it was woken, and has not looked yet or is looking.
    is_running: bool,
    is_woken: bool,
    /// For a condition, which does not wake its thread when it becomes true: the news that it has seen.
    seen: Option<u64>,
}

impl ThreadTime {
    pub(super) fn new() -> (Self, Arc<VirtualTime>, Arc<Waits>) {
        let (clock, waits) = (Arc::new(VirtualTime::default()), Arc::new(Waits::default()));
        (Self { clock: Arc::clone(&clock), waits: Arc::clone(&waits) }, clock, waits)
    }
}

impl Time for ThreadTime {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn sleep(&self, duration: Duration) -> Work {
        self.clock.sleep(duration)
    }

    fn spawn(&self, work: Work) {
        self.clock.spawn(work);
    }

    fn wait(&self, limit: Option<Duration>, poll: &mut dyn FnMut(&mut Context<'_>) -> bool) {
        self.waits.wait(limit.map(|limit| self.sleep(limit)), false, poll);
    }

    /// The simulation looks at the model before time passes.
    fn changed(&self) {}
}

impl Waits {
    /// Blocks this thread until `poll` returns true or the alarm rings. If nothing wakes the thread, `poll` is called
    /// whenever another thread has done something.
    ///
    /// # Panics
    ///
    /// As for [`park`](Self::park). If time had ended before, `poll` is not called: what it would see depends on how far the
    /// thread that runs the clients has got with dropping them.
    pub(super) fn wait(
        self: &Arc<Self>,
        mut alarm: Option<Work>,
        is_condition: bool,
        poll: &mut dyn FnMut(&mut Context<'_>) -> bool,
    ) {
        join_in(self);
        let mut state = self.lock();
        if let Some(end) = state.end.clone() {
            drop(state);
            panic!("{end}");
        }
        let id = state.begin(is_condition);
        drop(state);
        let guard = Entered { waits: self, id };
        let waker = Waker::from(Arc::new(WaitWaker { waits: Arc::clone(self), id }));
        let mut context = Context::from_waker(&waker);
        let is_over = |alarm: &mut Work, context: &mut Context<'_>| alarm.as_mut().poll(context).is_ready();
        while !poll(&mut context) && !alarm.as_mut().is_some_and(|alarm| is_over(alarm, &mut context)) {
            self.park(id);
        }
        drop(guard);
    }

    /// Waits until this call is woken.
    ///
    /// # Panics
    ///
    /// If time no longer passes, or has not passed for a long real time, because a thread waits for something else.
    fn park(&self, id: u64) {
        let mut state = self.lock();
        if !state.sleep(id) {
            return;
        }
        self.changed.notify_all();
        loop {
            if let Some(end) = state.end.clone() {
                drop(state);
                panic!("{end}");
            }
            if state.waits.get(&id).is_none_or(|wait| wait.is_running) {
                return;
            }
            let (running, news) = (state.running, state.news);
            let (next, elapsed) = self.changed.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if elapsed.timed_out() && running > 0 && (state.running, state.news) == (running, news) {
                state.end = Some(format!(
                    "time stands still: {running} of {} threads neither wait for a client nor end; a thread that waits for \
                     another one must use JoinHandle::join or Threads::wait_until",
                    running + state.waits.values().filter(|wait| !wait.is_running).count()
                ));
                self.changed.notify_all();
            }
        }
    }

    /// A thread begins to run.
    pub(super) fn enter(&self) {
        self.lock().running += 1;
    }

    /// A thread ends.
    fn leave(&self) {
        let mut state = self.lock();
        state.running = state.running.saturating_sub(1);
        state.news += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// Time no longer passes, and threads that wait panic.
    pub(super) fn end(&self, reason: &str) {
        self.lock().end.get_or_insert_with(|| reason.into());
        self.changed.notify_all();
    }

    /// Runs the clients, and lets time pass, whenever all threads wait.
    pub(super) fn run(&self, simulation: &Simulation) {
        let now = || Instant::from_elapsed(simulation.network().now());
        let mut start = now();
        while let Some(has_run) = self.all_wait() {
            if has_run {
                start = now();
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| simulation.advance(start))) {
                self.end(message(&*panic));
            }
            self.lock().news += 1;
        }
    }

    /// Waits until all threads do. Returns whether one has run, and nothing if time no longer passes.
    fn all_wait(&self) -> Option<bool> {
        let mut state = self.lock();
        let has_run = state.running > 0;
        loop {
            if state.end.is_some() {
                return None;
            }
            if state.running == 0 {
                if !state.wake_conditions() {
                    return Some(has_run);
                }
                self.changed.notify_all();
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self, is_condition: bool) -> u64 {
        self.last += 1;
        // The thread may have done something before it waits.
        self.news += 1;
        let seen = is_condition.then_some(self.news);
        self.waits.insert(self.last, Wait { is_running: true, is_woken: false, seen });
        self.last
    }

    /// The thread of this call stops to run, unless it was woken meanwhile.
    fn sleep(&mut self, id: u64) -> bool {
        let Some(wait) = self.waits.get_mut(&id) else { return false };
        if std::mem::take(&mut wait.is_woken) {
            return false;
        }
        wait.is_running = false;
        if wait.seen.is_none() {
            self.news += 1;
        }
        self.running -= 1;
        true
    }

    /// The thread of this call runs.
    fn wake(&mut self, id: u64) {
        let Some(wait) = self.waits.get_mut(&id) else { return };
        if wait.is_running {
            wait.is_woken = true;
        } else {
            wait.is_running = true;
            self.running += 1;
        }
    }

    /// The threads whose conditions may have become true look at them. Returns whether there are any.
    fn wake_conditions(&mut self) -> bool {
        let news = self.news;
        for wait in self.waits.values_mut().filter(|wait| wait.seen.is_some_and(|seen| seen != news)) {
            wait.seen = Some(news);
            wait.is_running = true;
            self.running += 1;
        }
        self.running > 0
    }
}

/// A call that waits, until it returns or panics.
struct Entered<'a> {
    waits: &'a Waits,
    id: u64,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut state = self.waits.lock();
        let Some(wait) = state.waits.remove(&self.id) else { return };
        state.news += 1;
        if !wait.is_running {
            // The call panics.
            state.running += 1;
        }
    }
}

struct WaitWaker {
    waits: Arc<Waits>,
    id: u64,
}

impl Wake for WaitWaker {
    fn wake(self: Arc<Self>) {
        self.waits.lock().wake(self.id);
        self.waits.changed.notify_all();
    }
}

/// A thread that counts: while it does not wait, no time passes.
struct Membership(Weak<Waits>);

impl Drop for Membership {
    fn drop(&mut self) {
        if let Some(waits) = self.0.upgrade() {
            waits.leave();
        }
    }
}

thread_local! {
    static MEMBERSHIPS: RefCell<Vec<Membership>> = const { RefCell::new(Vec::new()) };
}

/// Counts this thread from now on, if it does not count yet.
pub(super) fn join_in(waits: &Arc<Waits>) {
    if adopt(waits) {
        waits.enter();
    }
}

/// This thread counts already. Returns whether it did not know that.
pub(super) fn adopt(waits: &Arc<Waits>) -> bool {
    MEMBERSHIPS.with_borrow_mut(|memberships| {
        memberships.retain(|Membership(known)| known.strong_count() > 0);
        let is_known = memberships.iter().any(|Membership(known)| std::ptr::eq(known.as_ptr(), Arc::as_ptr(waits)));
        if !is_known {
            memberships.push(Membership(Arc::downgrade(waits)));
        }
        !is_known
    })
}

/// What a panic says.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a client panicked")
}

impl fmt::Debug for ThreadTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadTime").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// How long a thread may run, in real time, while others wait.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });
