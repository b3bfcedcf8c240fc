//! *A gap is reported once*, and *a gap is reported before new events*: when a subscribed channel has lost its
//! connection, or is subscribed again because its subscription is in doubt, `ContinuityLost` comes before anything else
//! of that channel, however many connections are lost in the meantime.

use std::collections::BTreeMap;

use pusher_proto::{ChannelName, Event};

use super::super::facts::Reported;
use super::super::inputs::Input;
use super::super::outputs::Outgoing;
use super::{Checker, Message, Scene};
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct Gaps {
    /// How many losses an unreported gap consists of.
    losses: BTreeMap<ChannelName, u32>,
}

impl Checker for Gaps {
    fn dropped(&mut self, name: &ChannelName) {
        self.losses.remove(name);
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

    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        match event {
            Event::StateChanged { previous, .. } if previous.is_connected() => self.disconnected(scene),
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
            Event::SubscriptionError { .. } | Event::Diagnostic(_) => {}
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
