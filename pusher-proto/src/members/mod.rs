//! The members of a presence channel.

mod list;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use list::{List, MEMBER_LEN};

pub(crate) use list::Listing;

use crate::{Data, Text};

/// A member of a presence channel.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Data, Member};
///
/// let ann = Member::new("ann", Data::from_json(r#"{"name":"Ann"}"#)?);
/// assert_eq!((ann.id.as_str(), ann.info.raw()), ("ann", r#"{"name":"Ann"}"#));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// The application's id of the user. Numbers arrive as their digits.
    pub id: Text,
    /// The application's data about the user (`user_info`).
    pub info: Data,
}

impl Member {
    /// Returns a member with this id and info; use [`Data::ABSENT`] for a member without info.
    #[must_use]
    pub fn new(id: impl Into<Text>, info: Data) -> Self {
        Self { id: id.into(), info }
    }
}

/// The members of a presence channel, each id once.
///
/// Clones share the list. A later change does not affect a clone, and copies only the part of the list that it touches.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Data, Member, Members};
///
/// let members: Members = ["ann", "bob"].into_iter().map(|id| Member::new(id, Data::ABSENT)).collect();
/// assert_eq!((members.len(), members.contains("bob")), (2, true));
/// assert_eq!(members.ids().collect::<Vec<_>>(), ["ann", "bob"]);
/// ```
#[derive(Clone, Default)]
pub struct Members(Arc<List>);

/// What [`Members::insert`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    New,
    Changed,
    Same,
    /// The list is full.
    Full,
}

impl Members {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(List::new(seed)))
    }

    /// Returns how many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the member with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Member> {
        self.0.find(id).map(|at| Member::from(self.0.get(at)))
    }

    /// Whether a member has this id.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.0.find(id).is_some()
    }

    /// Returns all members. They are in the server's order until a member leaves.
    pub fn iter(&self) -> impl Iterator<Item = Member> {
        self.0.iter().map(Member::from)
    }

    /// Returns the ids, in the order of [`iter`](Self::iter), without copying them.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(id, _)| id)
    }

    /// Ids and infos, in the same order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter()
    }

    /// Id and info of one of them.
    pub(crate) fn at(&self, place: usize) -> Option<(&str, &str)> {
        (place < self.len()).then(|| self.0.get(place))
    }

    pub(crate) fn info(&self, id: &str) -> Option<&str> {
        self.0.find(id).map(|at| self.0.get(at).1)
    }

    pub(crate) fn add_missing<'a>(&mut self, entries: impl IntoIterator<Item = (&'a str, &'a str)>) {
        for (id, info) in entries {
            if !self.contains(id) {
                self.insert(id, info);
            }
        }
    }

    /// Adds a member, or replaces the info of one. `info` is JSON.
    pub(crate) fn insert(&mut self, id: &str, info: &str) -> Inserted {
        let hash = self.0.hash(id);
        let found = self.0.find_hashed(hash, id);
        if found.is_some_and(|at| self.0.get(at).1 == info) {
            return Inserted::Same;
        }
        if self.weight() + id.len() + info.len() + MEMBER_LEN > MAX_LEN {
            return Inserted::Full;
        }
        let list = Arc::make_mut(&mut self.0);
        match found {
            Some(at) => {
                list.set_info(at, id, info);
                Inserted::Changed
            }
            None => {
                list.push(hash, id, info);
                Inserted::New
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.0.seed());
    }

    /// Removes a member; the last one takes its place.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Member> {
        let at = self.0.find(id)?;
        let member = Member::from(self.0.get(at));
        Arc::make_mut(&mut self.0).swap_remove(at);
        Some(member)
    }

    /// Bytes that the list holds.
    pub(crate) fn weight(&self) -> usize {
        self.0.bytes()
    }
}

/// If several members have the same id, the last one counts. Members beyond 64 MiB of ids and infos are left out.
impl FromIterator<Member> for Members {
    fn from_iter<I: IntoIterator<Item = Member>>(members: I) -> Self {
        let mut list = Self::default();
        list.extend(members);
        list
    }
}

/// As for [`FromIterator`].
impl Extend<Member> for Members {
    fn extend<I: IntoIterator<Item = Member>>(&mut self, members: I) {
        for Member { id, info } in members {
            self.insert(&id, if info.is_absent() { "null" } else { info.raw() });
        }
    }
}

