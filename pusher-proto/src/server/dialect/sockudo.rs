//! Sockudo: errors without a channel and with unspecific codes, and sockets that end without a message.

use alloc::format;
use alloc::string::ToString;

use super::*;

/// The same with clients that do not ask for version 2.
pub(super) const PROFILE_WITH_V2: Profile = Profile { name: "sockudo-v2", has_version_2: true, ..PROFILE };

pub(super) const PROFILE: Profile = Profile {
    name: "sockudo",
    limits: Limits {
        activity_timeout: secs(120),
        pong_timeout: secs(30),
        client_event_rate: u32::MAX,
        max_members: 100,
        max_member_len: 2 * 1_024,
        max_user_id_len: UNLIMITED,
        max_message_len: 64 * 1_024,
        max_event_len: 100 * 1_024,
        cache_ttl: LONG_CACHE_TTL,
    },
    names: Names { max_len: 200, charset: true, reserves_hash: false },
    checks_version: false,
    has_version_2: false,
    greets: &[],
    wire: Wire {
        error: Form::Object,
        ping: Form::Absent,
        pong: Form::Absent,
        succeeded: Form::String,
        cache_miss: Form::String,
        php: false,
        reads_strings: true,
        pings_by_control_frame: false,
    },
    members: Members {
        listed: Ids::Text,
        added: Ids::Text,
        removed: Ids::Text,
        listed_info: Some("{}"),
        added_info: Some("{}"),
        zero_leaves: true,
        added_whole: false,
        numeric_ids: false,
        anonymous: false,
        lists_without_info: true,
        cache: false,
    },
    again: Again::Success,
    cache: Caching::Always,
    has_counts: false,
    signs_private_data: false,
    client_events: ClientEvents { needs_private_channel: true, needs_subscription: true, sender: None, unwraps: false },
    signin: Signins::Known(Signin {
        success: Form::Object,
        repeats_auth: false,
        numeric_ids: false,
        is_member: false,
        delivery: Delivery::Connections,
        watchlist: Watchlist::Notices,
    }),
    watch: Watch::Pings { grace: Duration::ZERO },
    terminate: Terminate::SignedIn(ERROR_AND_FRAME),
    stale: ERROR_AND_FRAME,
    unauthorized: Some(ERROR_AND_FRAME),
    stop: ERROR_AND_FRAME,
    refusal: ERROR_AND_FRAME,
    empty_data: None,
    has_batches: true,
    publishes_reserved: true,
    api_failure: None,
    checks_timestamp: true,
    unknown_app: 404,
    deny,
    refuse,
};

fn deny(denial: Denial, _key: &str) -> (CloseFrame, Ending) {
    match denial {
        Denial::OverCapacity => (denial.frame(), ERROR_AND_FRAME),
        Denial::NoApplication
        | Denial::Disabled
        | Denial::OverQuota
        | Denial::NoPath
        | Denial::InvalidVersion
        | Denial::UnsupportedVersion
        | Denial::NoVersion => (denial.frame(), Ending::new(false, Parting::Drop)),
    }
}

fn refuse(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::ChannelName { name, .. } if name.is_empty() => Answer::frame(EMPTY_SUCCESS),
        Refusal::NotAnEvent | Refusal::Binary => Answer::error(4000, "Invalid message format: Decode failed"),
        Refusal::InvalidData(_) | Refusal::DataString(_) => {
            Answer::error(4000, "Invalid message format: Missing channel field")
        }
        Refusal::NoPresenceCache(_) => {
            Answer::error(4000, "Invalid message format: Missing channel_data for presence channel")
        }
        Refusal::ClientEventName(_) => Answer::error(4000, "Invalid event name"),
        // The task that serves the socket ends.
        Refusal::NoMember(_) => Answer::drop(),
        Refusal::MessageTooLarge { .. } => Answer::close(1009, ""),
        Refusal::NoAuth(_) | Refusal::MalformedAuth(_) => {
            Answer::error(4009, "Authentication error: Authentication signature required for this channel")
        }
        Refusal::WrongKey { .. } | Refusal::WrongSignature { .. } | Refusal::NotSignedIn(_) => {
            Answer::error(4009, "Authentication error: Channel requires authentication")
        }
        Refusal::InvalidSignin { .. } | Refusal::InvalidUser | Refusal::SigninDisabled => {
            Answer::error(4009, "Authentication error: Connection not authorized for signin.")
        }
        Refusal::InvalidMember(_) | Refusal::MemberWithoutInfo(_) => {
            Answer::error(4300, "Channel error: Missing user_id in channel_data")
        }
        Refusal::NameNotPortable { max, .. } => {
            Answer::error(4300, format!("Channel error: Channel name too long or invalid. Max length is {max}"))
        }
        Refusal::ChannelName { .. }
        | Refusal::TooManySubscriptions { .. }
        | Refusal::UserIdTooLong { .. }
        | Refusal::MemberTooLarge { .. }
        | Refusal::ChannelFull { .. } => Answer::error(4300, format!("Channel error: {refusal}")),
        Refusal::ClientEventsDisabled(_) => {
            Answer::error(4301, "Client event error: Client events are not enabled for this app")
        }
        Refusal::ClientEventOnPublicChannel(_) => {
            Answer::error(4301, "Client event error: Client events can only be sent to private or presence channels")
        }
        Refusal::ClientEventNotSubscribed { channel, socket_id } => {
            let message = format!("Client event error: Socket {socket_id} is not subscribed to channel {channel}");
            Answer::error(4301, message)
        }
        Refusal::ClientEventTooLarge { .. } | Refusal::ClientEventRate(_) => {
            Answer::error(4301, format!("Client event error: {refusal}"))
        }
        Refusal::WatchlistTooLong => Answer::error(4302, refusal.to_string()),
        Refusal::UnknownEvent(_) | Refusal::AlreadySubscribed(_) | Refusal::NotSubscribed(_) => Answer::silence(),
    }
}

/// The answer to an empty channel name.
const EMPTY_SUCCESS: &str = r#"{"event":"pusher_internal:subscription_succeeded","channel":"","data":"{}"}"#;

const ERROR_AND_FRAME: Ending = Ending::new(true, Parting::Frame);
