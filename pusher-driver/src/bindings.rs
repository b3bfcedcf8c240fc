//! Callbacks: which ones are called, in which order, and what happens if one panics.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use pusher_proto::{ConnectionState, Event, Text};

use crate::guard::{Fragile, guard};
use crate::sync::Mutex;

/// Identifies a binding, for `unbind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BindingId(pub(crate) u64);

/// Why a callback was not bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The event is used only by the protocol.
    #[error("{0} is internal to Pusher and never reaches a callback")]
    Internal(Text),
    /// The event reaches the application under another name.
    #[error("{event} never reaches a callback; bind {instead} instead")]
    Renamed {
        /// The name that was given.
        event: Text,
        /// The name to bind.
        instead: &'static str,
    },
    /// The event belongs to the client, not to a channel.
    #[error("{0} is not a channel event; bind it on the client")]
    NotOfChannel(Text),
    /// No event has a blank name.
    #[error("an event name must not be blank")]
    Blank,
    /// The channel was unsubscribed by [`Client::unsubscribe`](crate::Client::unsubscribe).
    #[error("the channel was unsubscribed")]
    Unsubscribed,
}

/// Which events a callback receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    All,
    Named(Text),
}

/// What a callback is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Client,
    Channel,
}

impl Filter {
    /// Refuses names for which the callback would never be called, instead of letting the application wait for them.
    pub(crate) fn named(event: Text, scope: Scope) -> Result<Self, BindError> {
        if event.trim().is_empty() {
            return Err(BindError::Blank);
        }
        if scope == Scope::Channel && CLIENT_EVENTS.contains(&event.as_str()) {
            return Err(BindError::NotOfChannel(event));
        }
        if let Some((_, instead)) = RENAMED.iter().find(|(name, _)| *name == event.as_str()) {
            return Err(BindError::Renamed { event, instead });
        }
        if event.starts_with(INTERNAL_PREFIX) || INTERNAL.contains(&event.as_str()) {
            return Err(BindError::Internal(event));
        }
        Ok(Self::Named(event))
    }

    fn takes(&self, event: &str, state: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Named(name) => name == event || state.is_some_and(|state| name == state),
        }
    }
}

/// The name of the new state, which pusher-js emits in addition to `state_change`. `connecting_in` announces an
/// attempt; `unavailable` is a separate event here.
const fn state_name(event: &Event) -> Option<&'static str> {
    let Event::StateChanged { current, .. } = event else { return None };
    match current {
        ConnectionState::Initialized => None,
        ConnectionState::Waiting { .. } => Some("connecting_in"),
        ConnectionState::Connecting { .. }
        | ConnectionState::Connected { .. }
        | ConnectionState::Disconnected
        | ConnectionState::Failed { .. } => Some(current.name()),
    }
}

/// One callback, and the events that it receives.
#[derive(Clone)]
pub(crate) struct Binding {
    id: BindingId,
    filter: Filter,
    callback: Arc<Callback>,
}

/// A bound function, and whether it is still bound.
struct Callback {
    is_bound: AtomicBool,
    function: Mutex<Fragile<Box<Function>>>,
}

type Function = dyn FnMut(&Event) + Send;

impl Binding {
    pub(crate) fn new(id: BindingId, filter: Filter, callback: impl FnMut(&Event) + Send + 'static) -> Self {
        let function = Mutex::new(Fragile::new(Box::new(callback) as Box<Function>));
        let callback = Callback { is_bound: AtomicBool::new(true), function };
        Self { id, filter, callback: Arc::new(callback) }
    }

    fn is_bound(&self) -> bool {
        self.callback.is_bound.load(Ordering::Relaxed)
    }

    fn unbind(&self) {
        self.callback.is_bound.store(false, Ordering::Relaxed);
    }
}

/// Callbacks in the order of their registration. A clone is a snapshot, which still shows which callbacks have been
/// unbound since.
#[derive(Clone, Default)]
pub(crate) struct Bindings(Option<Arc<Vec<Binding>>>);

/// Removed callbacks. They own values of the application, so they must be dropped where no lock is held.
#[must_use]
pub(crate) struct Removed(Vec<Binding>);

impl Removed {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Bindings {
    pub(crate) fn extend(&mut self, bindings: impl IntoIterator<Item = Binding>) {
        for binding in bindings {
            Arc::make_mut(self.0.get_or_insert_default()).push(binding);
        }
    }

