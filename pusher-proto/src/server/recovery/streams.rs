//! The messages that a server can replay: the last ones of each channel, and none that is too old.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use super::rewind::{self, Rewind, Rewound};
use super::{Published, Stamp, Uuids};
use crate::server::config::Options;
use crate::{ChannelName, Instant, Text};

/// The streams of all channels.
#[derive(Debug)]
pub(in crate::server) struct Streams {
    channels: BTreeMap<ChannelName, Stream>,
    /// The channel of each message that is kept, in the order of publishing.
    order: BTreeMap<u64, ChannelName>,
    /// The same for streams, in the order of their last use.
    uses: BTreeMap<u64, ChannelName>,
    /// Counts messages and uses.
    moments: u64,
    /// Of all messages that are kept.
    bytes: usize,
    limits: Limits,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    messages: usize,
    bytes: usize,
    ttl: Duration,
}

/// The messages of one channel.
#[derive(Debug)]
struct Stream {
    id: Text,
    /// The number of the newest message.
    serial: u64,
    messages: VecDeque<Kept>,
    used_at: Instant,
    /// The key in the order of uses.
    use_number: u64,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    at: Instant,
    event: Published,
    stamp: Stamp,
}

/// A message that is replayed.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) struct Replayed<'a> {
    pub(in crate::server) event: &'a Published,
    pub(in crate::server) stamp: &'a Stamp,
}

/// Why messages cannot be replayed. Sockudo has further reasons if it keeps a durable history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) enum Failure {
    /// The channel has another stream, this one.
    StreamReset(Text),
    /// Some of the messages are no longer there. Sockudo also answers this if there are none and the buffer is empty.
    Expired,
}

impl Streams {
    pub(in crate::server) fn new(options: &Options) -> Self {
        let limits =
            Limits { messages: options.recovery_messages, bytes: options.recovery_bytes, ttl: options.recovery_ttl };
        Self { channels: BTreeMap::new(), order: BTreeMap::new(), uses: BTreeMap::new(), moments: 0, bytes: 0, limits }
    }

    /// Begins to count anew in every channel.
    pub(in crate::server) fn reset(&mut self) {
        self.channels.clear();
        self.order.clear();
        self.uses.clear();
        self.bytes = 0;
    }

    /// The place of the newest message, which is 0 in a new stream.
    pub(in crate::server) fn position(
        &mut self,
        channel: &ChannelName,
        uuids: &mut Uuids,
        now: Instant,
    ) -> (Text, u64) {
        let stream = self.open(channel, uuids, now);
        (stream.id.clone(), stream.serial)
    }

    /// The same, without beginning a stream.
    pub(in crate::server) fn newest(&self, channel: &ChannelName, now: Instant) -> Option<(&str, u64)> {
        let stream = self.channels.get(channel).filter(|stream| now < stream.used_at + self.limits.ttl)?;
        Some((&stream.id, stream.serial))
    }

    /// Gives a message its number and keeps it.
    pub(in crate::server) fn append(
        &mut self,
        channel: &ChannelName,
        event: &Published,
        uuids: &mut Uuids,
        now: Instant,
    ) -> Stamp {
        self.open(channel, uuids, now);
        let (number, most) = (self.moments, self.limits.messages);
        self.moments += 1;
        let stream = self.open(channel, uuids, now);
        stream.serial += 1;
        stream.used_at = now;
        let used_before = core::mem::replace(&mut stream.use_number, number);
        let stamp = Stamp { message_id: uuids.draw(), stream_id: stream.id.clone(), serial: stream.serial };
        stream.messages.push_back(Kept { number, at: now, event: event.clone(), stamp: stamp.clone() });
        let excess = stream.messages.len().saturating_sub(most);
        let dropped: Vec<Kept> = stream.messages.drain(..excess).collect();
        self.uses.remove(&used_before);
        self.uses.insert(number, channel.clone());
        self.order.insert(number, channel.clone());
        self.bytes += event.len();
        for kept in dropped {
            self.order.remove(&kept.number);
            self.bytes -= kept.event.len();
        }
        while self.bytes > self.limits.bytes && self.drop_oldest() {}
        stamp
    }

