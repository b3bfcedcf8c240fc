//! Requests to replay what follows the positions of channels.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;

use super::streams::{Failure, Replayed};
use super::{Published, RecoverySupport, Stamp};
use crate::data::json_string;
use crate::server::{ConnectionId, Server};
use crate::{ChannelName, Position, Text};

/// What a request says about a channel.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Wanted {
    serial: u64,
    stream_id: Option<String>,
}

/// The data of a request.
#[derive(Debug, Deserialize)]
struct Request {
    channel_positions: Option<BTreeMap<String, Wanted>>,
    /// The older form, without streams.
    channel_serials: Option<BTreeMap<String, u64>>,
}

impl Server {
    /// Returns the position of the newest message of a channel, which the success of a subscription would show; `None` if
    /// the server does not number messages, or has forgotten the channel.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::server::{Dialect, Publication, Server, ServerConfig};
    /// use pusher_proto::signing::App;
    /// use pusher_proto::{ChannelName, Instant};
    ///
    /// let config = ServerConfig::new(App::new("1", "key", "secret")?).with_dialect(Dialect::SockudoV2);
    /// let mut server = Server::new(config, 7);
    /// let channel = ChannelName::new("chat")?;
    /// assert_eq!(server.position(&channel), None);
    ///
    /// server.trigger(&Publication::new("message", [channel.clone()], "{}"), Instant::ZERO)?;
    /// assert_eq!(server.position(&channel).map(|position| position.serial()), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn position(&self, channel: &ChannelName) -> Option<Position> {
        let (stream, serial) = self.streams.newest(channel, self.now)?;
        Position::new(stream, serial)
    }

    /// Whether messages have positions.
    pub(in crate::server) fn numbers_messages(&self) -> bool {
        self.config.profile().has_version_2 && self.config.options().recovery == RecoverySupport::Enabled
    }

    /// Gives a message its id and its position, if the server does that.
    pub(in crate::server) fn stamp(&mut self, channel: &ChannelName, event: &Published) -> Option<Stamp> {
        let numbers = self.numbers_messages();
        numbers.then(|| self.streams.append(channel, event, &mut self.uuids, self.now))
    }

    /// The replayed messages of each channel or its failure come first, and then the summary. Nothing else can come between
    /// them, so no live message has to wait.
    pub(in crate::server) fn resume(&mut self, id: ConnectionId, data: Option<&str>) {
        match self.config.options().recovery {
            RecoverySupport::Enabled => {}
            RecoverySupport::Disabled => return self.send_refusal(id, 4301, "Connection recovery is not enabled"),
            RecoverySupport::Missing => return,
        }
        let wanted = match read(data) {
            Ok(wanted) => wanted,
            Err(message) => return self.send_refusal(id, 4000, &format!("Invalid message format: {message}")),
        };
        if wanted.is_empty() {
            return self.send_refusal(id, 4302, "No channel recovery positions provided");
        }
        let (mut recovered, mut failed) = (Vec::new(), Vec::new());
        for (channel, wanted) in wanted {
            match self.replay(id, &channel, &wanted) {
                Ok(entry) => recovered.push(entry),
                Err(failure) => {
                    let fields = fields(&failure, wanted.stream_id.as_deref());
                    let data = json_string(&format!("{{{fields}}}"));
                    let name = json_string(&channel);
                    let frame = format!(r#"{{"event":"pusher:resume_failed","channel":{name},"data":{data}}}"#);
                    self.send(id, frame.into());
                    failed.push(format!(r#"{{"channel":{name},{fields}}}"#));
                }
            }
        }
        let data = format!(r#"{{"recovered":[{}],"failed":[{}]}}"#, recovered.join(","), failed.join(","));
        self.send(id, format!(r#"{{"event":"pusher:resume_success","data":{}}}"#, json_string(&data)).into());
    }

    /// Sends what a channel has missed and its filter lets through, and returns what the summary says about it. Sockudo does
    /// not check whether the channel is subscribed.
    fn replay(&mut self, id: ConnectionId, channel: &str, wanted: &Wanted) -> Result<String, Failure> {
        let connection = self.connections.get(&id);
        let is_v2 = connection.is_some_and(|connection| connection.version_2.is_some());
        let name = ChannelName::internal(channel).map_err(|_| Failure::Expired)?;
        let replayed = self.streams.replay(&name, wanted.stream_id.as_deref(), wanted.serial, self.now)?;
        let position = replayed.last().map_or_else(
            || "null".to_string(),
            |last| {
                let Stamp { message_id, stream_id, serial } = last.stamp;
                let [stream, message] = [stream_id, message_id].map(|id| json_string(id));
                format!(r#"{{"stream_id":{stream},"serial":{serial},"last_message_id":{message}}}"#)
            },
        );
        let filter = connection.and_then(|connection| connection.filters.get(&name));
        let passed = replayed.iter().filter(|message| filter.is_none_or(|filter| filter.passes(message.event)));
        let frames: Vec<Text> = passed
            .map(|Replayed { event, stamp }| if is_v2 { event.in_version_2(Some(stamp)) } else { event.frame.clone() })
            .collect();
        let (count, channel) = (frames.len(), json_string(channel));
        for frame in frames {
            self.send_as_is(id, frame);
        }
        Ok(format!(r#"{{"channel":{channel},"source":"hot","replayed":{count},"position":{position}}}"#))
    }

    pub(in crate::server) fn send_refusal(&mut self, id: ConnectionId, code: u16, message: &str) {
        self.send(id, self.config.profile().error(Some(code), message, None));
    }
}

/// Reads the positions that a request names; an error is a message for the client.
fn read(data: Option<&str>) -> Result<BTreeMap<String, Wanted>, String> {
    let data = data.ok_or("Missing data in resume message")?;
    let json = serde_json::from_str::<String>(data).map_or(Cow::Borrowed(data), Cow::Owned);
    let request: Request = serde_json::from_str(&json).map_err(|error| format!("Invalid resume data JSON: {error}"))?;
    let serials = |serials: BTreeMap<String, u64>| {
        serials.into_iter().map(|(channel, serial)| (channel, Wanted { serial, stream_id: None })).collect()
    };
    let positions = request.channel_positions.or_else(|| request.channel_serials.map(serials));
    positions.ok_or_else(|| "Missing channel_positions or channel_serials in resume data".into())
}

/// The fields that describe a failure.
fn fields(failure: &Failure, expected: Option<&str>) -> String {
    let (code, reason, current) = match failure {
        Failure::StreamReset(current) => ("stream_reset", "stream_id_mismatch", Some(current.as_str())),
        Failure::Expired => ("position_expired", "hot_replay_expired_and_durable_history_disabled", None),
    };
    let [expected, current] = [expected, current].map(|id| id.map_or_else(|| "null".to_string(), json_string));
    format!(
        r#""code":"{code}","reason":"{reason}","expected_stream_id":{expected},"current_stream_id":{current},"oldest_available_serial":null,"newest_available_serial":null"#
    )
}