/// `info` is JSON of less than 4 GiB.
impl From<(&str, &str)> for Member {
    fn from((id, info): (&str, &str)) -> Self {
        Self { id: id.into(), info: Data::whole(info.into()) }
    }
}

/// What changed between two member lists; computed on request.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Data, Difference, Member, Members};
///
/// let members = |ids: &[&str]| ids.iter().map(|id| Member::new(*id, Data::ABSENT)).collect::<Members>();
/// let difference = Difference::new(members(&["ann", "bob"]), members(&["bob", "carol"]));
/// assert_eq!(difference.joined().collect::<Vec<_>>(), [Member::new("carol", Data::ABSENT)]);
/// assert_eq!(difference.left().collect::<Vec<_>>(), [Member::new("ann", Data::ABSENT)]);
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Difference {
    before: Members,
    after: Members,
}

impl Difference {
    /// Returns the difference between the list `before` and the list `after`.
    #[must_use]
    pub const fn new(before: Members, after: Members) -> Self {
        Self { before, after }
    }

    /// Returns the members who have joined.
    pub fn joined(&self) -> impl Iterator<Item = Member> {
        self.after.0.iter().filter(|(id, _)| !self.before.contains(id)).map(Member::from)
    }

    /// Returns the members who have left, as last known.
    pub fn left(&self) -> impl Iterator<Item = Member> {
        self.before.0.iter().filter(|(id, _)| !self.after.contains(id)).map(Member::from)
    }

    /// Returns the members whose info has changed, with the new info.
    pub fn changed(&self) -> impl Iterator<Item = Member> {
        let was_another = |(id, info): &(&str, &str)| {
            let before = self.before.0.find(id);
            before.is_some_and(|at| self.before.0.get(at).1 != *info)
        };
        self.after.0.iter().filter(was_another).map(Member::from)
    }

    /// Returns the earlier list.
    #[must_use]
    pub fn before(&self) -> &Members {
        &self.before
    }
}

impl fmt::Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |members: &mut dyn Iterator<Item = Member>| members.collect::<Vec<_>>();
        f.debug_struct("Difference")
            .field("joined", &list(&mut self.joined()))
            .field("left", &list(&mut self.left()))
            .field("changed", &list(&mut self.changed()))
            .finish()
    }
}

/// Most bytes of one list; a snapshot of 100,000 members has about 11 MB.
const MAX_LEN: usize = 64 * 1_024 * 1_024;

/// Two lists are equal if they have the same members with the same info, in any order.
impl PartialEq for Members {
    fn eq(&self, other: &Self) -> bool {
        let same_in_other = |(id, info): (&str, &str)| other.0.find(id).is_some_and(|at| other.0.get(at).1 == info);
        self.len() == other.len() && self.0.iter().all(same_in_other)
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::collections::BTreeMap;
    use alloc::format;

    use super::*;

    fn members(entries: &[(&str, &str)]) -> Members {
        let mut members = Members::new(1);
        for (id, info) in entries {
            members.insert(id, info);
        }
        members
    }

    #[test]
    fn holds_each_id_once_and_says_what_an_insert_did() {
        let mut members = members(&[("1", "{}"), ("2", "null")]);
        assert_eq!(members.insert("1", "{}"), Inserted::Same);
        assert_eq!(members.insert("1", "[1]"), Inserted::Changed);
        assert_eq!(members.insert("3", "{}"), Inserted::New);
        assert_eq!((members.is_empty(), members.contains("3"), members.contains("4")), (false, true, false));
        assert_eq!(members.ids().collect::<Vec<_>>(), ["1", "2", "3"]);
        assert_eq!(members.get("1").unwrap().info.raw(), "[1]");
        assert!(members.get("2").unwrap().info.is_absent());
    }

    #[test]
    fn takes_64_mebibytes_with_24_a_member_and_no_byte_more() {
        let mut members = members(&[("1", "")]);
        let rest = "x".repeat(64 * 1_024 * 1_024 - 2 * 24 - 2);
        assert_eq!(members.insert("23", &rest), Inserted::Full);
        assert_eq!(members.insert("2", &rest), Inserted::New);
        assert_eq!(members.weight(), MAX_LEN);
    }

    #[test]
    fn thousands_of_members_come_and_go_in_any_order_and_every_earlier_list_stays_as_it_was() {
        let mut members = Members::new(1);
        let mut expected = BTreeMap::new();
        let mut held = Vec::new();
        // A linear congruential generator: any irregular order will do.
        let mut random = 1_u64;
        for step in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let id = format!("{}", (random >> 33) % 3_000);
            let info = "7".repeat(1 + (random >> 20) as usize % 300);
            // Grows at first, and then shrinks.
            if (random >> 50) % 100 < if step < 10_000 { 70 } else { 20 } {
                members.insert(&id, &info);
                expected.insert(id, info);
            } else {
                let removed = members.remove(&id).map(|member| member.info.raw().to_owned());
                assert_eq!(removed, expected.remove(&id));
            }
            if step % 1_000 == 0 {
                held.push((members.clone(), expected.clone()));
            }
        }
        held.push((members, expected));
        for (members, expected) in held {
            let found: BTreeMap<_, _> =
                members.iter().map(|member| (member.id.as_str().to_owned(), member.info.raw().to_owned())).collect();
            assert_eq!(found, expected);
            assert_eq!(members.len(), expected.len());
            let bytes: usize = expected.iter().map(|(id, info)| id.len() + info.len() + 24).sum();
            assert!((bytes..=2 * bytes + 1_000).contains(&members.weight()), "{} of {bytes}", members.weight());
            assert!(expected.keys().all(|id| members.contains(id)));
        }
    }

