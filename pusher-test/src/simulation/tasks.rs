//! The tasks of a simulation, in the order in which they are woken.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// A future that runs on the thread of the simulation.
pub(super) type LocalWork = Pin<Box<dyn Future<Output = ()>>>;

/// The future that the simulation was called with.
pub(super) const MAIN: u64 = 0;

/// All tasks but the main one.
pub(super) struct Tasks {
    tasks: BTreeMap<u64, (LocalWork, Waker)>,
    spawned: u64,
    ready: Arc<Ready>,
}

impl Tasks {
    pub(super) const fn new(ready: Arc<Ready>) -> Self {
        Self { tasks: BTreeMap::new(), spawned: MAIN, ready }
    }

    /// Returns the waker of the main task, which is ready.
    pub(super) fn main(&self) -> Waker {
        self.waker(MAIN)
    }

    /// Takes over new tasks, which are ready.
    pub(super) fn adopt(&mut self, new: impl IntoIterator<Item = LocalWork>) {
        for work in new {
            self.spawned += 1;
            let waker = self.waker(self.spawned);
            self.tasks.insert(self.spawned, (work, waker));
        }
    }

    pub(super) fn next_ready(&self) -> Option<u64> {
        self.ready.take()
    }

    pub(super) fn poll(&mut self, task: u64) {
        // A task that has ended may still be woken.
        let Some((work, waker)) = self.tasks.get_mut(&task) else { return };
        if work.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
            self.tasks.remove(&task);
        }
    }

    fn waker(&self, task: u64) -> Waker {
        let waker = Waker::from(Arc::new(TaskWaker { task, ready: Arc::clone(&self.ready) }));
        waker.wake_by_ref();
        waker
    }
}

/// The tasks that are ready, each once.
#[derive(Default)]
pub(super) struct Ready(Mutex<(VecDeque<u64>, BTreeSet<u64>)>);

impl Ready {
    pub(super) fn is_empty(&self) -> bool {
        self.lock().0.is_empty()
    }

    fn add(&self, task: u64) {
        let (queue, queued) = &mut *self.lock();
        if queued.insert(task) {
            queue.push_back(task);
        }
    }

    fn take(&self) -> Option<u64> {
        let (queue, queued) = &mut *self.lock();
        let task = queue.pop_front()?;
        queued.remove(&task);
        Some(task)
    }

    fn lock(&self) -> MutexGuard<'_, (VecDeque<u64>, BTreeSet<u64>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct TaskWaker {
    task: u64,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.add(self.task);
    }
}

/// A future that a [`Simulation`](crate::Simulation) runs. It completes with the future's result.
///
/// # Examples
///
/// ```
/// use pusher_test::Simulation;
/// use pusher_test::pusher_proto::server::ServerConfig;
/// use pusher_test::pusher_proto::signing::App;
///
/// let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
/// let task = simulation.spawn(async { 6 * 7 });
/// assert_eq!(simulation.run(task), 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Task<T> {
    outcome: Rc<RefCell<Outcome<T>>>,
}

struct Outcome<T> {
    result: Option<T>,
    waker: Option<Waker>,
}

impl<T: 'static> Task<T> {
    /// Returns the handle of a future, and what to run.
    pub(super) fn new(future: impl Future<Output = T> + 'static) -> (Self, LocalWork) {
        let outcome = Rc::new(RefCell::new(Outcome { result: None, waker: None }));
        let task = Self { outcome: Rc::clone(&outcome) };
        let work = Box::pin(async move {
            let result = future.await;
            let mut outcome = outcome.borrow_mut();
            outcome.result = Some(result);
            let waker = outcome.waker.take();
            drop(outcome);
            waker.into_iter().for_each(Waker::wake);
        });
        (task, work)
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut outcome = self.outcome.borrow_mut();
        match outcome.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                outcome.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}
