//! A part of a text that is stored elsewhere.

use core::num::NonZeroU32;
use core::ops::Range;

/// The end is never 0, so that an `Option` of a span takes no additional memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: NonZeroU32,
}

impl Span {
    /// `None` for a range that ends at 0 or beyond 4 GiB.
    pub(crate) fn new(range: Range<usize>) -> Option<Self> {
        let end = u32::try_from(range.end).ok()?;
        Some(Self { start: range.start as u32, end: NonZeroU32::new(end)? })
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end.get() as usize
    }

    #[inline]
    pub(crate) fn of(self, text: &str) -> &str {
        &text[self.range()]
    }
}
