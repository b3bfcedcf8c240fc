//! The tasks that wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

use pusher_driver::WeakClient;

/// A task, and whether something knows it.
#[derive(Default)]
pub(super) struct Task {
    wakes: Arc<AtomicUsize>,
    waker: Weak<Calls>,
}

impl Task {
    pub(super) fn waker(&mut self, client: WeakClient) -> Waker {
        let known = self.waker.upgrade();
        let calls = known.unwrap_or_else(|| Arc::new(Calls { wakes: Arc::clone(&self.wakes), client }));
        self.waker = Arc::downgrade(&calls);
        Waker::from(calls)
    }

    pub(super) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Relaxed)
    }

    pub(super) fn is_forgotten(&self) -> bool {
        self.waker.strong_count() == 0
    }
}

/// A waker that calls the client whenever it is woken, and at its end.
struct Calls {
    wakes: Arc<AtomicUsize>,
    client: WeakClient,
}

impl Calls {
    fn call(&self) {
        if let Some(client) = self.client.upgrade() {
            let _ = client.state();
        }
    }
}

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        self.call();
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.call();
    }
}
