//! The frames that deltas refer to.

use alloc::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::marks::marks;
use super::{Algorithm, DeltaError};
use crate::Text;
use crate::wire::object;

/// How much [`Bases`] may hold and rebuild.
///
/// # Examples
///
/// ```
/// use pusher_proto::delta::{Bases, Limits};
///
/// let bases = Bases::new(Limits { max_frame_len: 64 * 1_024, ..Limits::default() });
/// assert_eq!(bases.held(), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all bases together, with their names and 256 bytes for each; 4 MiB by default. When they do not
    /// suffice, the base that has not been used for the longest time is dropped, and its next delta is reported as lost.
    pub max_bytes: usize,
    /// Bytes of a rebuilt frame; 1 MiB by default.
    pub max_frame_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 4 * 1_024 * 1_024, max_frame_len: 1_024 * 1_024 }
    }
}

/// The bases of one connection: the last full or rebuilt frame for each channel, event and conflation key.
///
/// Give each event of a channel to [`keep`](Self::keep) as it was received, and each `sockudo:delta` to
/// [`rebuild`](Self::rebuild), which returns the frame that the server would have sent without deltas. Replayed and
/// rewound events can be given to `keep` as well: they carry no marks, so they change nothing.
///
/// A base can be lost: the server or this type has dropped it, or a frame was skipped. The event is then missing, and
/// only a `sockudo:resume` can bring it back ([`LostBase`]).
///
/// # Examples
///
/// ```
/// use pusher_proto::delta::{Bases, Limits};
///
/// let mut bases = Bases::new(Limits::default());
/// let full = r#"{"event":"price","channel":"btc","data":"100","serial":1,"__delta_seq":1}"#;
/// assert!(bases.keep("btc", "price", full));
///
/// let data = r#"{"event":"price","seq":2,"base_index":1,"algorithm":"fossil","delta":"_w=="}"#;
/// let lost = bases.rebuild("btc", data).unwrap_err();
/// assert!(lost.is_first);
/// assert_eq!(lost.to_string(), "an event that was sent as a delta is lost");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Bases {
    /// By channel, event and conflation key.
    channels: BTreeMap<Text, BTreeMap<Text, BTreeMap<Text, Base>>>,
    /// All bases in the order of their last use.
    uses: BTreeMap<u64, Key>,
    next_use: u64,
    /// Channels that wait for a full frame, since the server has been asked for one.
    lost: BTreeSet<Text>,
    /// Bytes of `channels` and `lost`.
    held: usize,
    algorithm: Option<Algorithm>,
    limits: Limits,
}

#[derive(Clone, Debug)]
struct Base {
    seq: u64,
    last_use: u64,
    frame: Text,
}

#[derive(Clone, Debug)]
struct Key {
    channel: Text,
    event: Text,
    conflation_key: Text,
}

impl Bases {
    /// Holds no bases yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Drops all bases: the server has begun to send deltas, and again from the first sequence number. `data` is that
    /// of `sockudo:delta_compression_enabled`, as [`Data::text`](crate::Data::text) returns it; its algorithm is that
    /// of all deltas that do not name one.
    pub fn enable(&mut self, data: &str) {
        self.clear();
        let name = object::fields(data, ["algorithm"]).and_then(|[name]| object::string(name?));
        self.algorithm = name.and_then(|name| Algorithm::from_name(&name));
    }

