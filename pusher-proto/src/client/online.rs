//! Which users on the signed-in user's watchlist are online.

use alloc::collections::BTreeSet;

use crate::Text;
use crate::wire::names;

/// Users on the watchlist who are online, as last known.
#[derive(Default)]
pub(crate) struct Online {
    ids: BTreeSet<Text>,
    /// Length of all ids.
    bytes: usize,
}

impl Online {
    /// Users came online or went offline. Any other notice changes nothing.
    pub(crate) fn handle_notice(&mut self, name: &str, ids: &[Text]) {
        match name {
            names::ONLINE => {
                for id in ids {
                    self.insert(id);
                }
            }
            names::OFFLINE => {
                for id in ids {
                    self.remove(id);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) const fn ids(&self) -> &BTreeSet<Text> {
        &self.ids
    }

    fn insert(&mut self, id: &Text) {
        let has_room = self.ids.len() < MAX_USERS && self.bytes + id.len() <= MAX_BYTES;
        if has_room && self.ids.insert(id.clone()) {
            self.bytes += id.len();
        }
    }

    fn remove(&mut self, id: &Text) {
        if self.ids.remove(id) {
            self.bytes -= id.len();
        }
    }
}

/// The largest number of users that are kept; hosted Pusher allows 100 on a watchlist (Pusher docs, *Watchlist
/// events*).
const MAX_USERS: usize = 10_000;

/// The largest total length of ids that are kept, in bytes.
const MAX_BYTES: usize = 1_024 * 1_024;

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn keeps_no_more_users_and_bytes_than_its_bounds() {
        let mut online = Online::default();
        let ids: Vec<Text> = (0..=MAX_USERS).map(|id| format!("{id}").into()).collect();
        online.handle_notice("online", &ids);
        online.handle_notice("online", &ids);
        assert_eq!(online.ids().len(), MAX_USERS);
        online.handle_notice("offline", &ids);
        assert_eq!((online.ids().len(), online.bytes), (0, 0));
        let half = || Text::from("x".repeat(MAX_BYTES / 2));
        let long = [half(), half(), "y".repeat(MAX_BYTES / 2).into(), "z".into()];
        online.handle_notice("online", &long);
        assert_eq!(online.ids().len(), 2);
        online.handle_notice("offline", &long[..1]);
        online.handle_notice("online", &long[3..]);
        assert_eq!((online.ids().len(), online.bytes), (2, MAX_BYTES / 2 + 1));
    }
}
