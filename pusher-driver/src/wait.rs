//! Blocking until something is ready, for handles with methods that block.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::{Client, Events, States, Subscription};

/// What handles with blocking methods need of the driver's handles.
pub trait HandleExt {
    /// Returns the clock of the client.
    fn clock(&self) -> Arc<dyn Clock>;
}

/// Blocks this thread until there is a result, for at most `limit` in the time of the clock. `poll` is called at least
/// once. Returns `None` when the limit has passed.
pub fn wait<T>(
    clock: &dyn Clock,
    limit: Option<Duration>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    let mut result = None;
    clock.wait(limit, &mut |context| match poll(context) {
        Poll::Ready(value) => {
            result = Some(value);
            true
        }
        Poll::Pending => false,
    });
    result
}

macro_rules! handles {
    ($($handle:ident)+) => {
        $(impl HandleExt for $handle {
            fn clock(&self) -> Arc<dyn Clock> {
                Arc::clone(&self.handle.0.clock)
            }
        })+
    };
}

handles!(Client Subscription Events States);

/// Wakes a waiting thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Parks this thread until `poll` returns true, or the limit has passed, in real time.
pub(crate) fn park(limit: Option<Duration>, poll: &mut dyn FnMut(&mut Context<'_>) -> bool) {
    let waker = waker();
    let mut context = Context::from_waker(&waker);
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    while !poll(&mut context) {
        let Some(deadline) = deadline else {
            thread::park();
            continue;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left);
    }
}

/// Returns the waker of this thread, which is created once per thread.
fn waker() -> Waker {
    thread_local! {
        static WAKER: Waker = Waker::from(Arc::new(Unpark(thread::current())));
    }
    WAKER.with(Waker::clone)
}
