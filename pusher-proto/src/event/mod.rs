//! The events that the application receives.

mod annotation;
mod channel_event;
mod continuity;
mod diagnostic;
mod envelope;
#[cfg(feature = "serde")]
mod json;
mod version;
mod weight;

use alloc::boxed::Box;
use alloc::vec::Vec;

pub use annotation::{Annotation, AnnotationCount, AnnotationSummary};
pub use channel_event::ChannelEvent;
pub use continuity::{LossReason, RecoverySource};
pub use diagnostic::Diagnostic;
pub use version::{MessageAction, MessageVersion};

use crate::members::{Difference, Member, Members};
use crate::{
    ChannelName, ConnectionError, Data, DecryptionError, FailReason, HistoryError, HistoryId, HistoryPage, Instant,
    SigninError, SocketId, SubscriptionError, Text, TokenError,
};

/// The state of the connection.
///
/// # Examples
///
/// ```
/// use pusher_proto::ConnectionState;
///
/// /// What a status bar shows.
/// fn text(state: &ConnectionState) -> String {
///     match state {
///         ConnectionState::Connected { .. } => "online".into(),
///         ConnectionState::Waiting { cause, .. } => format!("offline: {cause}"),
///         ConnectionState::Failed { reason } => format!("given up: {reason}"),
///         state => state.name().into(),
///     }
/// }
///
/// assert_eq!(text(&ConnectionState::Connecting { attempt: 0 }), "connecting");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// `connect` has not been called yet.
    Initialized,
    /// A socket is being opened, or the server has not greeted yet.
    Connecting {
        /// Consecutive failures so far.
        attempt: u32,
    },
    /// The client waits before the next attempt.
    Waiting {
        /// Consecutive failures so far, including the last one.
        attempt: u32,
        /// When the next attempt begins.
        retry_at: Instant,
        /// The last failure.
        cause: Box<ConnectionError>,
    },
    /// The server has greeted.
    Connected {
        /// The server's id of this connection.
        socket_id: SocketId,
    },
    /// The application has called `disconnect`.
    Disconnected,
    /// The client does not try again until the application calls `connect`.
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

    /// Returns one word: `initialized`, `connecting`, `waiting`, `connected`, `disconnected` or `failed`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::Connecting { .. } => "connecting",
            Self::Waiting { .. } => "waiting",
            Self::Connected { .. } => "connected",
            Self::Disconnected => "disconnected",
            Self::Failed { .. } => "failed",
        }
    }
}

