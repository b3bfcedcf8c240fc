//! The read buffer.

use core::mem;
use core::ops::Range;

use bytes::{Bytes, BytesMut};

/// A buffer into which the caller reads, and which messages are slices of.
///
/// It is small while little arrives, and grows when reads fill it. If no slice of it is left at the next read, the same
/// memory is reused; otherwise it is replaced by a new buffer.
pub(crate) struct Buffer {
    store: Store,
    /// The received bytes that have not been read yet.
    unread: Range<usize>,
    /// Index into [`LENS`].
    size: usize,
    /// Consecutive reads for which a smaller buffer would have been large enough.
    calm: u8,
}

/// All of its memory is initialised, since safe code cannot expose uninitialised memory. It is converted without being
/// touched, so it is zeroed only when it is allocated.
enum Store {
    /// Can be read into.
    Room(BytesMut),
    /// Can be cut into slices.
    Shared(Bytes),
}

impl Buffer {
    /// Returns a buffer with the bytes that arrived together with the answer to the upgrade.
    pub(crate) fn new(leftover: &[u8]) -> Self {
        let store = Store::Shared(Bytes::copy_from_slice(leftover));
        Self { store, unread: 0..leftover.len(), size: 0, calm: 0 }
    }

    /// Returns the received bytes that have not been read yet.
    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        match &self.store {
            Store::Shared(bytes) => &bytes[self.unread.clone()],
            Store::Room(bytes) => &bytes[self.unread.clone()],
        }
    }

    /// Returns the space to read into, which is never empty.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let len = LENS[self.size].max(2 * self.unread.len());
        let room = match mem::replace(&mut self.store, Store::Shared(Bytes::new())) {
            Store::Room(room) if room.len() == len => Ok(room),
            Store::Room(room) => Err(room.freeze()),
            Store::Shared(bytes) if bytes.len() == len => bytes.try_into_mut(),
            Store::Shared(bytes) => Err(bytes),
        };
        // The unread bytes are the start of a header, or of a control frame.
        let unread = mem::replace(&mut self.unread, 0..0);
        self.unread = 0..unread.len();
        let room = match room {
            Ok(mut room) => {
                room.copy_within(unread, 0);
                room
            }
            // It has a different size, or there is still a slice of it.
            Err(bytes) => {
                let mut room = BytesMut::zeroed(len);
                room[..unread.len()].copy_from_slice(&bytes[unread]);
                room
            }
        };
        self.store = Store::Room(room);
        let Store::Room(room) = &mut self.store else { return &mut [] };
        &mut room[self.unread.end..]
    }

    /// This many bytes have been read into the buffer.
    pub(crate) fn fill(&mut self, len: usize) {
        self.store = match mem::replace(&mut self.store, Store::Shared(Bytes::new())) {
            Store::Room(room) => {
                self.resize(len, room.len() - self.unread.end);
                self.unread.end = room.len().min(self.unread.end + len);
                Store::Shared(room.freeze())
            }
            // Nothing can have been read, because there was no space.
            shared @ Store::Shared(_) => shared,
        };
    }

    /// Cuts a slice out of the unread bytes, after skipping `skip` bytes.
    #[inline]
    pub(crate) fn cut(&mut self, skip: usize, len: usize) -> Bytes {
        let start = self.unread.start + skip;
        self.unread.start = start + len;
        match &self.store {
            Store::Shared(bytes) => bytes.slice(start..start + len),
            Store::Room(bytes) => Bytes::copy_from_slice(&bytes[start..start + len]),
        }
    }

    /// Skips the next bytes.
    #[inline]
    pub(crate) const fn skip(&mut self, len: usize) {
        self.unread.start += len;
    }

    /// Skips everything that has been received.
    pub(crate) const fn clear(&mut self) {
        self.unread.start = self.unread.end;
    }

    /// Frees the memory of a buffer of the smallest size if everything in it has been read. A larger one stays until it has been
    /// too large for a while, because more is likely to come.
    pub(crate) fn rest(&mut self) {
        if self.size == 0 && self.unread.is_empty() {
            self.store = Store::Shared(Bytes::new());
            self.unread = 0..0;
        }
    }

    /// Length in bytes of the allocation that slices are part of.
    pub(crate) fn len(&self) -> usize {
        match &self.store {
            Store::Shared(bytes) => bytes.len(),
            Store::Room(bytes) => bytes.len(),
        }
    }

    /// Chooses the size of the next buffer by how much was read into the last one.
    fn resize(&mut self, len: usize, room: usize) {
        if len >= room {
            self.calm = 0;
            self.size = (self.size + 1).min(LENS.len() - 1);
        } else if self.size > 0 && len <= LENS[self.size - 1] / 2 {
            self.calm += 1;
            if self.calm == CALM_READS {
                self.calm = 0;
                self.size -= 1;
            }
        } else {
            self.calm = 0;
        }
    }
}

/// Sizes in bytes: the first one is for an idle connection, and larger reads than the last one would not be faster.
const LENS: [usize; 3] = [4 * 1_024, 16 * 1_024, 64 * 1_024];

/// Consecutive small reads after which a large buffer is freed.
const CALM_READS: u8 = 16;

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_however_they_are_read_cut_and_kept() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..100 {
            let leftover: Vec<u8> = (0..random.usize(0..20)).map(|_| random.u8(..)).collect();
            let mut buffer = Buffer::new(&leftover);
            let mut unread = VecDeque::from(leftover);
            // Slices that are kept, and what was in them.
            let mut kept: Vec<(Bytes, Vec<u8>)> = Vec::new();
            for _ in 0..60 {
                match random.usize(0..6) {
                    0..=2 => {
                        let room = buffer.room();
                        assert!(!room.is_empty());
                        // Little arrives, or as much as there is room for.
                        let len = [1, 3, 200, room.len()][random.usize(0..4)].min(room.len());
                        room[..len].fill_with(|| random.u8(..));
                        unread.extend(&room[..len]);
                        buffer.fill(len);
                    }
                    3 | 4 => {
                        // All but a few bytes are read, as before a header in two parts.
                        let len = unread.len().saturating_sub(random.usize(0..12));
                        let skip = random.usize(0..=len.min(4));
                        let slice = buffer.cut(skip, len - skip);
                        let expected: Vec<u8> = unread.drain(..len).skip(skip).collect();
                        assert_eq!(slice, expected);
                        if random.bool() {
                            kept.push((slice, expected));
                        }
                    }
                    _ => match random.usize(0..4) {
                        0 => {
                            buffer.clear();
                            unread.clear();
                        }
                        1 => buffer.rest(),
                        2 => kept.clear(),
                        _ => {
                            let len = unread.len() / 2;
                            buffer.skip(len);
                            unread.drain(..len);
                        }
                    },
                }
                assert_eq!(buffer.unread(), unread.make_contiguous());
                assert!(kept.iter().all(|(slice, expected)| slice == expected));
            }
        }
    }
}
