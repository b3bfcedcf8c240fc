//! Faults and events on demand.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use pusher_proto::server::{ApiError, Attributes, ConnectionId, Publication};
use pusher_proto::signing::MasterKey;
use pusher_proto::{ChannelName, CloseFrame, SocketId, Text};

use crate::activity::Activities;
use crate::hub::Shared;

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

    /// Closes every connection with this code and reason, in the way in which a server of this dialect stops: some drop
    /// the socket without a close frame. A reason of more than 123 bytes is truncated.
    pub fn close_all(&self, code: u16, reason: impl Into<Text>) {
        let frame = CloseFrame { code, reason: reason.into() };
        self.shared.with_model(|model, now| model.close_all(&frame, now));
    }

    /// Drops the TCP connection of every socket without a close frame, which clients see as the code 1006.
    pub fn cut_all(&self) {
        self.shared.cut_all();
    }

    /// While silent, the server keeps reading but sends nothing, like a process that hangs. Whatever it would have sent
    /// is lost. WebSocket pings are still answered.
    pub fn silence(&self, silent: bool) {
        self.shared.with_model(|model, _| model.set_silent(silent));
    }

    /// While set, every new socket is refused with this code and reason, in the form of the server's dialect.
    pub fn refuse_connections(&self, refusal: Option<(u16, &str)>) {
        let frame = refusal.map(|(code, reason)| CloseFrame { code, reason: reason.into() });
        self.shared.with_model(|model, _| model.set_refusal(frame));
    }

    /// While refusing, the auth endpoints answer 403.
    pub fn refuse_auth(&self, refuse: bool) {
        self.auth_status(refuse.then_some(403));
    }

    /// While set, the auth endpoints answer with this HTTP status, such as 500 or 429, and do not sign.
    pub fn auth_status(&self, status: Option<u16>) {
        self.shared.set_auth_status(status);
    }

    /// Stops accepting TCP connections. Open connections continue.
    pub fn stop_listening(&self) {
        self.shared.stop_listening();
    }

    /// Returns how many connections there are.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.shared.with_model(|model, _| model.connections().len())
    }

    /// Returns the connections, the oldest first.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionState> {
        self.shared.with_model(|model, _| {
            let state = |(connection, socket_id): (ConnectionId, &SocketId)| ConnectionState {
                connection,
                socket_id: socket_id.clone(),
                user_id: model.user(connection).map(str::to_owned),
                channels: model.subscriptions(connection).cloned().collect(),
            };
            model.connections().map(state).collect()
        })
    }

    /// Returns the ids of the users of a presence channel, in the order in which they joined.
    ///
    /// # Errors
    ///
    /// When the channel is not a presence channel.
    pub fn users(&self, channel: &ChannelName) -> Result<Vec<Text>, ApiError> {
        self.shared.with_model(|model, _| model.users(channel))
    }

    /// Watches what the server sees and does from now on.
    #[must_use]
    pub fn activities(&self) -> Activities {
        self.shared.announcer.watch()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("app", &self.shared.app).finish_non_exhaustive()
    }
}