    pub(crate) fn remove(&mut self, id: BindingId) -> Removed {
        self.remove_where(|binding| binding.id == id)
    }

    pub(crate) fn remove_event(&mut self, event: &str) -> Removed {
        self.remove_where(|binding| match &binding.filter {
            Filter::All => false,
            Filter::Named(name) => name == event,
        })
    }

    pub(crate) fn remove_all(&mut self) -> Removed {
        self.remove_where(|_| true)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether no callback has been unbound since the snapshot was taken.
    pub(crate) fn are_bound(&self) -> bool {
        self.as_slice().iter().all(Binding::is_bound)
    }

    /// The callbacks that have not been unbound since the snapshot was taken.
    pub(crate) fn still_bound(&self) -> Self {
        Self(Some(Arc::new(self.as_slice().iter().filter(|binding| binding.is_bound()).cloned().collect())))
    }

    /// From now on, no snapshot calls these callbacks.
    pub(crate) fn unbind(&self) {
        self.as_slice().iter().for_each(Binding::unbind);
    }

    /// Calls every callback that receives the event.
    pub(crate) fn call(&self, event: &Event) {
        if self.is_empty() {
            return;
        }
        let (name, state) = (event.name(), state_name(event));
        for binding in self.as_slice().iter().filter(|binding| binding.filter.takes(name, state)) {
            // A callback that has panicked is called again, because it may handle the next event.
            let mut callback = binding.callback.function.lock().unwrap_or_else(PoisonError::into_inner);
            guard("a callback", || callback(event));
        }
    }

    fn as_slice(&self) -> &[Binding] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    fn remove_where(&mut self, goes: impl Fn(&Binding) -> bool) -> Removed {
        let Some(bindings) = &mut self.0 else { return Removed(Vec::new()) };
        let (gone, stay): (Vec<_>, Vec<_>) = bindings.iter().cloned().partition(goes);
        self.0 = (!stay.is_empty()).then(|| Arc::new(stay));
        gone.iter().for_each(Binding::unbind);
        Removed(gone)
    }
}

impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.as_slice().iter().map(|binding| (binding.id, &binding.filter))).finish()
    }
}

/// Prefix of the names that only the protocol uses (Pusher protocol, *Channel events*), and others of that kind.
const INTERNAL_PREFIX: &str = "pusher_internal:";
const INTERNAL: [&str; 5] = ["pusher:ping", "pusher:pong", "pusher:subscribe", "pusher:unsubscribe", "pusher:signin"];

/// Names of the protocol, and those under which the application gets these events.
const RENAMED: [(&str, &str); 7] = [
    ("pusher:error", "error"),
    ("pusher:connection_established", "connected"),
    ("pusher_internal:subscription_succeeded", "pusher:subscription_succeeded"),
    ("pusher_internal:subscription_error", "pusher:subscription_error"),
    ("pusher_internal:subscription_count", "pusher:subscription_count"),
    ("pusher_internal:member_added", "pusher:member_added"),
    ("pusher_internal:member_removed", "pusher:member_removed"),
];

