//! Tasks and threads that wait for something other than an event.

use std::mem;
use std::task::Waker;
#[cfg(feature = "async")]
use std::{
    future::poll_fn,
    task::{Context, Poll},
};

/// Identifies a waiting call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitId(pub(crate) u64);

/// Everything that waits for one thing.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Vec<(Option<WaitId>, Waker)>);

impl Waiters {
    /// Adds a call, or a task if there is no id. Returns its earlier waker, which may own handles and must be dropped where no
    /// lock is held.
    #[must_use]
    pub(crate) fn add(&mut self, id: Option<WaitId>, waker: &Waker) -> Option<Waker> {
        let is_same = |(known, other): &&mut (Option<WaitId>, Waker)| match id {
            Some(_) => *known == id,
            None => known.is_none() && other.will_wake(waker),
        };
        if let Some((_, known)) = self.0.iter_mut().find(is_same) {
            return Some(mem::replace(known, waker.clone()));
        }
        self.0.push((id, waker.clone()));
        None
    }

    /// The call is over.
    #[must_use]
    pub(crate) fn remove(&mut self, id: WaitId) -> Option<Waker> {
        let at = self.0.iter().position(|(known, _)| *known == Some(id))?;
        Some(self.0.swap_remove(at).1)
    }

    /// Removes and returns all wakers.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        mem::take(&mut self.0).into_iter().map(|(_, waker)| waker)
    }
}

/// Waits as one call, and leaves no waker behind: `forget` removes the waker that `poll` has registered.
#[cfg(feature = "async")]
pub(crate) async fn wait<T>(
    id: WaitId,
    poll: impl Fn(WaitId, &Context<'_>) -> Poll<T>,
    forget: impl Fn(WaitId) -> Option<Waker>,
) -> T {
    let call = Call { id, forget };
    poll_fn(|context| poll(call.id, context)).await
}

#[cfg(feature = "async")]
struct Call<F: Fn(WaitId) -> Option<Waker>> {
    id: WaitId,
    forget: F,
}

#[cfg(feature = "async")]
impl<F: Fn(WaitId) -> Option<Waker>> Drop for Call<F> {
    fn drop(&mut self) {
        (self.forget)(self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Who waits: a call by its id, or a task by its number.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Who {
        Call(u64),
        Task(usize),
    }

    /// Two calls and streams of two tasks are polled by either task, dropped, and woken, in every order of five steps.
    #[test]
    fn each_call_wakes_the_task_that_polled_it_last_and_each_task_is_woken_once() {
        const STEPS: usize = 9;
        for sequence in 0..STEPS.pow(5) {
            let tasks = [(); 2].map(|()| Arc::new(Task::default()));
            let wakers = [0, 1].map(|task: usize| Waker::from(Arc::clone(&tasks[task])));
            let (mut waiters, mut reference) = (Waiters::default(), Vec::new());
            for place in 0..5 {
                match sequence / STEPS.pow(place) % STEPS {
                    step @ 0..=3 => {
                        let (id, task) = (step as u64 / 2, step % 2);
                        drop(waiters.add(Some(WaitId(id)), &wakers[task]));
                        reference.retain(|(who, _)| *who != Who::Call(id));
                        reference.push((Who::Call(id), task));
                    }
                    step @ (4 | 5) => {
                        let task = step - 4;
                        drop(waiters.add(None, &wakers[task]));
                        reference.retain(|(who, _)| *who != Who::Task(task));
                        reference.push((Who::Task(task), task));
                    }
                    step @ (6 | 7) => {
                        let id = step as u64 - 6;
                        let removed = waiters.remove(WaitId(id)).map(|waker| waker.will_wake(&wakers[0]));
                        let at = reference.iter().position(|(who, _)| *who == Who::Call(id));
                        assert_eq!(removed, at.map(|at| reference.remove(at).1 == 0), "{sequence}");
                    }
                    _ => {
                        let before = tasks.each_ref().map(|task| task.0.load(Ordering::Relaxed));
                        waiters.take().for_each(Waker::wake);
                        for (task, before) in before.into_iter().enumerate() {
                            let woken = tasks[task].0.load(Ordering::Relaxed) - before;
                            assert_eq!(woken, reference.iter().filter(|(_, by)| *by == task).count(), "{sequence}");
                        }
                        reference.clear();
                    }
                }
            }
        }
    }
}
