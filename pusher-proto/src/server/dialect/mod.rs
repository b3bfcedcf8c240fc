//! Where servers differ: one [`Profile`] of values and functions for each of them, and nothing elsewhere.

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

/// Which server a [`Server`](super::Server) speaks like: what it sends and accepts, its limits, and how it ends things.
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
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pusher, Self::Reverb, Self::LaravelWebsockets, Self::Soketi, Self::Sockudo];

    /// Returns the name, as [`FromStr`] reads it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.profile().name
    }

    /// Returns the HTTP status of a call of the HTTP API that failed with `code`, which the body repeats.
    ///
    /// soketi answers with 200 (frames recorded from soketi 1.6.1), the others with the code.
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

    pub(super) const fn profile(self) -> &'static Profile {
        match self {
            Self::Pusher => &pusher::PROFILE,
            Self::Reverb => &reverb::PROFILE,
            Self::LaravelWebsockets => &laravel_websockets::PROFILE,
            Self::Soketi => &soketi::PROFILE,
            Self::Sockudo => &sockudo::PROFILE,
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

/// A text is the name of no [`Dialect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a dialect must be one of pusher, reverb, laravel-websockets, soketi, sockudo")]
pub struct UnknownDialect;

/// Everything that makes a dialect.
pub(super) struct Profile {
    pub(super) name: &'static str,
    pub(super) limits: Limits,
    pub(super) names: Names,
    /// Whether the request's version of the protocol is looked at.
    pub(super) checks_version: bool,
    /// Who is let in first and told afterwards that there is no room.
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
    /// How a connection ends that went silent.
    pub(super) stale: Ending,
    /// How a connection ends that was not authorized in time, if that is asked for.
    pub(super) unauthorized: Option<Ending>,
    /// How all connections end when the server stops.
    pub(super) stop: Ending,
    /// How a socket ends that is refused by command.
    pub(super) refusal: Ending,
    /// The HTTP status for an event without data, where that is refused.
    pub(super) empty_data: Option<u16>,
    pub(super) has_batches: bool,
    /// Whether the HTTP API publishes event names that begin with `pusher:`, which the protocol reserves.
    pub(super) publishes_reserved: bool,
    /// The HTTP status of a failed call of the HTTP API, where it is not that of the reason.
    pub(super) api_failure: Option<u16>,
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
    /// Whether only the channel of the user who is signed in may start with `#`.
    pub(super) reserves_hash: bool,
}

/// How frames are written.
pub(super) struct Wire {
    pub(super) error: Form,
    pub(super) ping: Form,
    pub(super) pong: Form,
    pub(super) succeeded: Form,
    pub(super) cache_miss: Form,
    /// As PHP writes JSON: `/` and everything beyond ASCII escaped, empty objects and those with the keys 0, 1, … as
    /// arrays.
    pub(super) php: bool,
    /// Whether the data of a subscription may be JSON in a string.
    pub(super) reads_strings: bool,
    /// Whether pings are WebSocket pings once the client has sent a control frame.
    pub(super) pings_by_control_frame: bool,
}

/// How the data of one of the server's own events is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Absent,
    Object,
    /// JSON in a string.
    String,
}

/// How users of presence channels are told.
pub(super) struct Members {
    pub(super) listed: Ids,
    pub(super) added: Ids,
    pub(super) removed: Ids,
    /// What stands in the list for a user without info; nothing if `None`.
    pub(super) listed_info: Option<&'static str>,
    /// The same where a user is added.
    pub(super) added_info: Option<&'static str>,
    /// Whether it is told that the user 0 leaves, whom PHP may take for nobody.
    pub(super) zero_leaves: bool,
    /// Whether a user is added with all that its `channel_data` says.
    pub(super) added_whole: bool,
    /// Whether an id may be a number.
    pub(super) numeric_ids: bool,
    /// Whether a subscriber without a user is let in; then the list is empty.
    pub(super) anonymous: bool,
    /// Whether members without info are listed. If not, a channel with one of them accepts a subscriber and then fails to
    /// tell who is there.
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
    /// As a number where it looks like one.
    Numeric,
}

/// What a second subscription to a channel is.
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
    /// Only while somebody is subscribed, and never on encrypted channels.
    WhileOccupied,
}

/// Who may send client events, and what becomes of them.
pub(super) struct ClientEvents {
    /// Whether they are for private and presence channels alone.
    pub(super) needs_private_channel: bool,
    pub(super) needs_subscription: bool,
    /// How the sender is told on presence channels.
    pub(super) sender: Option<Ids>,
    /// Whether data must be an object, an array or null, or such in a string, which is then unwrapped.
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
    /// Whether presence channels take the user who is signed in.
    pub(super) is_member: bool,
    pub(super) delivery: Delivery,
    pub(super) watchlist: Watchlist,
}

/// Who gets the events for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// Whoever subscribed the user's channel.
    Subscribers,
    /// Every connection of the user.
    Connections,
}

/// How the users on a watchlist are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watchlist {
    None,
    /// After the success and on every change, in `pusher_internal:watchlist_events`.
    Events,
    /// Before the success, and when a user who has a watchlist too comes, in events of their own without a channel.
    Notices,
}

/// What the server does about clients that may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// Pings one that it has not heard for its activity timeout and this long, and ends the connection without an answer.
    Pings { grace: Duration },
    /// Ends a connection on which it has sent nothing for so long.
    Sends(Duration),
    /// Nothing: it does not look at them.
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
    /// With 1000, whatever it is about.
    Normal,
    /// Without a close frame.
    Drop,
    /// Not at all: the server just does not listen to it any more.
    Stay,
}

/// How long hosted Pusher and Reverb keep the last event of a cache channel (Pusher docs, *Cache channels*).
const HOSTED_CACHE_TTL: Duration = Duration::from_secs(30 * 60);

/// How long soketi and Sockudo do by default.
const LONG_CACHE_TTL: Duration = Duration::from_secs(60 * 60);

/// Where a server has no limit of its own.
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
