//! What the client says: actions for the driver, events for the application.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::members::{Difference, Member, Members};
use crate::wire::{object, write};
use crate::{
    AuthError, AuthId, AuthRequest, ChannelName, CloseFrame, ConnectRequest, ConnectionError, Data, DecryptionError,
    FailReason, Instant, SigninError, SocketId, SubscriptionError, Text,
};

/// Names one socket of one client. Whatever arrives for an older one is dropped. The default names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketEpoch(pub(crate) u64);

impl fmt::Display for SocketEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What to do next, from [`Client::poll_action`](crate::Client::poll_action).
///
/// `Debug` shows `…` in place of the signatures in messages that are to be sent.
#[derive(Clone, PartialEq)]
pub enum Action {
    /// Open a socket. Answer with `handle_open`, or with `handle_close` if that fails.
    Connect(SocketEpoch, ConnectRequest),
    /// Send a text message.
    Send(SocketEpoch, Text),
    /// Close the socket. Nothing more of it is used, so no answer is needed.
    Close(SocketEpoch, CloseFrame),
    /// Ask the application's server. Answer with `handle_auth`.
    RequestAuth(AuthRequest),
    /// Nobody waits for this authorization any more.
    CancelAuth(AuthId),
    /// Call `handle_timeout` at this time, in place of the time of an earlier `Schedule`.
    Schedule(Instant),
    /// Tell the application.
    Emit(Event),
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(socket, request) => f.debug_tuple("Connect").field(socket).field(request).finish(),
            Self::Send(socket, text) => f.debug_tuple("Send").field(socket).field(&write::masked(text)).finish(),
            Self::Close(socket, frame) => f.debug_tuple("Close").field(socket).field(frame).finish(),
            Self::RequestAuth(request) => f.debug_tuple("RequestAuth").field(request).finish(),
            Self::CancelAuth(id) => f.debug_tuple("CancelAuth").field(id).finish(),
            Self::Schedule(at) => f.debug_tuple("Schedule").field(at).finish(),
            Self::Emit(event) => f.debug_tuple("Emit").field(event).finish(),
        }
    }
}

/// One WebSocket message, as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(Text),
    /// A binary message; the protocol has none.
    Binary(Bytes),
    /// A WebSocket ping. The WebSocket library answers it.
    Ping,
    /// A WebSocket pong.
    Pong,
}

/// What the operating system says of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkHint {
    /// There is a network, perhaps another one than before.
    Online,
    /// There is none.
    Offline,
}

/// The state of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Nobody has called `connect` yet.
    Initialized,
    /// A socket is being opened, or the server has not greeted yet.
    Connecting {
        /// Consecutive failures so far.
        attempt: u32,
    },
    /// A delay before the next attempt.
    Waiting {
        /// Consecutive failures so far, the last one included.
        attempt: u32,
        /// When the next attempt begins.
        retry_at: Instant,
        /// The last failure.
        cause: ConnectionError,
    },
    /// The server has greeted.
    Connected {
        /// Its name for this connection.
        socket_id: SocketId,
    },
    /// The application has called `disconnect`.
    Disconnected,
    /// The client does not try again by itself.
    Failed {
        /// Why.
        reason: FailReason,
    },
}

impl ConnectionState {
    /// Whether the server has greeted.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        matches!(self, Self::Connected { .. })
    }
}

