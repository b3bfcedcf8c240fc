//! Faults and events on demand.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use pusher_proto::server::{ApiError, Attributes, ConnectionId, Publication};
use pusher_proto::signing::MasterKey;
use pusher_proto::{ChannelName, CloseFrame, SocketId, Text};

use crate::activity::Activities;
use crate::hub::Shared;

/// A connection and what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionState {
    /// The socket, as [`Activity`](crate::Activity) names it.
    pub connection: ConnectionId,
    /// The id that the client knows.
    pub socket_id: SocketId,
    /// The user that signed in on it.
    pub user_id: Option<String>,
    /// The channels that it is subscribed to, in the order of their names.
    pub channels: Vec<ChannelName>,
}

/// Steers a running [`Server`](crate::Server). Cheap to clone; it does not keep the server alive.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// Sends an event to the subscribers of its channels, as `POST /apps/{id}/events` does.
    ///
    /// # Errors
    ///
    /// When a limit is passed or a name is not accepted; then nobody gets the event.
    pub fn trigger(&self, publication: &Publication) -> Result<BTreeMap<ChannelName, Attributes>, ApiError> {
        self.shared.trigger(publication)
    }

    /// Ends the connections of a user, as `POST /apps/{id}/users/{user}/terminate_connections` does. Returns how many there
    /// were.
    ///
    /// # Errors
    ///
    /// When the server's dialect has no such call.
    pub fn terminate_connections(&self, user_id: &str) -> Result<usize, ApiError> {
        self.shared.with_model(|model, now| model.terminate_connections(user_id, now))
    }

    /// Replaces the key that the auth endpoint derives the secrets of encrypted channels from. Clients that subscribed
    /// before hold old secrets, and ask again when they cannot read an event that was encrypted with the new key.
    pub fn rotate_master_key(&self, key: MasterKey) {
        self.shared.rotate_master_key(key);
    }

    /// Closes every connection with this code and reason, as the server's dialect does when it stops: some drop the socket
    /// without a close frame. A reason above 123 bytes is cut short.
    pub fn close_all(&self, code: u16, reason: impl Into<Text>) {
        let frame = CloseFrame { code, reason: reason.into() };
        self.shared.with_model(|model, now| model.close_all(&frame, now));
    }

    /// Drops the TCP connection of every socket without a close frame, which clients see as the code 1006.
    pub fn cut_all(&self) {
        self.shared.cut_all();
    }

    /// While silent, the server goes on reading and sends nothing, as a process that hangs. What would have been sent is
    /// lost. WebSocket pings are answered all the same.
    pub fn silence(&self, silent: bool) {
        self.shared.with_model(|model, _| model.set_silent(silent));
    }

    /// While given, every new socket is refused with this code and reason, as the server's dialect refuses.
    pub fn refuse_connections(&self, refusal: Option<(u16, &str)>) {
        let frame = refusal.map(|(code, reason)| CloseFrame { code, reason: reason.into() });
        self.shared.with_model(|model, _| model.set_refusal(frame));
    }

    /// While refusing, the auth endpoints answer 403.
    pub fn refuse_auth(&self, refuse: bool) {
        self.auth_status(refuse.then_some(403));
    }

    /// While given, the auth endpoints answer with this HTTP status, such as 500 or 429, and do not sign.
    pub fn auth_status(&self, status: Option<u16>) {
        self.shared.set_auth_status(status);
    }

    /// Takes no further TCP connection. Those that are open go on.
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
    /// When it is no presence channel.
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
