//! *A gap is reported once*, and *a gap is reported before new events*: when a subscribed channel has lost its
//! connection, or is subscribed again because its subscription is in doubt, `ContinuityLost` comes before anything else
//! of that channel, however many connections are lost in the meantime. With recovery, `Recovered` may come instead, and it
//! comes before events of the channel, at the latest when the server has not answered in time (*every gap is settled*).

use std::collections::BTreeMap;
use std::time::Duration;

use pusher_proto::{ChannelName, ConnectionState, Event, Instant};

use super::super::EPSILON;
use super::super::facts::Reported;
use super::super::inputs::Input;
use super::super::outputs::Outgoing;
use super::{Checker, Message, Scene};
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct Gaps {
    /// How many losses an unreported gap consists of.
    losses: BTreeMap<ChannelName, u32>,
    /// Since when a channel is subscribed again and does not know yet what it has missed.
    settling: BTreeMap<ChannelName, Instant>,
}

impl Checker for Gaps {
    fn dropped(&mut self, name: &ChannelName) {
        self.losses.remove(name);
        self.settling.remove(name);
    }

    fn sent(&mut self, message: &Message<'_>, scene: &mut Scene<'_>) {
        let Outgoing::Unsubscribe { channel } = message.kind else { return };
        let found = scene.facts.channels.find(channel);
        if let Some((name, _)) = found
            .filter(|(_, channel)| channel.wanted && channel.is_doubtful && channel.reported == Reported::Subscribed)
        {
            *self.losses.entry(name.clone()).or_default() += 1;
        }
    }

    fn resumed(&mut self, scene: &mut Scene<'_>) {
        self.settling.values_mut().for_each(|since| *since = scene.facts.now);
    }

    fn moved(&mut self, from: &ConnectionState, _: &ConnectionState, _: &mut Scene<'_>) {
        if from.is_connected() {
            self.settling.clear();
        }
    }

    fn ticked(&mut self, scene: &mut Scene<'_>) {
        for (name, since) in &self.settling {
            if scene.facts.now > *since + RESUME_TIMEOUT + EPSILON {
                return scene.violated("every gap is settled", format!("{name} is subscribed since {since}"));
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
            Event::ContinuityLost { channel, since, .. } => {
                let losses = self.losses.remove(channel).unwrap_or_default();
                if losses == 0 || *since > scene.facts.now {
                    scene.violated("a gap is reported once", format!("{channel} since {since}, {losses} losses"));
                }
                if losses > 1 {
                    scene.reach(Rare::LongGap);
                }
                if scene.facts.input == Input::Other {
                    scene.reach(Rare::EventBeforeSuccess);
                }
            }
            Event::Recovered { channel, .. } => {
                if self.losses.remove(channel).is_none() {
                    scene.violated("a gap is reported once", format!("{channel} has recovered from nothing"));
                }
            }
            Event::SubscriptionSucceeded { channel, .. } if has_recovery => {
                if self.losses.contains_key(channel) {
                    self.settling.insert(channel.clone(), scene.facts.now);
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
}

/// The longest time for an answer in any mix, and that for which a request waits for other channels.
const RESUME_TIMEOUT: Duration = Duration::from_millis(10_050);
