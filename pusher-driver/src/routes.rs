//! The recipients of each event.

use std::mem;
use std::sync::Arc;
use std::task::Waker;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use pusher_proto::{ChannelName, ConnectionState, Event, Instant, SubscriptionError};

use crate::bindings::{Binding, Bindings};
use crate::mailbox::{Mailbox, Put};
use crate::sign_in::SignIn;
use crate::waiters::Waiters;

/// Identifies an entry of a channel in the table: after `unsubscribe`, the same name gets a new id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RouteId(pub(crate) u64);

/// All recipients of events.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    channels: IndexMap<ChannelName, Route, RandomState>,
    pub(crate) bindings: Bindings,
    streams: Vec<Arc<Mailbox>>,
    replays: Vec<Replay>,
    /// Streams of states that wait for the next one.
    pub(crate) state_waiters: Waiters,
    /// When the present state of the connection began.
    pub(crate) state_since: Instant,
    pub(crate) sign_in: SignIn,
}

/// The events that a handle collected before its first `bind`, for callbacks that have been bound to it since.
#[derive(Debug)]
struct Replay {
    mailbox: Arc<Mailbox>,
    events: Vec<Event>,
    bindings: Bindings,
}

/// All recipients of the events of one channel.
#[derive(Debug)]
pub(crate) struct Route {
    id: RouteId,
    handles: u32,
    pub(crate) bindings: Bindings,
    streams: Vec<Arc<Mailbox>>,
    /// Why the last subscription failed, until the next attempt.
    pub(crate) failure: Option<Box<SubscriptionError>>,
    /// Calls that wait until the subscription succeeds or fails.
    pub(crate) waiters: Waiters,
    /// Whether the channel stays subscribed without handles and callbacks.
    pub(crate) is_kept: bool,
}

/// What has to be done after a delivery, outside of the lock.
#[derive(Debug, Default)]
pub(crate) struct Deferred {
    /// Events, each with the callbacks that were bound when it arrived.
    pub(crate) calls: Vec<(Event, Callbacks)>,
    /// Mailboxes whose consumers must be woken.
    pub(crate) filled: Vec<Arc<Mailbox>>,
    pub(crate) wakers: Vec<Waker>,
}

impl Deferred {
    /// Runs the callbacks.
    pub(crate) fn call(&mut self) {
        for (event, callbacks) in &self.calls {
            callbacks.call(event);
        }
        self.calls.clear();
    }
}

/// The callbacks that were bound when an event arrived.
#[derive(Debug)]
pub(crate) struct Callbacks {
    client: Bindings,
    channel: Bindings,
    /// Those of all channels, for events that concern every channel.
    channels: Vec<Bindings>,
}

impl Callbacks {
    /// Calls the client-wide callbacks, then those of the channel, including callbacks that are unbound in the
    /// meantime.
    pub(crate) fn call(&self, event: &Event) {
        let Self { client, channel, channels } = self;
        if client.are_bound() && channel.are_bound() && channels.iter().all(Bindings::are_bound) {
            client.call(event);
            channel.call(event);
            channels.iter().for_each(|bindings| bindings.call(event));
        } else {
            let bound: Vec<_> = [client, channel].into_iter().chain(channels).map(Bindings::still_bound).collect();
            bound.iter().for_each(|bindings| bindings.call(event));
        }
    }
}

impl Routes {
    /// Returns the mailboxes of all streams that have not ended.
    pub(crate) fn mailboxes(&self) -> impl Iterator<Item = &Arc<Mailbox>> + Clone {
        self.streams.iter().chain(self.channels.values().flat_map(|route| &route.streams))
    }

    /// Adds a handle of a channel and its mailbox.
    pub(crate) fn join(&mut self, channel: &ChannelName, new_id: RouteId, mailbox: &Arc<Mailbox>) -> RouteId {
        let route = self.channels.entry(channel.clone()).or_insert_with(|| Route::new(new_id));
        route.handles += 1;
        if route.streams.is_empty() {
            // Most channels have one handle, and a vector begins with room for four.
            route.streams.reserve_exact(1);
        }
        route.streams.push(Arc::clone(mailbox));
        route.id
    }

    /// Removes a handle; returns the channel's route if the channel is no longer used.
    pub(crate) fn leave(&mut self, channel: &ChannelName, id: RouteId, mailbox: &Arc<Mailbox>) -> Option<Route> {
        let route = self.get_mut(channel, id)?;
        route.handles -= 1;
        route.remove_stream(mailbox);
        self.remove_unused(channel)
    }

