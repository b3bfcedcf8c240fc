//! Hosted Pusher.

use alloc::string::ToString;

use super::*;

pub(super) const PROFILE: Profile = Profile {
    name: "pusher",
    limits: Limits {
        activity_timeout: secs(120),
        pong_timeout: secs(30),
        client_event_rate: 10,
        max_members: 100,
        max_member_len: 1_024,
        max_user_id_len: 128,
        max_message_len: 64 * 1_024,
        max_event_len: 10 * 1_024,
        cache_ttl: HOSTED_CACHE_TTL,
    },
    names: Names { max_len: 164, charset: true, reserves_hash: true },
    checks_version: true,
    greets: &[],
    wire: Wire {
        error: Form::Object,
        ping: Form::String,
        pong: Form::String,
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
        listed_info: Some("null"),
        added_info: None,
        zero_leaves: true,
        added_whole: false,
        numeric_ids: true,
        anonymous: false,
        lists_without_info: true,
        cache: true,
    },
    again: Again::Refused,
    cache: Caching::Always,
    has_counts: true,
    signs_private_data: true,
    client_events: ClientEvents {
        needs_private_channel: true,
        needs_subscription: true,
        sender: Some(Ids::Text),
        unwraps: false,
    },
    signin: Signins::Known(Signin {
        success: Form::String,
        repeats_auth: false,
        numeric_ids: true,
        is_member: true,
        delivery: Delivery::Subscribers,
        watchlist: Watchlist::Events,
    }),
    watch: Watch::Pings { grace: secs(10) },
    terminate: Terminate::SignedIn(CLOSE),
    stale: CLOSE,
    unauthorized: Some(CLOSE),
    stop: CLOSE,
    refusal: CLOSE,
    empty_data: None,
    has_batches: true,
    publishes_reserved: false,
    api_failure: None,
    deny: |denial, _| (denial.frame(), CLOSE),
    refuse: |refusal| Answer::error(refusal.code(), refusal.to_string()),
};

const CLOSE: Ending = Ending::new(false, Parting::Frame);
