//! *Every message is delivered once and in order, or a loss covers it*, in worlds whose servers number messages.
//!
//! The messages of a channel have the numbers 1, 2, 3, … in a stream. Each one that is emitted must follow the last one.
//! What is skipped was covered by a loss, was counted by `Lagged`, is an own client event, which is not sent live, or is not
//! readable. A loss covers what was published before the success of the subscription, and what the client has ignored
//! because the channel was not subscribed or a delta did not fit. What it has held back follows the loss. Older messages may
//! come late only after a loss. Nothing is emitted twice.

use std::collections::{BTreeMap, BTreeSet};

use pusher_proto::{ChannelEvent, ChannelKind, ChannelName, ConnectionState, Event, LossReason, RecoverySource};

use super::super::facts::Reported;
use super::super::outputs::Outgoing;
use super::{AppCall, Checker, Incoming, Message, Scene};
use crate::simulation::frame::number_of;
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct Continuity {
    of_channels: BTreeMap<ChannelName, Past>,
    /// Client events that this client has triggered.
    own: BTreeSet<u64>,
    /// Events that were counted as missed, and have not been found missing yet.
    lagged: u64,
}

type Position = (String, u64);

/// What the application knows of a channel.
#[derive(Default)]
struct Past {
    /// Everything up to here was delivered, or is explained. Nothing is owed as long as there is none.
    cursor: Option<Position>,
    /// The newest position that a success on this socket had.
    success: Option<Position>,
    /// Whether the channel was given up, or its first subscription has failed. Nothing is owed before the next one.
    is_over: bool,
    emitted: BTreeSet<Position>,
    /// They may be missing: a loss covers them, or they were reported as not readable.
    excused: BTreeSet<Position>,
    /// They arrived as deltas that do not fit, or while the channel was not subscribed. The next loss covers them.
    ignored: BTreeSet<Position>,
    /// They arrived on this socket and were not emitted.
    held: BTreeSet<Position>,
    /// Those that were held when a loss was reported. They must be emitted in the same drain.
    released: BTreeSet<Position>,
    /// The newest message of each stream at the last loss. Up to there, they may come in any order.
    disordered: BTreeMap<String, u64>,
    /// How far losses reach in each stream.
    covered: BTreeMap<String, u64>,
    /// The newest message of this socket that has arrived.
    arrived: Option<Position>,
    losses: u32,
}

impl Checker for Continuity {
    fn called(&mut self, call: &AppCall<'_>, _: &mut Scene<'_>) {
        if let AppCall::Triggered(_, event) = call {
            self.own.extend(number_of(event));
        }
    }

    fn handed(&mut self, frame: &Incoming<'_>, scene: &mut Scene<'_>) {
        match frame {
            Incoming::Success { channel, position: Some(position) } => {
                let Some((name, _)) = scene.facts.channels.find(channel) else { return };
                let success = &mut self.of_channels.entry(name.clone()).or_default().success;
                // The success of an earlier attempt may be late.
                let age = |position: &Position| (scene.published().first(&position.0), position.1);
                if success.as_ref().is_none_or(|known| age(known) <= age(position)) {
                    *success = Some((*position).clone());
                }
            }
            Incoming::Event { channel, position: Some(position), .. } => {
                let Some((name, known)) = scene.facts.channels.find(channel) else { return };
                let past = self.of_channels.entry(name.clone()).or_default();
                if past.emitted.contains(*position) {
                    scene.reach(Rare::SentTwice);
                } else if known.is_listening() {
                    past.held.insert((*position).clone());
                } else {
                    past.ignored.insert((*position).clone());
                }
                if past.arrived.as_ref().is_some_and(|last| last.0 == position.0 && last.1 > position.1) {
                    scene.reach(Rare::LiveBeforeReplay);
                }
                past.arrived = Some((*position).clone());
            }
            Incoming::UnfitDelta { channel, number: Some(number) } => {
                let Some((name, _)) = scene.facts.channels.find(channel) else { return };
                let past = self.of_channels.entry(name.clone()).or_default();
                past.ignored.extend(position_of(*number, scene));
            }
            _ => {}
        }
    }

    fn moved(&mut self, from: &ConnectionState, _: &ConnectionState, scene: &mut Scene<'_>) {
        if from.is_connected() {
            for past in self.of_channels.values_mut() {
                (past.success, past.arrived) = (None, None);
                if !scene.facts.was_unpolled {
                    past.held.clear();
                }
                past.losses += 1;
            }
        }
    }

