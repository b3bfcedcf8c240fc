//! The list behind [`Members`](super::Members): pages of members in their order, and an index in parts.
//!
//! Clones share all of them, and a change copies only the few that it touches. If the application holds a clone of a
//! list of 100,000 members, a change copies about 20 KB instead of the whole list.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::{MAX_LEN, Members};
use crate::Text;

/// Ids and infos, each id once.
#[derive(Clone, Default)]
pub(super) struct List {
    /// All pages except the last one are full.
    pages: Vec<Arc<Page>>,
    /// Positions of members, each in the part that the hash of its id selects. The number of parts is a power of two.
    index: Vec<Arc<HashTable<u32>>>,
    len: usize,
    bytes: usize,
    seed: u64,
}

/// Members in the order of their arrival, which become a list when all have arrived. Only then is the index built, for a
/// number of members that is known, and until then, nothing is shared: both cost much in a list that grows.
pub(crate) struct Listing {
    pages: Vec<Page>,
    len: usize,
    bytes: usize,
    seed: u64,
}

/// Consecutive members.
#[derive(Clone, Default)]
struct Page {
    /// The short members, in one buffer.
    text: String,
    slots: Vec<Slot>,
    /// The long members, which are shared, so that a copy of the page does not copy them.
    long: BTreeMap<usize, Text>,
    long_bytes: usize,
    /// Bytes of `text` that no slot uses.
    garbage: usize,
}

/// Where the id is in the text; the info follows it. Long members have no start.
#[derive(Clone, Copy)]
struct Slot {
    start: u32,
    id_len: u32,
    info_len: u32,
}

impl List {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes that the list holds, including unused ones.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn find(&self, id: &str) -> Option<usize> {
        self.find_hashed(self.hash(id), id)
    }

    pub(super) fn find_hashed(&self, hash: u64, id: &str) -> Option<usize> {
        let part = self.index.get(self.part(hash))?;
        part.find(hash, |&at| self.get(at as usize).0 == id).map(|&at| at as usize)
    }

    /// Id and info of a member.
    pub(super) fn get(&self, at: usize) -> (&str, &str) {
        self.pages[at / PAGE_LEN].get(at % PAGE_LEN)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pages.iter().flat_map(|page| page.iter())
    }

    /// Adds a member that is not in the list yet, with its [`hash`](Self::hash).
    pub(super) fn push(&mut self, hash: u64, id: &str, info: &str) {
        if self.len >= self.index.len() * PART_LEN {
            self.rebuild_index((self.index.len() * 2).max(1));
        }
        if self.len % PAGE_LEN == 0 {
            self.pages.push(Arc::default());
        }
        self.change_page(self.len / PAGE_LEN, |page| page.push(id, info));
        self.add_to_index(hash, self.len);
        self.len += 1;
    }

    /// Replaces the info of a member.
    pub(super) fn set_info(&mut self, at: usize, id: &str, info: &str) {
        self.change_page(at / PAGE_LEN, |page| page.replace(at % PAGE_LEN, id, info));
    }

    /// Removes a member; the last one takes its place.
    pub(super) fn swap_remove(&mut self, at: usize) {
        let last = self.len - 1;
        self.remove_from_index(self.hash(self.get(at).0), at);
        let moved = self.hash(self.get(last).0);
        let mut taken = None;
        self.change_page(last / PAGE_LEN, |page| taken = page.pop());
        if let Some((text, id_len)) = taken.filter(|_| at != last) {
            let (id, info) = text.split_at(id_len);
            self.change_page(at / PAGE_LEN, |page| page.replace(at % PAGE_LEN, id, info));
            self.remove_from_index(moved, last);
            self.add_to_index(moved, at);
        }
        if last % PAGE_LEN == 0 {
            self.pages.pop();
        }
        self.len = last;
        if self.index.len() > 1 && self.len < self.index.len() * PART_LEN / 8 {
            self.rebuild_index(self.index.len() / 2);
        }
    }

    fn change_page(&mut self, page: usize, change: impl FnOnce(&mut Page)) {
        let page = Arc::make_mut(&mut self.pages[page]);
        let before = page.bytes();
        change(page);
        self.bytes = self.bytes - before + page.bytes();
    }

    pub(super) fn hash(&self, id: &str) -> u64 {
        hash(self.seed, id)
    }

    fn part(&self, hash: u64) -> usize {
        part_of(hash, self.index.len())
    }

