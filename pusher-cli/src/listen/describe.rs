//! Events in the words of `pusher listen`.

use pusher_tokio::{
    ChannelName, ConnectionState, Diagnostic, Event, LossReason, Member, Presence, RecoverySource, Text, with_causes,
};
use serde::Serialize;

use crate::output::{BOLD, CHANNEL, DIM, WARNING, printable, time_of_day, timestamp};

/// One line of `--json`.
#[derive(Serialize)]
pub(super) struct Json<'a> {
    time: String,
    #[serde(flatten)]
    event: &'a Event,
    /// Only on events that were replayed after a lost connection.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
}

impl<'a> Json<'a> {
    pub(super) fn new(event: &'a Event) -> Self {
        Self { time: timestamp(), event, replayed: matches!(event, Event::Channel(event) if event.is_replayed()) }
    }
}

/// One line for a person.
pub(crate) fn human(event: &Event) -> String {
    human_at(&time_of_day(), event)
}

/// The same for an event of another time.
pub(crate) fn human_at(time: &str, event: &Event) -> String {
    let channel = event.channel().map_or("", ChannelName::as_str);
    let (name, data) = (printable(event.name()), data(event).unwrap_or_default());
    let data = printable(&data);
    match event {
        Event::SubscriptionSucceeded { presence: None, .. } => format!("{DIM}{time}  {channel}  {name}{DIM:#}"),
        Event::SubscriptionSucceeded { presence: Some(presence), .. } => {
            format!("{DIM}{time}{DIM:#}  {CHANNEL}{channel}{CHANNEL:#}  {DIM}{name}{DIM:#}  {}", roster(presence))
        }
        Event::MemberAdded { member, .. } => on_channel(time, channel, "joined", member),
        Event::MemberRemoved { member, .. } => on_channel(time, channel, "left", member),
        Event::MemberUpdated { member, .. } => on_channel(time, channel, "changed", member),
        Event::StateChanged { current, .. } => format!("{DIM}{time}  {}{DIM:#}", printable(&state(current))),
        Event::Channel(event) => {
            let sender = event.user_id().map_or_else(String::new, |id| format!("  {DIM}from {}{DIM:#}", printable(id)));
            let mark = if event.is_replayed() { format!("  {DIM}replayed{DIM:#}") } else { String::new() };
            format!("{DIM}{time}{DIM:#}  {CHANNEL}{channel}{CHANNEL:#}  {BOLD}{name}{BOLD:#}  {data}{sender}{mark}")
        }
        Event::User(_) => format!("{DIM}{time}{DIM:#}  {CHANNEL}to the user{CHANNEL:#}  {BOLD}{name}{BOLD:#}  {data}"),
        Event::SignedIn { id, .. } => format!("{DIM}{time}{DIM:#}  signed in as {}", printable(id)),
        Event::SigninError { error, retry_at } => warning(
            time,
            None,
            &format!("sign-in: {}{}", with_causes(error), if retry_at.is_some() { "; retrying" } else { "" }),
        ),
        Event::TokenError { error, .. } => warning(time, None, &with_causes(error).to_string()),
        Event::UserContinuityLost { .. } => {
            warning(time, None, "the connection was lost: events for the user may be missing here")
        }
        Event::Watchlist(event) => {
            let users = list(event.user_ids.iter().map(Text::as_str), event.user_ids.len());
            format!("{DIM}{time}{DIM:#}  {BOLD}{name}{BOLD:#}  {users}")
        }
        Event::ContinuityLost { reason: LossReason::NotRequested, .. } => {
            warning(time, Some(channel), "the connection was lost: events may be missing here")
        }
        Event::ContinuityLost { reason, missed, .. } => {
            let count = missed.map_or_else(String::new, |missed| format!("up to {missed} "));
            let text = format!("the connection was lost, and {count}events may be missing here: {reason}");
            warning(time, Some(channel), &text)
        }
        Event::Recovered { replayed, source, is_proven, .. } => {
            let what = match source {
                RecoverySource::Equal => source.to_string(),
                _ => format!("{replayed} messages {source}"),
            };
            match is_proven {
                true => format!("{DIM}{time}  {channel}  recovered: {what}{DIM:#}"),
                false => warning(time, Some(channel), &format!("{what}, but those of other nodes may be missing here")),
            }
        }
        Event::RewindComplete { replayed, is_complete, .. } => {
            let all = if *is_complete { ", all that the server has" } else { "" };
            format!("{DIM}{time}  {channel}  rewound: {replayed} earlier messages{all}{DIM:#}")
        }
        Event::DecryptionError { event, error, .. } => {
            warning(time, Some(channel), &format!("cannot decrypt {event}: {}", with_causes(error)))
        }
        Event::SubscriptionError { error, retry_at: None, .. } => {
            warning(time, Some(channel), &with_causes(error).to_string())
        }
        Event::SubscriptionError { error, retry_at: Some(_), .. } => {
            warning(time, Some(channel), &format!("{}; retrying", with_causes(error)))
        }
        Event::Diagnostic(Diagnostic::KeyRetry { channel, error, .. }) => {
            warning(time, Some(channel.as_str()), &format!("no newer key: {}; retrying", with_causes(error)))
        }
        Event::Diagnostic(diagnostic) => warning(time, None, &diagnostic.to_string()),
        Event::ConnectionError(error) => warning(time, None, &with_causes(error).to_string()),
        Event::Unavailable => warning(time, None, "still not connected; retrying"),
        Event::Lagged { missed } => {
            warning(time, None, &format!("{missed} events arrived faster than they were printed and are missing here"))
        }
        _ => {
            let words = [channel, &name, &data].into_iter().filter(|word| !word.is_empty());
            format!("{DIM}{time}  {}{DIM:#}", words.collect::<Vec<_>>().join("  "))
        }
    }
}

