//! Events on demand, and what clients do.

mod faults;
mod waits;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use pusher_proto::server::{ApiError, Attributes, ConnectionId, Publication, Server as Model};
use pusher_proto::signing::MasterKey;
use pusher_proto::{ChannelName, SocketId, Text};

use crate::activity::Activities;
use crate::hub::Shared;
use crate::journal::{Mark, ReceivedMessages};

pub use self::waits::WaitError;

/// The state of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionState {
    /// The socket, with the same id as in [`Activity`](crate::Activity).
    pub connection: ConnectionId,
    /// The socket id, which the client knows.
    pub socket_id: SocketId,
    /// The user who is signed in on it.
    pub user_id: Option<String>,
    /// The channels that it is subscribed to, in the order of their names.
    pub channels: Vec<ChannelName>,
}

/// Controls a running [`Server`](crate::Server). It is cheap to clone and does not keep the server alive.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// Sends an event to the subscribers of its channels, like `POST /apps/{id}/events`.
    ///
    /// # Errors
    ///
    /// If a limit is exceeded or a name is not accepted. In this case, the event is not sent.
    pub fn trigger(&self, publication: &Publication) -> Result<BTreeMap<ChannelName, Attributes>, ApiError> {
        self.shared.trigger(publication)
    }

    /// Ends the connections of a user, like `POST /apps/{id}/users/{user}/terminate_connections`. Returns how many
    /// there were.
    ///
    /// # Errors
    ///
    /// If the server's dialect has no such call.
    pub fn terminate_connections(&self, user_id: &str) -> Result<usize, ApiError> {
        self.shared.with_model(|model, now| model.terminate_connections(user_id, now))
    }

    /// Replaces the key from which the auth endpoint derives the secrets of encrypted channels. Clients that have
    /// already subscribed hold old secrets, and request new ones when they cannot decrypt an event that was encrypted
    /// with the new key.
    pub fn rotate_master_key(&self, key: MasterKey) {
        self.shared.rotate_master_key(key);
    }

    /// Returns how many connections there are.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.shared.with_model(|model, _| model.connections().len())
    }

    /// Returns the connections, the oldest first.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionState> {
        self.shared.with_model(|model, _| connections(model))
    }

    /// Returns the ids of the users of a presence channel, in the order in which they joined.
    ///
    /// # Errors
    ///
    /// When the channel is not a presence channel.
    pub fn users(&self, channel: &ChannelName) -> Result<Vec<Text>, ApiError> {
        self.shared.with_model(|model, _| model.users(channel))
    }

    /// Returns the channels that have subscribers, and how many.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use pusher_server::pusher_proto::ChannelName;
    ///
    /// let server = pusher_server::Server::start(pusher_server::Options::default()).await?;
    /// let (handle, chat) = (server.handle(), ChannelName::new("chat")?);
    /// assert!(handle.subscriptions().is_empty());
    /// # let url = format!("{}/app/app-key?protocol=7", server.ws_url());
    /// # let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
    /// # let subscribe = r#"{"event":"pusher:subscribe","data":{"channel":"chat"}}"#;
    /// # futures_util::SinkExt::send(&mut socket, subscribe.into()).await?;
    /// // The program under test subscribes here.
    /// handle.wait_for_subscription(&chat, 1, Duration::from_secs(5)).await?;
    /// assert_eq!(handle.subscriptions(), [(chat, 1)].into());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn subscriptions(&self) -> BTreeMap<ChannelName, usize> {
        self.shared.with_model(|model, _| waits::subscriptions(model))
    }

    /// Returns what clients have sent since the server was started. Only the last 4,096 messages are kept, at most 4 MiB
    /// of them; [`ReceivedMessages::missed`] counts the others.
    ///
    /// # Examples
    ///
    /// See [`Handle::received_since`].
    #[must_use]
    pub fn received(&self) -> ReceivedMessages {
        self.received_since(Mark::default())
    }

    /// Returns what clients have sent since [`Handle::mark`] returned this mark.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use pusher_server::Message;
    ///
    /// let server = pusher_server::Server::start(pusher_server::Options::default()).await?;
    /// let handle = server.handle();
    /// # let url = format!("{}/app/app-key?protocol=7", server.ws_url());
    /// # let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
    /// handle.wait_for_connection(1, Duration::from_secs(5)).await?;
    ///
    /// let mark = handle.mark();
    /// # let ping = r#"{"event":"pusher:ping","data":{}}"#;
    /// # futures_util::SinkExt::send(&mut socket, ping.into()).await?;
    /// // The program under test sends a ping here.
    /// handle.wait_for_received(mark, Duration::from_secs(5), |received| received.message == Message::Ping).await?;
    /// let received = handle.received_since(mark);
    /// assert_eq!((received.messages().len(), received.missed()), (1, 0));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn received_since(&self, mark: Mark) -> ReceivedMessages {
        let excerpt = self.shared.state().journal.since(mark);
        excerpt.read()
    }

    /// Returns a mark behind everything that clients have sent so far.
    ///
    /// # Examples
    ///
    /// See [`Handle::received_since`].
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.shared.state().journal.end()
    }

    /// Watches what the server sees and does from now on.
    #[must_use]
    pub fn activities(&self) -> Activities {
        self.shared.announcer.watch()
    }
}

fn connections(model: &Model) -> Vec<ConnectionState> {
    let state = |(connection, socket_id): (ConnectionId, &SocketId)| ConnectionState {
        connection,
        socket_id: socket_id.clone(),
        user_id: model.user(connection).map(str::to_owned),
        channels: model.subscriptions(connection).cloned().collect(),
    };
    model.connections().map(state).collect()
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("app", &self.shared.app).finish_non_exhaustive()
    }
}
