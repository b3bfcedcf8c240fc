//! Events in the words of `pusher listen`.

use pusher_tokio::{ChannelName, ConnectionState, Diagnostic, Event, Member};
use serde::Serialize;
use serde_json::json;

use crate::output::{BOLD, CHANNEL, DIM, WARNING, printable, time_of_day, timestamp};

/// One line of `--json`.
#[derive(Serialize)]
pub(super) struct Json<'a> {
    time: String,
    channel: Option<&'a str>,
    event: &'a str,
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

impl<'a> Json<'a> {
    pub(super) fn new(event: &'a Event) -> Self {
        Self {
            time: timestamp(),
            channel: event.channel().map(ChannelName::as_str),
            event: event.name(),
            data: data(event),
            user_id: match event {
                Event::Channel(event) => event.user_id(),
                _ => None,
            },
        }
    }
}

/// One line for a person.
pub(super) fn human(event: &Event) -> String {
    let time = time_of_day();
    let channel = event.channel().map_or("", ChannelName::as_str);
    let (name, data) = (printable(event.name()), data(event).unwrap_or_default());
    let data = printable(&data);
    match event {
        Event::StateChanged { current, .. } => format!("{DIM}{time}  {}{DIM:#}", printable(&state(current))),
        Event::Channel(event) => {
            let sender = event.user_id().map_or_else(String::new, |id| format!("  {DIM}from {}{DIM:#}", printable(id)));
            format!("{DIM}{time}{DIM:#}  {CHANNEL}{channel}{CHANNEL:#}  {BOLD}{name}{BOLD:#}  {data}{sender}")
        }
        Event::ContinuityLost { .. } => {
            warning(&time, Some(channel), "the connection was lost: events may be missing here")
        }
        Event::DecryptionError { event, error, .. } => {
            warning(&time, Some(channel), &format!("cannot decrypt {event}: {error}"))
        }
        Event::SubscriptionError { error, retry_at: None, .. } => warning(&time, Some(channel), &error.to_string()),
        Event::SubscriptionError { error, retry_at: Some(_), .. } => {
            warning(&time, Some(channel), &format!("{error}; retrying"))
        }
        Event::Diagnostic(Diagnostic::KeyRetry { channel, error, .. }) => {
            warning(&time, Some(channel.as_str()), &format!("no newer key: {error}; retrying"))
        }
        Event::Diagnostic(diagnostic) => warning(&time, None, &diagnostic.to_string()),
        Event::ConnectionError(error) => warning(&time, None, &error.to_string()),
        Event::Unavailable => warning(&time, None, "still not connected; retrying"),
        Event::Lagged { missed } => {
            warning(&time, None, &format!("{missed} events arrived faster than they were printed and are missing here"))
        }
        _ => {
            let words = [channel, &name, &data].into_iter().filter(|word| !word.is_empty());
            format!("{DIM}{time}  {}{DIM:#}", words.collect::<Vec<_>>().join("  "))
        }
    }
}

fn warning(time: &str, channel: Option<&str>, text: &str) -> String {
    let channel = channel.map_or_else(String::new, |channel| format!("{CHANNEL}{channel}{CHANNEL:#}  "));
    format!("{DIM}{time}{DIM:#}  {channel}{WARNING}{}{WARNING:#}", printable(text))
}

/// The payload as text: what was published, or JSON for the client's own events.
fn data(event: &Event) -> Option<String> {
    let value = match event {
        Event::Channel(event) if event.data().is_absent() => return None,
        Event::Channel(event) => return Some(event.data().text().into_owned()),
        Event::Connection(event) if event.data.is_absent() => return None,
        Event::Connection(event) => return Some(event.data.text().into_owned()),
        Event::StateChanged { previous, current } => {
            let mut change = json!({ "previous": previous.name(), "current": current.name() });
            match current {
                ConnectionState::Waiting { cause, .. } => change["cause"] = cause.to_string().into(),
                ConnectionState::Connected { socket_id } => change["socket_id"] = socket_id.as_str().into(),
                ConnectionState::Failed { reason } => change["cause"] = reason.to_string().into(),
                ConnectionState::Initialized | ConnectionState::Connecting { .. } | ConnectionState::Disconnected => {}
            }
            change
        }
        Event::ConnectionError(error) => json!({ "message": error.to_string() }),
        Event::SubscriptionError { error, .. } => json!({ "message": error.to_string() }),
        Event::DecryptionError { event, error, .. } => json!({ "event": event.as_str(), "message": error.to_string() }),
        Event::SubscriptionSucceeded { presence: Some(presence), .. } => {
            json!({ "members": presence.members.iter().map(|member| json_of(&member)).collect::<Vec<_>>() })
        }
        Event::SubscriptionCount { count, .. } => json!({ "subscription_count": count }),
        Event::MemberAdded { member, .. }
        | Event::MemberRemoved { member, .. }
        | Event::MemberUpdated { member, .. } => json_of(member),
        Event::Lagged { missed } => json!({ "missed": missed }),
        _ => return None,
    };
    Some(value.to_string())
}

fn json_of(member: &Member) -> serde_json::Value {
    let info: serde_json::Value = serde_json::from_str(member.info.raw()).unwrap_or_default();
    json!({ "user_id": member.id.as_str(), "user_info": info })
}

/// The state and what is to be known of it.
fn state(state: &ConnectionState) -> String {
    match state {
        ConnectionState::Waiting { cause, .. } => format!("{}: {cause}", state.name()),
        ConnectionState::Connected { socket_id } => format!("{} as {socket_id}", state.name()),
        ConnectionState::Failed { reason } => format!("{}: {reason}", state.name()),
        ConnectionState::Initialized | ConnectionState::Connecting { .. } | ConnectionState::Disconnected => {
            state.name().to_owned()
        }
    }
}
