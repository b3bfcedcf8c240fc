//! What a server sees and does, for those who watch it.

use std::fmt;

use pusher_proto::server::{ConnectionId, Publication};
use pusher_proto::{CloseFrame, Text};
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
    /// A text message arrived. It may contain what an auth endpoint signed.
    Received {
        /// On which socket.
        connection: ConnectionId,
        /// The message.
        text: Text,
    },
    /// A text message is about to be sent.
    Sent {
        /// On which socket.
        connection: ConnectionId,
        /// The message.
        text: Text,
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
/// Up to 4,096 activities wait to be read; beyond that, the oldest are lost. A server that is not watched collects nothing.
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

    pub(crate) fn announce(&self, activity: impl FnOnce() -> Activity) {
        if self.0.receiver_count() > 0 {
            // It fails where the last watcher has just left.
            let _ = self.0.send(activity());
        }
    }
}

/// Activities that wait for the slowest reader.
const MAX_WAITING: usize = 4_096;
