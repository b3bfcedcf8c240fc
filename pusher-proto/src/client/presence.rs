//! The members of a presence channel, and which of them this client is.

use alloc::string::String;

use super::outbox::Outbox;
use crate::event::{Diagnostic, Event, Presence};
use crate::members::{Difference, Inserted, Member, Members};
use crate::{ChannelName, Data, Text};

/// The last known members of a channel, even while it is not subscribed.
pub(crate) struct Roster {
    members: Members,
    /// Whether `members` has ever come from the server.
    known: bool,
    me: Option<(Text, Text)>,
}

impl Roster {
    pub(crate) fn new(seed: u64) -> Self {
        Self { members: Members::new(seed), known: false, me: None }
    }

    /// Sets which member this client is, according to the authorization.
    pub(crate) fn set_me(&mut self, id: String, info: String) {
        self.me = Some((id.into(), info.into()));
    }

    /// Replaces the list by a new one, and returns what changed.
    pub(crate) fn replace(&mut self, members: Members) -> Presence {
        let before = core::mem::replace(&mut self.members, members.clone());
        let known = core::mem::replace(&mut self.known, true);
        let difference = known.then(|| Difference::new(before, members.clone()));
        Presence { members, difference }
    }

    /// Replaces the list by a new one without reporting what changed.
    pub(crate) fn refresh(&mut self, members: Members) {
        self.members = members;
    }

    /// Forgets the members, but not which one this client is.
    pub(crate) fn forget(&mut self) {
        self.members.clear();
        self.known = false;
    }

    pub(crate) fn add(&mut self, channel: &ChannelName, id: &str, info: &str, outbox: &mut Outbox) {
        let channel = channel.clone();
        let event = match (self.members.insert(id, info), self.members.get(id)) {
            (Inserted::New, Some(member)) => Event::MemberAdded { channel, member },
            (Inserted::Changed, Some(member)) => Event::MemberUpdated { channel, member },
            (Inserted::Full, _) => Event::Diagnostic(Diagnostic::RosterFull { channel }),
            (Inserted::Same, _) | (_, None) => return,
        };
        outbox.offer(event);
    }

    pub(crate) fn remove(&mut self, channel: &ChannelName, id: &str, outbox: &mut Outbox) {
        let Some(member) = self.members.remove(id) else { return };
        outbox.offer(Event::MemberRemoved { channel: channel.clone(), member });
    }

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    pub(crate) fn is_known(&self) -> bool {
        self.known
    }

    /// This client's own member: with the server's info if it is on the list, otherwise with that of the authorization.
    pub(crate) fn me(&self) -> Option<Member> {
        let (id, info) = self.me.as_ref()?;
        let listed = self.members.get(id);
        listed.or_else(|| Some(Member { id: id.clone(), info: Data::whole(info.clone()) }))
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Me(&'static str, &'static str),
        Replace(&'static [(&'static str, &'static str)]),
        Refresh(&'static [(&'static str, &'static str)]),
        Add(&'static str, &'static str),
        Remove(&'static str),
        Forget,
    }

    const STEPS: [Step; 11] = [
        Step::Me("a", "1"),
        Step::Me("b", "2"),
        Step::Me("a", "3"),
        Step::Replace(&[]),
        Step::Replace(&[("a", "4"), ("b", "5")]),
        Step::Refresh(&[("b", "6")]),
        Step::Add("a", "7"),
        Step::Add("b", "5"),
        Step::Remove("a"),
        Step::Remove("b"),
        Step::Forget,
    ];

    /// The members and our own one, as sets.
    #[derive(Default)]
    struct Reference {
        members: BTreeMap<&'static str, &'static str>,
        is_known: bool,
        me: Option<(&'static str, &'static str)>,
    }

    impl Reference {
        /// Returns what is reported to the application.
        fn take(&mut self, step: Step) -> Option<(&'static str, Member)> {
            match step {
                Step::Me(id, info) => self.me = Some((id, info)),
                Step::Replace(list) => (self.members, self.is_known) = (list.iter().copied().collect(), true),
                Step::Refresh(list) => self.members = list.iter().copied().collect(),
                Step::Forget => (self.members, self.is_known) = (BTreeMap::new(), false),
                Step::Add(id, info) => {
                    return match self.members.insert(id, info) {
                        None => Some(("added", member(id, info))),
                        Some(before) if before != info => Some(("updated", member(id, info))),
                        Some(_) => None,
                    };
                }
                Step::Remove(id) => return self.members.remove(id).map(|info| ("removed", member(id, info))),
            }
            None
        }

        /// The info of the server's list replaces that of the authorization.
        fn me(&self) -> Option<Member> {
            let (id, info) = self.me?;
            Some(member(id, self.members.get(id).copied().unwrap_or(info)))
        }
    }

    fn member(id: &str, info: &str) -> Member {
        Member::new(id, Data::from_json(info).unwrap())
    }

    fn list(entries: &[(&str, &str)]) -> Members {
        entries.iter().map(|(id, info)| member(id, info)).collect()
    }

    fn take(roster: &mut Roster, step: Step) -> Option<(&'static str, Member)> {
        let (channel, mut outbox) = (ChannelName::new("presence-c").unwrap(), Outbox::new(10));
        match step {
            Step::Me(id, info) => roster.set_me(id.into(), info.into()),
            Step::Replace(entries) => {
                let before = roster.is_known().then(|| roster.members().clone());
                let presence = roster.replace(list(entries));
                assert_eq!(presence.members, list(entries));
                assert_eq!(presence.difference, before.map(|before| Difference::new(before, list(entries))));
            }
            Step::Refresh(entries) => roster.refresh(list(entries)),
            Step::Forget => roster.forget(),
            Step::Add(id, info) => roster.add(&channel, id, info, &mut outbox),
            Step::Remove(id) => roster.remove(&channel, id, &mut outbox),
        }
        let reported = match outbox.poll_event()? {
            Event::MemberAdded { member, .. } => ("added", member),
            Event::MemberUpdated { member, .. } => ("updated", member),
            Event::MemberRemoved { member, .. } => ("removed", member),
            event => panic!("{event:?}"),
        };
        assert_eq!(outbox.poll_event(), None);
        Some(reported)
    }

    #[test]
    fn the_members_and_our_own_one_are_known_after_every_sequence_of_steps() {
        let count = STEPS.len();
        for sequence in 0..count.pow(4) {
            let steps: Vec<Step> = (0..4).map(|at| STEPS[sequence / count.pow(at) % count]).collect();
            let (mut roster, mut reference) = (Roster::new(1), Reference::default());
            for &step in &steps {
                assert_eq!(take(&mut roster, step), reference.take(step), "{steps:?}");
                let members: Members = reference.members.iter().map(|(id, info)| member(id, info)).collect();
                assert_eq!((roster.members(), roster.is_known()), (&members, reference.is_known), "{steps:?}");
                assert_eq!(roster.me(), reference.me(), "{steps:?}");
            }
        }
    }
}
