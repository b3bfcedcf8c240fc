use std::sync::mpsc::{self, Sender};
use std::task::Context;

use pusher_proto::FailReason;

use super::*;
use crate::bindings::{BindingId, Filter};
use crate::mailbox::{Budget, Taken};
use crate::options::Options;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A client with up to two callbacks, and three channels, each of which has a handle with up to two callbacks, or none.
#[derive(Clone, Copy, Debug)]
struct World {
    client: usize,
    channels: [Option<usize>; 3],
}

impl World {
    fn all() -> impl Iterator<Item = Self> {
        let handles = || [None, Some(0), Some(1), Some(2)].into_iter();
        (0..=2).flat_map(move |client| {
            handles().flat_map(move |a| {
                handles().flat_map(move |b| handles().map(move |c| Self { client, channels: [a, b, c] }))
            })
        })
    }

    /// Everything that is delivered to in this world, and the mailbox of each channel.
    fn build(self, calls: &Sender<u64>) -> (Routes, Vec<(usize, Arc<Mailbox>)>) {
        let mut routes = Routes::default();
        let budget = Budget::new(&Options::new());
        let mut mailboxes = Vec::new();
        routes.bindings.extend(ids(0, self.client).map(|id| binding(id, calls)));
        for (at, count) in self.channels.into_iter().enumerate() {
            let Some(count) = count else { continue };
            let (name, mailbox) = (name(at), Mailbox::new(&budget));
            let id = routes.join(&name, RouteId(at as u64), &mailbox);
            let route = routes.get_mut(&name, id).unwrap();
            route.bindings.extend(ids(at + 1, count).map(|id| binding(id, calls)));
            mailboxes.push((at, mailbox));
        }
        (routes, mailboxes)
    }

    /// The callbacks that an event reaches: those of the client, then those of its channel or of all, each in the order of their
    /// registration.
    fn reached(self, event: &Event) -> Vec<u64> {
        let channels = (0..3).filter(|at| self.reaches(*at, event));
        let of_channels = channels.flat_map(|at| ids(at + 1, self.channels[at].unwrap_or(0)));
        ids(0, self.client).chain(of_channels).filter(|id| takes(*id, event)).collect()
    }

    /// Whether an event reaches the handle of a channel.
    fn reaches(self, at: usize, event: &Event) -> bool {
        let is_for_all =
            matches!(event, Event::Lagged { .. } | Event::StateChanged { current: ConnectionState::Failed { .. }, .. });
        self.channels[at].is_some() && (is_for_all || event.channel() == Some(&name(at)))
    }
}

fn name(at: usize) -> ChannelName {
    ChannelName::new(NAMES[at]).unwrap()
}

fn ids(owner: usize, count: usize) -> impl Iterator<Item = u64> {
    (0..count as u64).map(move |number| 10 * owner as u64 + number)
}

/// The second callback of each owner wants losses only.
fn takes(id: u64, event: &Event) -> bool {
    id % 10 == 0 || matches!(event, Event::Lagged { .. })
}

fn binding(id: u64, calls: &Sender<u64>) -> Binding {
    let filter = if id % 10 == 0 { Filter::All } else { Filter::Named(Event::Lagged { missed: 1 }.name().into()) };
    let calls = calls.clone();
    Binding::new(BindingId(id), filter, move |_| calls.send(id).unwrap())
}

fn events() -> Vec<Event> {
    let failed = ConnectionState::Failed { reason: FailReason::NoEndpoint };
    let mut events: Vec<_> = (0..3).map(|at| Event::CacheMiss { channel: name(at) }).collect();
    events.extend([
        Event::Unavailable,
        Event::Lagged { missed: 1 },
        Event::StateChanged { previous: ConnectionState::Disconnected, current: failed },
        Event::StateChanged { previous: ConnectionState::Initialized, current: ConnectionState::Disconnected },
    ]);
    events
}