    #[test]
    fn removes_with_the_stored_info() {
        let mut members = members(&[("1", "[1]"), ("2", "[2]"), ("3", "[3]")]);
        assert_eq!(members.remove("1").unwrap().info.raw(), "[1]");
        assert_eq!(members.remove("1"), None);
        assert_eq!(members, self::members(&[("2", "[2]"), ("3", "[3]")]));
        assert_eq!(members.remove("3").unwrap().info.raw(), "[3]");
        assert_eq!(members.remove("2").unwrap().info.raw(), "[2]");
        assert!(members.is_empty());
    }

    #[test]
    fn a_clone_does_not_see_later_changes() {
        let before = members(&[("1", "{}")]);
        let mut after = before.clone();
        after.remove("1");
        assert_eq!((before.len(), after.len()), (1, 0));
    }

    #[test]
    fn tells_what_changed() {
        let before = members(&[("1", "[1]"), ("2", "[2]"), ("3", "[3]")]);
        let after = members(&[("2", "[2]"), ("3", "[4]"), ("5", "[5]")]);
        let difference = Difference::new(before.clone(), after.clone());
        assert_eq!(difference.joined().collect::<Vec<_>>(), [after.get("5").unwrap()]);
        assert_eq!(difference.left().collect::<Vec<_>>(), [before.get("1").unwrap()]);
        assert_eq!(difference.changed().collect::<Vec<_>>(), [after.get("3").unwrap()]);
        assert_eq!(*difference.before(), before);
        assert_ne!(after, before);
        assert_ne!(members(&[("1", "[1]")]), members(&[("1", "[2]")]));
        assert_ne!(members(&[("1", "[1]")]), members(&[("2", "[1]")]));
        assert_ne!(members(&[("1", "[1]")]), members(&[("1", "[1]"), ("2", "[2]")]));
    }

    #[test]
    fn a_list_can_be_made_of_its_members_and_equals_one_of_the_server() {
        let of_server = members(&[("1", "null"), ("2", "[2]")]);
        assert_eq!(of_server.iter().collect::<Members>(), of_server);
        let info = |json: &str| Data::from_json(json).unwrap();
        let mut made: Members = [Member::new("1", Data::ABSENT), Member::new("2", info("7"))].into_iter().collect();
        assert_ne!(made, of_server);
        made.extend([Member::new("2", info("[2]"))]);
        assert_eq!(made, of_server);
    }

    #[test]
    fn churn_does_not_grow_the_buffer() {
        let mut members = members(&[("1", "{}")]);
        for n in 0..10_000 {
            members.insert(&format!("{n}-x"), "{}");
            members.remove(&format!("{n}-x"));
        }
        assert!(members.weight() < 100, "{}", members.weight());
        for n in 0..10_000 {
            members.insert("1", &format!("[{n}]"));
        }
        assert!(members.weight() < 100, "{}", members.weight());
        assert_eq!(members.get("1").unwrap().info.raw(), "[9999]");
    }
}
