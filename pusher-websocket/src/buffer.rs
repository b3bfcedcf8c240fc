//! The read buffer.

use core::mem;
use core::ops::Range;

use bytes::{Bytes, BytesMut};

/// One buffer into which the caller reads, and of which messages are slices.
///
/// It is small while little comes, and grows when reads fill it. If no slice of it is left at the next read, the same memory
/// is read into again; otherwise a new buffer takes its place.
pub(crate) struct Buffer {
    store: Store,
    /// What has come and is not read yet.
    unread: Range<usize>,
    /// Place in [`LENS`].
    size: usize,
    /// Reads in a row that a smaller buffer would have served.
    calm: u8,
}

/// All of it is initialised, since safe code cannot hand out other memory. It changes hands without being touched, so it is
/// zeroed when it is allocated and never again.
enum Store {
    /// Can be read into.
    Room(BytesMut),
    /// Can be cut into slices.
    Shared(Bytes),
}

impl Buffer {
    /// Starts with what came together with the upgrade.
    pub(crate) fn new(leftover: &[u8]) -> Self {
        let store = Store::Shared(Bytes::copy_from_slice(leftover));
        Self { store, unread: 0..leftover.len(), size: 0, calm: 0 }
    }

    /// Returns what has come and is not read yet.
    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        match &self.store {
            Store::Shared(bytes) => &bytes[self.unread.clone()],
            Store::Room(bytes) => &bytes[self.unread.clone()],
        }
    }

    /// Returns room to read into, never empty.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let len = LENS[self.size].max(2 * self.unread.len());
        let room = match mem::replace(&mut self.store, Store::Shared(Bytes::new())) {
            Store::Room(room) if room.len() == len => Ok(room),
            Store::Room(room) => Err(room.freeze()),
            Store::Shared(bytes) if bytes.len() == len => bytes.try_into_mut(),
            Store::Shared(bytes) => Err(bytes),
        };
        // What is unread is the start of a header, or of a control frame.
        let unread = mem::replace(&mut self.unread, 0..0);
        self.unread = 0..unread.len();
        let room = match room {
            Ok(mut room) => {
                room.copy_within(unread, 0);
                room
            }
            // It has another size, or somebody holds a slice of it.
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

    /// So many bytes have been read into the room.
    pub(crate) fn fill(&mut self, len: usize) {
        self.store = match mem::replace(&mut self.store, Store::Shared(Bytes::new())) {
            Store::Room(room) => {
                self.resize(len, room.len() - self.unread.end);
                self.unread.end = room.len().min(self.unread.end + len);
                Store::Shared(room.freeze())
            }
            // Nothing can have been read: there was no room.
            shared @ Store::Shared(_) => shared,
        };
    }

    /// Cuts a slice out of what is unread, behind `skip` bytes.
    #[inline]
    pub(crate) fn cut(&mut self, skip: usize, len: usize) -> Bytes {
        let start = self.unread.start + skip;
        self.unread.start = start + len;
        match &self.store {
            Store::Shared(bytes) => bytes.slice(start..start + len),
            Store::Room(bytes) => Bytes::copy_from_slice(&bytes[start..start + len]),
        }
    }

    /// Goes past the next bytes.
    #[inline]
    pub(crate) const fn skip(&mut self, len: usize) {
        self.unread.start += len;
    }

    /// Goes past everything that has come.
    pub(crate) const fn clear(&mut self) {
        self.unread.start = self.unread.end;
    }

    /// Length in bytes of the allocation that slices lie in.
    pub(crate) fn len(&self) -> usize {
        match &self.store {
            Store::Shared(bytes) => bytes.len(),
            Store::Room(bytes) => bytes.len(),
        }
    }

    /// Chooses the size of the next room by what was read into the last one.
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

/// Sizes in bytes: the first one for a connection that idles, the last one as large as a read pays.
const LENS: [usize; 3] = [4 * 1_024, 16 * 1_024, 64 * 1_024];

/// Small reads in a row after which a large buffer is given back.
const CALM_READS: u8 = 16;
