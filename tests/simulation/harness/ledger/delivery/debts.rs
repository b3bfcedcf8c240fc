//! *Events keep their order, and none is lost without a notice*: the client owes the application every event that it
//! received for a channel, in the same order. An event may be missing if `Lagged` counted it, and late if it waits for
//! a newer key.
//!
//! Events wait for a key for at most the configured time (*held events are released in time*).
//!
//! After a drain everything else must have been emitted (*no event is lost without a notice*), and no more events wait for a
//! key than the client is configured to keep (*queues are bounded*).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use pusher_proto::{ChannelKind, ChannelName, Event, Instant};

use super::super::EPSILON;
use super::super::facts::OnSocket;
use super::{Channel, Checker, Incoming, Scene};
use crate::simulation::frame::number_of;
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct Debts {
    of_channels: BTreeMap<ChannelName, Debt>,
    /// Events that were counted as missed in this drain, but have not been found missing yet.
    lagged: u64,
    lagged_at: Option<Instant>,
}

#[derive(Default)]
struct Debt {
    /// Events that the client received and must pass on, in this order.
    owed: VecDeque<u64>,
    /// Events may be emitted that the client was not observed to receive.
    is_doubtful: bool,
    /// Events that were counted as missed while others waited for a newer key.
    excused: u64,
    /// The last published event on this socket; the server sends published events in this order.
    last_published: Option<u64>,
    /// The event that no key opened, so that a newer key was requested.
    sealed: Option<u64>,
}

impl Checker for Debts {
    fn handed(&mut self, frame: &Incoming<'_>, scene: &mut Scene<'_>) {
        let Incoming::Event { channel, number, position: _ } = frame else { return };
        let facts = scene.facts;
        // The order of messages with positions is that of their positions, and some may arrive twice.
        if facts.limits.has_positions {
            return;
        }
        let Some((name, channel)) = facts.channels.find(channel) else { return };
        // Only the getters show what was not emitted yet.
        let is_listening = if facts.was_unpolled {
            scene.client.channel(name).is_some_and(|channel| channel.is_subscribed())
        } else {
            channel.is_listening()
        };
        let debt = self.of_channels.entry(name.clone()).or_default();
        debt.is_doubtful |= channel.on_socket == OnSocket::Unclear || facts.was_unpolled && !is_listening;
        if is_listening {
            debt.owed.push_back(*number);
        }
    }

    fn dropped(&mut self, name: &ChannelName) {
        self.of_channels.remove(name);
    }

    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        match event {
            Event::StateChanged { previous, .. } if previous.is_connected() => {
                self.of_channels.values_mut().for_each(|debt| debt.last_published = None);
            }
            Event::Lagged { missed } => {
                self.lagged += missed;
                self.lagged_at = Some(scene.facts.now);
            }
            Event::Channel(event) => self.pay(event.channel(), event.event(), true, scene),
            Event::DecryptionError { channel, event, .. } => self.pay(channel, event, false, scene),
            _ => {}
        }
    }

    fn ticked(&mut self, scene: &mut Scene<'_>) {
        let now = scene.facts.now;
        for (name, channel) in scene.facts.channels.iter() {
            let Some(since) = channel.awaits_key_since.filter(|since| now > *since + KEY_TIMEOUT + EPSILON) else {
                continue;
            };
            // That they were given up may be among what the application missed.
            if self.lagged_at.is_some_and(|at| at + EPSILON >= since + KEY_TIMEOUT) {
                continue;
            }
            // Those that were counted as missed do not wait any longer.
            if self.of_channels.get(name).is_some_and(|debt| debt.owed.len() as u64 > debt.excused) {
                scene.violated(
                    "held events are released in time",
                    format!("a key of {name} is waited for since {since}"),
                );
            }
        }
    }

    fn drained(&mut self, scene: &mut Scene<'_>) {
        for (name, channel) in scene.facts.channels.iter() {
            self.settle(name, channel, scene);
        }
        self.lagged = 0;
    }
}

