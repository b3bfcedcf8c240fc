//! Who is on one presence channel, and who we are there.

use alloc::string::String;

use super::outbox::Outbox;
use crate::event::{Diagnostic, Event, Presence};
use crate::members::{Difference, Inserted, Member, Members};
use crate::{ChannelName, Data, Text};

/// The members of a channel as last known, also while it is not subscribed.
pub(crate) struct Roster {
    members: Members,
    /// Whether `members` was ever told by the server.
    known: bool,
    me: Option<(Text, Text)>,
}

impl Roster {
    pub(crate) fn new(seed: u64) -> Self {
        Self { members: Members::new(seed), known: false, me: None }
    }

    /// Who the authorization says that we are.
    pub(crate) fn set_me(&mut self, id: String, info: String) {
        self.me = Some((id.into(), info.into()));
    }

    /// Takes a new list in place of the old one.
    pub(crate) fn replace(&mut self, members: Members) -> Presence {
        let before = core::mem::replace(&mut self.members, members.clone());
        let known = core::mem::replace(&mut self.known, true);
        let difference = known.then(|| Difference::new(before, members.clone()));
        Presence { members, difference }
    }

    /// Takes a new list without telling what changed.
    pub(crate) fn refresh(&mut self, members: Members) {
        self.members = members;
    }

    /// Forgets who was there, but not who we are.
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

    /// Ourselves: with the server's info if we are on the list, else with that of the authorization.
    pub(crate) fn me(&self) -> Option<Member> {
        let (id, info) = self.me.as_ref()?;
        let listed = self.members.get(id);
        listed.or_else(|| Some(Member { id: id.clone(), info: Data::in_frame(info.clone(), 0..info.len()) }))
    }
}