/// An event for the application.
///
/// The names are Pusher's: `SubscriptionSucceeded` is `pusher:subscription_succeeded`.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ChannelEvent, ChannelName, Data, Event};
///
/// let event = ChannelEvent::new(ChannelName::new("orders")?, "order.created", Data::from_json(r#"{"id":7}"#)?);
/// match Event::Channel(event) {
///     event if event.is_gap() => println!("load the orders again"),
///     Event::Channel(event) if event.event() == "order.created" => println!("new order: {}", event.data().text()),
///     event => println!("{}", event.name()),
/// }
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
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
    /// There has been no connection for [`unavailable_timeout`](crate::ConfigBuilder::unavailable_timeout). This event
    /// is emitted once per outage; the client keeps trying.
    Unavailable,
    /// An attempt to connect failed, the connection was lost, or the server sent an error or a frame that could not be
    /// used.
    ConnectionError(ConnectionError),
    /// An event on a channel.
    Channel(ChannelEvent),
    /// An event of the server that belongs to no channel.
    Connection(ConnectionEvent),
    /// A channel is subscribed, for the first time or again.
    SubscriptionSucceeded {
        /// The channel.
        channel: ChannelName,
        /// Whether this is not the first success since the application subscribed: `false` exactly once between
        /// [`subscribe`](crate::Client::subscribe) and [`unsubscribe`](crate::Client::unsubscribe).
        again: bool,
        /// The members, on a presence channel.
        presence: Option<Presence>,
    },
    /// A subscription failed, or the server reported an error about a channel.
    SubscriptionError {
        /// The channel.
        channel: ChannelName,
        /// Why.
        error: SubscriptionError,
        /// When the client tries again, if the failure may be temporary: a busy or broken backend, or a server that
        /// does not answer. It tries for as long as the channel is wanted. `None` after a definite answer; then the
        /// client tries again only after another [`subscribe`](crate::Client::subscribe) or on the next connection.
        retry_at: Option<Instant>,
    },
    /// Events of a channel may have been missed: it was subscribed, the connection was lost, and it is subscribed
    /// again. This event is emitted once, before the first event of the new subscription, so if the application loads
    /// its state now, it misses nothing.
    ///
    /// With [`Recovery`](crate::Recovery), it is emitted only if it cannot be proven that nothing was missed; otherwise
    /// there is a [`Recovered`](Self::Recovered) in its place.
    ContinuityLost {
        /// The channel.
        channel: ChannelName,
        /// When the subscription was lost; [`Instant::ZERO`] if it was the subscription of another client, whose position was
        /// taken over ([`Client::resume_from`](crate::Client::resume_from)).
        since: Instant,
        /// Why nothing can be proven.
        reason: LossReason,
        /// The largest number of messages that may have been missed, where it is known. Messages that were not meant for
        /// this client count too.
        missed: Option<u64>,
    },
    /// Nothing was missed, or everything that was missed follows: the channel was subscribed, the connection was lost, and
    /// the server has replayed what was sent in the meantime. This event is emitted once, before the first event of the new
    /// subscription, and only with [`Recovery`](crate::Recovery).
    Recovered {
        /// The channel.
        channel: ChannelName,
        /// How many messages the server has replayed. Those that this client already had are not emitted again.
        replayed: u64,
        /// How it was proven.
        source: RecoverySource,
        /// Whether this proves that nothing was missed. It does not if the channel is known to be on several nodes that
        /// count their own messages each: then only the messages of one node are complete, and this event is a gap.
        is_proven: bool,
    },
    /// The old messages of a channel that [`Subscribe::rewind`](crate::Subscribe::rewind) has asked for were sent: live ones
    /// follow.
    RewindComplete {
        /// The channel.
        channel: ChannelName,
        /// How many old messages the server has sent.
        replayed: u64,
        /// Whether these are all that the server has. If not, there may be older ones.
        is_complete: bool,
    },
    /// An event of an encrypted channel could not be decrypted, and is lost.
    DecryptionError {
        /// The channel.
        channel: ChannelName,
        /// Name of the event.
        event: Text,
        /// Why.
        error: DecryptionError,
    },
    /// The user is signed in, for the first time or again. The client then subscribes to the user's own channel, and
    /// servers that need this send nothing before. Events that are published for the user in this short time may be
    /// missed.
    SignedIn {
        /// The user's id.
        id: Text,
        /// The application's data about the user (`user_data`): a JSON object.
        data: Data,
    },
    /// The sign-in failed.
    SigninError {
        /// Why.
        error: SigninError,
        /// When the client tries again, if the failure may be temporary; `None` after a definite answer.
        retry_at: Option<Instant>,
    },
    /// The connection has no capability token, or keeps the one before. Only with
    /// [`Recovery::tokens`](crate::Recovery::tokens).
    TokenError {
        /// Why.
        error: TokenError,
        /// When the client tries again, if the failure may be temporary; until then, channels wait for the first token of a
        /// connection. `None` after a definite answer.
        retry_at: Option<Instant>,
    },
    /// An event for the signed-in user.
    User(UserEvent),
    /// Events for the signed-in user may have been missed: the connection was lost, and the user is signed in again.
    UserContinuityLost {
        /// When the connection was lost.
        since: Instant,
    },
    /// Users on the watchlist of the signed-in user came online or went offline. The first notice after the sign-in
    /// lists those who are online. A notice about more than 1,000 users is split into several events.
    Watchlist(Box<WatchlistEvent>),
    /// How many connections are subscribed to a channel.
    SubscriptionCount {
        /// The channel.
        channel: ChannelName,
        /// The number of connections.
        count: u64,
    },
    /// A cache channel has no last event to repeat.
    CacheMiss {
        /// The channel.
        channel: ChannelName,
    },
    /// A user joined a presence channel.
    MemberAdded {
        /// The channel.
        channel: ChannelName,
        /// Who.
        member: Member,
    },
    /// A user left a presence channel.
    MemberRemoved {
        /// The channel.
        channel: ChannelName,
        /// Who, as last known.
        member: Member,
    },
    /// The info of a user on a presence channel changed.
    MemberUpdated {
        /// The channel.
        channel: ChannelName,
        /// Who, with the new info.
        member: Member,
    },
    /// The outcome of a request for a page of a channel's history
    /// ([`Client::request_history`](crate::Client::request_history)). Each request has one, also if the channel was
    /// unsubscribed in the meantime.
    History {
        /// The request.
        id: HistoryId,
        /// The channel.
        channel: ChannelName,
        /// The page, or why there is none.
        result: Result<HistoryPage, HistoryError>,
    },
    /// Events were lost at this point because the application did not take them in time. The core drops only events
    /// that a server can send in any number, such as channel events; a full mailbox of a handle drops its oldest event,
    /// whatever it is.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// Something worth logging that requires no action.
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
            | Self::Recovered { channel, .. }
            | Self::RewindComplete { channel, .. }
            | Self::DecryptionError { channel, .. }
            | Self::SubscriptionCount { channel, .. }
            | Self::CacheMiss { channel }
            | Self::MemberAdded { channel, .. }
            | Self::MemberRemoved { channel, .. }
            | Self::MemberUpdated { channel, .. }
            | Self::History { channel, .. } => Some(channel),
            Self::Diagnostic(diagnostic) => diagnostic.channel(),
            Self::StateChanged { .. }
            | Self::Unavailable
            | Self::ConnectionError(_)
            | Self::Connection(_)
            | Self::SignedIn { .. }
            | Self::SigninError { .. }
            | Self::TokenError { .. }
            | Self::User(_)
            | Self::UserContinuityLost { .. }
            | Self::Watchlist(_)
            | Self::Lagged { .. } => None,
        }
    }

    /// Whether the application's state may be out of date from here on, so that it should load the state again. This is
    /// true for the first [`SubscriptionSucceeded`](Self::SubscriptionSucceeded) of a channel,
    /// [`ContinuityLost`](Self::ContinuityLost), [`UserContinuityLost`](Self::UserContinuityLost),
    /// [`Lagged`](Self::Lagged), and a [`Recovered`](Self::Recovered) that proves nothing.
    ///
    /// If the application loads its state when it receives such an event, it misses nothing, because these events come
    /// before all events after the gap. A later `SubscriptionSucceeded` is not a gap: `ContinuityLost` has come before it or,
    /// with [`Recovery`](crate::Recovery), comes before the next event.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::{ChannelName, Event};
    ///
    /// let channel = ChannelName::new("orders")?;
    /// let succeeded = |again| Event::SubscriptionSucceeded { channel: channel.clone(), again, presence: None };
    /// assert!(succeeded(false).is_gap() && !succeeded(true).is_gap());
    /// assert!(Event::Lagged { missed: 3 }.is_gap());
    /// # Ok::<(), pusher_proto::InvalidName>(())
    /// ```
    #[must_use]
    pub const fn is_gap(&self) -> bool {
        match self {
            Self::SubscriptionSucceeded { again, .. } => !*again,
            Self::Recovered { is_proven, .. } => !*is_proven,
            Self::ContinuityLost { .. } | Self::UserContinuityLost { .. } | Self::Lagged { .. } => true,
            Self::StateChanged { .. }
            | Self::Unavailable
            | Self::ConnectionError(_)
            | Self::Channel(_)
            | Self::Connection(_)
            | Self::SubscriptionError { .. }
            | Self::RewindComplete { .. }
            | Self::DecryptionError { .. }
            | Self::SignedIn { .. }
            | Self::SigninError { .. }
            | Self::TokenError { .. }
            | Self::User(_)
            | Self::Watchlist(_)
            | Self::SubscriptionCount { .. }
            | Self::CacheMiss { .. }
            | Self::MemberAdded { .. }
            | Self::MemberRemoved { .. }
            | Self::MemberUpdated { .. }
            | Self::History { .. }
            | Self::Diagnostic(_) => false,
        }
    }

    /// Returns Pusher's name of the event, which is what handlers are bound to.
    ///
    /// Events for which Pusher has no name follow the same pattern: `pusher:continuity_lost`, `pusher:lagged`.
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
            Self::Recovered { .. } => "pusher:recovered",
            Self::RewindComplete { .. } => "pusher:rewind_complete",
            Self::SignedIn { .. } => "pusher:signin_success",
            Self::SigninError { .. } => "pusher:signin_error",
            Self::TokenError { .. } => "pusher:token_error",
            Self::User(event) => &event.event,
            Self::UserContinuityLost { .. } => "pusher:continuity_lost",
            Self::Watchlist(event) => &event.name,
            Self::DecryptionError { .. } => "pusher:decryption_error",
            Self::SubscriptionCount { .. } => "pusher:subscription_count",
            Self::CacheMiss { .. } => "pusher:cache_miss",
            Self::MemberAdded { .. } => "pusher:member_added",
            Self::MemberRemoved { .. } => "pusher:member_removed",
            Self::MemberUpdated { .. } => "pusher:member_updated",
            Self::History { .. } => "pusher:history",
            Self::Lagged { .. } => "pusher:lagged",
            Self::Diagnostic(_) => "diagnostic",
        }
    }
}