/// What the application learns.
///
/// Names are Pusher's: `SubscriptionSucceeded` is `pusher:subscription_succeeded`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The state of the connection changed.
    StateChanged {
        /// The state before.
        previous: ConnectionState,
        /// The state now.
        current: ConnectionState,
    },
    /// There has been no connection for [`unavailable_timeout`](crate::ConfigBuilder::unavailable_timeout); once per
    /// outage. The client goes on trying.
    Unavailable,
    /// Something went wrong with the connection.
    ConnectionError(ConnectionError),
    /// An event on a channel.
    Channel(ChannelEvent),
    /// An event of the server that belongs to no channel.
    Connection(ConnectionEvent),
    /// A channel is subscribed, for the first time or again.
    SubscriptionSucceeded {
        /// The channel.
        channel: ChannelName,
        /// Who is there, on a presence channel.
        presence: Option<Presence>,
    },
    /// A channel is not subscribed, or the server complained about one.
    SubscriptionError {
        /// The channel.
        channel: ChannelName,
        /// Why.
        error: SubscriptionError,
    },
    /// Events of a channel may have been missed: it was subscribed, the connection was lost, and it is subscribed again.
    /// Comes once, before the first event of the new subscription, so that a state loaded now misses nothing.
    ContinuityLost {
        /// The channel.
        channel: ChannelName,
        /// When the subscription was lost.
        since: Instant,
    },
    /// An event of an encrypted channel could not be read, and is lost.
    DecryptionError {
        /// The channel.
        channel: ChannelName,
        /// Name of the event.
        event: Text,
        /// Why.
        error: DecryptionError,
    },
    /// The user is signed in, for the first time or again. The subscription of the user's own channel follows, and servers
    /// that need it send nothing before; what is published for the user in that moment may be missed.
    SignedIn {
        /// The user's id.
        id: Text,
        /// What the application says of the user: a JSON object.
        data: Text,
    },
    /// The user is not signed in.
    SigninError {
        /// Why.
        error: SigninError,
    },
    /// An event for the signed-in user.
    User(UserEvent),
    /// Events for the signed-in user may have been missed: the connection was lost, and the user is signed in again.
    UserContinuityLost {
        /// When the connection was lost.
        since: Instant,
    },
    /// Users on the watchlist of the signed-in user came or went. The first notice after the sign-in tells who is there.
    /// A notice of more than 1,000 users comes as several events.
    Watchlist {
        /// What happened: `online`, `offline`, or another word of the server.
        name: Text,
        /// Whom it happened to.
        user_ids: Vec<Text>,
        /// The notice as it was sent.
        data: Data,
    },
    /// How many connections are subscribed to a channel.
    SubscriptionCount {
        /// The channel.
        channel: ChannelName,
        /// Connections.
        count: u64,
    },
    /// A cache channel has no last event to repeat.
    CacheMiss {
        /// The channel.
        channel: ChannelName,
    },
    /// Somebody came to a presence channel.
    MemberAdded {
        /// The channel.
        channel: ChannelName,
        /// Who.
        member: Member,
    },
    /// Somebody left a presence channel.
    MemberRemoved {
        /// The channel.
        channel: ChannelName,
        /// Who, as last known.
        member: Member,
    },
    /// The info of somebody on a presence channel changed.
    MemberUpdated {
        /// The channel.
        channel: ChannelName,
        /// Who, with the new info.
        member: Member,
    },
    /// Events that a server can send without end, such as channel events, were lost because nobody took them in time. They
    /// would have come here.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// What a log would say.
    Diagnostic(Diagnostic),
}

impl Event {
    /// Returns the channel that the event belongs to.
    #[must_use]
    pub fn channel(&self) -> Option<&ChannelName> {
        match self {
            Self::Channel(event) => Some(event.channel()),
            Self::SubscriptionSucceeded { channel, .. }
            | Self::SubscriptionError { channel, .. }
            | Self::ContinuityLost { channel, .. }
            | Self::DecryptionError { channel, .. }
            | Self::SubscriptionCount { channel, .. }
            | Self::CacheMiss { channel }
            | Self::MemberAdded { channel, .. }
            | Self::MemberRemoved { channel, .. }
            | Self::MemberUpdated { channel, .. } => Some(channel),
            Self::Diagnostic(diagnostic) => diagnostic.channel(),
            Self::StateChanged { .. }
            | Self::Unavailable
            | Self::ConnectionError(_)
            | Self::Connection(_)
            | Self::SignedIn { .. }
            | Self::SigninError { .. }
            | Self::User(_)
            | Self::UserContinuityLost { .. }
            | Self::Watchlist { .. }
            | Self::Lagged { .. } => None,
        }
    }

