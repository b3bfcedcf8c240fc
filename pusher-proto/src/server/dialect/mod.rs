//! All differences between servers: one [`Profile`] of values and functions for each of them.

mod laravel_websockets;
mod pusher;
mod reverb;
mod sockudo;
mod soketi;

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use super::handshake::Denial;
use super::refusal::{Answer, Refusal};
use crate::CloseFrame;

/// Which server a [`Server`](super::Server) imitates: what it sends and accepts, its limits, and how it ends
/// connections.
///
/// # Examples
///
/// ```
/// use pusher_proto::server::Dialect;
///
/// let dialect: Dialect = "laravel-websockets".parse()?;
/// assert_eq!(dialect, Dialect::LaravelWebsockets);
/// assert_eq!(dialect.to_string(), "laravel-websockets");
/// # Ok::<(), pusher_proto::server::UnknownDialect>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Hosted Pusher.
    #[default]
    Pusher,
    /// Laravel Reverb.
    Reverb,
    /// The package beyondcode/laravel-websockets.
    LaravelWebsockets,
    /// soketi.
    Soketi,
    /// Sockudo, in version 1 of its protocol.
    Sockudo,
    /// Sockudo, in version 2 of its protocol with clients that ask for it, and in version 1 with others.
    ///
    /// Of version 2, it has recovery from a buffer, rewinds, filters by tags and event names (those with expressions are
    /// refused), deltas in the format of Fossil, and members who may return. It has no history, mutable messages,
    /// annotations, wildcards, tokens and binary formats.
    SockudoV2,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Pusher, Self::Reverb, Self::LaravelWebsockets, Self::Soketi, Self::Sockudo, Self::SockudoV2];

    /// Returns the name, as accepted by [`FromStr`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.profile().name
    }

    /// Returns the HTTP status of a call of the HTTP API that failed with `code`, which the body repeats.
    ///
    /// soketi answers with 200 (recorded from soketi 1.6.1), the others with the code.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::server::Dialect;
    ///
    /// assert_eq!(Dialect::Pusher.api_status(401), 401);
    /// assert_eq!(Dialect::Soketi.api_status(401), 200);
    /// ```
    #[must_use]
    pub fn api_status(self, code: u16) -> u16 {
        self.profile().api_failure.unwrap_or(code)
    }

    /// Whether a call of the HTTP API is refused if its `auth_timestamp` is more than 600 s away from the server's clock.
    ///
    /// Reverb, laravel-websockets and soketi check only the signature.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::server::Dialect;
    ///
    /// assert!(Dialect::Pusher.checks_timestamp());
    /// assert!(!Dialect::Reverb.checks_timestamp());
    /// ```
    #[must_use]
    pub fn checks_timestamp(self) -> bool {
        self.profile().checks_timestamp
    }

    /// Returns the HTTP status for a call of the HTTP API that names an unknown application.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::server::Dialect;
    ///
    /// assert_eq!(Dialect::Pusher.unknown_app_status(), 404);
    /// assert_eq!(Dialect::LaravelWebsockets.unknown_app_status(), 401);
    /// ```
    #[must_use]
    pub fn unknown_app_status(self) -> u16 {
        self.profile().unknown_app
    }

    pub(super) const fn profile(self) -> &'static Profile {
        match self {
            Self::Pusher => &pusher::PROFILE,
            Self::Reverb => &reverb::PROFILE,
            Self::LaravelWebsockets => &laravel_websockets::PROFILE,
            Self::Soketi => &soketi::PROFILE,
            Self::Sockudo => &sockudo::PROFILE,
            Self::SockudoV2 => &sockudo::PROFILE_WITH_V2,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, UnknownDialect> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name).ok_or(UnknownDialect)
    }
}

/// A text is not the name of a [`Dialect`].
///
/// # Examples
///
/// ```
/// use pusher_proto::server::{Dialect, UnknownDialect};
///
/// assert_eq!("soketi".parse(), Ok(Dialect::Soketi));
/// assert_eq!("Soketi 1.6".parse::<Dialect>(), Err(UnknownDialect));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a dialect must be one of pusher, reverb, laravel-websockets, soketi, sockudo, sockudo-v2")]
pub struct UnknownDialect;

