//! The calls of the HTTP API, without HTTP.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Server, admission};
use crate::signing::{Attributes, ChannelState, Info};
use crate::{ChannelKind, ChannelName, Instant, SocketId, Text};

/// An event for the subscribers of one or many channels (Pusher docs, *HTTP API reference, POST event*).
///
/// # Examples
///
/// ```
/// use pusher_proto::ChannelName;
/// use pusher_proto::server::Publication;
///
/// let channel = ChannelName::new("chat")?;
/// let publication = Publication::new("message", [channel], r#"{"text":"hi"}"#);
/// assert_eq!(publication.socket_id, None);
///
/// // Only subscribers whose filters want it receive this one.
/// let tagged = Publication { tags: [("lang".into(), "en".into())].into(), ..publication };
/// assert_eq!(tagged.tags["lang"], "en");
/// # Ok::<(), pusher_proto::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Name of the event, 1 to 200 bytes.
    pub name: Text,
    /// The channels, 1 to 100. A channel that is listed twice gets the event once.
    pub channels: Vec<ChannelName>,
    /// The payload, usually JSON. Subscribers receive it as a string.
    pub data: Text,
    /// A connection that does not receive the event, usually the one that caused it.
    pub socket_id: Option<SocketId>,
    /// What filters of subscriptions judge the event by; none by default. Only clients of Sockudo's protocol version 2
    /// receive them.
    pub tags: BTreeMap<Text, Text>,
    /// Whether the event may be sent as a delta to an earlier one, to clients of Sockudo's protocol version 2 that ask for
    /// deltas; true by default.
    pub delta: bool,
    /// What the answer reports about the channels.
    pub info: Info,
}

impl Publication {
    /// Returns an event for all subscribers, with an answer that reports nothing about the channels.
    pub fn new(name: impl Into<Text>, channels: impl IntoIterator<Item = ChannelName>, data: impl Into<Text>) -> Self {
        Self {
            name: name.into(),
            channels: channels.into_iter().collect(),
            data: data.into(),
            socket_id: None,
            tags: BTreeMap::new(),
            delta: true,
            info: Info::default(),
        }
    }
}

impl Server {
    /// Sends an event to the subscribers of its channels, and returns what [`Publication::info`] requests, as far as a
    /// channel has it.
    ///
    /// # Errors
    ///
    /// If a limit is exceeded or a name is not accepted. In this case, the event is not sent.
    pub fn trigger(
        &mut self,
        publication: &Publication,
        now: Instant,
    ) -> Result<BTreeMap<ChannelName, Attributes>, ApiError> {
        self.check(publication)?;
        self.publish_all(publication, now);
        let channels: BTreeSet<&ChannelName> = publication.channels.iter().collect();
        let infos = channels.into_iter().map(|channel| (channel.clone(), self.attributes(channel, publication.info)));
        Ok(infos.collect())
    }

    /// Sends up to ten events, each to its channels, and returns what each requests about its first channel.
    ///
    /// # Errors
    ///
    /// If there are too many events, or [`Server::trigger`] would refuse one of them. In this case, none of them is
    /// sent.
    pub fn trigger_batch(&mut self, batch: &[Publication], now: Instant) -> Result<Vec<Attributes>, ApiError> {
        if !self.config.profile().has_batches {
            return Err(ApiError::UnknownCall);
        }
        if batch.len() > MAX_BATCH_LEN {
            return Err(ApiError::TooManyEvents { len: batch.len(), max: MAX_BATCH_LEN });
        }
        batch.iter().try_for_each(|publication| self.check(publication))?;
        for publication in batch {
            self.publish_all(publication, now);
        }
        let infos = batch.iter().map(|publication| {
            let first = publication.channels.first();
            first.map(|channel| self.attributes(channel, publication.info)).unwrap_or_default()
        });
        Ok(infos.collect())
    }