    /// Returns Pusher's name of the event, which is what handlers are bound to.
    ///
    /// Events that Pusher has no name for are named in the same way: `pusher:continuity_lost`, `pusher:lagged`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::StateChanged { .. } => "state_change",
            Self::Unavailable => "unavailable",
            Self::ConnectionError(_) => "error",
            Self::Channel(event) => event.event(),
            Self::Connection(event) => &event.event,
            Self::SubscriptionSucceeded { .. } => "pusher:subscription_succeeded",
            Self::SubscriptionError { .. } => "pusher:subscription_error",
            Self::ContinuityLost { .. } => "pusher:continuity_lost",
            Self::SignedIn { .. } => "pusher:signin_success",
            Self::SigninError { .. } => "pusher:signin_error",
            Self::User(event) => &event.event,
            Self::UserContinuityLost { .. } => "pusher:continuity_lost",
            Self::Watchlist { name, .. } => name,
            Self::DecryptionError { .. } => "pusher:decryption_error",
            Self::SubscriptionCount { .. } => "pusher:subscription_count",
            Self::CacheMiss { .. } => "pusher:cache_miss",
            Self::MemberAdded { .. } => "pusher:member_added",
            Self::MemberRemoved { .. } => "pusher:member_removed",
            Self::MemberUpdated { .. } => "pusher:member_updated",
            Self::Lagged { .. } => "pusher:lagged",
            Self::Diagnostic(_) => "diagnostic",
        }
    }
}

/// Who is on a presence channel that was just subscribed.
#[derive(Clone, Debug, PartialEq)]
pub struct Presence {
    /// Everybody.
    pub members: Members,
    /// What changed since the list was last known; `None` for a first subscription.
    pub difference: Option<Difference>,
}

/// An event on a channel: a view into the frame that it came in.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelEvent {
    channel: ChannelName,
    event: Span,
    user_id: Option<Span>,
    data: Data,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn of(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

impl ChannelEvent {
    /// `event` and `user_id` lie in the same frame as `data`.
    pub(crate) fn new(channel: ChannelName, event: Span, user_id: Option<Span>, data: Data) -> Self {
        Self { channel, event, user_id, data }
    }

    /// Returns the channel.
    #[must_use]
    pub fn channel(&self) -> &ChannelName {
        &self.channel
    }

    /// Returns the name of the event.
    #[must_use]
    pub fn event(&self) -> &str {
        self.event.of(self.data.source())
    }

    /// Returns who sent it: only for client events on presence channels, and only on servers that say so.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.map(|span| span.of(self.data.source()))
    }

    /// Returns the payload.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Returns a field of the frame that the event came in, as it was sent: JSON, with the quotes of a string. `None` if
    /// there is no such field or it is `null`.
    ///
    /// This is for what some servers add to the fields that have methods of their own. The frame is read again at every
    /// call, and only then. Events of encrypted channels have no such fields: what is outside of the payload is not
    /// encrypted.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(event: &pusher_proto::ChannelEvent) -> Option<u64> {
    /// // {"event":"moved","channel":"chat","data":"{}","serial":7}
    /// event.field("serial")?.parse().ok()
    /// # }
    /// ```
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let [value] = object::leading_fields(self.data.source(), [name])?;
        value.map(RawValue::get)
    }

    /// Returns the same event in a buffer of its own (one allocation), so that the read buffer it came in can be reused.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { data: self.data.detached(), ..self.clone() }
    }

    /// Bytes of the frame that it came in.
    pub(super) fn len(&self) -> usize {
        self.data.source().len()
    }
}

impl fmt::Debug for ChannelEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelEvent")
            .field("channel", &self.channel)
            .field("event", &self.event())
            .field("user_id", &self.user_id())
            .field("data", &self.data)
            .finish()
    }
}

/// An event of the server that belongs to no channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionEvent {
    /// Name of the event.
    pub event: Text,
    /// Its payload.
    pub data: Data,
}

/// An event for the signed-in user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    /// Name of the event.
    pub event: Text,
    /// Its payload.
    pub data: Data,
}