/// The members of a presence channel that was just subscribed.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Data, Difference, Member, Members, Presence};
///
/// let members = |ids: &[&str]| ids.iter().map(|id| Member::new(*id, Data::ABSENT)).collect::<Members>();
/// let first = Presence::new(members(&["ann"]));
/// assert_eq!((first.members.len(), &first.difference), (1, &None));
/// let after = members(&["ann", "bob"]);
/// let again = Presence::new(after.clone()).difference(Difference::new(first.members, after));
/// let joined: Vec<_> = again.difference.iter().flat_map(Difference::joined).collect();
/// assert_eq!(joined, [Member::new("bob", Data::ABSENT)]);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Presence {
    /// All members, including this client.
    pub members: Members,
    /// What changed since the last known list; `None` for the first subscription.
    pub difference: Option<Difference>,
}

impl Presence {
    /// Returns the members of a channel that was subscribed for the first time.
    #[must_use]
    pub const fn new(members: Members) -> Self {
        Self { members, difference: None }
    }

    /// Adds what changed while the channel was not subscribed.
    #[must_use]
    pub fn difference(mut self, difference: Difference) -> Self {
        self.difference = Some(difference);
        self
    }
}

/// An event of the server that belongs to no channel.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ConnectionEvent, Data, Event};
///
/// let event = ConnectionEvent::new("maintenance", Data::string("in 5 minutes"));
/// assert_eq!((event.event(), event.data().text().as_ref()), ("maintenance", "in 5 minutes"));
/// assert_eq!(Event::Connection(event).name(), "maintenance");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionEvent {
    pub(crate) event: Text,
    pub(crate) data: Data,
}