    fn sent(&mut self, message: &Message<'_>, scene: &mut Scene<'_>) {
        let Outgoing::Subscribe { channel } = message.kind else { return };
        if let Some((name, _)) = scene.facts.channels.find(channel) {
            self.of_channels.entry(name.clone()).or_default().excuse_pause(scene);
        }
    }

    fn dropped(&mut self, name: &ChannelName) {
        if let Some(past) = self.of_channels.get_mut(name) {
            *past = Past { is_over: true, ..Past::default() };
        }
    }

    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        if !scene.facts.limits.has_positions {
            if let Event::ContinuityLost { reason: LossReason::NotEnabled, .. } = event {
                scene.reach(Rare::ReplayNotEnabled);
            }
            return;
        }
        match event {
            Event::Lagged { missed } => self.lagged += missed,
            Event::SubscriptionSucceeded { channel, again: false, .. } => self.begin(channel, scene),
            Event::SubscriptionError { channel, .. } => {
                let known = scene.facts.channels.get(channel);
                let past = self.of_channels.entry(channel.clone()).or_default();
                past.is_over = known.is_none_or(|known| !known.was_subscribed);
                if known.is_some_and(|known| known.reported != Reported::Subscribed) {
                    past.ignored.append(&mut past.held);
                }
            }
            Event::ContinuityLost { channel, reason, .. } => {
                self.begin(channel, scene);
                let past = self.of_channels.entry(channel.clone()).or_default();
                past.released.clone_from(&past.held);
                match reason {
                    LossReason::StreamReset => scene.reach(Rare::StreamReset),
                    LossReason::Expired => scene.reach(Rare::PositionExpired),
                    LossReason::Timeout => scene.reach(Rare::ResumeTimeout),
                    LossReason::Overflow => scene.reach(Rare::ResumeOverflow),
                    _ => {}
                }
            }
            Event::Recovered { channel, source, .. } => {
                let past = self.of_channels.entry(channel.clone()).or_default();
                scene.reach(match std::mem::take(&mut past.losses) {
                    _ if *source == RecoverySource::Equal => Rare::RecoveredSame,
                    0 => Rare::RecoveredOnSocket,
                    1 => Rare::RecoveredReplay,
                    _ => Rare::RecoveredOverLosses,
                });
            }
            Event::Channel(event) if has_position(event) => {
                let Some(position) = position(event.event(), scene) else { return };
                let is_own = number_of(event.event()).is_some_and(|number| self.own.contains(&number));
                if is_own {
                    scene.reach(Rare::OwnReplayed);
                }
                self.deliver(event.channel(), position, scene);
            }
            Event::DecryptionError { channel, event, .. } if !channel.is_cache() => {
                let past = self.of_channels.entry(channel.clone()).or_default();
                let position = position(event, scene);
                past.held.retain(|held| Some(held) != position.as_ref());
                past.excused.extend(position);
            }
            _ => {}
        }
    }

    fn drained(&mut self, scene: &mut Scene<'_>) {
        for (name, past) in &mut self.of_channels {
            let mut released = std::mem::take(&mut past.released);
            // Some may wait for a key.
            if name.kind() == ChannelKind::PrivateEncrypted || scene.facts.was_unpolled {
                continue;
            }
            released.retain(|position| !past.is_explained(position));
            let missing = released.len() as u64;
            if missing > self.lagged {
                scene.violated(COVERED, format!("{name}: {released:?} do not follow the loss"));
            }
            past.excused.append(&mut released);
            self.lagged = self.lagged.saturating_sub(missing);
        }
    }
}

impl Continuity {
    /// From now on messages are owed: those that follow the success. What was published before is covered.
    fn begin(&mut self, name: &ChannelName, scene: &Scene<'_>) {
        let past = self.of_channels.entry(name.clone()).or_default();
        past.losses = 0;
        past.excused.append(&mut past.ignored);
        past.excuse_pause(scene);
        past.disordered.clone_from(scene.published().all_newest());
        for (stream, newest) in scene.published().all_newest() {
            let is_current = past.success.as_ref().is_some_and(|(current, _)| current == stream);
            if !is_current {
                past.covered.insert(stream.clone(), *newest);
            }
        }
        if let Some((stream, serial)) = &past.success {
            let covered = past.covered.entry(stream.clone()).or_default();
            *covered = (*covered).max(*serial);
        }
        // While another attempt is unanswered, this success may be that of one that was given up, between which and the other
        // the channel was not subscribed. The client cannot tell yet, and reports the hole when the other one succeeds.
        let is_clear = scene.facts.channels.get(name).is_none_or(|channel| channel.unconfirmed == 0);
        past.cursor = past.success.clone().filter(|_| is_clear);
    }