/// Who is there, and after a gap also who came and went meanwhile.
fn roster(presence: &Presence) -> String {
    let ids = |members: &mut dyn Iterator<Item = Member>| members.map(|member| member.id).collect::<Vec<_>>();
    let here = ids(&mut presence.members.iter());
    let mut parts = vec![format!("{} here", here.len())];
    if let Some(difference) = &presence.difference {
        let changes = [
            ("joined", ids(&mut difference.joined())),
            ("left", ids(&mut difference.left())),
            ("changed", ids(&mut difference.changed())),
        ];
        for (what, who) in changes.into_iter().filter(|(_, who)| !who.is_empty()) {
            parts.push(format!("{what}: {}", list(who.iter().map(Text::as_str), who.len())));
        }
    } else if !here.is_empty() {
        parts[0] += &format!(": {}", list(here.iter().map(Text::as_str), here.len()));
    }
    parts.join("; ")
}

/// The first of many names, and how many more there are.
fn list<'a>(names: impl Iterator<Item = &'a str>, len: usize) -> String {
    let mut text = names.take(MAX_NAMES).map(printable).collect::<Vec<_>>().join(", ");
    if len > MAX_NAMES {
        text += &format!(" and {} more", len - MAX_NAMES);
    }
    text
}

fn on_channel(time: &str, channel: &str, what: &str, member: &Member) -> String {
    let info = if member.info.is_absent() { "" } else { member.info.raw() };
    let (id, info) = (printable(&member.id), printable(info));
    format!("{DIM}{time}{DIM:#}  {CHANNEL}{channel}{CHANNEL:#}  {what}  {BOLD}{id}{BOLD:#}  {info}")
        .trim_end()
        .to_owned()
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

/// The state and its details.
fn state(state: &ConnectionState) -> String {
    match state {
        ConnectionState::Waiting { cause, .. } => format!("{}: {}", state.name(), with_causes(cause)),
        ConnectionState::Connected { socket_id } => format!("{} as {socket_id}", state.name()),
        ConnectionState::Failed { reason } => format!("{}: {}", state.name(), with_causes(reason)),
        ConnectionState::Initialized | ConnectionState::Connecting { .. } | ConnectionState::Disconnected => {
            state.name().to_owned()
        }
    }
}

/// Names in one line.
const MAX_NAMES: usize = 20;

#[cfg(test)]
mod tests {
    use pusher_tokio::pusher_proto::{Action, AuthResponse, Client, CloseFrame, CloseReason, Frame, Instant};
    use pusher_tokio::{Config, Endpoint};

    use super::*;

    /// The lines for everything that a server can make the client say, with this text wherever the server chooses it.
    fn lines(text: &str) -> Vec<String> {
        let json = |text: &str| serde_json::Value::from(text).to_string();
        let (text, inner) = (json(text), json(&format!(r#"{{"user_data":{{"id":{}}}}}"#, json(text))));
        let object = format!(r#"{{{text}:{text}}}"#);
        let frames = [
            format!(
                r#"{{"event":"pusher_internal:subscription_succeeded","channel":"presence-a","data":{{"presence":{{"ids":[{text}],"hash":{object}}}}}}}"#
            ),
            format!(r#"{{"event":{text},"channel":"presence-a","data":{text},"user_id":{text}}}"#),
            format!(
                r#"{{"event":"pusher_internal:member_added","channel":"presence-a","data":{{"user_id":{text},"user_info":[{text}]}}}}"#
            ),
            format!(
                r#"{{"event":"pusher_internal:member_added","channel":"presence-a","data":{{"user_id":{text},"user_info":{object}}}}}"#
            ),
            format!(
                r#"{{"event":"pusher_internal:member_removed","channel":"presence-a","data":{{"user_id":{text}}}}}"#
            ),
            format!(r#"{{"event":{text},"channel":{text},"data":{text}}}"#),
            format!(r#"{{"event":{text},"data":{text}}}"#),
            format!(r#"{{"event":"pusher:signin_success","data":{inner}}}"#),
            format!(
                r#"{{"event":"pusher_internal:watchlist_events","data":{{"events":[{{"name":{text},"user_ids":[{text}]}}]}}}}"#
            ),
            format!(r#"{{"event":"pusher:error","data":{{"message":{text}}}}}"#),
            format!(
                r#"{{"event":"pusher:subscription_error","channel":"presence-a","data":{{"type":{text},"error":{text},"status":403}}}}"#
            ),
            text.clone(),
        ];
        let id = serde_json::from_str::<String>(&text).unwrap();
        let mut client = Client::new(Config::new("key", Endpoint::host("h")).unwrap(), 1);
        client.connect();
        client.subscribe(ChannelName::new("presence-a").unwrap());
        client.signin();
        let (now, mut socket, mut lines) = (Instant::ZERO, None, Vec::new());
        let greeting = r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.1\"}"}"#.to_owned();
        for frame in [greeting].into_iter().chain(frames) {
            while let Some(action) = client.poll_action(now) {
                match action {
                    Action::Connect(opened, _) => socket = Some(opened),
                    Action::RequestAuth(request) => {
                        let user = serde_json::json!({ "id": id, "user_id": id }).to_string();
                        let answer = AuthResponse::new("key:5a").channel_data(user.as_str()).user_data(user);
                        client.handle_auth(request.id, Ok(answer), now);
                    }
                    Action::Emit(event) => lines.push(human_at("time", &event)),
                    _ => {}
                }
            }
            client.handle_frame(socket.unwrap(), Frame::Text(frame.into()), now);
        }
        let reason = CloseReason::Closed(Some(CloseFrame::new(4200, id)));
        client.handle_close(socket.unwrap(), reason, now);
        while let Some(action) = client.poll_action(now) {
            if let Action::Emit(event) = action {
                lines.push(human_at("time", &event));
            }
        }
        lines
    }

    #[test]
    fn no_server_and_no_other_client_controls_the_terminal() {
        let controls = |line: &String| line.chars().filter(|c| c.is_control()).count();
        let plain = lines("x");
        assert!(plain.len() > 14, "{plain:#?}");
        for text in ["\u{1b}[2J", "\u{1b}]0;title\u{7}", "\r", "\n", "\u{9b}31m", "\u{0}", "\u{7f}"] {
            let hostile = lines(text);
            assert_eq!(hostile.len(), plain.len(), "{hostile:#?}");
            for (plain, hostile) in plain.iter().zip(&hostile) {
                assert_eq!(controls(hostile), controls(plain), "{hostile:?} beside {plain:?}");
            }
        }
    }
}