impl Debts {
    /// This event was passed on: it must be the oldest owed event, except for those that were counted as missed.
    fn pay(&mut self, name: &ChannelName, event: &str, is_readable: bool, scene: &mut Scene<'_>) {
        let Some(number) = number_of(event).filter(|_| !scene.facts.limits.has_positions) else { return };
        let debt = self.of_channels.entry(name.clone()).or_default();
        if debt.sealed == Some(number) {
            debt.sealed = None;
            if is_readable {
                scene.reach(Rare::KeyRefreshed);
            }
        }
        // Client events get their number before they reach the server, and a cache may repeat its last event.
        let is_late = |last: u64| last > number || last == number && !name.is_cache();
        if !event.starts_with("client-") && debt.last_published.replace(number).is_some_and(is_late) {
            scene.violated(IN_ORDER, format!("event {number} of {name} is emitted after a later one"));
        }
        let Some(skipped) = debt.owed.iter().position(|owed| *owed == number) else {
            if !debt.is_doubtful {
                scene.violated(IN_ORDER, format!("event {number} of {name} is emitted out of turn"));
            }
            return;
        };
        debt.owed.drain(..=skipped);
        let skipped = debt.excuse(skipped as u64);
        if skipped > self.lagged {
            scene.violated(IN_ORDER, format!("{skipped} events of {name} before {number}"));
        }
        self.lagged = self.lagged.saturating_sub(skipped);
    }

    /// Received events must have been passed on, unless they were counted as missed or wait for a newer key.
    fn settle(&mut self, name: &ChannelName, channel: &Channel, scene: &mut Scene<'_>) {
        if channel.is_refreshing() {
            let debt = self.of_channels.entry(name.clone()).or_default();
            return debt.wait(name, self.lagged, scene);
        }
        let Some(debt) = self.of_channels.get_mut(name) else { return };
        // An error without a channel may be about this one, which continues nevertheless.
        let may_listen = channel.is_listening() || channel.on_socket == OnSocket::Unclear;
        let may_wait = !debt.owed.is_empty() || debt.is_doubtful;
        if may_wait && may_listen && may_await_request(name, scene) {
            return debt.wait(name, self.lagged, scene);
        }
        debt.is_doubtful = false;
        let owed = debt.owed.len() as u64;
        debt.owed.clear();
        let lost = owed.saturating_sub(std::mem::take(&mut debt.excused));
        if lost > self.lagged {
            let details = format!("{lost} events of {name} are missing, {} were counted", self.lagged);
            scene.violated("no event is lost without a notice", details);
        }
        self.lagged = self.lagged.saturating_sub(lost);
    }
}

impl Debt {
    /// Events were skipped. Returns how many of them were not counted while others waited.
    fn excuse(&mut self, skipped: u64) -> u64 {
        let excused = self.excused.min(skipped);
        self.excused -= excused;
        skipped - excused
    }

    /// Events wait for a newer key.
    fn wait(&mut self, name: &ChannelName, lagged: u64, scene: &mut Scene<'_>) {
        self.excused += lagged;
        let limits = &scene.facts.limits;
        let most = limits.held_encrypted_events.min(limits.max_pending_events) as u64;
        let held = (self.owed.len() as u64).saturating_sub(self.excused);
        if held > most {
            scene.violated("queues are bounded", format!("{held} events of {name} wait for a key"));
        }
        if self.sealed.is_none() && !self.is_doubtful && self.excused == 0 {
            self.sealed = self.owed.front().copied();
        }
    }
}

/// A request for a newer key waits for the window or for the backend, and events wait for the request.
fn may_await_request(name: &ChannelName, scene: &Scene<'_>) -> bool {
    let facts = scene.facts;
    // A machine that wakes up reads its socket before it acts on the deadlines that have passed.
    let has_deadline = scene.client.poll_timeout().is_some_and(|at| at <= facts.now);
    let backend = &facts.backend.channels;
    let is_full = facts.requests.in_window() >= backend.window(facts.limits.auth_window);
    let must_wait = is_full || has_deadline || backend.may_pause(facts.now);
    name.kind() == ChannelKind::PrivateEncrypted && facts.is_connected() && must_wait
}

const IN_ORDER: &str = "events keep their order, and none is lost without a notice";

/// The client's default, which no mix changes.
const KEY_TIMEOUT: Duration = Duration::from_secs(30);