    fn add_to_index(&mut self, hash: u64, at: usize) {
        let part = self.part(hash);
        let Self { pages, index, seed, .. } = self;
        let hash_at = |&at: &u32| {
            let (page, at) = (at as usize / PAGE_LEN, at as usize % PAGE_LEN);
            self::hash(*seed, pages[page].get(at).0)
        };
        Arc::make_mut(&mut index[part]).insert_unique(hash, at as u32, hash_at);
    }

    fn remove_from_index(&mut self, hash: u64, at: usize) {
        let part = self.part(hash);
        if let Ok(entry) = Arc::make_mut(&mut self.index[part]).find_entry(hash, |&entry| entry as usize == at) {
            entry.remove();
        }
    }

    fn rebuild_index(&mut self, parts: usize) {
        self.index = tables(parts, self.len).into_iter().map(Arc::new).collect();
        for at in 0..self.len {
            self.add_to_index(self.hash(self.get(at).0), at);
        }
    }
}

impl Listing {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { pages: Vec::new(), len: 0, bytes: 0, seed }
    }

    /// Adds a member, unless the list is full. `info` is JSON.
    pub(crate) fn push(&mut self, id: &str, info: &str) {
        let bytes = self.bytes + id.len() + info.len() + MEMBER_LEN;
        if bytes > MAX_LEN {
            return;
        }
        if self.len % PAGE_LEN == 0 {
            self.pages.push(Page::default());
        }
        if let Some(page) = self.pages.last_mut() {
            page.push(id, info);
        }
        (self.len, self.bytes) = (self.len + 1, bytes);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.seed);
    }

    /// Returns the list. If an id is repeated, its first place and its last info count.
    pub(crate) fn finish(self) -> Members {
        let Some(index) = self.index() else {
            let mut members = Members::new(self.seed);
            for (id, info) in self.pages.iter().flat_map(Page::iter) {
                members.insert(id, info);
            }
            return members;
        };
        let Self { pages, len, bytes, seed } = self;
        let index = index.into_iter().map(Arc::new).collect();
        Members(Arc::new(List { pages: pages.into_iter().map(Arc::new).collect(), index, len, bytes, seed }))
    }

    /// `None` if an id is repeated.
    fn index(&self) -> Option<Vec<HashTable<u32>>> {
        let mut index = tables(self.len.div_ceil(PART_LEN).next_power_of_two(), self.len);
        let id = |at: u32| self.pages[at as usize / PAGE_LEN].get(at as usize % PAGE_LEN).0;
        let parts = index.len();
        for (at, (own, _)) in (0..).zip(self.pages.iter().flat_map(Page::iter)) {
            let hash = hash(self.seed, own);
            let part = &mut index[part_of(hash, parts)];
            match part.entry(hash, |&at| id(at) == own, |&at| self::hash(self.seed, id(at))) {
                Entry::Occupied(_) => return None,
                Entry::Vacant(entry) => _ = entry.insert(at),
            }
        }
        Some(index)
    }
}

fn hash(seed: u64, id: &str) -> u64 {
    FixedState::with_seed(seed).hash_one(id)
}

/// The part of the index that a hash selects. The tables use the bits at both ends of a hash.
const fn part_of(hash: u64, parts: usize) -> usize {
    (hash >> 24) as usize & parts.wrapping_sub(1)
}

/// The empty parts of an index of `len` members. A short list takes no more memory than it needs.
fn tables(parts: usize, len: usize) -> Vec<HashTable<u32>> {
    let capacity = if parts == 1 { len } else { PART_CAPACITY };
    (0..parts).map(|_| HashTable::with_capacity(capacity)).collect()
}

