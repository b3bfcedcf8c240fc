//! What clients have sent, for tests that look afterwards.

use std::collections::VecDeque;

use bytes::Bytes;
use pusher_proto::Frame;
use pusher_proto::server::ConnectionId;

use crate::message::Message;

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
