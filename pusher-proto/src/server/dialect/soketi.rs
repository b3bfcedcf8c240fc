//! soketi: errors as objects, subscription errors with a status, and a close for everything serious.

use alloc::format;
use alloc::string::ToString;

use super::*;

pub(super) const PROFILE: Profile = Profile {
    name: "soketi",
    limits: Limits {
        activity_timeout: secs(30),
        pong_timeout: secs(30),
        client_event_rate: u32::MAX,
        max_members: 100,
        max_member_len: 2 * 1_024,
        max_user_id_len: UNLIMITED,
        max_message_len: 100 * 1_024,
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
        pong: Form::Object,
        succeeded: Form::Absent,
        cache_miss: Form::Absent,
        php: false,
        reads_strings: true,
        pings_by_control_frame: false,
    },
    members: Members {
        listed: Ids::Sent,
        added: Ids::Sent,
        removed: Ids::Sent,
        listed_info: None,
        added_info: None,
        zero_leaves: true,
        added_whole: false,
        numeric_ids: true,
        anonymous: false,
        lists_without_info: true,
        cache: true,
    },
    again: Again::Success,
    cache: Caching::Always,
    has_counts: false,
    signs_private_data: true,
    client_events: ClientEvents {
        needs_private_channel: true,
        needs_subscription: true,
        sender: Some(Ids::Sent),
        unwraps: false,
    },
    signin: Signins::Known(Signin {
        success: Form::Object,
        repeats_auth: true,
        numeric_ids: true,
        is_member: false,
        delivery: Delivery::Connections,
        watchlist: Watchlist::None,
    }),
    watch: Watch::Sends(secs(120)),
    terminate: Terminate::SignedIn(ERROR_AND_CODE),
    stale: Ending::new(false, Parting::Code),
    unauthorized: Some(ERROR_AND_CODE),
    stop: ERROR_AND_CODE,
    refusal: ERROR_AND_CODE,
    empty_data: Some(400),
    has_batches: true,
    publishes_reserved: true,
    api_failure: Some(200),
    checks_timestamp: false,
    unknown_app: 404,
    deny,
    refuse,
};

fn deny(denial: Denial, key: &str) -> (CloseFrame, Ending) {
    let (code, reason) = match denial {
        Denial::NoApplication => (4001, format!("App key {key} does not exist.")),
        Denial::Disabled => (4003, "The app is not enabled.".into()),
        Denial::OverQuota | Denial::OverCapacity => {
            (4100, "The current concurrent connections quota has been reached.".into())
        }
        Denial::NoPath | Denial::InvalidVersion | Denial::UnsupportedVersion | Denial::NoVersion => {
            return (denial.frame(), Ending::new(false, Parting::Drop));
        }
    };
    (CloseFrame { code, reason: reason.into() }, ERROR_AND_CODE)
}

fn refuse(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::NoAuth(channel)
        | Refusal::MalformedAuth(channel)
        | Refusal::WrongKey { channel, .. }
        | Refusal::WrongSignature { channel, .. }
        | Refusal::NoMember(channel)
        | Refusal::NotSignedIn(channel) => {
            Answer::subscription_error(channel, "AuthError", 401, "The connection is unauthorized.")
        }
        Refusal::NameNotPortable { channel, .. } | Refusal::TooManySubscriptions { channel, .. } => {
            Answer::subscription_error(channel, "LimitReached", 4009, refusal.to_string())
        }
        Refusal::ChannelFull { channel, .. } => {
            let message = "The maximum members per presence channel limit was reached";
            Answer::subscription_error(channel, "LimitReached", 4100, message)
        }
        Refusal::MemberTooLarge { channel, max } | Refusal::UserIdTooLong { channel, max } => {
            let message = format!("The maximum size for a channel member is {} KB.", max / 1_024);
            Answer::subscription_error(channel, "LimitReached", 4301, message)
        }
        Refusal::InvalidMember(channel) | Refusal::MemberWithoutInfo(channel) | Refusal::NoPresenceCache(channel) => {
            Answer::error(4302, "A server error has occured.").about(channel)
        }
        Refusal::InvalidSignin { .. } | Refusal::InvalidUser => {
            Answer::error(4009, "Connection not authorized.").then_close(4009)
        }
        Refusal::ClientEventsDisabled(channel) => {
            Answer::error(4301, "The app does not have client messaging enabled.").about(channel)
        }
        Refusal::ClientEventRate(channel) => {
            Answer::error(4301, "The rate limit for sending client events exceeded the quota.").about(channel)
        }
        Refusal::ClientEventTooLarge { channel, max } => {
            let message = format!("The event data should be less than {} KB.", max / 1_024);
            Answer::error(4301, message).about(channel)
        }
        Refusal::MessageTooLarge { .. } => Answer::drop(),
        Refusal::NotAnEvent
        | Refusal::Binary
        | Refusal::UnknownEvent(_)
        | Refusal::InvalidData(_)
        | Refusal::DataString(_)
        | Refusal::ChannelName { .. }
        | Refusal::AlreadySubscribed(_)
        | Refusal::NotSubscribed(_)
        | Refusal::SigninDisabled
        | Refusal::WatchlistTooLong
        | Refusal::ClientEventName(_)
        | Refusal::ClientEventOnPublicChannel(_)
        | Refusal::ClientEventNotSubscribed { .. } => Answer::silence(),
    }
}

const ERROR_AND_CODE: Ending = Ending::new(true, Parting::Code);