#[test]
fn an_event_reaches_exactly_the_streams_and_callbacks_that_it_concerns_in_every_small_world() {
    let (sender, calls) = mpsc::channel();
    for world in World::all() {
        for event in events() {
            let (routes, mailboxes) = world.build(&sender);
            let deferred = deliver(&routes, &event);
            call(&deferred);
            let called: Vec<_> = calls.try_iter().collect();
            assert_eq!(called, world.reached(&event), "{} in {world:?}", event.name());
            assert_eq!(
                deferred.calls.len(),
                usize::from(has_callbacks(world, &event)),
                "{} in {world:?}",
                event.name()
            );
            for (at, mailbox) in mailboxes {
                let taken = mailbox.take(&Context::from_waker(Waker::noop()));
                let is_expected = match taken {
                    Taken::Event(taken) => world.reaches(at, &event) && taken == event,
                    _ => !world.reaches(at, &event),
                };
                assert!(is_expected, "{} at {} in {world:?}", event.name(), NAMES[at]);
            }
        }
    }
}

fn deliver(routes: &Routes, event: &Event) -> Deferred {
    let mut deferred = Deferred::default();
    routes.deliver(event.clone(), &mut deferred);
    deferred
}

fn call(deferred: &Deferred) {
    deferred.calls.iter().for_each(|(event, callbacks)| callbacks.call(event));
}

/// Whether something is bound that the event concerns, under whatever name.
fn has_callbacks(world: World, event: &Event) -> bool {
    world.client > 0 || (0..3).any(|at| world.reaches(at, event) && world.channels[at] > Some(0))
}

#[test]
fn a_callback_that_is_unbound_after_the_delivery_is_the_only_one_that_is_not_called() {
    let (sender, calls) = mpsc::channel();
    for world in World::all() {
        for event in events() {
            for unbound in world.reached(&event) {
                let (mut routes, _mailboxes) = world.build(&sender);
                let deferred = deliver(&routes, &event);
                let removed = match unbound / 10 {
                    0 => routes.bindings.remove(BindingId(unbound)),
                    owner => {
                        let at = owner as usize - 1;
                        routes.get_mut(&name(at), RouteId(owner - 1)).unwrap().bindings.remove(BindingId(unbound))
                    }
                };
                assert_eq!(removed.len(), 1);
                call(&deferred);
                let mut expected = world.reached(&event);
                expected.retain(|id| *id != unbound);
                assert_eq!(calls.try_iter().collect::<Vec<_>>(), expected, "{unbound} in {world:?}");
            }
        }
    }
}

/// Two handles have collected events, and callbacks are bound to both of them in any order before the loop runs.
#[test]
fn a_callback_receives_what_its_own_handle_has_collected_and_nothing_else() {
    let budget = Budget::new(&Options::new());
    for order in 0..1_u32 << BINDS {
        let owners: Vec<usize> = (0..BINDS).map(|bit| (order >> bit & 1) as usize).collect();
        let mut routes = Routes::default();
        let mailboxes = [Mailbox::new(&budget), Mailbox::new(&budget)];
        let (sender, calls) = mpsc::channel();
        for (id, &owner) in owners.iter().enumerate() {
            let is_first = !owners[..id].contains(&owner);
            let collected =
                || (0..=owner as u64).map(|missed| Event::Lagged { missed: 10 * owner as u64 + missed }).collect();
            let calls = sender.clone();
            let binding = Binding::new(BindingId(id as u64), Filter::All, move |event| {
                calls.send((id, event.clone())).unwrap();
            });
            routes.replay(&mailboxes[owner], binding, is_first.then(collected));
        }
        let mut deferred = Deferred::default();
        routes.deliver_replays(&mut deferred);
        for (event, callbacks) in &deferred.calls {
            callbacks.call(event);
        }
        let calls: Vec<(usize, Event)> = calls.try_iter().collect();
        for (id, owner) in owners.iter().enumerate() {
            let received = calls.iter().filter(|(to, _)| *to == id).map(|(_, event)| event.clone());
            let expected = (0..=*owner as u64).map(|missed| Event::Lagged { missed: 10 * *owner as u64 + missed });
            assert!(received.eq(expected), "callback {id} of {owners:?} received {calls:?}");
        }
    }
}

/// How many callbacks are bound.
const BINDS: usize = 4;
