//! Events in the words of `pusher listen`.

use pusher_tokio::{ChannelName, ConnectionState, Diagnostic, Event};
use serde::Serialize;

use crate::output::{BOLD, CHANNEL, DIM, WARNING, printable, time_of_day, timestamp};

/// One line of `--json`.
#[derive(Serialize)]
pub(super) struct Json<'a> {
    time: String,
    #[serde(flatten)]
    event: &'a Event,
}

impl<'a> Json<'a> {
    pub(super) fn new(event: &'a Event) -> Self {
        Self { time: timestamp(), event }
    }
}

/// One line for a person.
pub(super) fn human(event: &Event) -> String {
    let time = time_of_day();
    let channel = event.channel().map_or("", ChannelName::as_str);
    let (name, data) = (printable(event.name()), data(event).unwrap_or_default());
    let data = printable(&data);
    match event {
        Event::SubscriptionSucceeded { presence: None, .. } => format!("{DIM}{time}  {channel}  {name}{DIM:#}"),
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

/// What the JSON of the event says in `data`, which has a form for every event.
fn data(event: &Event) -> Option<String> {
    let json = serde_json::to_value(event).unwrap_or_default();
    json["data"].as_str().map(str::to_owned)
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
