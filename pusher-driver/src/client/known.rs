//! What a client knows.

use pusher_proto::{ChannelName, ConnectionState, SocketId, Stats, Text};

use super::Client;
use crate::shared::Life;

/// The user who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserInfo {
    /// The user's id.
    pub id: Text,
    /// What the application says of the user: a JSON object.
    pub data: Text,
}

/// What is known of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// Its name.
    pub name: ChannelName,
    /// Whether the server has confirmed the subscription on the present connection.
    pub is_subscribed: bool,
    /// Connections that are subscribed to it, where the server counts them.
    pub subscription_count: Option<u64>,
    /// Members, on a presence channel, as last known: 0 before the server has sent any.
    pub member_count: Option<usize>,
}

/// What is known now.
impl Client {
    /// Returns the state of the connection.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        self.handle.0.lock().core.state().clone()
    }

    /// Returns Pusher's word for the state: `initialized`, `connecting`, `connected`, `unavailable`, `failed` or
    /// `disconnected`.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        self.handle.0.lock().core.state_name()
    }

    /// Whether there has been no connection for longer than the configuration calls normal.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.handle.0.lock().core.is_unavailable()
    }

    /// Whether the client has ended, or is about to: [`shutdown`](Self::poll_shutdown) was called, or its loop is gone, as it
    /// is when the runtime shuts down. It stays disconnected then.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.handle.0.lock().life != Life::Running
    }

    /// Returns the server's name for the present connection.
    #[must_use]
    pub fn socket_id(&self) -> Option<SocketId> {
        self.handle.0.lock().core.socket_id().cloned()
    }

    /// Returns who is signed in on the present connection.
    #[must_use]
    pub fn user(&self) -> Option<UserInfo> {
        let state = self.handle.0.lock();
        state.core.user().map(|user| UserInfo { id: user.id.into(), data: user.data.into() })
    }

    /// Returns the counters of this client. Events that several streams have missed are counted once for each.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.handle.0.lock().core.stats();
        stats.missed += self.handle.0.budget.missed();
        stats
    }

    /// Returns what is known of a channel, if somebody wants it.
    #[must_use]
    pub fn channel(&self, channel: impl AsRef<str>) -> Option<ChannelInfo> {
        let channel = ChannelName::new(channel.as_ref()).ok()?;
        self.handle.0.lock().core.channel(&channel).map(ChannelInfo::from)
    }

    /// Returns what is known of every channel that somebody wants.
    #[must_use]
    pub fn channels(&self) -> Vec<ChannelInfo> {
        self.handle.0.lock().core.channels().map(ChannelInfo::from).collect()
    }
}

impl From<pusher_proto::Channel<'_>> for ChannelInfo {
    fn from(channel: pusher_proto::Channel<'_>) -> Self {
        Self {
            name: channel.name().clone(),
            is_subscribed: channel.is_subscribed(),
            subscription_count: channel.count(),
            member_count: channel.members().map(pusher_proto::Members::len),
        }
    }
}