    fn deliver(&mut self, name: &ChannelName, position: Position, scene: &mut Scene<'_>) {
        let past = self.of_channels.entry(name.clone()).or_default();
        let (stream, serial) = &position;
        past.held.remove(&position);
        past.released.remove(&position);
        if !past.emitted.insert(position.clone()) {
            return scene.violated(COVERED, format!("{name}: {stream}:{serial} is emitted twice"));
        }
        // Before its first success, which is a gap itself, nothing is promised.
        let has_begun = scene.facts.channels.get(name).is_none_or(|channel| channel.was_subscribed);
        let Some((last_stream, last)) = past.cursor.clone().filter(|_| has_begun) else {
            past.cursor = Some(position);
            return;
        };
        let is_late = if last_stream == *stream {
            *serial <= last
        } else {
            // The success may already be of the stream that follows.
            past.disordered.get(stream).is_some_and(|newest| serial <= newest)
                && scene.published().first(stream) < scene.published().first(&last_stream)
        };
        if is_late {
            let is_disordered = past.disordered.get(stream).is_some_and(|newest| serial <= newest);
            if !is_disordered && !past.is_explained(&position) {
                scene.violated(COVERED, format!("{name}: {stream}:{serial} is emitted after {last}"));
            }
            return;
        }
        let first = if last_stream == *stream { last + 1 } else { 1 };
        let mut skipped: Vec<Position> = (first..*serial).map(|serial| (stream.clone(), serial)).collect();
        if last_stream != *stream {
            let newest = scene.published().newest(&last_stream);
            skipped.extend((last + 1..=newest).map(|serial| (last_stream.clone(), serial)));
            if past.covered.get(&last_stream).is_none_or(|covered| *covered < last) {
                scene.reach(Rare::StreamChanged);
            }
        }
        skipped.retain(|position| {
            !past.emitted.contains(position) && !past.released.contains(position) && !past.is_explained(position)
        });
        let is_own = |(stream, serial): &Position| {
            scene.published().number(stream, *serial).is_some_and(|number| self.own.contains(&number))
        };
        skipped.retain(|position| !is_own(position));
        past.cursor = Some(position.clone());
        let missing = skipped.len() as u64;
        if missing > self.lagged {
            let details = format!("{name}: {skipped:?} are missing before {position:?}, {} were counted", self.lagged);
            scene.violated(COVERED, details);
        }
        self.lagged = self.lagged.saturating_sub(missing);
        past.held.retain(|position| !skipped.contains(position));
        past.excused.extend(skipped);
    }
}

impl Past {
    /// Events count only from the next attempt or success on.
    fn excuse_pause(&mut self, scene: &Scene<'_>) {
        if std::mem::take(&mut self.is_over) {
            self.covered.extend(scene.published().all_newest().clone());
        }
    }

    /// Whether this message may be missing, or late.
    fn is_explained(&self, position: &Position) -> bool {
        let (stream, serial) = position;
        self.excused.contains(position) || self.covered.get(stream).is_some_and(|covered| serial <= covered)
    }
}

/// The position of the event with this name.
fn position(event: &str, scene: &Scene<'_>) -> Option<Position> {
    position_of(number_of(event)?, scene)
}

fn position_of(number: u64, scene: &Scene<'_>) -> Option<Position> {
    let position = scene.published().position(number)?;
    Some((position.stream_id().to_owned(), position.serial()))
}

/// Whether the event has a position. A cache repeats its last event without one, which cannot be seen on an encrypted
/// channel.
fn has_position(event: &ChannelEvent) -> bool {
    match event.channel().kind() {
        ChannelKind::PrivateEncrypted => !event.channel().is_cache(),
        ChannelKind::Public | ChannelKind::Private | ChannelKind::Presence => event.field("serial").is_some(),
    }
}

const COVERED: &str = "every message is delivered once and in order, or a loss covers it";
