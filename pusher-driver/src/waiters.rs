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
