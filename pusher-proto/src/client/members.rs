//! The members of a presence channel.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::event::Span;
use crate::{Data, Text};

/// Somebody on a presence channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The application's id of the user. Numbers arrive as their digits.
    pub id: Text,
    /// What the application says of the user (`user_info`).
    pub info: Data,
}

/// What changed between two lists of members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Who is there now and was not.
    pub joined: Vec<Member>,
    /// Who was there and is not.
    pub left: Vec<Member>,
    /// Whose info is another, with the new one.
    pub changed: Vec<Member>,
}

/// The members of a presence channel, each id once. Cloning shares the list; a later change does not reach the clone.
#[derive(Clone, Default)]
pub struct Members(Arc<List>);

/// All texts lie in one buffer, so that a member costs 22 bytes beyond its text.
#[derive(Clone, Default)]
struct List {
    text: String,
    slots: Vec<Slot>,
    index: HashTable<u32>,
    /// Bytes of `text` that no slot uses.
    garbage: usize,
    seed: u64,
}

#[derive(Clone, Copy)]
struct Slot {
    id: Span,
    info: Span,
}

/// What [`Members::insert`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    New,
    Changed,
    Same,
    /// There is no room.
    Full,
}

impl Members {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(List { seed, ..List::default() }))
    }

    /// Returns how many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.slots.len()
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.slots.is_empty()
    }

    /// Returns the member with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Member> {
        self.0.find(id).map(|at| self.0.member(self.0.slots[at]))
    }

    /// Whether somebody has this id.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.0.find(id).is_some()
    }

    /// Returns everybody, in the server's order as far as nobody has left since.
    pub fn iter(&self) -> impl Iterator<Item = Member> {
        self.0.slots.iter().map(|&slot| self.0.member(slot))
    }

    /// Returns the ids, in the same order, without a copy.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.slots.iter().map(|slot| slot.id.of(&self.0.text))
    }

    /// Adds a member, or replaces the info of one. `info` is JSON.
    pub(crate) fn insert(&mut self, id: &str, info: &str) -> Inserted {
        match self.0.find(id) {
            Some(at) if self.0.info(at) == info => Inserted::Same,
            _ if self.0.text.len() + id.len() + info.len() > MAX_TEXT_LEN => Inserted::Full,
            at => Arc::make_mut(&mut self.0).insert(at, id, info),
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.0.seed);
    }

    /// Removes a member, in O(1): the last one takes its place.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Member> {
        if !self.contains(id) {
            return None;
        }
        Arc::make_mut(&mut self.0).remove(id)
    }

    pub(crate) fn difference_from(&self, before: &Self) -> Difference {
        let mut difference = Difference::default();
        for &slot in &self.0.slots {
            let id = slot.id.of(&self.0.text);
            match before.0.find(id) {
                None => difference.joined.push(self.0.member(slot)),
                Some(at) if before.0.info(at) != slot.info.of(&self.0.text) => {
                    difference.changed.push(self.0.member(slot));
                }
                Some(_) => {}
            }
        }
        for &slot in &before.0.slots {
            if self.0.find(slot.id.of(&before.0.text)).is_none() {
                difference.left.push(before.0.member(slot));
            }
        }
        difference
    }
}

impl List {
    fn hash(seed: u64, id: &str) -> u64 {
        FixedState::with_seed(seed).hash_one(id)
    }

    fn find(&self, id: &str) -> Option<usize> {
        let same = |&at: &u32| self.slots[at as usize].id.of(&self.text) == id;
        self.index.find(Self::hash(self.seed, id), same).map(|&at| at as usize)
    }

    fn info(&self, at: usize) -> &str {
        self.slots[at].info.of(&self.text)
    }

    fn member(&self, slot: Slot) -> Member {
        let info = Text::from(slot.info.of(&self.text));
        let len = info.len();
        Member { id: Text::from(slot.id.of(&self.text)), info: Data::in_frame(info, 0..len) }
    }

