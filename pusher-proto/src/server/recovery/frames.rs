//! Frames of version 2, made from those of version 1: other prefixes of names, and fields that follow the others.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use super::Uuids;
use crate::Text;
use crate::data::json_string;

/// What version 2 adds to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Stamp {
    pub(in crate::server) message_id: Text,
    pub(in crate::server) stream_id: Text,
    pub(in crate::server) serial: u64,
}

impl Stamp {
    /// The frame of a message as it is sent to clients of version 2.
    pub(in crate::server) fn on(&self, frame: &Text) -> Text {
        stamped(frame, Some(&self.message_id), Some((&self.stream_id, self.serial)))
    }
}

/// An answer to a client, with an id. Pongs have none.
pub(in crate::server) fn reply(frame: &Text, uuids: &mut Uuids) -> Text {
    if frame.starts_with(PONG) { stamped(frame, None, None) } else { stamped(frame, Some(&uuids.draw()), None) }
}

/// A frame with an id and a position, each if it has one.
pub(in crate::server) fn stamped(frame: &Text, message_id: Option<&str>, position: Option<(&str, u64)>) -> Text {
    let renamed = renamed(frame);
    let (Some(body), true) = (renamed.strip_suffix('}'), message_id.is_some() || position.is_some()) else {
        return renamed.as_ref().into();
    };
    let id = message_id.map_or_else(String::new, |id| format!(r#","message_id":{}"#, json_string(id)));
    let position = position.map_or_else(String::new, |(stream, serial)| {
        format!(r#","stream_id":{},"serial":{serial}"#, json_string(stream))
    });
    format!("{body}{id}{position}}}").into()
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