    /// The messages after a position. Without a stream, the number alone counts.
    pub(in crate::server) fn replay(
        &mut self,
        channel: &ChannelName,
        stream_id: Option<&str>,
        serial: u64,
        now: Instant,
    ) -> Result<Vec<Replayed<'_>>, Failure> {
        self.expire(now);
        let stream = self.channels.get(channel).ok_or(Failure::Expired)?;
        if stream_id.is_some_and(|id| id != stream.id.as_str()) {
            return Err(Failure::StreamReset(stream.id.clone()));
        }
        let first = stream.messages.front().ok_or(Failure::Expired)?;
        if serial > stream.serial || serial.saturating_add(1) < first.stamp.serial {
            return Err(Failure::Expired);
        }
        let missed = stream.messages.iter().filter(|kept| kept.stamp.serial > serial);
        Ok(missed.map(Kept::replayed).collect())
    }

    /// The messages that a subscription begins with; `passes` says which of them it wants.
    pub(in crate::server) fn rewind(
        &mut self,
        channel: &ChannelName,
        wanted: Rewind,
        passes: impl Fn(&Published) -> bool,
        now: Instant,
    ) -> Rewound<'_> {
        self.expire(now);
        let kept = self.channels.get(channel).map(|stream| &stream.messages);
        let messages = kept.into_iter().flatten().map(|kept| (kept.at, kept.replayed()));
        rewind::pick(messages, wanted, passes, now)
    }

    /// The stream of a channel. One that was silent for longer than messages are kept is forgotten, and the channel gets a
    /// new one.
    fn open(&mut self, channel: &ChannelName, uuids: &mut Uuids, now: Instant) -> &mut Stream {
        self.expire(now);
        if !self.channels.contains_key(channel) {
            while self.channels.len() >= MAX_STREAMS && self.drop_least_used() {}
            self.uses.insert(self.moments, channel.clone());
        }
        let moments = &mut self.moments;
        self.channels.entry(channel.clone()).or_insert_with(|| {
            *moments += 1;
            Stream { id: uuids.draw(), serial: 0, messages: VecDeque::new(), used_at: now, use_number: *moments - 1 }
        })
    }

    /// Forgets what is too old.
    fn expire(&mut self, now: Instant) {
        while let Some(channel) = self.order.first_key_value().map(|(_, channel)| channel) {
            let oldest = self.channels.get(channel).and_then(|stream| stream.messages.front());
            if oldest.is_some_and(|kept| now < kept.at + self.limits.ttl) {
                break;
            }
            self.drop_oldest();
        }
        while let Some(channel) = self.uses.first_key_value().map(|(_, channel)| channel) {
            if self.channels.get(channel).is_some_and(|stream| now < stream.used_at + self.limits.ttl) {
                break;
            }
            self.drop_least_used();
        }
    }

    /// Forgets one message. Returns whether there was one.
    fn drop_oldest(&mut self) -> bool {
        let Some((_, channel)) = self.order.pop_first() else { return false };
        let dropped = self.channels.get_mut(&channel).and_then(|stream| stream.messages.pop_front());
        self.bytes -= dropped.map_or(0, |kept| kept.event.len());
        true
    }

    /// Forgets one stream. Returns whether there was one.
    fn drop_least_used(&mut self) -> bool {
        let Some((_, channel)) = self.uses.pop_first() else { return false };
        for kept in self.channels.remove(&channel).into_iter().flat_map(|stream| stream.messages) {
            self.order.remove(&kept.number);
            self.bytes -= kept.event.len();
        }
        true
    }
}

impl Kept {
    fn replayed(&self) -> Replayed<'_> {
        Replayed { event: &self.event, stamp: &self.stamp }
    }
}