    /// Removes a channel that has neither handles nor callbacks and is not kept.
    fn remove_unused(&mut self, channel: &ChannelName) -> Option<Route> {
        let route = self.channels.get(channel)?;
        if route.handles > 0 || route.is_kept || !route.bindings.is_empty() {
            return None;
        }
        self.remove(channel)
    }

    pub(crate) fn remove(&mut self, channel: &ChannelName) -> Option<Route> {
        let route = self.channels.swap_remove(channel)?;
        route.bindings.unbind();
        Some(route)
    }

    pub(crate) fn get(&self, channel: &ChannelName, id: RouteId) -> Option<&Route> {
        self.channels.get(channel).filter(|route| route.id == id)
    }

    pub(crate) fn get_mut(&mut self, channel: &ChannelName, id: RouteId) -> Option<&mut Route> {
        self.channels.get_mut(channel).filter(|route| route.id == id)
    }

    pub(crate) fn add_stream(&mut self, mailbox: Arc<Mailbox>) {
        self.streams.push(mailbox);
    }

    pub(crate) fn remove_stream(&mut self, mailbox: &Arc<Mailbox>) {
        remove_stream(&mut self.streams, mailbox);
    }

    /// Updates waiting calls according to the event.
    pub(crate) fn observe(
        &mut self,
        event: &Event,
        now: Instant,
        is_subscribed: impl Fn(&ChannelName) -> bool,
        out: &mut Deferred,
    ) {
        match event {
            Event::SubscriptionSucceeded { channel, .. } => {
                let Some(route) = self.channels.get_mut(channel) else { return };
                route.failure = None;
                out.wakers.extend(route.waiters.take());
            }
            // The server may also report an error about a subscribed channel. Temporary failures do not end the wait.
            Event::SubscriptionError { channel, error, retry_at: None } if !is_subscribed(channel) => {
                let Some(route) = self.channels.get_mut(channel) else { return };
                route.failure = Some(Box::new(error.clone()));
                out.wakers.extend(route.waiters.take());
            }
            Event::StateChanged { current, .. } => {
                self.state_since = now;
                out.wakers.extend(self.state_waiters.take());
                self.sign_in.observe(event, &mut out.wakers);
                if current.is_connected() {
                    // Every channel is tried again.
                    for route in self.channels.values_mut() {
                        route.failure = None;
                    }
                }
            }
            Event::Unavailable => out.wakers.extend(self.state_waiters.take()),
            Event::SignedIn { .. } | Event::SigninError { .. } => self.sign_in.observe(event, &mut out.wakers),
            _ => {}
        }
    }

    /// No channel will be subscribed and no user signed in: waiting calls return.
    pub(crate) fn stop_waiting(&mut self, out: &mut Deferred) {
        self.sign_in.stop_waiting(&mut out.wakers);
        for route in self.channels.values_mut() {
            out.wakers.extend(route.waiters.take());
        }
    }

    /// Puts an event into the mailboxes, and defers its callbacks.
    pub(crate) fn deliver(&self, event: Event, out: &mut Deferred) {
        if concerns_every_channel(&event) {
            return self.deliver_to_all(event, out);
        }
        let route = event.channel().and_then(|channel| self.channels.get(channel));
        let streams = route.map_or(&[][..], |route| &route.streams);
        let is_called = !self.bindings.is_empty() || route.is_some_and(|route| !route.bindings.is_empty());
        match (&self.streams[..], streams) {
            ([], []) => {}
            // Most events have one recipient, for which the event is detached without being cloned.
            ([], [mailbox]) if !is_called => return put_into(mailbox, event.weight(), || event.detached(), out),
            (all, streams) => put_copies(all.iter().chain(streams), &event, out),
        }
        if is_called {
            let channel = route.map_or_else(Bindings::default, |route| route.bindings.clone());
            out.calls.push((event, Callbacks { client: self.bindings.clone(), channel, channels: Vec::new() }));
        }
    }

    fn deliver_to_all(&self, event: Event, out: &mut Deferred) {
        put_copies(self.mailboxes(), &event, out);
        let channels = self.channels.values().map(|route| &route.bindings);
        let channels: Vec<_> = channels.filter(|bindings| !bindings.is_empty()).cloned().collect();
        if !self.bindings.is_empty() || !channels.is_empty() {
            let client = self.bindings.clone();
            out.calls.push((event, Callbacks { client, channel: Bindings::default(), channels }));
        }
    }

