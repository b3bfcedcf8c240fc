//! What a server sees and does, for those who watch it.

use std::fmt;

use pusher_proto::adapter::start_of;
use pusher_proto::server::{ConnectionId, Publication};
use pusher_proto::{ChannelName, CloseFrame, SocketId, Text};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// One thing that a [`Server`](crate::Server) saw or did.
///
/// # Examples
///
/// A test can wait for what it needs to have happened:
///
/// ```
/// use pusher_server::{Activity, Options, Server};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::start(Options::default()).await?;
/// let mut activities = server.handle().activities();
///
/// # let address = server.address();
/// tokio::spawn(async move {
///     // The program under test connects here.
///     # let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
///     # let request = "GET /apps/1/channels HTTP/1.1\r\nHost: localhost\r\n\r\n";
///     # tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
///     # std::future::pending::<()>().await;
/// });
/// while let Some(activity) = activities.next().await {
///     if let Activity::Answered { path, status, .. } = activity {
///         assert_eq!((path.as_str(), status), ("/apps/1/channels", 401));
///         break;
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// A socket was opened for this path and query.
    Opened {
        /// Which socket.
        connection: ConnectionId,
        /// Path and query of the request.
        target: String,
    },
    /// A socket was greeted, and is a connection now.
    Connected {
        /// Which socket.
        connection: ConnectionId,
        /// The id that the client knows.
        socket_id: SocketId,
    },
    /// A text message arrived. It may contain what an auth endpoint signed.
    Received {
        /// On which socket.
        connection: ConnectionId,
        /// The message, at most its first 16 KiB.
        text: Text,
    },
    /// A text message is about to be sent.
    Sent {
        /// On which socket.
        connection: ConnectionId,
        /// The message, at most its first 16 KiB.
        text: Text,
    },
    /// A connection was subscribed to a channel.
    Subscribed {
        /// Which connection.
        connection: ConnectionId,
        /// The channel.
        channel: ChannelName,
    },
    /// A connection has unsubscribed from a channel.
    Unsubscribed {
        /// Which connection.
        connection: ConnectionId,
        /// The channel.
        channel: ChannelName,
    },
    /// A user has signed in.
    SignedIn {
        /// On which connection.
        connection: ConnectionId,
        /// Who.
        user_id: String,
    },
    /// A message of a client was refused: a subscription, a sign-in or a client event.
    Refused {
        /// On which connection.
        connection: ConnectionId,
        /// The event of the message, such as `pusher:subscribe`.
        event: Text,
        /// The channel, if the message names one.
        channel: Option<ChannelName>,
        /// The message of the error, and its code. It does not repeat signatures.
        reason: String,
    },
    /// A client event was passed on.
    ClientEvent {
        /// On which connection.
        connection: ConnectionId,
        /// The channel.
        channel: ChannelName,
        /// The event, which begins with `client-`.
        event: Text,
        /// The payload, usually JSON, at most its first 16 KiB.
        data: Text,
    },
    /// A close frame is about to be sent.
    Closing {
        /// On which socket.
        connection: ConnectionId,
        /// Its code and reason.
        frame: CloseFrame,
    },
    /// A socket has ended.
    Ended {
        /// Which socket.
        connection: ConnectionId,
    },
    /// An event was published, through the HTTP API or by [`Handle::trigger`](crate::Handle::trigger).
    Published {
        /// The event.
        publication: Publication,
    },
    /// A call of the HTTP API or of an auth endpoint was answered.
    Answered {
        /// The request's method.
        method: String,
        /// The request's path, without its query.
        path: String,
        /// The status of the answer.
        status: u16,
        /// Why the call failed, or nothing.
        reason: String,
    },
    /// The reader was too slow for this many activities, which are lost to it.
    Missed {
        /// How many.
        count: u64,
    },
}

/// The activities of a server since [`Handle::activities`](crate::Handle::activities), in order.
///
/// Up to 4,096 activities wait to be read, with up to 16 KiB of text that clients sent in each; beyond that, the oldest are
/// lost. A server that is not watched collects nothing.
pub struct Activities {
    receiver: broadcast::Receiver<Activity>,
}

impl Activities {
    /// Waits for the next one. Returns `None` once the server is gone.
    ///
    /// Cancel safe: no activity is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Activity> {
        match self.receiver.recv().await {
            Ok(activity) => Some(activity),
            Err(RecvError::Lagged(count)) => Some(Activity::Missed { count }),
            Err(RecvError::Closed) => None,
        }
    }
}

impl fmt::Debug for Activities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activities").field("waiting", &self.receiver.len()).finish_non_exhaustive()
    }
}

/// The server's end.
pub(crate) struct Announcer(broadcast::Sender<Activity>);

impl Announcer {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(MAX_WAITING))
    }

    pub(crate) fn watch(&self) -> Activities {
        Activities { receiver: self.0.subscribe() }
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.0.receiver_count() > 0
    }

    pub(crate) fn announce(&self, activity: impl FnOnce() -> Activity) {
        if self.is_watched() {
            // It fails where the last watcher has just left.
            let _ = self.0.send(activity());
        }
    }
}

/// Returns as much of a text as an activity holds.
pub(crate) fn start(text: &str) -> Text {
    Text::from(start_of(text, MAX_TEXT_LEN))
}

/// Activities that wait for the slowest reader.
const MAX_WAITING: usize = 4_096;

/// Bytes of one text. Messages that the protocol allows have at most 10 KB, but what arrives may be larger.
const MAX_TEXT_LEN: usize = 16 * 1_024;
