//! Frames of version 2, made from those of version 1: other prefixes of names, and fields that follow the others.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Uuids;
use crate::Text;
use crate::data::json_string;

/// What a publisher says about an event, for filters.
pub(in crate::server) type Tags = BTreeMap<Text, Text>;

/// An event of the application, as it is sent, kept and judged by filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Published {
    pub(in crate::server) name: Text,
    /// In version 1, without tags.
    pub(in crate::server) frame: Text,
    pub(in crate::server) tags: Tags,
}

impl Published {
    /// The frame as it is sent to clients of version 2; without a stamp if the server does not number messages.
    pub(in crate::server) fn in_version_2(&self, stamp: Option<&Stamp>) -> Text {
        let id = stamp.map(|stamp| stamp.message_id.as_str());
        let position = stamp.map(|stamp| (stamp.stream_id.as_str(), stamp.serial));
        extended(&self.frame, &self.tags, id, position)
    }

    /// Bytes that are kept.
    pub(super) fn len(&self) -> usize {
        self.frame.len() + self.tags.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
    }
}

/// What version 2 adds to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Stamp {
    pub(in crate::server) message_id: Text,
    pub(in crate::server) stream_id: Text,
    pub(in crate::server) serial: u64,
}

/// An answer to a client, with an id. Pongs have none.
pub(in crate::server) fn reply(frame: &Text, uuids: &mut Uuids) -> Text {
    if frame.starts_with(PONG) { stamped(frame, None, None) } else { stamped(frame, Some(&uuids.draw()), None) }
}

/// A frame with an id and a position, each if it has one.
pub(in crate::server) fn stamped(frame: &Text, message_id: Option<&str>, position: Option<(&str, u64)>) -> Text {
    extended(frame, &Tags::new(), message_id, position)
}

fn extended(frame: &Text, tags: &Tags, message_id: Option<&str>, position: Option<(&str, u64)>) -> Text {
    let renamed = renamed(frame);
    let is_extended = !tags.is_empty() || message_id.is_some() || position.is_some();
    let (Some(body), true) = (renamed.strip_suffix('}'), is_extended) else {
        return renamed.as_ref().into();
    };
    let tags = if tags.is_empty() { String::new() } else { format!(r#","tags":{}"#, object(tags)) };
    let id = message_id.map_or_else(String::new, |id| format!(r#","message_id":{}"#, json_string(id)));
    let position = position.map_or_else(String::new, |(stream, serial)| {
        format!(r#","stream_id":{},"serial":{serial}"#, json_string(stream))
    });
    format!("{body}{tags}{id}{position}}}").into()
}

fn object(tags: &Tags) -> String {
    let fields = tags.iter().map(|(key, value)| format!("{}:{}", json_string(key), json_string(value)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// The frame with the prefix of version 2. Frames of the server begin with the event's name.
fn renamed(frame: &str) -> Cow<'_, str> {
    for (old, new) in PREFIXES {
        if let Some(rest) = frame.strip_prefix(old) {
            return Cow::Owned(format!("{new}{rest}"));
        }
    }
    Cow::Borrowed(frame)
}

const PREFIXES: [(&str, &str); 2] = [
    (r#"{"event":"pusher:"#, r#"{"event":"sockudo:"#),
    (r#"{"event":"pusher_internal:"#, r#"{"event":"sockudo_internal:"#),
];

const PONG: &str = r#"{"event":"pusher:pong""#;