    /// A callback was bound to a handle of a channel. It receives what the handle has collected, and so do callbacks
    /// that are bound before the loop runs, because applications usually bind several in a row.
    pub(crate) fn replay(&mut self, mailbox: &Arc<Mailbox>, binding: Binding, collected: Option<Vec<Event>>) {
        match collected {
            None => {
                let replay = self.replays.iter_mut().find(|replay| Arc::ptr_eq(&replay.mailbox, mailbox));
                if let Some(replay) = replay {
                    replay.bindings.extend([binding]);
                }
            }
            Some(events) if events.is_empty() => {}
            Some(events) => {
                let mut bindings = Bindings::default();
                bindings.extend([binding]);
                self.replays.push(Replay { mailbox: Arc::clone(mailbox), events, bindings });
            }
        }
    }

    /// Passes on what handles have collected, before any new event.
    pub(crate) fn deliver_replays(&mut self, out: &mut Deferred) {
        for Replay { events, bindings, .. } in self.replays.drain(..) {
            out.calls.extend(events.into_iter().map(|event| {
                let callbacks =
                    Callbacks { client: Bindings::default(), channel: bindings.clone(), channels: Vec::new() };
                (event, callbacks)
            }));
        }
    }

    /// Ends every stream, and returns the callbacks, which must be dropped outside of the lock.
    pub(crate) fn end(&mut self, out: &mut Deferred) -> (Bindings, Vec<Route>) {
        let mut routes: Vec<_> = mem::take(&mut self.channels).into_values().collect();
        for route in &mut routes {
            out.wakers.append(&mut route.end());
        }
        for mailbox in mem::take(&mut self.streams) {
            out.wakers.extend(mailbox.end());
        }
        out.wakers.extend(self.state_waiters.take());
        self.sign_in.stop_waiting(&mut out.wakers);
        (mem::take(&mut self.bindings), routes)
    }
}

impl Route {
    fn new(id: RouteId) -> Self {
        Self {
            id,
            handles: 0,
            bindings: Bindings::default(),
            streams: Vec::new(),
            failure: None,
            waiters: Waiters::default(),
            is_kept: false,
        }
    }

    pub(crate) fn add_stream(&mut self, mailbox: Arc<Mailbox>) {
        self.streams.push(mailbox);
    }

    pub(crate) fn remove_stream(&mut self, mailbox: &Arc<Mailbox>) {
        remove_stream(&mut self.streams, mailbox);
    }

    /// Ends the channel's streams; returns the wakers of waiting tasks.
    pub(crate) fn end(&mut self) -> Vec<Waker> {
        let mut wakers: Vec<_> = self.waiters.take().collect();
        wakers.extend(self.streams.drain(..).filter_map(|mailbox| mailbox.end()));
        wakers
    }
}

/// Puts an event into several mailboxes. Its bytes are copied at most once, and only if a mailbox accepts the event.
fn put_copies<'a>(mailboxes: impl Iterator<Item = &'a Arc<Mailbox>> + Clone, event: &Event, out: &mut Deferred) {
    let weight = event.weight();
    let mut left = mailboxes.clone().count();
    let mut detached: Option<Event> = None;
    for mailbox in mailboxes {
        left -= 1;
        let copy = || {
            // The size of the buffer that an event is part of is unknown: a WebSocket may have allocated it for an
            // earlier message of megabytes. Therefore waiting events have their own buffers.
            let copy = detached.take().unwrap_or_else(|| event.clone().detached());
            if left > 0 {
                detached = Some(copy.clone());
            }
            copy
        };
        put_into(mailbox, weight, copy, out);
    }
}

fn put_into(mailbox: &Arc<Mailbox>, weight: usize, event: impl FnOnce() -> Event, out: &mut Deferred) {
    match mailbox.put(weight, event) {
        Put::Quiet => {}
        Put::Wakes => out.filled.push(Arc::clone(mailbox)),
    }
}

/// Whether an event goes to the streams of all channels: because no channel continues on its own, or any channel may
/// have lost events.
const fn concerns_every_channel(event: &Event) -> bool {
    matches!(event, Event::StateChanged { current: ConnectionState::Failed { .. }, .. } | Event::Lagged { .. })
}

fn remove_stream(streams: &mut Vec<Arc<Mailbox>>, mailbox: &Arc<Mailbox>) {
    if let Some(at) = streams.iter().position(|stream| Arc::ptr_eq(stream, mailbox)) {
        streams.swap_remove(at);
    }
}

#[cfg(test)]
mod tests;