/// Events that never belong to a channel.
const CLIENT_EVENTS: [&str; 4] =
    ["pusher:error", "pusher:connection_established", "pusher:signin_success", "pusher:signin_error"];

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Sender};

    use pusher_proto::{ConnectionError, FailReason, Instant, SocketId};

    use super::*;

    fn record(id: u64, filter: Filter, calls: &Sender<u64>) -> Binding {
        let calls = calls.clone();
        Binding::new(BindingId(id), filter, move |_| calls.send(id).unwrap())
    }

    #[test]
    fn callbacks_run_in_the_order_of_registration_for_each_event() {
        let (sender, calls) = mpsc::channel();
        let mut bindings = Bindings::default();
        bindings.extend([record(1, Filter::Named("unavailable".into()), &sender)]);
        bindings.extend([record(2, Filter::All, &sender)]);
        bindings.extend([record(3, Filter::Named("error".into()), &sender)]);
        bindings.extend([record(4, Filter::Named("unavailable".into()), &sender)]);
        bindings.call(&Event::Unavailable);
        assert_eq!(calls.try_iter().collect::<Vec<_>>(), [1, 2, 4]);
    }

    #[test]
    fn a_panicking_callback_does_not_stop_the_others_nor_itself() {
        let (sender, calls) = mpsc::channel();
        let mut bindings = Bindings::default();
        let mut first = true;
        let second_call = sender.clone();
        bindings.extend([Binding::new(BindingId(1), Filter::All, move |_| {
            assert!(!std::mem::take(&mut first), "as the test wants");
            second_call.send(1).unwrap();
        })]);
        bindings.extend([record(2, Filter::All, &sender)]);
        bindings.call(&Event::Unavailable);
        bindings.call(&Event::Unavailable);
        assert_eq!(calls.try_iter().collect::<Vec<_>>(), [2, 1, 2]);
    }

    #[test]
    fn removes_by_id_and_by_event() {
        let (sender, calls) = mpsc::channel();
        let mut bindings = Bindings::default();
        for id in 1..=3 {
            bindings.extend([record(id, Filter::Named("unavailable".into()), &sender)]);
        }
        bindings.extend([record(4, Filter::All, &sender)]);
        assert_eq!(bindings.remove(BindingId(2)).len(), 1);
        assert_eq!(bindings.remove(BindingId(2)).len(), 0);
        bindings.call(&Event::Unavailable);
        assert_eq!(bindings.remove_event("unavailable").len(), 2);
        bindings.call(&Event::Unavailable);
        assert_eq!(calls.try_iter().collect::<Vec<_>>(), [1, 3, 4, 4]);
        assert_eq!(bindings.remove(BindingId(4)).len(), 1);
        assert!(bindings.is_empty());
    }

    #[test]
    fn names_that_would_never_be_called_are_refused_with_what_to_bind_instead() {
        let renamed = |event: &str, instead| Some(BindError::Renamed { event: event.into(), instead });
        let internal = |event: &str| Some(BindError::Internal(event.into()));
        let not_of_channel = |event: &str| Some(BindError::NotOfChannel(event.into()));
        let table = [
            ("pusher_internal:member_added", renamed("pusher_internal:member_added", "pusher:member_added"), None),
            ("pusher_internal:nonsense", internal("pusher_internal:nonsense"), None),
            ("pusher:ping", internal("pusher:ping"), None),
            ("pusher:error", renamed("pusher:error", "error"), not_of_channel("pusher:error")),
            ("pusher:signin_success", None, not_of_channel("pusher:signin_success")),
            (" ", Some(BindError::Blank), None),
        ];
        for (event, client, channel) in table {
            let channel = channel.or_else(|| client.clone());
            assert_eq!(Filter::named(event.into(), Scope::Client).err(), client, "{event}");
            assert_eq!(Filter::named(event.into(), Scope::Channel).err(), channel, "{event}");
        }
        for event in ["pusher:member_added", "connected", "message", "pusher:something"] {
            assert!(Filter::named(event.into(), Scope::Channel).is_ok(), "{event}");
        }
    }

    #[test]
    fn states_are_called_by_the_names_of_pusher_js() {
        let (sender, calls) = mpsc::channel();
        let mut bindings = Bindings::default();
        let names =
            ["connecting", "connecting_in", "connected", "disconnected", "failed", "state_change", "unavailable"];
        for (id, name) in (0..).zip(names) {
            bindings.extend([record(id, Filter::named(name.into(), Scope::Client).unwrap(), &sender)]);
        }
        let cause = ConnectionError::PongTimeout.into();
        let states = [
            ConnectionState::Connecting { attempt: 0 },
            ConnectionState::Waiting { attempt: 1, retry_at: Instant::ZERO, cause },
            ConnectionState::Connected { socket_id: SocketId::new("1.1").unwrap() },
            ConnectionState::Disconnected,
            ConnectionState::Failed { reason: FailReason::NoEndpoint },
        ];
        for (id, current) in (0..).zip(states) {
            bindings.call(&Event::StateChanged { previous: ConnectionState::Initialized, current });
            assert_eq!(calls.try_iter().collect::<Vec<_>>(), [id, 5]);
        }
        bindings.call(&Event::Unavailable);
        assert_eq!(calls.try_iter().collect::<Vec<_>>(), [6]);
        assert_eq!(bindings.remove_all().len(), names.len());
        assert!(bindings.is_empty());
    }
}
