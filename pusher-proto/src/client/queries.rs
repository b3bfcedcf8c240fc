//! The current state.

use alloc::collections::BTreeSet;

use super::signin::UserStatus;
use super::{Channel, Client, Stats};
use crate::event::ConnectionState;
use crate::{ChannelName, Config, Data, Position, SocketId, Text};

/// The current state.
impl Client {
    /// Returns the state of the connection.
    #[must_use]
    pub fn state(&self) -> &ConnectionState {
        self.connection.state()
    }

    /// Returns Pusher's name for the state: `initialized`, `connecting`, `connected`, `unavailable`, `disconnected` or
    /// `failed`.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        match self.state() {
            ConnectionState::Connecting { .. } | ConnectionState::Waiting { .. } if self.is_unavailable() => {
                "unavailable"
            }
            // Pusher has no name for a delay between two attempts.
            ConnectionState::Waiting { .. } => "connecting",
            state @ (ConnectionState::Initialized
            | ConnectionState::Connecting { .. }
            | ConnectionState::Connected { .. }
            | ConnectionState::Disconnected
            | ConnectionState::Failed { .. }) => state.name(),
        }
    }

    /// Whether a connection is wanted and there has been none for
    /// [`unavailable_timeout`](crate::ConfigBuilder::unavailable_timeout).
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.connection.is_unavailable()
    }

    /// Returns the server's id of the connection, if there is one.
    #[must_use]
    pub fn socket_id(&self) -> Option<&SocketId> {
        match self.state() {
            ConnectionState::Connected { socket_id } => Some(socket_id),
            ConnectionState::Initialized
            | ConnectionState::Connecting { .. }
            | ConnectionState::Waiting { .. }
            | ConnectionState::Disconnected
            | ConnectionState::Failed { .. } => None,
        }
    }

    /// Returns a channel that is wanted, subscribed or not.
    #[must_use]
    pub fn channel(&self, name: &ChannelName) -> Option<Channel<'_>> {
        self.channels.get(name).map(Channel::from).filter(Channel::is_wanted)
    }

    /// Returns all channels that are wanted, in no particular order.
    pub fn channels(&self) -> impl Iterator<Item = Channel<'_>> {
        self.channels.iter().map(Channel::from).filter(Channel::is_wanted)
    }

    /// Returns how far each channel got, in no particular order, for [`resume_from`](Self::resume_from) of another client: the
    /// position of the last event that was emitted, for channels of servers that number their messages, and only with
    /// [`Recovery`](crate::Recovery).
    ///
    /// Call it when [`poll_action`](Self::poll_action) has returned `None`, because events that are about to be emitted count
    /// as emitted. The position of a channel that is being recovered is the one before the gap, and
    /// [`unsubscribe`](Self::unsubscribe) ends the position of a channel.
    pub fn positions(&self) -> impl Iterator<Item = (&ChannelName, &Position)> {
        self.channels.positions()
    }

    /// Returns the signed-in user.
    #[must_use]
    pub fn user(&self) -> Option<User<'_>> {
        match self.signin.status() {
            UserStatus::SignedIn { id, data } => Some(User { id, data }),
            UserStatus::None | UserStatus::Pending => None,
        }
    }

    /// Returns the users on the watchlist of the signed-in user who are online, as last known.
    ///
    /// The set is empty without a signed-in user. It is cleared by each [`Event::SignedIn`](crate::Event::SignedIn),
    /// after which the server sends who is online. It holds at most 10,000 users and 1 MiB of ids; further users appear
    /// only in the events. Each change is an [`Event::Watchlist`](crate::Event::Watchlist).
    #[must_use]
    pub fn online(&self) -> &BTreeSet<Text> {
        self.signin.online().ids()
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (queued, queued_bytes) = self.outbox.waiting();
        Stats {
            reconnects: self.outbox.stats.connections.saturating_sub(1),
            failed_authorizations: self.authorizations.failed,
            queued,
            queued_bytes,
            ..self.outbox.stats
        }
    }

    /// Returns the configuration that the client was created with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// The signed-in user.
///
/// # Examples
///
/// ```
/// use pusher_proto::Client;
///
/// fn greet(client: &Client) -> Option<String> {
///     let user = client.user()?;
///     Some(format!("signed in as {}: {}", user.id, user.data.text()))
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User<'a> {
    /// The user's id.
    pub id: &'a str,
    /// The application's data about the user: a JSON object.
    pub data: &'a Data,
}