    /// Drops all bases, as a new connection requires: the server counts from 0 on each.
    pub fn clear(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Drops the bases of a channel, as an unsubscription requires.
    pub fn forget(&mut self, channel: &str) {
        self.drop_bases(channel);
        if let Some(channel) = self.lost.take(channel) {
            self.held -= lost_weight(&channel);
        }
    }

    /// Keeps an event as the base of later deltas if its last field says that it is one (`__delta_seq`, possibly
    /// followed by `__conflation_key`). Returns whether it is.
    ///
    /// `frame` is the whole frame as it was received; `channel` and `event` are its fields of these names.
    pub fn keep(&mut self, channel: &str, event: &str, frame: &str) -> bool {
        let Some(marks) = marks(frame) else { return false };
        if let Some(channel) = self.lost.take(channel) {
            self.held -= lost_weight(&channel);
        }
        self.insert(channel, event, &marks.conflation_key, marks.seq, marks.base().into());
        true
    }

    /// Rebuilds the frame that a `sockudo:delta` stands for, and keeps it as the base of the next delta. The frame is a
    /// complete event: handle it like one that was received.
    ///
    /// `data` is the event's data, as [`Data::text`](crate::Data::text) returns it.
    ///
    /// # Errors
    ///
    /// If the delta does not fit what is kept, is damaged, or exceeds a limit. Then all bases of the channel are
    /// dropped, and every further delta of it is lost until the server sends a full frame.
    pub fn rebuild(&mut self, channel: &str, data: &str) -> Result<Text, LostBase> {
        match self.rebuilt(channel, data) {
            Ok((key, seq, frame)) => {
                self.insert(channel, &key.event, &key.conflation_key, seq, frame.clone());
                Ok(frame)
            }
            Err(reason) => {
                self.drop_bases(channel);
                Err(LostBase { is_first: self.lose(channel), reason })
            }
        }
    }

    /// Returns how many bytes the bases take, as [`Limits::max_bytes`] counts them.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    fn rebuilt(&self, channel: &str, data: &str) -> Result<(Key, u64, Text), Lost> {
        let names = ["event", "seq", "base_index", "algorithm", "conflation_key", "delta"];
        let fields = object::fields(data, names).unwrap_or_default();
        let [Some(event), Some(seq), Some(base_index), algorithm, conflation_key, Some(delta)] = fields else {
            return Err(Lost::Unreadable);
        };
        let number = |raw: &serde_json::value::RawValue| raw.get().parse::<u64>().map_err(|_| Lost::Unreadable);
        let (seq, base_index) = (number(seq)?, number(base_index)?);
        let event = object::string(event).ok_or(Lost::Unreadable)?;
        let conflation_key = conflation_key.map_or(Some("".into()), object::string).ok_or(Lost::Unreadable)?;
        let delta = object::string(delta).ok_or(Lost::Unreadable)?;

        let base = self.find(channel, &event, &conflation_key).ok_or(Lost::Missing)?;
        if base.seq != base_index {
            return Err(Lost::Other { expected: base_index, kept: base.seq });
        }
        let delta = STANDARD.decode(delta.as_bytes()).map_err(|_| DeltaError::Base64)?;
        let algorithm = match algorithm {
            None => self.algorithm.unwrap_or_else(|| Algorithm::of(&delta)),
            Some(name) => {
                object::string(name).and_then(|name| Algorithm::from_name(&name)).ok_or(Lost::UnknownAlgorithm)?
            }
        };
        let frame = algorithm.apply_to_text(&base.frame, &delta, self.limits.max_frame_len)?;
        let is = |field: Option<_>, expected: &str| field.and_then(object::string).is_some_and(|text| text == expected);
        match object::fields(&frame, ["event", "channel"]) {
            Some([name, of]) if is(name, &event) && is(of, channel) => {}
            Some(_) | None => return Err(Lost::OtherEvent),
        }
        let text = |text: &str| Text::from(text);
        let key = Key { channel: text(channel), event: text(&event), conflation_key: text(&conflation_key) };
        Ok((key, seq, frame.into()))
    }

    fn find(&self, channel: &str, event: &str, conflation_key: &str) -> Option<&Base> {
        self.channels.get(channel)?.get(event)?.get(conflation_key)
    }

    fn insert(&mut self, channel: &str, event: &str, conflation_key: &str, seq: u64, frame: Text) {
        let [channel, event, conflation_key] = [channel, event, conflation_key].map(Text::from);
        let key = Key { channel, event, conflation_key };
        self.remove(&key);
        let weight = weight(&key, &frame);
        if weight > self.limits.max_bytes {
            return;
        }
        self.make_room(weight);
        let last_use = self.next_use;
        self.next_use += 1;
        self.held += weight;
        self.uses.insert(last_use, key.clone());
        let events = self.channels.entry(key.channel).or_default();
        events.entry(key.event).or_default().insert(key.conflation_key, Base { seq, last_use, frame });
    }

