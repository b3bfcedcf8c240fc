//! *A gap is reported once*, and *a gap is reported before new events*: when a subscribed channel has lost its
//! connection, is subscribed again because its subscription is in doubt, or has received a delta that does not fit,
//! `ContinuityLost` comes before anything else of that channel, however many connections are lost in the meantime. With
//! recovery, `Recovered` may come instead, and it comes before events of the channel, at the latest when the server has not
//! answered in time (*every gap is settled*).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pusher_proto::{ChannelName, ConnectionState, Event, Instant, LossReason};

use super::super::EPSILON;
use super::super::facts::Reported;
use super::super::inputs::{Incoming, Input};
use super::super::outputs::Outgoing;
use super::{Checker, Message, Scene};
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct Gaps {
    /// How many losses an unreported gap consists of.
    losses: BTreeMap<ChannelName, u32>,
    /// Until when a subscribed channel has to know what it has missed.
    settling: BTreeMap<ChannelName, Instant>,
    /// Channels that may have a gap on a live connection, even if it is not yet reported.
    damaged: BTreeSet<ChannelName>,
}

impl Checker for Gaps {
    fn dropped(&mut self, name: &ChannelName) {
        self.losses.remove(name);
        self.settling.remove(name);
        self.damaged.remove(name);
    }

    fn handed(&mut self, frame: &Incoming<'_>, scene: &mut Scene<'_>) {
        let channel = match frame {
            Incoming::UnfitDelta { channel, number: _ } => channel,
            // The success before was that of an attempt that was given up, so there is a hole between the two.
            Incoming::Success { channel, .. } if is_confirmed_again(channel, scene) => channel,
            _ => return,
        };
        if let Some((name, _)) = scene.facts.channels.find(channel) {
            self.damaged.insert(name.clone());
        }
    }

    fn sent(&mut self, message: &Message<'_>, scene: &mut Scene<'_>) {
        let (Outgoing::Unsubscribe { channel } | Outgoing::DeltaError { channel }) = message.kind else { return };
        let found = scene.facts.channels.find(channel).filter(|(_, channel)| channel.wanted);
        let Some((name, channel)) = found.filter(|(_, channel)| channel.reported == Reported::Subscribed) else {
            return;
        };
        if let Outgoing::Unsubscribe { .. } = message.kind {
            self.settling.remove(name);
            if channel.is_doubtful {
                *self.losses.entry(name.clone()).or_default() += 1;
            }
        } else if self.damaged.contains(name) && !scene.facts.was_unpolled {
            // Without a position, or in a pause in polling, the gap may already be reported. If the answer to an earlier
            // request comes first, another one follows.
            self.settling.insert(name.clone(), scene.facts.now + 2 * RESUME_TIMEOUT);
            *self.losses.entry(name.clone()).or_default() += 1;
        }
    }

    fn resumed(&mut self, scene: &mut Scene<'_>) {
        self.settling.values_mut().for_each(|until| *until = scene.facts.now + 2 * RESUME_TIMEOUT);
    }

    fn moved(&mut self, from: &ConnectionState, _: &ConnectionState, _: &mut Scene<'_>) {
        if from.is_connected() {
            self.settling.clear();
        }
    }

    fn ticked(&mut self, scene: &mut Scene<'_>) {
        for (name, until) in &self.settling {
            if scene.facts.now > *until + EPSILON {
                return scene
                    .violated("every gap is settled", format!("{name} does not know at {until} what it missed"));
            }
        }
    }

    fn drained(&mut self, _: &mut Scene<'_>) {
        self.settling.retain(|name, _| self.losses.contains_key(name));
    }

    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        // Then it may take some time until it is known whether something was missed.
        let has_recovery = scene.facts.limits.recovery.is_some();
        match event {
            Event::StateChanged { previous, .. } if previous.is_connected() => {
                // A client that does not poll learns of a success when the connection is already lost.
                self.settling.clear();
                self.disconnected(scene);
            }
            Event::ContinuityLost { channel, since, reason, .. } => {
                let losses = self.close(channel, scene);
                // In a pause in polling, further deltas may have arrived, each of which is a gap.
                if *reason == LossReason::NoPosition && !scene.facts.was_unpolled {
                    self.damaged.remove(channel);
                }
                if losses.is_none() || *since > scene.facts.now {
                    scene.violated("a gap is reported once", format!("{channel} since {since}, {losses:?} losses"));
                }
                if losses > Some(1) {
                    scene.reach(Rare::LongGap);
                }
                if scene.facts.input == Input::Other {
                    scene.reach(Rare::EventBeforeSuccess);
                }
            }
            Event::Recovered { channel, .. } => {
                if self.close(channel, scene).is_none() {
                    scene.violated("a gap is reported once", format!("{channel} has recovered from nothing"));
                }
            }
            Event::SubscriptionSucceeded { channel, .. } if has_recovery => {
                if self.losses.contains_key(channel) {
                    self.settling.insert(channel.clone(), scene.facts.now + RESUME_TIMEOUT);
                }
            }
            Event::SubscriptionError { .. } | Event::Diagnostic(_) => {}
            // The list of members is new with every subscription.
            event if has_recovery && !matches!(event, Event::Channel(_) | Event::DecryptionError { .. }) => {}
            event => {
                if let Some(channel) = event.channel().filter(|channel| self.losses.contains_key(*channel)) {
                    scene.violated("a gap is reported before new events", format!("{} of {channel}", event.name()));
                }
            }
        }
    }
}

impl Gaps {
    fn disconnected(&mut self, scene: &Scene<'_>) {
        for (name, _) in scene.facts.channels.iter().filter(|(_, channel)| channel.was_subscribed) {
            *self.losses.entry(name.clone()).or_default() += 1;
        }
    }

    /// A gap is reported. Returns how many losses it consists of; `None` if there was no gap.
    fn close(&mut self, name: &ChannelName, scene: &Scene<'_>) -> Option<u32> {
        let (losses, is_damaged) = (self.losses.remove(name), self.damaged.contains(name));
        // After a pause in polling, this may be an earlier gap than that of a delta which arrived in the pause.
        if !scene.facts.was_unpolled {
            self.damaged.remove(name);
        }
        losses.or(is_damaged.then_some(0))
    }
}

/// Whether a success of a channel follows another one.
fn is_confirmed_again(channel: &str, scene: &Scene<'_>) -> bool {
    let found = scene.facts.channels.find(channel).filter(|_| scene.facts.limits.recovery.is_some());
    found.is_some_and(|(_, channel)| channel.reported == Reported::Subscribed || scene.facts.was_unpolled)
}

/// The longest time for an answer in any mix, and that for which a request waits for other channels.
const RESUME_TIMEOUT: Duration = Duration::from_millis(10_050);
