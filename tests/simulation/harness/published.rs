//! The positions of all messages, in worlds with version 2 of Sockudo's protocol.

use std::collections::BTreeMap;

use pusher_proto::server::Server;
use pusher_proto::{ChannelName, Position};

/// What was published on each stream. Streams of different channels and servers have different names.
#[derive(Default)]
pub(crate) struct Published {
    /// The number of the event that each message contains.
    numbers: BTreeMap<(String, u64), u64>,
    /// The reverse, for each channel of each server.
    positions: BTreeMap<u64, Position>,
    /// The newest message of each stream.
    newest: BTreeMap<String, u64>,
}

impl Published {
    /// The event with this number was published on a channel, if the server has numbered a message since.
    pub(crate) fn add(&mut self, server: &Server, channel: &ChannelName, number: u64) {
        let Some(position) = server.position(channel) else { return };
        let (stream, serial) = (position.stream_id().to_owned(), position.serial());
        let is_new = self.newest.get(&stream).is_none_or(|newest| *newest < serial);
        if serial > 0 && is_new {
            self.newest.insert(stream.clone(), serial);
            self.numbers.insert((stream, serial), number);
            self.positions.insert(number, position);
        }
    }

    pub(crate) fn position(&self, number: u64) -> Option<&Position> {
        self.positions.get(&number)
    }

    /// The event in the message with this position.
    pub(crate) fn number(&self, stream: &str, serial: u64) -> Option<u64> {
        self.numbers.get(&(stream.to_owned(), serial)).copied()
    }

    /// The first event of a stream. A stream without one is newer than all others of its channel.
    pub(crate) fn first(&self, stream: &str) -> u64 {
        self.number(stream, 1).unwrap_or(u64::MAX)
    }

    /// The newest message of a stream; 0 if it has none.
    pub(crate) fn newest(&self, stream: &str) -> u64 {
        self.newest.get(stream).copied().unwrap_or_default()
    }

    /// The newest message of each stream.
    pub(crate) fn all_newest(&self) -> &BTreeMap<String, u64> {
        &self.newest
    }
}
