//! The model, and the mailboxes of the sockets that clients have in it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use pusher_driver::HttpRequest;
use pusher_driver::adapter::Received;
use pusher_proto::server::ConnectionId;
use pusher_proto::{Instant, Text};

use super::time::Time;
use crate::network::{Arrival, Authority, Model, Record, Who};

/// What the handles of a network and the runtimes of its clients share.
pub(crate) struct Shared {
    hub: Mutex<Hub>,
    /// The thread that has locked the hub.
    holder: Mutex<Option<ThreadId>>,
    pub(super) time: Arc<dyn Time>,
    pub(super) seed: u64,
}

/// The model, and what its clients have not read yet.
pub(super) struct Hub {
    pub(super) model: Model,
    /// The auth server of clients that are added later.
    pub(super) authority: Authority,
    pub(super) clients: Vec<Known>,
    /// How far the wall clock has advanced while all other clocks were stopped.
    pub(super) wall_lead: Duration,
    inboxes: BTreeMap<ConnectionId, Inbox>,
}

/// A client, and what it did since this was last read.
pub(super) struct Known {
    pub(super) name: Text,
    pub(super) sent: Record<Text>,
    pub(super) posts: Record<HttpRequest>,
}

/// What has arrived on a socket.
#[derive(Default)]
struct Inbox {
    is_open: bool,
    received: VecDeque<Received>,
    waker: Option<Waker>,
}

impl Shared {
    pub(crate) fn new(model: Model, authority: Authority, time: Arc<dyn Time>, seed: u64) -> Arc<Self> {
        let hub = Hub { model, authority, clients: Vec::new(), wall_lead: Duration::ZERO, inboxes: BTreeMap::new() };
        Arc::new(Self { hub: Mutex::new(hub), holder: Mutex::new(None), time, seed })
    }

    /// Completes at this time.
    #[cfg(feature = "tokio")]
    pub(crate) fn sleep_until(&self, at: Instant) -> super::time::Work {
        self.time.sleep(at.since(self.time.now()))
    }

    /// The model at the current time. A test that has panicked while it used the model still drops its clients.
    ///
    /// # Panics
    ///
    /// If this thread has locked it already: the test uses the network within one of its own functions.
    #[track_caller]
    pub(super) fn lock(&self) -> Locked<'_> {
        let (now, thread) = (self.time.now(), thread::current().id());
        // Another thread that holds the hub releases it. This one would wait for itself.
        assert!(
            *lock(&self.holder) != Some(thread),
            "the network was used within a closure that Network::server, gate, backend or backend_all runs"
        );
        let mut hub = lock(&self.hub);
        *lock(&self.holder) = Some(thread);
        hub.model.advance(now);
        Locked { hub, holder: &self.holder }
    }

    /// Changes the model. What follows for the clients arrives later.
    ///
    /// # Panics
    ///
    /// If the function uses the network.
    #[track_caller]
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Hub) -> T) -> T {
        let mut hub = self.lock();
        let result = change(&mut hub);
        hub.model.settle();
        drop(hub);
        self.time.changed();
        result
    }

    /// Does everything that is due, and returns when something is due next.
    ///
    /// # Panics
    ///
    /// If the server asks for a deadline that has already passed.
    pub(crate) fn pump(&self) -> Option<Instant> {
        let mut wakers = Vec::new();
        let mut hub = self.lock();
        let now = hub.model.now();
        while hub.model.next().is_some_and(|at| at <= now) {
            while let Some(delivery) = hub.model.next_due() {
                if let Some(arrival) = hub.model.deliver(delivery) {
                    wakers.extend(hub.arrive(arrival));
                }
                hub.model.settle();
            }
            hub.model.handle_timeout();
            hub.model.settle();
            assert!(hub.model.deadline().is_none_or(|at| at > now), "the server's deadline does not advance");
        }
        let next = hub.model.next();
        drop(hub);
        wakers.into_iter().for_each(Waker::wake);
        next
    }
}

/// The locked hub.
pub(super) struct Locked<'a> {
    hub: MutexGuard<'a, Hub>,
    holder: &'a Mutex<Option<ThreadId>>,
}

impl Deref for Locked<'_> {
    type Target = Hub;

    fn deref(&self) -> &Hub {
        &self.hub
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Hub {
        &mut self.hub
    }
}

impl Drop for Locked<'_> {
    /// The hub is unlocked after this.
    fn drop(&mut self) {
        *lock(self.holder) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Adds a client, with the conditions and the settings of the auth server of the last one of the same name.
    pub(super) fn add(&mut self, name: Text) -> Who {
        let earlier = self.named(&name).last();
        let authority = match earlier {
            Some(who) => self.model.authority(who).unasked(),
            None => self.authority.unasked_for(&name),
        };
        let who = self.model.add(authority);
        if let Some(earlier) = earlier {
            *self.model.conditions(who) = self.model.conditions(earlier).clone();
        }
        self.clients.push(Known { name, sent: Record::new(), posts: Record::new() });
        who
    }

    /// The clients of this name.
    pub(super) fn named(&self, name: &str) -> impl DoubleEndedIterator<Item = Who> + use<> {
        let of_name = |(_, known): &(usize, &Known)| known.name.as_str() == name;
        let named: Vec<Who> = self.clients.iter().enumerate().filter(of_name).map(|(who, _)| Who(who)).collect();
        named.into_iter()
    }

    /// Opens a socket.
    pub(super) fn open(&mut self, who: Who, target: Text) -> ConnectionId {
        let id = self.model.open(who, target);
        self.inboxes.insert(id, Inbox::default());
        id
    }

    /// Forgets a socket that the client has dropped.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.inboxes.remove(&id);
    }

    /// Returns whether a socket is open, or why it could not be opened.
    pub(super) fn poll_open(&mut self, id: ConnectionId, context: &mut Context<'_>) -> Poll<Option<Received>> {
        let Some(inbox) = self.inboxes.get_mut(&id) else { return Poll::Pending };
        if inbox.is_open {
            return Poll::Ready(None);
        }
        inbox.poll(context).map(Some)
    }

    /// Reads a socket.
    pub(super) fn poll_received(&mut self, id: ConnectionId, context: &mut Context<'_>) -> Poll<Received> {
        self.inboxes.get_mut(&id).map_or(Poll::Pending, |inbox| inbox.poll(context))
    }

    /// Returns what has already arrived on a socket.
    pub(super) fn received(&mut self, id: ConnectionId) -> Option<Received> {
        self.inboxes.get_mut(&id)?.received.pop_front()
    }

    fn arrive(&mut self, arrival: Arrival) -> Option<Waker> {
        let (id, received) = match arrival {
            Arrival::Open(id) => (id, None),
            Arrival::Frame(id, frame) => (id, Some(Received::Frame(frame))),
            Arrival::Part(id) => (id, Some(Received::Part)),
            Arrival::Closed(id, reason) => (id, Some(Received::Closed(reason))),
            // In-memory clients ask by HTTP.
            Arrival::Auth(..) => return None,
        };
        let inbox = self.inboxes.get_mut(&id)?;
        inbox.is_open |= received.is_none();
        inbox.received.extend(received);
        inbox.waker.take()
    }
}

impl Inbox {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        if let Some(received) = self.received.pop_front() {
            return Poll::Ready(received);
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("time", &self.time).finish_non_exhaustive()
    }
}
