//! Laravel Reverb: errors as strings, PHP's JSON, and almost no close frames.

use alloc::string::ToString;

use super::*;

pub(super) const PROFILE: Profile = Profile {
    name: "reverb",
    limits: Limits {
        activity_timeout: secs(30),
        pong_timeout: secs(60),
        client_event_rate: u32::MAX,
        max_members: UNLIMITED,
        max_member_len: UNLIMITED,
        max_user_id_len: UNLIMITED,
        max_message_len: 10_000,
        max_event_len: UNLIMITED,
        cache_ttl: HOSTED_CACHE_TTL,
    },
    names: Names { max_len: UNLIMITED, charset: false, reserves_hash: false },
    checks_version: false,
    has_version_2: false,
    greets: &[],
    wire: Wire {
        error: Form::String,
        ping: Form::Absent,
        pong: Form::Absent,
        succeeded: Form::String,
        cache_miss: Form::Absent,
        php: true,
        reads_strings: true,
        pings_by_control_frame: true,
    },
    members: Members {
        listed: Ids::Sent,
        added: Ids::Sent,
        removed: Ids::Sent,
        listed_info: Some("null"),
        added_info: None,
        zero_leaves: false,
        added_whole: true,
        numeric_ids: true,
        anonymous: true,
        lists_without_info: false,
        cache: true,
    },
    again: Again::Success,
    cache: Caching::WhileOccupied,
    has_counts: false,
    signs_private_data: true,
    client_events: ClientEvents {
        needs_private_channel: false,
        needs_subscription: true,
        sender: Some(Ids::Sent),
        unwraps: true,
    },
    signin: Signins::Unknown,
    // Every 60 s, it pings clients that have been silent for that long, and ends those that it has pinged before.
    watch: Watch::Pings { grace: secs(30) },
    terminate: Terminate::Members(DROP),
    stale: ERROR_AND_DROP,
    unauthorized: None,
    stop: DROP,
    refusal: ERROR_AND_DROP,
    empty_data: Some(422),
    has_batches: true,
    publishes_reserved: true,
    api_failure: None,
    checks_timestamp: false,
    unknown_app: 404,
    deny,
    refuse,
};

fn deny(denial: Denial, _key: &str) -> (CloseFrame, Ending) {
    match denial {
        Denial::NoApplication | Denial::Disabled => (Denial::NoApplication.frame(), ERROR_AND_DROP),
        Denial::OverQuota | Denial::OverCapacity => (Denial::OverQuota.frame(), ERROR_AND_STAY),
        Denial::NoPath | Denial::InvalidVersion | Denial::UnsupportedVersion | Denial::NoVersion => {
            (denial.frame(), DROP)
        }
    }
}

fn refuse(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::ChannelName { name, .. } if name.is_empty() => Answer::frame(EMPTY_SUCCESS),
        Refusal::NotAnEvent
        | Refusal::Binary
        | Refusal::UnknownEvent(_)
        | Refusal::InvalidData(_)
        | Refusal::DataString(_)
        | Refusal::MemberWithoutInfo(_)
        | Refusal::ChannelName { .. }
        | Refusal::NameNotPortable { .. }
        | Refusal::SigninDisabled
        | Refusal::InvalidSignin { .. }
        | Refusal::InvalidUser
        | Refusal::WatchlistTooLong => Answer::error(4200, "Invalid message format"),
        Refusal::MessageTooLarge { .. } => Answer::close(1009, "Maximum message size exceeded"),
        Refusal::NoAuth(_)
        | Refusal::MalformedAuth(_)
        | Refusal::WrongKey { .. }
        | Refusal::WrongSignature { .. }
        | Refusal::NotSignedIn(_)
        | Refusal::AlreadySubscribed(_)
        | Refusal::TooManySubscriptions { .. }
        | Refusal::NoMember(_)
        | Refusal::InvalidMember(_)
        | Refusal::NoPresenceCache(_)
        | Refusal::UserIdTooLong { .. }
        | Refusal::MemberTooLarge { .. }
        | Refusal::ChannelFull { .. } => Answer::error(4009, "Connection is unauthorized"),
        Refusal::ClientEventNotSubscribed { .. } => {
            Answer::error(4009, "The client is not a member of the specified channel.")
        }
        Refusal::ClientEventsDisabled(_) => Answer::error(4301, "The app does not have client messaging enabled."),
        Refusal::ClientEventRate(_) => Answer::error(4301, "Rate limit exceeded"),
        Refusal::ClientEventName(_) | Refusal::ClientEventOnPublicChannel(_) | Refusal::ClientEventTooLarge { .. } => {
            Answer::error(4200, refusal.to_string())
        }
        Refusal::NotSubscribed(_) => Answer::silence(),
    }
}

/// The answer to an empty channel name.
const EMPTY_SUCCESS: &str = r#"{"event":"pusher_internal:subscription_succeeded","data":"{}"}"#;

const DROP: Ending = Ending::new(false, Parting::Drop);
const ERROR_AND_DROP: Ending = Ending::new(true, Parting::Drop);
const ERROR_AND_STAY: Ending = Ending::new(true, Parting::Stay);
