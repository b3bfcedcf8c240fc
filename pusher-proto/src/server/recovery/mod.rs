//! Sockudo's protocol version 2, as far as recovery needs it: messages have ids and positions, and a client can have those
//! replayed that follow a position.
//!
//! A server builds each frame in version 1. `frames.rs` turns it into version 2, where that is needed; `streams.rs` numbers
//! messages and keeps them; `resume.rs` answers requests, and `rewind.rs` sends the messages that a subscription begins with.

mod frames;
mod resume;
mod rewind;
mod streams;

use alloc::format;

pub(super) use self::frames::{Published, Stamp, Tags, reply, stamped};
pub(super) use self::rewind::Rewind;
pub(super) use self::streams::Streams;
use crate::Text;

/// What a server of [`Dialect::SockudoV2`](super::Dialect::SockudoV2) does for clients that want to recover.
///
/// # Examples
///
/// ```
/// use pusher_proto::server::{Dialect, RecoverySupport, ServerConfig};
/// use pusher_proto::signing::App;
///
/// let app = App::new("1", "key", "secret")?;
/// ServerConfig::builder(app).dialect(Dialect::SockudoV2).recovery(RecoverySupport::Disabled).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecoverySupport {
    /// Messages have positions and can be replayed. Sockudo has to be configured to do this.
    #[default]
    Enabled,
    /// Messages have no positions, and a request to replay some is refused with error 4301.
    Disabled,
    /// The same, but the request is never answered: Sockudo was built without the feature.
    Missing,
}

/// The source of ids of messages and streams, which look like UUIDs.
#[derive(Debug)]
pub(super) struct Uuids(fastrand::Rng);

impl Uuids {
    /// Other ids of the server do not depend on how many of these are drawn.
    pub(super) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(!seed))
    }

    pub(super) fn draw(&mut self) -> Text {
        let (high, low) = (self.0.u64(..), self.0.u64(..));
        let (time, version, variant) = (high >> 16, high & 0xfff, low >> 48 & 0x3fff | 0x8000);
        let (node, start, middle) = (low & 0xffff_ffff_ffff, time >> 16, time & 0xffff);
        format!("{start:08x}-{middle:04x}-4{version:03x}-{variant:04x}-{node:012x}").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_uuids_and_are_all_different() {
        let mut uuids = Uuids::new(7);
        let ids: alloc::collections::BTreeSet<Text> = (0..100).map(|_| uuids.draw()).collect();
        assert_eq!(ids.len(), 100);
        for id in &ids {
            let lens: alloc::vec::Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(lens, [8, 4, 4, 4, 12], "{id}");
            assert_eq!((id.as_bytes()[14], b"89ab".contains(&id.as_bytes()[19])), (b'4', true), "{id}");
        }
    }
}
