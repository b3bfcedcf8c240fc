//! laravel-websockets: a small part of the protocol, PHP's JSON, ids as numbers, and few answers.

use alloc::format;

use super::*;
use crate::server::message::SUBSCRIBE;

pub(super) const PROFILE: Profile = Profile {
    name: "laravel-websockets",
    limits: Limits {
        activity_timeout: secs(30),
        pong_timeout: secs(30),
        client_event_rate: u32::MAX,
        max_members: UNLIMITED,
        max_member_len: UNLIMITED,
        max_user_id_len: UNLIMITED,
        max_message_len: UNLIMITED,
        max_event_len: UNLIMITED,
        cache_ttl: Duration::ZERO,
    },
    names: Names { max_len: UNLIMITED, charset: false, reserves_hash: false },
    checks_version: false,
    has_version_2: false,
    greets: &[Denial::OverQuota, Denial::OverCapacity],
    wire: Wire {
        error: Form::Object,
        ping: Form::Absent,
        pong: Form::Absent,
        succeeded: Form::Absent,
        cache_miss: Form::Absent,
        php: true,
        reads_strings: false,
        pings_by_control_frame: false,
    },
    members: Members {
        listed: Ids::Numeric,
        added: Ids::Sent,
        removed: Ids::Text,
        listed_info: Some("[]"),
        added_info: None,
        zero_leaves: true,
        added_whole: true,
        numeric_ids: true,
        anonymous: false,
        lists_without_info: true,
        cache: true,
    },
    again: Again::Success,
    cache: Caching::Never,
    has_counts: false,
    signs_private_data: true,
    client_events: ClientEvents {
        needs_private_channel: false,
        needs_subscription: false,
        sender: None,
        unwraps: false,
    },
    signin: Signins::Unknown,
    watch: Watch::Nothing,
    terminate: Terminate::Unknown,
    stale: DROP,
    unauthorized: None,
    stop: DROP,
    refusal: Ending::new(true, Parting::Stay),
    empty_data: None,
    has_batches: false,
    publishes_reserved: true,
    api_failure: None,
    checks_timestamp: false,
    unknown_app: 401,
    deny,
    refuse,
};

fn deny(denial: Denial, key: &str) -> (CloseFrame, Ending) {
    match denial {
        Denial::NoApplication | Denial::Disabled => {
            let reason = format!("Could not find app key `{key}`.").into();
            (CloseFrame { code: 4001, reason }, Ending::new(true, Parting::Stay))
        }
        Denial::OverQuota | Denial::OverCapacity => (Denial::OverCapacity.frame(), Ending::new(true, Parting::Normal)),
        Denial::NoPath | Denial::InvalidVersion | Denial::UnsupportedVersion | Denial::NoVersion => {
            (denial.frame(), DROP)
        }
    }
}

fn refuse(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::ChannelName { name, .. } if name.is_empty() => Answer::frame(EMPTY_SUCCESS),
        // PHP refuses to pass a string where an object is expected, and nothing catches this error.
        Refusal::DataString(SUBSCRIBE) => Answer::crash(),
        Refusal::MalformedAuth(_)
        | Refusal::WrongKey { .. }
        | Refusal::WrongSignature { .. }
        | Refusal::NotSignedIn(_)
        | Refusal::ChannelName { .. }
        | Refusal::NameNotPortable { .. }
        | Refusal::TooManySubscriptions { .. }
        | Refusal::NoPresenceCache(_)
        | Refusal::UserIdTooLong { .. }
        | Refusal::MemberTooLarge { .. }
        | Refusal::ChannelFull { .. } => Answer::error(4009, "Invalid Signature"),
        Refusal::MessageTooLarge { .. } => Answer::drop(),
        // PHP's warnings about missing fields are exceptions, which are logged and not answered.
        Refusal::NotAnEvent
        | Refusal::Binary
        | Refusal::InvalidData(_)
        | Refusal::DataString(_)
        | Refusal::NoAuth(_)
        | Refusal::NoMember(_)
        | Refusal::InvalidMember(_)
        | Refusal::MemberWithoutInfo(_)
        | Refusal::UnknownEvent(_)
        | Refusal::AlreadySubscribed(_)
        | Refusal::NotSubscribed(_)
        | Refusal::SigninDisabled
        | Refusal::InvalidSignin { .. }
        | Refusal::InvalidUser
        | Refusal::WatchlistTooLong
        | Refusal::ClientEventsDisabled(_)
        | Refusal::ClientEventName(_)
        | Refusal::ClientEventOnPublicChannel(_)
        | Refusal::ClientEventNotSubscribed { .. }
        | Refusal::ClientEventTooLarge { .. }
        | Refusal::ClientEventRate(_) => Answer::silence(),
    }
}

/// The answer to an empty channel name.
const EMPTY_SUCCESS: &str = r#"{"event":"pusher_internal:subscription_succeeded","channel":""}"#;

const DROP: Ending = Ending::new(false, Parting::Drop);
