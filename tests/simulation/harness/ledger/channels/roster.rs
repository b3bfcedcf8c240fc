//! The members of a presence channel, as the application knows them from events alone: *members come once*, *members
//! change*, *members leave once*, *the difference of two lists is reported*, and getters return the same (*members are
//! reported*).

use std::collections::BTreeMap;

use pusher_proto::{ChannelName, Difference, Event, Member, Members, Presence};

use super::{Checker, Incoming, Quiet, Scene};
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct Rosters {
    of_channels: BTreeMap<ChannelName, Roster>,
    /// Events were counted in this drain and not emitted.
    lost_some: bool,
}

#[derive(Default)]
struct Roster {
    /// Ids and infos; nothing before the first list.
    members: Option<Infos>,
    /// The client received a list in this drain that it need not report: what comes and leaves after it is not known.
    is_replaced: bool,
}

type Infos = BTreeMap<String, String>;

impl Checker for Rosters {
    fn handed(&mut self, frame: &Incoming<'_>, scene: &mut Scene<'_>) {
        let Incoming::Success { channel, position: _ } = frame else { return };
        if let Some((name, _)) = scene.facts.channels.find(channel) {
            // A list for a channel that is subscribed replaces the one before, and no event reports that.
            self.of_channels.entry(name.clone()).or_default().is_replaced = true;
        }
    }

    fn drain_begins(&mut self, _: &mut Scene<'_>) {
        self.lost_some = false;
    }

    fn dropped(&mut self, name: &ChannelName) {
        self.of_channels.remove(name);
    }

    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        match event {
            Event::Lagged { .. } => self.lost_some = true,
            Event::SubscriptionSucceeded { channel, presence: Some(presence), .. } => {
                self.of(channel).replace(channel, presence, scene);
            }
            Event::MemberAdded { channel, member, .. } => self.of(channel).add(channel, member, scene),
            Event::MemberUpdated { channel, member, .. } => self.of(channel).update(channel, member, scene),
            Event::MemberRemoved { channel, member, .. } => self.of(channel).remove(channel, member, scene),
            _ => {}
        }
    }

    fn channel_drained(&mut self, channel: &Quiet<'_>, scene: &mut Scene<'_>) {
        if let Some(members) = channel.shown.as_ref().and_then(pusher_proto::Channel::members)
            && let Some(roster) = self.of_channels.get_mut(channel.name)
        {
            roster.compare(channel.name, members, self.lost_some, scene);
        }
    }
}

impl Rosters {
    fn of(&mut self, name: &ChannelName) -> &mut Roster {
        self.of_channels.entry(name.clone()).or_default()
    }
}

impl Roster {
    /// A success contains the list, and what changed since the previous one.
    fn replace(&mut self, name: &ChannelName, presence: &Presence, scene: &mut Scene<'_>) {
        let members = infos(&presence.members);
        if let (Some(before), Some(difference)) = (&self.members, &presence.difference) {
            let expected = changes(before, &members);
            if reported_changes(difference) != expected {
                let details = format!("{name}: {difference:?}, and not {expected:?}");
                scene.violated("the difference of two lists is reported", details);
            }
            if expected != Changes::default() {
                scene.reach(Rare::RosterDifference);
            }
        }
        self.members = Some(members);
    }

    fn add(&mut self, name: &ChannelName, member: &Member, scene: &mut Scene<'_>) {
        let before = self.put(member);
        if self.is_known() && before.is_some() {
            scene.violated("members come once", format!("{member:?} came to {name} and was {before:?}"));
        }
    }

    fn update(&mut self, name: &ChannelName, member: &Member, scene: &mut Scene<'_>) {
        let before = self.put(member);
        if self.is_known() && before.as_deref().is_none_or(|before| before == member.info.raw()) {
            scene.violated("members change", format!("{member:?} of {name} was {before:?}"));
        }
    }

    fn remove(&mut self, name: &ChannelName, member: &Member, scene: &mut Scene<'_>) {
        let before = self.members.as_mut().and_then(|members| members.remove(&*member.id));
        if self.is_known() && before.as_deref() != Some(member.info.raw()) {
            scene.violated("members leave once", format!("{member:?} left {name} and was {before:?}"));
        }
    }

    /// At the end of a drain, the getter must return the same as the events.
    fn compare(&mut self, name: &ChannelName, members: &Members, lost_some: bool, scene: &mut Scene<'_>) {
        let shown = infos(members);
        let is_replaced = std::mem::take(&mut self.is_replaced);
        if let Some(members) = &self.members
            && !is_replaced
            && !lost_some
            && *members != shown
        {
            let details = format!("{name}: {shown:?}, and {members:?} were reported");
            scene.violated("members are reported", details);
        }
        if self.members.is_some() {
            self.members = Some(shown);
        }
    }

    fn is_known(&self) -> bool {
        self.members.is_some() && !self.is_replaced
    }

    fn put(&mut self, member: &Member) -> Option<String> {
        self.members.as_mut()?.insert(member.id.to_string(), member.info.raw().to_owned())
    }
}

/// The members who joined, who left, and whose info changed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    joined: Infos,
    left: Infos,
    changed: Infos,
}

fn changes(before: &Infos, after: &Infos) -> Changes {
    let among = |all: &Infos, is_meant: &dyn Fn(&String, &String) -> bool| {
        let meant = all.iter().filter(|(id, info)| is_meant(id, info));
        meant.map(|(id, info)| (id.clone(), info.clone())).collect()
    };
    Changes {
        joined: among(after, &|id, _| !before.contains_key(id)),
        left: among(before, &|id, _| !after.contains_key(id)),
        changed: among(after, &|id, info| before.get(id).is_some_and(|before| before != info)),
    }
}

fn reported_changes(difference: &Difference) -> Changes {
    let text = |member: Member| text(&member);
    Changes {
        joined: difference.joined().map(text).collect(),
        left: difference.left().map(text).collect(),
        changed: difference.changed().map(text).collect(),
    }
}

fn infos(members: &Members) -> Infos {
    members.iter().map(|member| text(&member)).collect()
}

fn text(member: &Member) -> (String, String) {
    (member.id.to_string(), member.info.raw().to_owned())
}
