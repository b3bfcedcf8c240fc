//! What the messages of clients mean, for tests and for the log. The model server reads them for itself.

use std::fmt;

use pusher_proto::{ChannelName, Data, Frame};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a message of a client means. The server may have refused it.
///
/// # Examples
///
/// ```
/// use pusher_server::Message;
/// use pusher_server::pusher_proto::{Data, Frame};
///
/// let sent = Frame::Text(r#"{"event":"client-typing","channel":"private-chat","data":{"user":7}}"#.into());
/// let typing = Message::ClientEvent {
///     channel: "private-chat".into(),
///     event: "client-typing".into(),
///     data: Data::from_json(r#"{"user":7}"#)?,
/// };
/// assert_eq!(Message::read(&sent), typing);
/// assert_eq!(Message::read(&Frame::Text("hello".into())), Message::Other);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// `pusher:subscribe`.
    Subscribe {
        /// The channel as the client wrote it, which may not be a valid name.
        channel: String,
    },
    /// `pusher:unsubscribe`.
    Unsubscribe {
        /// The same.
        channel: String,
    },
    /// `pusher:signin`.
    SignIn {
        /// The user as the client sent it: JSON as text.
        user_data: String,
    },
    /// A client event.
    ClientEvent {
        /// The channel as the client wrote it, which may not be a valid name.
        channel: String,
        /// The name, which begins with `client-`.
        event: String,
        /// The payload. Two are equal if their JSON is identical, character for character.
        data: Data,
    },
    /// `pusher:ping`.
    Ping,
    /// `pusher:pong`.
    Pong,
    /// Anything else: another event, text that is not an event, a binary message, or a WebSocket ping or pong.
    Other,
}

impl Message {
    /// Reads a frame of a client.
    #[must_use]
    pub fn read(frame: &Frame) -> Self {
        Envelope::read(frame).and_then(Envelope::message).unwrap_or(Self::Other)
    }
}

/// A short form for error texts, without payloads and signatures.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscribe { channel } => write!(f, "pusher:subscribe {channel}"),
            Self::Unsubscribe { channel } => write!(f, "pusher:unsubscribe {channel}"),
            Self::SignIn { .. } => f.write_str("pusher:signin"),
            Self::ClientEvent { channel, event, .. } => write!(f, "{event} {channel}"),
            Self::Ping => f.write_str("pusher:ping"),
            Self::Pong => f.write_str("pusher:pong"),
            Self::Other => f.write_str("another message"),
        }
    }
}

/// A message whose data has not been read yet.
#[derive(Deserialize)]
pub(crate) struct Envelope {
    pub(crate) event: String,
    channel: Option<String>,
    data: Option<Box<RawValue>>,
}

/// The fields of `data` that matter here.
#[derive(Deserialize)]
struct Fields {
    channel: Option<String>,
    user_data: Option<String>,
}

impl Envelope {
    pub(crate) fn read(frame: &Frame) -> Option<Self> {
        let Frame::Text(text) = frame else { return None };
        serde_json::from_str(text).ok()
    }

    /// The channel that the message names.
    pub(crate) fn channel(&self) -> Option<ChannelName> {
        let name = self.channel.clone().or_else(|| self.fields()?.channel);
        ChannelName::new(name?).ok()
    }

    /// The data as text: a string without its quotes, anything else as it was sent.
    pub(crate) fn text(&self) -> String {
        let json = self.data.as_ref().map_or("null", |data| data.get());
        serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())
    }

    fn message(self) -> Option<Message> {
        Some(match self.event.as_str() {
            "pusher:subscribe" => Message::Subscribe { channel: self.fields()?.channel? },
            "pusher:unsubscribe" => Message::Unsubscribe { channel: self.fields()?.channel? },
            "pusher:signin" => Message::SignIn { user_data: self.fields()?.user_data? },
            "pusher:ping" => Message::Ping,
            "pusher:pong" => Message::Pong,
            event if event.starts_with("client-") => {
                let data = self.data.map_or(Ok(Data::ABSENT), |data| Data::from_json(data.get())).ok()?;
                Message::ClientEvent { channel: self.channel?, event: self.event, data }
            }
            _ => return None,
        })
    }

    /// The data may be JSON inside a string.
    fn fields(&self) -> Option<Fields> {
        let json = self.data.as_ref()?.get();
        match serde_json::from_str::<String>(json) {
            Ok(inner) => serde_json::from_str(&inner).ok(),
            Err(_) => serde_json::from_str(json).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Frame {
        Frame::Text(text.into())
    }

    #[test]
    fn reads_every_message_of_a_client() {
        let event = |json: &str| Message::ClientEvent {
            channel: "private-a".into(),
            event: "client-x".into(),
            data: if json.is_empty() { Data::ABSENT } else { Data::from_json(json).unwrap() },
        };
        let table = [
            (
                r#"{"event":"pusher:subscribe","data":{"channel":"a","auth":"k:s"}}"#,
                Message::Subscribe { channel: "a".into() },
            ),
            (
                r#"{"event":"pusher:subscribe","data":"{\"channel\":\"a\"}"}"#,
                Message::Subscribe { channel: "a".into() },
            ),
            (r#"{"event":"pusher:unsubscribe","data":{"channel":"a"}}"#, Message::Unsubscribe { channel: "a".into() }),
            (
                r#"{"event":"pusher:signin","data":{"auth":"k:s","user_data":"{}"}}"#,
                Message::SignIn { user_data: "{}".into() },
            ),
            (r#"{"event":"client-x","channel":"private-a","data":{"n": 1}}"#, event(r#"{"n": 1}"#)),
            (r#"{"event":"client-x","channel":"private-a","data":"text"}"#, event(r#""text""#)),
            (r#"{"event":"client-x","channel":"private-a"}"#, event("")),
            (r#"{"event":"pusher:ping","data":{}}"#, Message::Ping),
            (r#"{"event":"pusher:pong"}"#, Message::Pong),
        ];
        for (frame, message) in table {
            assert_eq!(Message::read(&text(frame)), message, "{frame}");
        }
        for frame in [
            "",
            "[]",
            "7",
            r#"{"event":7}"#,
            r#"{"event":"x"}"#,
            r#"{"event":"pusher:subscribe"}"#,
            r#"{"event":"client-x"}"#,
        ] {
            assert_eq!(Message::read(&text(frame)), Message::Other, "{frame}");
        }
        assert_eq!(Message::read(&Frame::Ping), Message::Other);
    }

    #[test]
    fn the_channel_is_found_wherever_the_message_names_it() {
        let table = [
            (r#"{"event":"client-x","channel":"private-a","data":{"channel":"b"}}"#, Some("private-a")),
            (r#"{"event":"pusher:subscribe","data":{"channel":"a"}}"#, Some("a")),
            (r#"{"event":"pusher:subscribe","data":"{\"channel\":\"a\"}"}"#, Some("a")),
            (r#"{"event":"x","channel":"\u0000"}"#, None),
            (r#"{"event":"x","data":{"channel":7}}"#, None),
            (r#"{"event":"x"}"#, None),
        ];
        for (frame, channel) in table {
            let found = Envelope::read(&text(frame)).and_then(|envelope| envelope.channel());
            assert_eq!(found.as_ref().map(ChannelName::as_str), channel, "{frame}");
        }
    }
}
