//! What was done, until it is read.

use std::collections::VecDeque;

/// The latest items, 65,536 at most; earlier ones are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Record<T>(VecDeque<T>);

impl<T> Record<T> {
    pub(crate) const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(crate) fn push(&mut self, item: T) {
        if self.0.len() >= MAX_LEN {
            self.0.pop_front();
        }
        self.0.push_back(item);
    }

    /// Returns the items since the last call.
    pub(crate) fn take(&mut self) -> impl ExactSizeIterator<Item = T> {
        self.0.drain(..)
    }
}

const MAX_LEN: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_65536_items_are_kept_until_they_are_read() {
        let mut record = Record::new();
        (0..2 * 65_536 - 1).for_each(|number| record.push(number));
        let taken: Vec<_> = record.take().collect();
        assert_eq!((taken.len(), taken[0]), (65_536, 65_535));
        assert_eq!(record.take().len(), 0);
    }
}