/// What a log would say: nothing needs to be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Diagnostic {
    /// The protocol has no binary messages.
    #[error("ignored a binary message")]
    BinaryFrame,
    /// The server used an internal event that this client does not know.
    #[error("ignored the unknown internal event {0}")]
    UnknownInternalEvent(Text),
    /// An event for a channel that is not, or no longer, subscribed.
    #[error("ignored the event {event} of {channel}, which is not subscribed")]
    NotSubscribed {
        /// The channel.
        channel: Text,
        /// The event.
        event: Text,
    },
    /// An event of the connection came with a channel: a publisher of the channel may have forged it.
    #[error("ignored the event {event} of {channel}, which only counts without a channel")]
    NotOfChannel {
        /// The channel.
        channel: Text,
        /// The event.
        event: Text,
    },
    /// An event of an encrypted channel with a name of Pusher's, whose payload is never encrypted.
    #[error("ignored the event {event} of {channel}, which is not encrypted")]
    NotEncrypted {
        /// The channel.
        channel: ChannelName,
        /// The event.
        event: Text,
    },
    /// The server greeted a second time, with another socket id.
    #[error("ignored a second greeting with the socket id {0}")]
    SecondGreeting(Text),
    /// An authorization came too late.
    #[error("dropped the answer to the authorization request {0}, which nobody waits for")]
    StaleAuth(AuthId),
    /// An authorization failed and is asked for again.
    #[error("authorization of {channel} is asked for again at {retry_at}: {error}")]
    AuthRetry {
        /// The channel.
        channel: ChannelName,
        /// When.
        retry_at: Instant,
        /// Why.
        error: AuthError,
    },
    /// The sign-in failed and is tried again.
    #[error("the user is asked for again at {retry_at}: {error}")]
    SigninRetry {
        /// When.
        retry_at: Instant,
        /// Why.
        error: AuthError,
    },
    /// Events for a user came before the sign-in was confirmed, and it was not.
    #[error("dropped {count} events for a user who is not signed in")]
    UserEventsDropped {
        /// Events.
        count: usize,
    },
    /// The signature was made for another key than this client's.
    #[error("the authorization of {channel} is for another application key")]
    ForeignKey {
        /// The channel.
        channel: ChannelName,
    },
    /// The success of a presence subscription had no list of members.
    #[error("the success of {channel} has no list of members")]
    NoMembers {
        /// The channel.
        channel: ChannelName,
    },
    /// A list of members has grown to its limit of 64 MiB of text; whoever comes is not on it.
    #[error("the list of members of {channel} is full")]
    RosterFull {
        /// The channel.
        channel: ChannelName,
    },
    /// Hosted Pusher does not take this name.
    #[error("hosted Pusher does not take the channel name {channel}")]
    NameNotPortable {
        /// The channel.
        channel: ChannelName,
    },
    /// Hosted Pusher refuses so large a client event.
    #[error("a client event of {len} bytes is larger than {max}")]
    ClientEventLen {
        /// Bytes that it has.
        len: usize,
        /// Bytes that it should have.
        max: usize,
    },
    /// Hosted Pusher refuses so many client events.
    #[error("more than {max} client events in a second")]
    ClientEventRate {
        /// Events that should be sent.
        max: u32,
    },
    /// Client events that waited for a subscription were dropped with it.
    #[error("dropped {count} waiting client events of {channel}")]
    ClientEventsDropped {
        /// The channel.
        channel: ChannelName,
        /// Events.
        count: usize,
    },
}

impl Diagnostic {
    /// Returns the channel that it is about, if that is one of the application's.
    #[must_use]
    pub fn channel(&self) -> Option<&ChannelName> {
        match self {
            Self::NotEncrypted { channel, .. }
            | Self::AuthRetry { channel, .. }
            | Self::ForeignKey { channel }
            | Self::NoMembers { channel }
            | Self::RosterFull { channel }
            | Self::NameNotPortable { channel }
            | Self::ClientEventsDropped { channel, .. } => Some(channel),
            Self::BinaryFrame
            | Self::UnknownInternalEvent(_)
            | Self::NotSubscribed { .. }
            | Self::NotOfChannel { .. }
            | Self::SecondGreeting(_)
            | Self::StaleAuth(_)
            | Self::SigninRetry { .. }
            | Self::UserEventsDropped { .. }
            | Self::ClientEventLen { .. }
            | Self::ClientEventRate { .. } => None,
        }
    }
}