    /// Returns the channels that have subscribers and whose names start with `prefix`.
    ///
    /// # Errors
    ///
    /// If an attribute is requested that not all of these channels have.
    pub fn channels(&self, prefix: &str, info: Info) -> Result<BTreeMap<ChannelName, Attributes>, ApiError> {
        if info.user_count && !prefix.starts_with(PRESENCE_PREFIX) {
            return Err(ApiError::UserCountWithoutPresence);
        }
        self.check_counts(info)?;
        let channels = self.channels.keys().filter(|channel| channel.starts_with(prefix) && !channel.starts_with('#'));
        Ok(channels.map(|channel| (channel.clone(), self.attributes(channel, info))).collect())
    }

    /// Returns whether `channel` has subscribers, and what `info` requests.
    ///
    /// # Errors
    ///
    /// If an attribute is requested that the channel does not have.
    pub fn channel(&self, channel: &ChannelName, info: Info) -> Result<ChannelState, ApiError> {
        if info.user_count && channel.kind() != ChannelKind::Presence {
            return Err(ApiError::UserCountWithoutPresence);
        }
        self.check_counts(info)?;
        let occupied = self.channels.contains_key(channel);
        Ok(ChannelState { occupied, attributes: self.attributes(channel, info) })
    }

    /// Returns the ids of the users of a presence channel, in the order in which they joined.
    ///
    /// # Errors
    ///
    /// If it is not a presence channel.
    pub fn users(&self, channel: &ChannelName) -> Result<Vec<Text>, ApiError> {
        if channel.kind() != ChannelKind::Presence {
            return Err(ApiError::NotPresence);
        }
        Ok(self
            .channels
            .get(channel)
            .map(|channel| channel.members().map(|member| member.id.clone()).collect())
            .unwrap_or_default())
    }

    fn check(&self, publication: &Publication) -> Result<(), ApiError> {
        let Publication { name, channels, data, socket_id: _, tags: _, delta: _, info: _ } = publication;
        let max = self.config.max_event_len();
        if data.len() > max {
            return Err(ApiError::DataTooLarge { len: data.len(), max });
        }
        if let Some(status) = self.config.profile().empty_data.filter(|_| data.is_empty()) {
            return Err(ApiError::NoData { status });
        }
        if name.is_empty() || name.len() > MAX_EVENT_NAME_LEN {
            return Err(ApiError::EventName);
        }
        // Subscribers would mistake such an event for one of the server's own, such as a confirmed sign-in. In no
        // recording does a server publish `pusher_internal:`; the self-hosted ones publish `pusher:`.
        let is_reserved = name.starts_with(INTERNAL_PREFIX)
            || name.starts_with(RESERVED_PREFIX) && !self.config.profile().publishes_reserved;
        if is_reserved {
            return Err(ApiError::ReservedEventName);
        }
        if channels.is_empty() {
            return Err(ApiError::NoChannel);
        }
        if channels.len() > MAX_CHANNELS {
            return Err(ApiError::TooManyChannels { len: channels.len(), max: MAX_CHANNELS });
        }
        let strict = self.config.options().strict_names;
        match channels.iter().find(|channel| strict && !admission::is_accepted(channel, &self.config)) {
            None => Ok(()),
            Some(channel) => Err(ApiError::ChannelName(channel.clone())),
        }
    }

    fn publish_all(&mut self, publication: &Publication, now: Instant) {
        self.advance(now);
        let channels: BTreeSet<&ChannelName> = publication.channels.iter().collect();
        for channel in channels {
            self.publish(publication, channel);
        }
    }

    fn check_counts(&self, info: Info) -> Result<(), ApiError> {
        if info.subscription_count && !self.config.options().subscription_counts {
            return Err(ApiError::SubscriptionCountsDisabled);
        }
        Ok(())
    }

    fn attributes(&self, name: &ChannelName, info: Info) -> Attributes {
        let channel = self.channels.get(name);
        let users = info.user_count && name.kind() == ChannelKind::Presence;
        let subscribers = info.subscription_count && self.config.options().subscription_counts;
        Attributes {
            user_count: users.then(|| channel.map_or(0, |channel| channel.members().len())),
            subscription_count: subscribers.then(|| channel.map_or(0, |channel| channel.subscribers().len())),
        }
    }
}

