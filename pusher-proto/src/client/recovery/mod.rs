//! Recovery: the proof that a channel has missed nothing while there was no connection.
//!
//! ```text
//!                              the same position
//!                      ┌──────────────────────────────────┐
//!  subscription sent   │           the next request       ▼
//!  ──► Success ──success──► Request ──────► Answer ──► Recovered, held events in the order of sending
//!         │                                   │
//!         │ no position                       │ failure, deadline, or too many events (in every stage)
//!         └────────────────►──────────────────┴──────► ContinuityLost, held events as they arrived
//! ```
//!
//! In these stages, a channel holds its events back (`gate.rs`), because live ones may arrive before older ones that are
//! replayed. A socket that is lost discards them: they were not emitted, so the position (`track.rs`) is still that of the
//! last emitted event, and they will be replayed. Repetitions are recognised by stream and number (`seen.rs`), and never by
//! the id of a message, which all versions of an edited message share.

#[cfg_attr(not(feature = "delta"), path = "no_bases.rs")]
mod bases;
mod gate;
mod seen;
mod track;

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

pub(crate) use bases::Bases;
pub(crate) use track::{Damage, Track, Verdict};

use super::room::Room;
use crate::wire::protocol::Protocol;
use crate::{ChannelName, Instant, Position, Recovery};

/// What all channels of a client have in common.
pub(crate) struct Recovering {
    pub(crate) options: Recovery,
    /// The protocol of the current socket.
    pub(crate) protocol: Protocol,
    /// Positions of channels that the application has not subscribed to yet.
    pub(crate) imported: BTreeMap<ChannelName, Position>,
    /// Channels for the next request.
    pub(crate) ready: VecDeque<ChannelName>,
    /// When it is sent at the latest.
    pub(crate) send_at: Option<Instant>,
    /// Bytes of all events that are held back.
    pub(crate) held_bytes: usize,
    /// What deltas refer to, if the server may send them.
    pub(crate) bases: Option<Bases>,
    /// Channels whose deltas do not fit, which the server has not been told.
    pub(crate) damaged: VecDeque<ChannelName>,
}

impl Recovering {
    pub(crate) fn new(options: Recovery, max_frame_len: usize) -> Self {
        Self {
            options,
            protocol: Protocol::V1,
            imported: BTreeMap::new(),
            ready: VecDeque::new(),
            send_at: None,
            held_bytes: 0,
            bases: bases::bases(&options, max_frame_len),
            damaged: VecDeque::new(),
        }
    }

    /// A channel has to ask for what it missed, together with those that follow shortly after.
    pub(crate) fn add(&mut self, channel: ChannelName, now: Instant) {
        self.ready.push_back(channel);
        self.send_at.get_or_insert(now + COLLECTION);
    }

    /// The socket is lost.
    pub(crate) fn leave(&mut self) {
        self.ready.clear();
        self.send_at = None;
        self.held_bytes = 0;
        self.damaged.clear();
        if let Some(bases) = &mut self.bases {
            bases.clear();
        }
    }

    /// How much a channel may hold that holds this many bytes.
    pub(crate) fn room(&self, held_bytes: usize, max_events: usize) -> Room {
        // All of them are emitted at once.
        let events = self.options.held_messages.min(max_events);
        Room::new(events, self.options.held_bytes, self.held_bytes, held_bytes)
    }
}

/// How long a request waits for further channels, while subscriptions are unanswered.
const COLLECTION: Duration = Duration::from_millis(50);

/// Length after which a request is complete, in bytes; further channels are in the next one. Sockudo accepts messages of
/// 64 KiB by default.
pub(crate) const MAX_REQUEST_LEN: usize = 32 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_may_hold_what_the_others_leave_of_64_mib() {
        let mut recovering = Recovering::new(Recovery::default().held_bytes(40 << 20), 0);
        assert_eq!(recovering.room(0, 4_096).bytes, 40 << 20);
        recovering.held_bytes = 50 << 20;
        assert_eq!(recovering.room(0, 4_096).bytes, 14 << 20);
        assert_eq!(recovering.room(10 << 20, 4_096).bytes, 24 << 20);
        recovering.held_bytes = 65 << 20;
        assert_eq!(recovering.room(0, 4_096).bytes, 0);
    }

    #[test]
    fn a_channel_holds_no_more_events_than_may_wait_to_be_polled() {
        let recovering = Recovering::new(Recovery::default(), 0);
        assert_eq!((recovering.room(0, 4_096).events, recovering.room(0, 10).events), (1_000, 10));
    }
}
