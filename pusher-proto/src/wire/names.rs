//! Names of events, as servers and clients write them (Pusher protocol, *Events*).

pub(crate) const ESTABLISHED: &str = "pusher:connection_established";
pub(crate) const ERROR: &str = "pusher:error";
pub(crate) const PING: &str = "pusher:ping";
pub(crate) const PONG: &str = "pusher:pong";
pub(crate) const SIGNIN_SUCCESS: &str = "pusher:signin_success";
pub(crate) const SUBSCRIPTION_ERROR: &str = "pusher:subscription_error";
pub(crate) const CACHE_MISS: &str = "pusher:cache_miss";

pub(crate) const SUCCEEDED: &str = "pusher_internal:subscription_succeeded";
pub(crate) const INTERNAL_SUBSCRIPTION_ERROR: &str = "pusher_internal:subscription_error";
pub(crate) const SUBSCRIPTION_COUNT: &str = "pusher_internal:subscription_count";
pub(crate) const MEMBER_ADDED: &str = "pusher_internal:member_added";
pub(crate) const MEMBER_REMOVED: &str = "pusher_internal:member_removed";
pub(crate) const WATCHLIST: &str = "pusher_internal:watchlist_events";

/// Sockudo sends each change of a watchlist under a name of its own.
pub(crate) const ONLINE: &str = "online";
pub(crate) const OFFLINE: &str = "offline";

/// Events of version 2 on a channel, which the application gets as such: messages that were edited, and their annotations.
pub(crate) const MESSAGE_CREATE: &str = "sockudo:message.create";
pub(crate) const MESSAGE_UPDATE: &str = "sockudo:message.update";
pub(crate) const MESSAGE_APPEND: &str = "sockudo:message.append";
pub(crate) const MESSAGE_DELETE: &str = "sockudo:message.delete";
pub(crate) const MESSAGE_SUMMARY: &str = "sockudo_internal:message";
pub(crate) const ANNOTATION: &str = "sockudo_internal:annotation";

/// The names that version 2 has in common with version 1.
const CANONICAL: [&str; 13] = [
    ESTABLISHED,
    ERROR,
    PING,
    PONG,
    SIGNIN_SUCCESS,
    SUBSCRIPTION_ERROR,
    CACHE_MISS,
    SUCCEEDED,
    INTERNAL_SUBSCRIPTION_ERROR,
    SUBSCRIPTION_COUNT,
    MEMBER_ADDED,
    MEMBER_REMOVED,
    WATCHLIST,
];

/// What all names of version 1 begin with.
const PREFIX: &str = "pusher";

/// Prefix of the names that are reserved for the server.
const RESERVED: &str = "pusher:";
const INTERNAL: &str = "pusher_internal:";

/// Whether the name may be reserved for the server. Every other name belongs to the application.
#[inline]
pub(crate) fn may_be_reserved(event: &str) -> bool {
    event.as_bytes().starts_with(PREFIX.as_bytes())
}

/// Whether only the server sends this event to a client, always unencrypted.
pub(crate) fn is_reserved(event: &str) -> bool {
    event.starts_with(RESERVED)
}

/// Whether this name is reserved for messages from servers to client libraries.
pub(crate) fn is_internal(event: &str) -> bool {
    event.starts_with(INTERNAL)
}

/// The name of version 1 for a name of version 2, of which this is the part that follows the prefix.
pub(crate) fn canonical(rest: &str) -> Option<&'static str> {
    CANONICAL.into_iter().find(|name| name.strip_prefix(PREFIX) == Some(rest))
}

/// Whether a name of version 2, of which this is the part that follows the prefix, is reserved for messages from servers
/// to client libraries.
pub(crate) fn is_internal_rest(rest: &str) -> bool {
    INTERNAL.strip_prefix(PREFIX).is_some_and(|internal| rest.starts_with(internal))
}

/// Whether only the server itself sends this event, and never on a channel. Otherwise, if a server passes on whatever a
/// backend publishes, the backend could sign this client in as another user, or keep a dead connection alive.
/// `pusher:error` is not one of these events: soketi sends it with the channel that it is about.
pub(crate) fn is_of_connection(event: &str) -> bool {
    matches!(event, ESTABLISHED | PING | PONG | SIGNIN_SUCCESS | WATCHLIST)
}
