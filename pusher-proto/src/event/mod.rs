//! What the client tells the application.

mod channel_event;
mod diagnostic;
#[cfg(feature = "serde")]
mod json;
mod weight;

use alloc::boxed::Box;
use alloc::vec::Vec;

pub use channel_event::ChannelEvent;
pub use diagnostic::Diagnostic;

use crate::members::{Difference, Member, Members};
use crate::{
    ChannelName, ConnectionError, Data, DecryptionError, FailReason, Instant, SigninError, SocketId, SubscriptionError,
    Text,
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
    /// A delay before the next attempt.
    Waiting {
        /// Consecutive failures so far, the last one included.
        attempt: u32,
        /// When the next attempt begins.
        retry_at: Instant,
        /// The last failure.
        cause: Box<ConnectionError>,
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

/// What the application learns.
///
/// Names are Pusher's: `SubscriptionSucceeded` is `pusher:subscription_succeeded`.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ChannelEvent, ChannelName, Data, Event};
///
/// let event = ChannelEvent::new(ChannelName::new("orders")?, "order.created", Data::from_json(r#"{"id":7}"#)?);
/// match Event::Channel(event) {
///     event if event.is_gap() => println!("load the orders anew"),
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
        /// Whether the channel had been subscribed before since the application asked for it: `false` exactly once between
        /// [`subscribe`](crate::Client::subscribe) and [`unsubscribe`](crate::Client::unsubscribe).
        again: bool,
        /// Who is there, on a presence channel.
        presence: Option<Presence>,
    },
    /// A channel is not subscribed, or the server complained about one.
    SubscriptionError {
        /// The channel.
        channel: ChannelName,
        /// Why.
        error: SubscriptionError,
        /// When the client tries again, if the trouble may pass: a busy or broken backend, a server that does not answer. It does
        /// so for as long as the channel is wanted. `None` for a definite answer, which only another
        /// [`subscribe`](crate::Client::subscribe) or another connection changes.
        retry_at: Option<Instant>,
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
        /// What the application says of the user (`user_data`): a JSON object.
        data: Data,
    },
    /// The user is not signed in.
    SigninError {
        /// Why.
        error: SigninError,
        /// When the client tries again, as for a channel; `None` for a definite answer.
        retry_at: Option<Instant>,
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
    /// Events that a server can send without end, such as channel events, were lost because they were not taken in time. They
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

    /// Whether what the application knows may be out of date from here on, so that it should load the state anew: the first
    /// [`SubscriptionSucceeded`](Self::SubscriptionSucceeded) of a channel, [`ContinuityLost`](Self::ContinuityLost),
    /// [`UserContinuityLost`](Self::UserContinuityLost) and [`Lagged`](Self::Lagged).
    ///
    /// A state that is loaded when such an event comes misses nothing: all of them come before the events that follow the gap.
    /// A later `SubscriptionSucceeded` is not a gap, since `ContinuityLost` has come before it.
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
            Self::ContinuityLost { .. } | Self::UserContinuityLost { .. } | Self::Lagged { .. } => true,
            Self::StateChanged { .. }
            | Self::Unavailable
            | Self::ConnectionError(_)
            | Self::Channel(_)
            | Self::Connection(_)
            | Self::SubscriptionError { .. }
            | Self::DecryptionError { .. }
            | Self::SignedIn { .. }
            | Self::SigninError { .. }
            | Self::User(_)
            | Self::Watchlist { .. }
            | Self::SubscriptionCount { .. }
            | Self::CacheMiss { .. }
            | Self::MemberAdded { .. }
            | Self::MemberRemoved { .. }
            | Self::MemberUpdated { .. }
            | Self::Diagnostic(_) => false,
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
    /// All members, the client itself included.
    pub members: Members,
    /// What changed since the list was last known; `None` for a first subscription.
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

/// What the two have in common with [`ChannelEvent`].
macro_rules! name_and_payload {
    ($($event:ident)+) => {$(
        impl $event {
            /// Returns an event as a server sends it; clients receive theirs.
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