/// Everything that defines a dialect.
pub(super) struct Profile {
    pub(super) name: &'static str,
    pub(super) limits: Limits,
    pub(super) names: Names,
    /// Whether the protocol version of the request is checked.
    pub(super) checks_version: bool,
    /// Whether clients that ask for version 2 of Sockudo's protocol get it.
    pub(super) has_version_2: bool,
    /// Refusals that are sent only after a greeting.
    pub(super) greets: &'static [Denial],
    pub(super) wire: Wire,
    pub(super) members: Members,
    pub(super) again: Again,
    pub(super) cache: Caching,
    pub(super) has_counts: bool,
    /// Whether the signature of a private channel covers `channel_data`, where some is sent.
    pub(super) signs_private_data: bool,
    pub(super) client_events: ClientEvents,
    pub(super) signin: Signins,
    pub(super) watch: Watch,
    pub(super) terminate: Terminate,
    /// How a silent connection ends.
    pub(super) stale: Ending,
    /// How a connection ends that was not authorized in time, if the server requires authorization.
    pub(super) unauthorized: Option<Ending>,
    /// How all connections end when the server stops.
    pub(super) stop: Ending,
    /// How a socket ends that is refused because of [`Server::set_refusal`](super::Server::set_refusal).
    pub(super) refusal: Ending,
    /// The HTTP status for an event without data, if the server refuses it.
    pub(super) empty_data: Option<u16>,
    pub(super) has_batches: bool,
    /// Whether the HTTP API publishes event names that begin with `pusher:`, which the protocol reserves.
    pub(super) publishes_reserved: bool,
    /// The HTTP status of a failed call of the HTTP API, if it does not depend on the reason.
    pub(super) api_failure: Option<u16>,
    /// Whether the HTTP API refuses calls with old timestamps.
    pub(super) checks_timestamp: bool,
    /// The HTTP status for a call that names an unknown application.
    pub(super) unknown_app: u16,
    pub(super) deny: fn(Denial, &str) -> (CloseFrame, Ending),
    pub(super) refuse: fn(&Refusal) -> Answer,
}

/// Defaults of the configuration, and limits that cannot be set.
pub(super) struct Limits {
    pub(super) activity_timeout: Duration,
    pub(super) pong_timeout: Duration,
    pub(super) client_event_rate: u32,
    pub(super) max_members: usize,
    pub(super) max_member_len: usize,
    /// In characters.
    pub(super) max_user_id_len: usize,
    pub(super) max_message_len: usize,
    pub(super) max_event_len: usize,
    pub(super) cache_ttl: Duration,
}

/// Which channel names are accepted.
pub(super) struct Names {
    pub(super) max_len: usize,
    /// Whether only `A-Z a-z 0-9 _ - = @ , . ;` are.
    pub(super) charset: bool,
    /// Whether only the channel of the signed-in user may start with `#`.
    pub(super) reserves_hash: bool,
}

/// How frames are written.
pub(super) struct Wire {
    pub(super) error: Form,
    pub(super) ping: Form,
    pub(super) pong: Form,
    pub(super) succeeded: Form,
    pub(super) cache_miss: Form,
    /// Whether JSON is written like in PHP: `/` and everything beyond ASCII is escaped, and empty objects and those
    /// with the keys 0, 1, … are arrays.
    pub(super) php: bool,
    /// Whether the data of a subscription may be JSON inside a string.
    pub(super) reads_strings: bool,
    /// Whether pings are WebSocket pings once the client has sent a control frame.
    pub(super) pings_by_control_frame: bool,
}

/// How the data of one of the server's own events is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Absent,
    Object,
    /// JSON inside a string.
    String,
}

