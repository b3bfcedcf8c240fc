//! What clients have sent, for tests that look afterwards.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use pusher_proto::server::ConnectionId;
use pusher_proto::{Data, Frame};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A message that a client has sent.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pusher_server::{Mark, Message, Options, Server};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::start(Options::default()).await?;
/// let handle = server.handle();
/// # let url = format!("{}/app/app-key?protocol=7", server.ws_url());
/// # let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
/// # let subscribe = r#"{"event":"pusher:subscribe","data":{"channel":"chat"}}"#;
/// # futures_util::SinkExt::send(&mut socket, subscribe.into()).await?;
/// // The program under test connects here, and subscribes to `chat`.
/// handle.wait_for_connection(1, Duration::from_secs(5)).await?;
///
/// let subscribe = Message::Subscribe { channel: "chat".into() };
/// let first = handle.wait_for_received(Mark::default(), Duration::from_secs(5), |received| {
///     received.message == subscribe
/// });
/// assert_eq!(first.await?.connection, handle.connections()[0].connection);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// On which socket.
    pub connection: ConnectionId,
    /// The message as it arrived. It may contain what an auth endpoint signed.
    pub frame: Frame,
    /// What it means.
    pub message: Message,
}

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

/// What clients have sent, the oldest first.
///
/// The server keeps the last 4,096 messages, at most 4 MiB of them. Older ones are dropped and counted.
///
/// # Examples
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = pusher_server::Server::start(pusher_server::Options::default()).await?;
/// // The program under test runs here, and must not have sent a client event.
/// let received = server.handle().received();
/// assert_eq!(received.missed(), 0);
/// assert!(received.client_events().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ReceivedMessages {
    messages: Vec<Received>,
    missed: u64,
}

/// A position among the messages that clients send: after all that have been received so far. The default is before the
/// first one.
///
/// # Examples
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = pusher_server::Server::start(pusher_server::Options::default()).await?;
/// let handle = server.handle();
/// assert_eq!(handle.mark(), pusher_server::Mark::default());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub(crate) u64);

impl Message {
    /// Reads a frame of a client.
    #[must_use]
    pub fn read(frame: &Frame) -> Self {
        let Frame::Text(text) = frame else { return Self::Other };
        serde_json::from_str::<Envelope<'_>>(text).ok().and_then(Envelope::message).unwrap_or(Self::Other)
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

impl ReceivedMessages {
    /// Returns the messages.
    #[must_use]
    pub fn messages(&self) -> &[Received] {
        &self.messages
    }

    pub(crate) fn into_messages(self) -> Vec<Received> {
        self.messages
    }

    /// Returns how many messages are missing at the beginning because they were dropped.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Returns what the client events mean, in order.
    #[must_use]
    pub fn client_events(&self) -> Vec<&Message> {
        let messages = self.messages.iter().map(|received| &received.message);
        messages.filter(|message| matches!(message, Message::ClientEvent { .. })).collect()
    }

    /// Returns the channels to which clients have asked to subscribe, in order, including refused ones.
    #[must_use]
    pub fn subscribed_channels(&self) -> Vec<&str> {
        let mut channels = Vec::new();
        for received in &self.messages {
            if let Message::Subscribe { channel } = &received.message {
                channels.push(channel.as_str());
            }
        }
        channels
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    event: String,
    channel: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// The fields of `data` that matter here.
#[derive(Deserialize)]
struct Fields {
    channel: Option<String>,
    user_data: Option<String>,
}

impl Envelope<'_> {
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

    /// The data, which may be JSON inside a string.
    fn fields(&self) -> Option<Fields> {
        let json = self.data?.get();
        match serde_json::from_str::<String>(json) {
            Ok(inner) => serde_json::from_str(&inner).ok(),
            Err(_) => serde_json::from_str(json).ok(),
        }
    }
}

/// The frames, which are parsed only on request.
#[derive(Default)]
pub(crate) struct Journal {
    frames: VecDeque<(ConnectionId, Frame)>,
    /// Bytes in them.
    len: usize,
    dropped: u64,
}

impl Journal {
    pub(crate) fn write(&mut self, connection: ConnectionId, frame: &Frame) {
        let frame = match frame {
            // Otherwise a small message could keep a large buffer alive.
            Frame::Binary(bytes) => Frame::Binary(Bytes::copy_from_slice(bytes)),
            Frame::Text(_) | Frame::Ping | Frame::Pong => frame.clone(),
        };
        self.len += len(&frame);
        self.frames.push_back((connection, frame));
        while self.frames.len() > MAX_FRAMES || self.len > MAX_LEN {
            let Some((_, frame)) = self.frames.pop_front() else { break };
            self.len -= len(&frame);
            self.dropped += 1;
        }
    }

    /// The position after the last message.
    pub(crate) fn end(&self) -> Mark {
        Mark(self.dropped + self.frames.len() as u64)
    }

    /// Copies what is after the mark, which is cheap: texts are shared. It is read without the server's lock.
    pub(crate) fn since(&self, mark: Mark) -> Excerpt {
        let known = usize::try_from(mark.0.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        Excerpt {
            frames: self.frames.iter().skip(known).cloned().collect(),
            missed: self.dropped.saturating_sub(mark.0),
            end: self.end(),
        }
    }
}

/// A part of a journal.
pub(crate) struct Excerpt {
    frames: Vec<(ConnectionId, Frame)>,
    missed: u64,
    pub(crate) end: Mark,
}

impl Excerpt {
    pub(crate) fn read(self) -> ReceivedMessages {
        let messages = self.frames.into_iter().map(|(connection, frame)| {
            let message = Message::read(&frame);
            Received { connection, frame, message }
        });
        ReceivedMessages { messages: messages.collect(), missed: self.missed }
    }
}

fn len(frame: &Frame) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) => bytes.len(),
        Frame::Ping | Frame::Pong => 0,
    }
}

/// Messages that are kept.
const MAX_FRAMES: usize = 4_096;

/// Bytes of the messages that are kept.
const MAX_LEN: usize = 4 * 1_024 * 1_024;

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
    fn drops_the_oldest_messages_and_counts_them() {
        let mut journal = Journal::default();
        let client = ConnectionId::new(1);
        for number in 0..5_000 {
            journal.write(client, &text(&number.to_string()));
        }
        let all = journal.since(Mark::default()).read();
        assert_eq!((all.messages().len(), all.missed()), (4_096, 904));
        assert_eq!(all.messages()[0].frame, text("904"));
        assert_eq!(journal.since(Mark(4_999)).read().messages().len(), 1);
        assert_eq!(journal.since(journal.end()).read().messages(), []);

        for _ in 0..5 {
            journal.write(client, &text(&"x".repeat(1_024 * 1_024)));
        }
        let all = journal.since(Mark::default()).read();
        assert_eq!((all.messages().len(), all.missed()), (4, 5_001));
        journal.write(client, &text(&"x".repeat(5 * 1_024 * 1_024)));
        assert_eq!((journal.len, journal.since(Mark::default()).read().missed()), (0, 5_006));
    }
}