    fn insert(&mut self, at: Option<usize>, id: &str, info: &str) -> Inserted {
        match at {
            None => {
                let slot = Slot { id: self.push(id), info: self.push(info) };
                let at = self.slots.len() as u32;
                self.slots.push(slot);
                let Self { text, slots, index, seed, .. } = self;
                let hash_at = |&at: &u32| Self::hash(*seed, slots[at as usize].id.of(text));
                index.insert_unique(Self::hash(*seed, id), at, hash_at);
                Inserted::New
            }
            Some(at) => {
                self.garbage += self.info(at).len();
                self.slots[at].info = self.push(info);
                self.compact();
                Inserted::Changed
            }
        }
    }

    fn remove(&mut self, id: &str) -> Option<Member> {
        let at = self.find(id)?;
        let slot = self.slots[at];
        let member = self.member(slot);
        let last = self.slots.len() - 1;
        let moved = Self::hash(self.seed, self.slots[last].id.of(&self.text));
        if let Ok(entry) = self.index.find_entry(Self::hash(self.seed, id), |&entry| entry as usize == at) {
            entry.remove();
        }
        if let Some(entry) = self.index.find_mut(moved, |&entry| entry as usize == last) {
            *entry = at as u32;
        }
        self.slots.swap_remove(at);
        self.garbage += id.len() + slot.info.of(&self.text).len();
        self.compact();
        Some(member)
    }

    fn push(&mut self, text: &str) -> Span {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        Span { start, end: self.text.len() as u32 }
    }

    /// Copies the used texts once they are less than half of the buffer, so that churn does not grow it.
    fn compact(&mut self) {
        if self.garbage <= self.text.len() / 2 {
            return;
        }
        let used = self.text.len() - self.garbage;
        let old = core::mem::replace(&mut self.text, String::with_capacity(used));
        self.garbage = 0;
        for at in 0..self.slots.len() {
            let Slot { id, info } = self.slots[at];
            self.slots[at] = Slot { id: self.push(id.of(&old)), info: self.push(info.of(&old)) };
        }
    }
}

/// Most bytes of ids and infos in one list; a snapshot of 100,000 members has about 11 MB.
const MAX_TEXT_LEN: usize = 64 * 1_024 * 1_024;

/// Lists are equal when they have the same members with the same info, in any order.
impl PartialEq for Members {
    fn eq(&self, other: &Self) -> bool {
        let same_in_other = |slot: &Slot| {
            let at = other.0.find(slot.id.of(&self.0.text));
            at.is_some_and(|at| other.0.info(at) == slot.info.of(&self.0.text))
        };
        self.len() == other.len() && self.0.slots.iter().all(same_in_other)
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

#[cfg(test)]
mod tests {
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
    fn takes_64_mebibytes_of_text_and_no_byte_more() {
        let mut members = members(&[("1", "")]);
        let rest = "x".repeat(64 * 1_024 * 1_024 - 2);
        assert_eq!(members.insert("23", &rest), Inserted::Full);
        assert_eq!(members.insert("2", &rest), Inserted::New);
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
        let difference = after.difference_from(&before);
        let ids = |members: &[Member]| members.iter().map(|member| member.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&difference.joined), ["5"]);
        assert_eq!(ids(&difference.left), ["1"]);
        assert_eq!(difference.changed, [after.get("3").unwrap()]);
        assert_ne!(after, before);
        assert_ne!(members(&[("1", "[1]")]), members(&[("1", "[2]")]));
        assert_ne!(members(&[("1", "[1]")]), members(&[("2", "[1]")]));
        assert_ne!(members(&[("1", "[1]")]), members(&[("1", "[1]"), ("2", "[2]")]));
    }

    #[test]
    fn churn_does_not_grow_the_buffer() {
        let mut members = members(&[("1", "{}")]);
        for n in 0..10_000 {
            members.insert(&format!("{n}-x"), "{}");
            members.remove(&format!("{n}-x"));
        }
        assert!(members.0.text.capacity() < 100, "{}", members.0.text.capacity());
        for n in 0..10_000 {
            members.insert("1", &format!("[{n}]"));
        }
        assert!(members.0.text.capacity() < 100, "{}", members.0.text.capacity());
        assert_eq!(members.get("1").unwrap().info.raw(), "[9999]");
    }
}