impl Page {
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.slots.len()).map(|at| self.get(at))
    }

    fn get(&self, at: usize) -> (&str, &str) {
        let slot = self.slots[at];
        let text = match self.long(at) {
            Some(text) => text,
            None => &self.text[slot.start as usize..][..slot.len()],
        };
        text.split_at(slot.id_len as usize)
    }

    fn long(&self, at: usize) -> Option<&Text> {
        if self.slots[at].is_long() { self.long.get(&at) } else { None }
    }

    fn push(&mut self, id: &str, info: &str) {
        let slot = self.store(self.slots.len(), id, info);
        self.slots.push(slot);
        if self.slots.len() == PAGE_LEN {
            self.text.shrink_to_fit();
        }
    }

    fn replace(&mut self, at: usize, id: &str, info: &str) {
        self.release(at);
        self.slots[at] = self.store(at, id, info);
        self.compact();
    }

    /// Removes and returns the last member: its text, and how much of it is the id.
    fn pop(&mut self) -> Option<(Text, usize)> {
        let at = self.slots.len().checked_sub(1)?;
        let (id, info) = self.get(at);
        let taken = match self.long(at) {
            Some(text) => (text.clone(), id.len()),
            None => (Text::from([id, info].concat()), id.len()),
        };
        self.release(at);
        self.slots.pop();
        self.compact();
        Some(taken)
    }

    fn bytes(&self) -> usize {
        self.text.len() + self.long_bytes + self.slots.len() * MEMBER_LEN
    }

    fn store(&mut self, at: usize, id: &str, info: &str) -> Slot {
        let slot = Slot { start: self.text.len() as u32, id_len: id.len() as u32, info_len: info.len() as u32 };
        if slot.is_long() {
            self.long.insert(at, Text::from([id, info].concat()));
            self.long_bytes += slot.len();
        } else {
            self.text.push_str(id);
            self.text.push_str(info);
        }
        slot
    }

    fn release(&mut self, at: usize) {
        let len = self.slots[at].len();
        if self.long.remove(&at).is_some() {
            self.long_bytes -= len;
        } else {
            self.garbage += len;
        }
    }

    /// Copies the used texts when they are less than half of the buffer, so that the buffer does not grow while members
    /// come and go.
    fn compact(&mut self) {
        if self.garbage <= self.text.len() / 2 {
            return;
        }
        let used = self.text.len() - self.garbage;
        let old = core::mem::replace(&mut self.text, String::with_capacity(used));
        self.garbage = 0;
        for slot in &mut self.slots {
            if !slot.is_long() {
                let text = &old[slot.start as usize..][..slot.len()];
                slot.start = self.text.len() as u32;
                self.text.push_str(text);
            }
        }
    }
}

impl Slot {
    const fn len(self) -> usize {
        self.id_len as usize + self.info_len as usize
    }

    const fn is_long(self) -> bool {
        self.len() > MAX_SHORT_LEN
    }
}

/// Members in a page, and the largest average number of members in a part of the index. With more, a change copies
/// more; with fewer, a clone has more parts to count.
const PAGE_LEN: usize = 256;
const PART_LEN: usize = 192;

/// Initial capacity of a part: more members than most parts ever hold, because growing means hashing every id again.
const PART_CAPACITY: usize = 224;

/// Longest id and info, in bytes, that are stored in the page: a page never holds more than 128 KB, half of it unused.
const MAX_SHORT_LEN: usize = 256;

/// Bytes that a member takes in addition to its text: 12 in the page, and about as many in the index.
pub(super) const MEMBER_LEN: usize = 24;

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_list_that_arrives_at_once_is_one_that_grew_and_changes_like_it() {
        for len in [0, 1, PART_LEN - 1, PART_LEN, PART_LEN + 1, PAGE_LEN, PAGE_LEN + 1, 2 * PART_LEN + 1, 3_000] {
            for repeated in [None, Some(0), Some(len / 2), len.checked_sub(1)] {
                let mut listing = Listing::new(1);
                let mut grown = Members::new(1);
                let again = repeated.filter(|at| *at < len).map(|at| (at, format!("{at} again")));
                for (at, info) in (0..len).map(|at| (at, "{}".repeat(at % 200))).chain(again) {
                    listing.push(&format!("user-{at}"), &info);
                    grown.insert(&format!("user-{at}"), &info);
                }
                let mut listed = listing.finish();
                for change in 0..3 {
                    assert_eq!(listed.entries().collect::<Vec<_>>(), grown.entries().collect::<Vec<_>>());
                    assert_eq!((listed.len(), listed.weight()), (grown.len(), grown.weight()));
                    assert!(
                        (0..len)
                            .all(|at| listed.contains(&format!("user-{at}")) == grown.contains(&format!("user-{at}")))
                    );
                    for members in [&mut listed, &mut grown] {
                        members.remove(&format!("user-{change}"));
                        members.insert(&format!("new-{change}"), "7");
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_in_a_list_is_left_out() {
        let mut listing = Listing::new(1);
        let half = "x".repeat(MAX_LEN / 2);
        for (id, info) in [("1", &*half), ("2", &half), ("3", "7")] {
            listing.push(id, info);
        }
        assert_eq!(listing.finish().ids().collect::<Vec<_>>(), ["1", "3"]);
    }
}