/// Channels that have a stream at the same time. The one that was silent the longest loses its stream.
const MAX_STREAMS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ServerConfig;
    use crate::signing::App;

    fn secs(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    fn streams(messages: usize, bytes: usize) -> (Streams, Uuids) {
        let builder = ServerConfig::builder(App::new("1", "key", "secret").unwrap());
        let builder = builder.recovery_messages(messages).recovery_bytes(bytes).recovery_ttl(Duration::from_secs(10));
        (Streams::new(builder.build().unwrap().options()), Uuids::new(1))
    }

    fn channel(name: &str) -> ChannelName {
        ChannelName::new(name).unwrap()
    }

    fn event(frame: &str) -> Published {
        Published { name: "e".into(), frame: frame.into(), tags: Default::default() }
    }

    fn serials(streams: &mut Streams, name: &str, after: u64, now: Instant) -> Result<Vec<u64>, Failure> {
        let replayed = streams.replay(&channel(name), None, after, now)?;
        Ok(replayed.iter().map(|replayed| replayed.stamp.serial).collect())
    }

    #[test]
    fn keeps_the_last_messages_of_each_channel_and_none_that_is_too_old() {
        let (mut streams, mut uuids) = streams(2, 1_000);
        for at in 0..4 {
            streams.append(&channel("a"), &event("frame"), &mut uuids, secs(at));
        }
        assert_eq!(serials(&mut streams, "a", 1, secs(4)), Err(Failure::Expired));
        assert_eq!(serials(&mut streams, "a", 2, secs(4)), Ok([3, 4].into()));
        assert_eq!(serials(&mut streams, "a", 4, secs(4)), Ok([].into()));
        assert_eq!(serials(&mut streams, "a", 5, secs(4)), Err(Failure::Expired), "ahead of the stream");
        assert_eq!(serials(&mut streams, "a", 2, secs(12)), Err(Failure::Expired));
        assert_eq!(serials(&mut streams, "a", 3, secs(12)), Ok([4].into()));
        assert_eq!(streams.newest(&channel("a"), secs(12)).map(|(_, serial)| serial), Some(4));
        assert_eq!(serials(&mut streams, "a", 4, secs(13)), Err(Failure::Expired));
        assert_eq!((streams.bytes, streams.order.len(), streams.uses.len(), streams.channels.len()), (0, 0, 0, 0));
    }

    #[test]
    fn a_channel_that_was_silent_for_too_long_gets_another_stream() {
        let (mut streams, mut uuids) = streams(2, 1_000);
        let first = streams.append(&channel("a"), &event("frame"), &mut uuids, secs(0));
        assert_eq!(streams.position(&channel("a"), &mut uuids, secs(9)), (first.stream_id.clone(), 1));
        let second = streams.append(&channel("a"), &event("frame"), &mut uuids, secs(10));
        assert_eq!(second.serial, 1);
        assert_ne!(second.stream_id, first.stream_id);
        let reset = Err(Failure::StreamReset(second.stream_id.clone()));
        assert_eq!(streams.replay(&channel("a"), Some(&first.stream_id), 1, secs(10)), reset);
        streams.reset();
        assert_ne!(streams.position(&channel("a"), &mut uuids, secs(10)).0, second.stream_id);
    }

    #[test]
    fn an_empty_stream_cannot_replay_nothing() {
        let (mut streams, mut uuids) = streams(2, 1_000);
        let (stream, serial) = streams.position(&channel("a"), &mut uuids, secs(0));
        assert_eq!(serial, 0);
        assert_eq!(streams.replay(&channel("a"), Some(&stream), 0, secs(1)), Err(Failure::Expired));
    }

    #[test]
    fn all_channels_together_keep_no_more_bytes_than_they_may() {
        let (mut streams, mut uuids) = streams(100, 20);
        for name in ["a", "b", "a", "b", "a"] {
            streams.append(&channel(name), &event("frame"), &mut uuids, secs(0));
        }
        assert_eq!((streams.bytes, streams.order.len()), (20, 4));
        assert_eq!(serials(&mut streams, "a", 0, secs(0)), Err(Failure::Expired));
        assert_eq!(serials(&mut streams, "a", 1, secs(0)), Ok([2, 3].into()));
        assert_eq!(serials(&mut streams, "b", 0, secs(0)), Ok([1, 2].into()));
        streams.append(&channel("b"), &event(&"x".repeat(21)), &mut uuids, secs(0));
        assert_eq!((streams.bytes, streams.order.len()), (0, 0));
        assert_eq!(streams.position(&channel("b"), &mut uuids, secs(0)).1, 3);
    }

    #[test]
    fn more_channels_than_there_may_be_lose_the_stream_that_was_silent_the_longest() {
        let (mut streams, mut uuids) = streams(1, 1_000_000);
        for number in 0..=MAX_STREAMS {
            streams.append(&channel(&alloc::format!("c{number}")), &event("frame"), &mut uuids, secs(0));
        }
        assert_eq!(
            (streams.channels.len(), streams.uses.len(), streams.order.len()),
            (MAX_STREAMS, MAX_STREAMS, MAX_STREAMS)
        );
        assert_eq!(serials(&mut streams, "c0", 0, secs(0)), Err(Failure::Expired));
        assert_eq!(serials(&mut streams, "c1", 0, secs(0)), Ok([1].into()));
    }
}
