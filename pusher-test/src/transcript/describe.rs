//! Actions and events as lines of a transcript.

use std::fmt::Write;

use pusher_proto::{
    Action, Annotation, AnnotationSummary, ChannelEvent, ConnectionError, ConnectionState, Diagnostic, Event, Instant,
    LossReason, Member, MessageVersion, Presence, SigninError, SubscriptionError, WatchlistEvent, with_causes,
};

use super::history;

/// Returns the line of an action, or `None` for a wake-up, which transcripts leave out. A retry that the action announces is
/// written as the time from `now` to it.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Action, Event, Instant};
/// use pusher_test::transcript;
///
/// assert_eq!(transcript::line(&Action::Emit(Event::Unavailable), Instant::ZERO).as_deref(), Some("* unavailable"));
/// assert_eq!(transcript::line(&Action::Schedule(Instant::ZERO), Instant::ZERO), None);
/// ```
#[must_use]
pub fn line(action: &Action, now: Instant) -> Option<String> {
    let line = match action {
        Action::Connect(_, request) => format!("* connect {}", request.url()),
        Action::Send(_, text) => format!("> {text}"),
        Action::Close(_, frame) => format!("* close {}", frame.code),
        Action::RequestAuth(request) => {
            format!("* authorize {} #{} for {} ({:?})", request.subject, request.id, request.socket_id, request.purpose)
        }
        Action::CancelAuth(id) => format!("* cancel #{id}"),
        Action::Schedule(_) => return None,
        Action::Emit(event) => format!("* {}", self::event(event, now)),
    };
    // A server's text may contain anything, but must stay on one line.
    Some(line.replace(['\n', '\r'], " ").trim_end().to_owned())
}

fn event(event: &Event, now: Instant) -> String {
    match event {
        Event::StateChanged { current, .. } => state(current, now),
        Event::Unavailable => "unavailable".into(),
        Event::ConnectionError(error) => format!("error {}", connection_error(error)),
        Event::Channel(event) => channel_event(event),
        Event::Connection(event) => format!("event - {} {}", event.event(), data(event.data().raw())),
        Event::SubscriptionSucceeded { channel, again, presence } => {
            let again = if *again { " again" } else { "" };
            let presence = presence.as_ref().map(self::presence).unwrap_or_default();
            format!("subscription_succeeded {channel}{again}{presence}")
        }
        Event::SubscriptionError { channel, error, retry_at: None } => {
            format!("subscription_error {channel}: {}", subscription_error(error))
        }
        Event::SubscriptionError { channel, error, retry_at: Some(at) } => {
            format!("retry {channel} {}: {}", delay(*at, now), subscription_error(error))
        }
        Event::ContinuityLost { channel, since, reason, missed } => {
            format!("continuity_lost {channel} since {since}{}", loss(*reason, *missed))
        }
        Event::Recovered { channel, replayed, source, is_proven } => {
            let unproven = if *is_proven { "" } else { ", unproven" };
            format!("recovered {channel} {replayed}: {source}{unproven}")
        }
        Event::RewindComplete { channel, replayed, is_complete } => {
            let all = if *is_complete { ", which are all" } else { "" };
            format!("rewind_complete {channel} {replayed}{all}")
        }
        Event::DecryptionError { channel, event, error } => {
            format!("decryption_error {channel} {event}: {}", with_causes(error))
        }
        Event::SignedIn { id, data } => format!("signed_in {id} {}", data.raw()),
        Event::TokenError { error, retry_at } => {
            let retry = retry_at.map(|at| format!(" retry {}", delay(at, now))).unwrap_or_default();
            format!("token_error{retry}: {}", with_causes(error))
        }
        Event::SigninError { error, retry_at: None } => format!("signin_error {}", signin_error(error)),
        Event::SigninError { error, retry_at: Some(at) } => {
            format!("retry user {}: {}", delay(*at, now), signin_error(error))
        }
        Event::User(event) => format!("user_event {} {}", event.event(), data(event.data().raw())),
        Event::UserContinuityLost { since } => format!("user_continuity_lost since {since}"),
        Event::Watchlist(event) => {
            let WatchlistEvent { name, user_ids, data } = &**event;
            format!("watchlist {name} {user_ids:?} {}", data.raw())
        }
        Event::SubscriptionCount { channel, count } => format!("subscription_count {channel} {count}"),
        Event::CacheMiss { channel } => format!("cache_miss {channel}"),
        Event::MemberAdded { channel, member } => format!("member_added {channel} {}", self::member(member)),
        Event::MemberRemoved { channel, member } => format!("member_removed {channel} {}", self::member(member)),
        Event::MemberUpdated { channel, member } => format!("member_updated {channel} {}", self::member(member)),
        Event::History { id, channel, result } => history::outcome(*id, channel, result),
        Event::Lagged { missed } => format!("lagged {missed}"),
        Event::Diagnostic(Diagnostic::KeyRetry { channel, retry_at, error }) => {
            format!("key_retry {channel} {}: {error}", delay(*retry_at, now))
        }
        Event::Diagnostic(diagnostic) => format!("diagnostic {diagnostic}"),
        other => format!("{other:?}"),
    }
}