    /// Drops what has not been used for the longest time. Waiting channels go first: forgetting them costs one
    /// superfluous request at most.
    fn make_room(&mut self, weight: usize) {
        if self.held + weight > self.limits.max_bytes {
            self.held -= self.lost.iter().map(lost_weight).sum::<usize>();
            self.lost.clear();
        }
        while self.held + weight > self.limits.max_bytes {
            let Some((_, key)) = self.uses.pop_first() else { break };
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &Key) {
        let Some(events) = self.channels.get_mut(&key.channel) else { return };
        let Some(bases) = events.get_mut(&key.event) else { return };
        let Some(base) = bases.remove(&key.conflation_key) else { return };
        self.uses.remove(&base.last_use);
        self.held -= weight(key, &base.frame);
        if bases.is_empty() {
            events.remove(&key.event);
        }
        if events.is_empty() {
            self.channels.remove(&key.channel);
        }
    }

    fn drop_bases(&mut self, channel: &str) {
        for base in self.channels.remove(channel).into_iter().flatten().flat_map(|(_, bases)| bases.into_values()) {
            if let Some(key) = self.uses.remove(&base.last_use) {
                self.held -= weight(&key, &base.frame);
            }
        }
    }

    /// Notes that the channel waits for a full frame. Returns whether it did not do so before.
    fn lose(&mut self, channel: &str) -> bool {
        if self.lost.contains(channel) {
            return false;
        }
        let channel = Text::from(channel);
        let weight = lost_weight(&channel);
        if weight <= self.limits.max_bytes {
            self.make_room(weight);
            self.held += weight;
            self.lost.insert(channel);
        }
        true
    }
}

/// The event that a delta stands for cannot be rebuilt, and is missing.
///
/// Unless [`is_first`](Self::is_first) is false, send `sockudo:delta_sync_error` for the channel, upon which the server
/// sends the next event of each name as a full frame. Then send `sockudo:resume` from the last position of the channel,
/// which replays the missing event; without a position, report a gap.
///
/// # Examples
///
/// ```
/// use pusher_proto::delta::{Bases, Lost};
///
/// let mut bases = Bases::default();
/// let data = r#"{"event":"price","seq":2,"base_index":1,"delta":"MAowOw=="}"#;
/// let lost = bases.rebuild("btc", data).unwrap_err();
/// assert_eq!((lost.is_first, lost.reason), (true, Lost::Missing));
/// assert!(!bases.rebuild("btc", data).unwrap_err().is_first);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event that was sent as a delta is lost")]
#[non_exhaustive]
pub struct LostBase {
    /// Whether the channel had no loss since its last full frame. Further ones need no further request: the server sent
    /// them before it read the first.
    pub is_first: bool,
    /// What is wrong.
    #[source]
    pub reason: Lost,
}

/// Why a delta cannot be applied to the base of its channel, event and conflation key.
///
/// # Examples
///
/// ```
/// use pusher_proto::delta::Lost;
///
/// let lost = Lost::Other { expected: 4, kept: 2 };
/// assert_eq!(lost.to_string(), "the delta needs base 4, but base 2 is kept");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// No base is kept.
    #[error("no base is kept")]
    Missing,
    /// The delta refers to another frame than the one that is kept.
    #[error("the delta needs base {expected}, but base {kept} is kept")]
    Other {
        /// Sequence number that the delta refers to (`base_index`).
        expected: u64,
        /// Sequence number of the base.
        kept: u64,
    },
    /// A field of the delta is missing, or is not of the right type.
    #[error("the delta lacks a field")]
    Unreadable,
    /// The delta has an algorithm that [`Algorithm::from_name`] does not know.
    #[error("the algorithm of the delta is unknown")]
    UnknownAlgorithm,
    /// The delta is damaged, was made for another text, or exceeds the limit of a frame.
    #[error("the delta cannot be applied")]
    Delta(#[from] DeltaError),
    /// The rebuilt frame is not an event of the channel and name that the delta has.
    #[error("the rebuilt frame is another event")]
    OtherEvent,
}

/// Bytes that count for a base.
fn weight(key: &Key, frame: &Text) -> usize {
    key.channel.len() + key.event.len() + key.conflation_key.len() + frame.len() + BASE_LEN
}

fn lost_weight(channel: &Text) -> usize {
    channel.len() + BASE_LEN
}

/// Bytes that count for the entries of a base in all maps.
const BASE_LEN: usize = 256;
