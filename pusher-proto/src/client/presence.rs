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
        listed.or_else(|| Some(Member { id: id.clone(), info: Data::in_frame(info.clone(), 0..info.len()) }))
    }
}
