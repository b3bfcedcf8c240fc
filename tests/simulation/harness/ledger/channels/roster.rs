//! The members of a presence channel, as the application knows them from events alone.

use std::collections::BTreeMap;

use pusher_proto::{ChannelName, Difference, Member, Members, Presence};

use crate::simulation::journal::Journal;
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct Roster {
    /// Ids and infos; nothing before the first list, and after events were lost.
    members: Option<Infos>,
    /// The client was given a list that it need not tell of.
    pub(crate) is_replaced: bool,
}

type Infos = BTreeMap<String, String>;

impl Roster {
    /// A success brings the list, and what changed since the one before.
    pub(crate) fn replace(&mut self, name: &ChannelName, presence: &Presence, who: usize, journal: &mut Journal) {
        let members = infos(&presence.members);
        if let (Some(before), Some(difference)) = (&self.members, &presence.difference) {
            let expected = changes(before, &members);
            if told(difference) != expected {
                let details = format!("{name}: {difference:?}, and not {expected:?}");
                journal.violated(who, "the difference of two lists is told", details);
            }
            if expected != Changes::default() {
                journal.reach(Rare::RosterDifference);
            }
        }
        self.members = Some(members);
    }

    pub(crate) fn add(&mut self, name: &ChannelName, member: &Member, who: usize, journal: &mut Journal) {
        let before = self.put(member);
        if self.members.is_some() && before.is_some() {
            journal.violated(who, "members come once", format!("{member:?} came to {name} and was {before:?}"));
        }
    }

    pub(crate) fn update(&mut self, name: &ChannelName, member: &Member, who: usize, journal: &mut Journal) {
        let before = self.put(member);
        if self.members.is_some() && before.as_deref().is_none_or(|before| before == member.info.raw()) {
            journal.violated(who, "members change", format!("{member:?} of {name} was {before:?}"));
        }
    }

    pub(crate) fn remove(&mut self, name: &ChannelName, member: &Member, who: usize, journal: &mut Journal) {
        let Some(members) = &mut self.members else { return };
        let before = members.remove(&*member.id);
        if before.as_deref() != Some(member.info.raw()) {
            journal.violated(who, "members leave once", format!("{member:?} left {name} and was {before:?}"));
        }
    }

    /// At the end of a drain the getter must say the same as the events.
    pub(crate) fn compare(
        &mut self,
        name: &ChannelName,
        members: &Members,
        lost_some: bool,
        who: usize,
        journal: &mut Journal,
    ) {
        let shown = infos(members);
        let is_replaced = std::mem::take(&mut self.is_replaced);
        if let Some(members) = &self.members
            && !is_replaced
            && !lost_some
            && *members != shown
        {
            let details = format!("{name}: {shown:?}, and {members:?} were told");
            journal.violated(who, "members are told", details);
        }
        if self.members.is_some() {
            self.members = Some(shown);
        }
    }
}

impl Roster {
    fn put(&mut self, member: &Member) -> Option<String> {
        self.members.as_mut()?.insert(member.id.to_string(), member.info.raw().to_owned())
    }
}

/// Who came, who left, and whose info is another.
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

fn told(difference: &Difference) -> Changes {
    let infos = |members: &[Member]| members.iter().map(text).collect();
    Changes { joined: infos(&difference.joined), left: infos(&difference.left), changed: infos(&difference.changed) }
}

fn infos(members: &Members) -> Infos {
    members.iter().map(|member| text(&member)).collect()
}

fn text(member: &Member) -> (String, String) {
    (member.id.to_string(), member.info.raw().to_owned())
}