fn channel_event(event: &ChannelEvent) -> String {
    let mut line = format!("event {} {} {}", event.channel(), event.event(), data(event.data().raw()));
    if let Some(user_id) = event.user_id() {
        let _ = write!(line, " by {user_id}");
    }
    if event.is_replayed() {
        line.push_str(" replayed");
    }
    line.push_str(&version(event));
    if let Some(Annotation { is_deleted, annotation_type, message_serial, .. }) = event.annotation() {
        let deleted = if is_deleted { "deleted " } else { "" };
        let _ = write!(line, ", {deleted}{annotation_type} to {message_serial}");
    }
    for AnnotationSummary { message_serial, annotation_type, counts, .. } in event.annotation_summaries() {
        let totals = counts.iter().map(|count| count.total);
        let _ = write!(line, ", {annotation_type} {:?} to {message_serial}", totals.collect::<Vec<_>>());
    }
    line
}

/// Which version of which message an event is; nothing without versions.
pub(super) fn version(event: &ChannelEvent) -> String {
    let describe = |MessageVersion { action, name, message_serial, version_serial, .. }| {
        format!(", {action:?} {name} {message_serial}@{version_serial}")
    };
    event.version().map(describe).unwrap_or_default()
}

/// Why nothing can be proven; nothing without recovery.
fn loss(reason: LossReason, missed: Option<u64>) -> String {
    match (reason, missed) {
        (LossReason::NotRequested, _) => String::new(),
        (reason, None) => format!(": {reason}"),
        (reason, Some(missed)) => format!(": {reason}, at most {missed} missed"),
    }
}

fn state(state: &ConnectionState, now: Instant) -> String {
    match state {
        ConnectionState::Initialized => "initialized".into(),
        ConnectionState::Connecting { attempt } => format!("connecting attempt={attempt}"),
        ConnectionState::Waiting { attempt, retry_at, cause } => {
            let delay = retry_at.since(now).as_secs_f64();
            format!("waiting attempt={attempt} {delay:.3}s: {}", connection_error(cause))
        }
        ConnectionState::Connected { socket_id } => format!("connected {socket_id}"),
        ConnectionState::Disconnected => "disconnected".into(),
        ConnectionState::Failed { reason } => format!("failed: {}", with_causes(reason)),
    }
}

/// An error in fewer words than [`with_causes`] has: the line says already that the connection, the channel or the sign-in failed.
fn connection_error(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Closed { reason, during_handshake: true } => format!("{reason} during the handshake"),
        ConnectionError::Closed { reason, during_handshake: false } => reason.to_string(),
        ConnectionError::Transport(error) => error.to_string(),
        ConnectionError::Server(error) => error.to_string(),
        ConnectionError::Protocol(error) => error.to_string(),
        error => with_causes(error).to_string(),
    }
}

fn subscription_error(error: &SubscriptionError) -> String {
    match error {
        SubscriptionError::Auth(error) => error.to_string(),
        error => with_causes(error).to_string(),
    }
}

fn signin_error(error: &SigninError) -> String {
    match error {
        SigninError::Auth(error) => error.to_string(),
        error => with_causes(error).to_string(),
    }
}

fn presence(presence: &Presence) -> String {
    let mut line = format!(" members {}", list(presence.members.iter()));
    if let Some(difference) = &presence.difference {
        for (word, members) in [
            ("joined", list(difference.joined())),
            ("left", list(difference.left())),
            ("changed", list(difference.changed())),
        ] {
            if members != "[]" {
                let _ = write!(line, ", {word} {members}");
            }
        }
    }
    line
}

fn list(members: impl Iterator<Item = Member>) -> String {
    let members: Vec<String> = members.map(|member| self::member(&member)).collect();
    format!("[{}]", members.join(" "))
}

fn member(member: &Member) -> String {
    if member.info.is_absent() { member.id.to_string() } else { format!("{}={}", member.id, member.info.raw()) }
}

fn data(raw: &str) -> &str {
    if raw.is_empty() { "-" } else { raw }
}

/// How long it is until the client tries again.
fn delay(retry_at: Instant, now: Instant) -> String {
    format!("{:.3}s", retry_at.since(now).as_secs_f64())
}