/// How the users of presence channels are reported.
pub(super) struct Members {
    pub(super) listed: Ids,
    pub(super) added: Ids,
    pub(super) removed: Ids,
    /// The info in the list for a user without info; the field is missing if `None`.
    pub(super) listed_info: Option<&'static str>,
    /// The same when a user is added.
    pub(super) added_info: Option<&'static str>,
    /// Whether it is reported when the user `0` leaves; PHP may treat this id as missing.
    pub(super) zero_leaves: bool,
    /// Whether the whole `channel_data` is sent when a user is added.
    pub(super) added_whole: bool,
    /// Whether an id may be a number.
    pub(super) numeric_ids: bool,
    /// Whether a subscriber without a user is accepted; the list is empty in this case.
    pub(super) anonymous: bool,
    /// Whether members without info are listed. If not, a channel with such a member accepts a subscriber and then
    /// fails to send the member list.
    pub(super) lists_without_info: bool,
    /// Whether a presence channel can be a cache channel.
    pub(super) cache: bool,
}

/// How the id of a user is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ids {
    /// As a string.
    Text,
    /// As it was sent.
    Sent,
    /// As a number if it looks like one.
    Numeric,
}

/// How a second subscription to a channel is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Refused,
    Success,
}

/// When cache channels keep their last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caching {
    Never,
    Always,
    /// Only while the channel has subscribers, and never on encrypted channels.
    WhileOccupied,
}

/// Who may send client events, and how they are forwarded.
pub(super) struct ClientEvents {
    /// Whether they are accepted only on private and presence channels.
    pub(super) needs_private_channel: bool,
    pub(super) needs_subscription: bool,
    /// How the sender is reported on presence channels.
    pub(super) sender: Option<Ids>,
    /// Whether data must be an object, an array or null, or a string that contains one of these, which is then
    /// unwrapped.
    pub(super) unwraps: bool,
}

/// Whether users can sign in.
pub(super) enum Signins {
    /// The server does not know the event.
    Unknown,
    Known(Signin),
}

/// What signing in does.
pub(super) struct Signin {
    pub(super) success: Form,
    /// Whether the success repeats the `auth` value.
    pub(super) repeats_auth: bool,
    pub(super) numeric_ids: bool,
    /// Whether the signed-in user can be the member on presence channels.
    pub(super) is_member: bool,
    pub(super) delivery: Delivery,
    pub(super) watchlist: Watchlist,
}

/// Who receives the events for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The subscribers of the user's channel.
    Subscribers,
    /// Every connection of the user.
    Connections,
}

/// How changes of a watchlist are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watchlist {
    None,
    /// After the success and on every change, in `pusher_internal:watchlist_events`.
    Events,
    /// Before the success, and when another user with a watchlist comes online, in separate events without a channel.
    Notices,
}

/// How the server detects clients that may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// Pings a client that it has not heard from for the activity timeout and this long, and ends the connection if
    /// there is no answer.
    Pings { grace: Duration },
    /// Ends a connection on which it has sent nothing for this long.
    Sends(Duration),
    /// Does nothing.
    Nothing,
}

/// Whose connections `terminate_connections` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terminate {
    Unknown,
    SignedIn(Ending),
    /// Those with this user on a presence channel.
    Members(Ending),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// Whether an error frame comes first.
    pub(super) says_error: bool,
    pub(super) parting: Parting,
}

impl Ending {
    const fn new(says_error: bool, parting: Parting) -> Self {
        Self { says_error, parting }
    }
}

/// How a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// With a close frame.
    Frame,
    /// With a close frame that has no reason.
    Code,
    /// With 1000, whatever the reason.
    Normal,
    /// Without a close frame.
    Drop,
    /// Not at all: the server just stops listening to it.
    Stay,
}

/// How long hosted Pusher and Reverb keep the last event of a cache channel (Pusher docs, *Cache channels*).
const HOSTED_CACHE_TTL: Duration = Duration::from_secs(30 * 60);

/// How long soketi and Sockudo keep it by default.
const LONG_CACHE_TTL: Duration = Duration::from_secs(60 * 60);

/// For servers that have no limit.
const UNLIMITED: usize = usize::MAX;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn every_name_reads_back() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.to_string().parse(), Ok(dialect));
        }
        assert_eq!("Pusher".parse::<Dialect>(), Err(UnknownDialect));
    }
}