/// Why the HTTP API refuses a call.
///
/// # Examples
///
/// ```
/// use pusher_proto::server::{ApiError, Publication, Server, ServerConfig};
/// use pusher_proto::signing::App;
/// use pusher_proto::Instant;
///
/// let mut server = Server::new(ServerConfig::new(App::new("1", "key", "secret")?), 7);
/// let event = Publication::new("pusher:x", ["chat".parse()?], "{}");
/// let refused = server.trigger(&event, Instant::ZERO);
/// assert_eq!(refused, Err(ApiError::ReservedEventName));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The data is larger than [`max_event_len`](super::ServerConfigBuilder::max_event_len).
    #[error("The data content of this event exceeds the allowed maximum ({max} bytes)")]
    DataTooLarge {
        /// Bytes that it has.
        len: usize,
        /// Bytes that it may have.
        max: usize,
    },
    /// The event has no data, which some servers refuse.
    #[error("The data field is required")]
    NoData {
        /// The HTTP status.
        status: u16,
    },
    /// The server has no such call.
    #[error("not found")]
    UnknownCall,
    /// The server failed.
    #[error("Internal server error.")]
    Internal,
    /// The event's name is empty or longer than 200 bytes.
    #[error("Event names must have 1 to 200 bytes")]
    EventName,
    /// The event's name begins with `pusher_internal:`, or with `pusher:` where the dialect refuses that.
    #[error("Event names that begin with pusher: or pusher_internal: are reserved")]
    ReservedEventName,
    /// The event is for no channel.
    #[error("Missing channel")]
    NoChannel,
    /// The event is for too many channels.
    #[error("Cannot trigger on {len} channels, the limit is {max}")]
    TooManyChannels {
        /// Channels that were named.
        len: usize,
        /// Channels that may be named.
        max: usize,
    },
    /// The batch has too many events.
    #[error("Batch of {len} events, the limit is {max}")]
    TooManyEvents {
        /// Events that it has.
        len: usize,
        /// Events that it may have.
        max: usize,
    },
    /// Hosted Pusher does not accept the name.
    #[error("Invalid channel name {0}")]
    ChannelName(ChannelName),
    /// Only presence channels have users.
    #[error("Users can only be retrieved for presence channels")]
    NotPresence,
    /// Only presence channels have a user count.
    #[error(
        "user_count may only be requested for presence channels - please supply filter_by_prefix beginning with presence-"
    )]
    UserCountWithoutPresence,
    /// The application does not count subscriptions.
    #[error("subscription_count is not enabled for this application")]
    SubscriptionCountsDisabled,
}

impl ApiError {
    /// Returns the HTTP status of the answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::DataTooLarge { .. } => 413,
            Self::NoData { status } => *status,
            Self::UnknownCall => 404,
            Self::Internal => 500,
            Self::EventName
            | Self::ReservedEventName
            | Self::NoChannel
            | Self::TooManyChannels { .. }
            | Self::TooManyEvents { .. }
            | Self::ChannelName(_)
            | Self::NotPresence
            | Self::UserCountWithoutPresence
            | Self::SubscriptionCountsDisabled => 400,
        }
    }
}

/// Longest name of an event, in bytes (Pusher's HTTP libraries).
const MAX_EVENT_NAME_LEN: usize = 200;

/// Channels that an event may have (Pusher docs, *HTTP API reference, POST event*).
const MAX_CHANNELS: usize = 100;

/// Events in one batch (Pusher docs, *HTTP API reference, POST batch events*).
const MAX_BATCH_LEN: usize = 10;

/// Prefix of the protocol's own event names.
const RESERVED_PREFIX: &str = "pusher:";

/// Prefix of the protocol's event names that only servers send.
const INTERNAL_PREFIX: &str = "pusher_internal:";

const PRESENCE_PREFIX: &str = "presence-";