/// An event for the signed-in user.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Data, UserEvent};
///
/// let event = UserEvent::new("order.shipped", Data::from_json(r#"{"id":7}"#)?);
/// assert_eq!((event.event(), event.data().raw()), ("order.shipped", r#"{"id":7}"#));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    pub(crate) event: Text,
    pub(crate) data: Data,
}

/// A notice about users on the watchlist of the signed-in user (Pusher docs, *Watchlist events*).
///
/// # Examples
///
/// ```
/// use pusher_proto::{Data, Event, WatchlistEvent};
///
/// let data = Data::from_json(r#"{"name":"online","user_ids":["7"]}"#)?;
/// let event = WatchlistEvent { name: "online".into(), user_ids: vec!["7".into()], data };
/// assert_eq!(Event::Watchlist(event.into()).name(), "online");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchlistEvent {
    /// What happened: `online`, `offline`, or another word of the server.
    pub name: Text,
    /// The ids of these users.
    pub user_ids: Vec<Text>,
    /// The notice as it was sent.
    pub data: Data,
}

/// The methods that both have in common with [`ChannelEvent`].
macro_rules! name_and_payload {
    ($($event:ident)+) => {$(
        impl $event {
            /// Returns an event like one that a server sends; this is for tests.
            #[must_use]
            pub fn new(event: impl Into<Text>, data: Data) -> Self {
                Self { event: event.into(), data }
            }

            /// Returns the name of the event.
            #[must_use]
            pub fn event(&self) -> &str {
                &self.event
            }

            /// Returns the payload.
            #[must_use]
            pub const fn data(&self) -> &Data {
                &self.data
            }
        }
    )+};
}

name_and_payload!(ConnectionEvent UserEvent);
