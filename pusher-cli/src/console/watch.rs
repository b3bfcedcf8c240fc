//! From the activities of a server of this program to what the page shows.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use pusher_server::pusher_proto::server::ConnectionId;
use pusher_server::{Activity, Handle};
use pusher_tokio::{ChannelKind, ChannelName};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use super::entry::{Channel, Connection, Counts, Entry, State};
use super::feed::Feed;

/// Feeds the pages for as long as the server runs.
pub(super) async fn server(feed: &Feed, server: &Handle, name: &str) {
    let mut activities = server.activities();
    let mut watcher = Watcher::default();
    let mut refresh = interval(REFRESH_EVERY);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            activity = activities.next() => match activity {
                Some(activity) => {
                    if let Some(entry) = watcher.entry(&activity) {
                        feed.add(&entry);
                    }
                }
                None => return,
            },
            _ = refresh.tick() => feed.set(&state(server, name, watcher.counts)),
        }
    }
}

/// What must be remembered of one activity to show another.
#[derive(Default)]
struct Watcher {
    sockets: HashMap<ConnectionId, String>,
    counts: Counts,
}

/// A message of the protocol, as far as it is shown.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    event: String,
    channel: Option<String>,
    data: Value,
}

impl Message {
    fn read(text: &str) -> Self {
        let mut message: Self = serde_json::from_str(text).unwrap_or_default();
        // The server writes its data as JSON in a string.
        if let Some(data) = message.data.as_str().and_then(|data| serde_json::from_str(data).ok()) {
            message.data = data;
        }
        message
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.data.get(name)?.as_str()
    }

    /// The message of an error, and its code.
    fn reason(&self) -> String {
        let reason = self.text("message").or_else(|| self.text("error")).unwrap_or("refused");
        match self.data.get("code").or_else(|| self.data.get("status")).and_then(Value::as_u64) {
            Some(code) => format!("{reason} ({code})"),
            None => reason.to_owned(),
        }
    }
}

impl Watcher {
    fn entry(&mut self, activity: &Activity) -> Option<Entry> {
        match activity {
            Activity::Received { connection, text } => self.received(*connection, text),
            Activity::Sent { connection, text } => self.sent(*connection, text),
            Activity::Closing { connection, frame } => {
                let note = format!("{} (code {})", frame.reason, frame.code);
                let is_refusal = !self.sockets.contains_key(connection);
                self.counts.refused += u64::from(is_refusal);
                let kind = if is_refusal { "refused" } else { "closing" };
                Some(Entry::new(kind).who(self.socket(*connection)).note(note).bad(true))
            }
            // One that was never greeted was refused, and that is shown.
            Activity::Ended { connection } => {
                let socket = self.sockets.remove(connection)?;
                Some(Entry::new("disconnected").who(Some(&socket)))
            }
            Activity::Published { publication } => {
                self.counts.events += 1;
                let channels: Vec<&str> = publication.channels.iter().map(ChannelName::as_str).collect();
                let entry = Entry::new("event").channel(channels.join(", "));
                Some(entry.event(publication.name.as_str(), &publication.data))
            }
            Activity::Answered { method, path, status, reason } => {
                self.counts.calls += 1;
                // Its event is shown.
                if *status < 400 && path.ends_with("events") {
                    return None;
                }
                let note = format!("{method} {path}: {status} {reason}");
                Some(Entry::new("call").note(note.trim_end()).bad(*status >= 400))
            }
            Activity::Missed { count } => {
                let note = format!("{count} activities, which came faster than the console takes them");
                Some(Entry::new("missed").note(note).bad(true))
            }
            // The greeting says more; and what a newer server adds is not known here.
            _ => None,
        }
    }

    fn received(&mut self, connection: ConnectionId, text: &str) -> Option<Entry> {
        let message = Message::read(text);
        match message.event.as_str() {
            "pusher:unsubscribe" => {
                Some(Entry::new("unsubscribed").who(self.socket(connection)).channel(message.text("channel")?))
            }
            event if event.starts_with("client-") => {
                self.counts.client_events += 1;
                let data = message.data.as_str().map_or_else(|| message.data.to_string(), str::to_owned);
                let entry = Entry::new("client event").who(self.socket(connection));
                Some(entry.channel(message.channel.clone().unwrap_or_default()).event(event, &data))
            }
            _ => None,
        }
    }

    fn sent(&mut self, connection: ConnectionId, text: &str) -> Option<Entry> {
        // Published events go to everyone who is subscribed, and are shown once.
        if !text.contains("pusher:") && !text.contains("pusher_internal:") {
            return None;
        }
        let message = Message::read(text);
        match message.event.as_str() {
            "pusher:connection_established" => {
                let socket = message.text("socket_id")?;
                self.sockets.insert(connection, socket.to_owned());
                Some(Entry::new("connected").who(Some(socket)))
            }
            "pusher_internal:subscription_succeeded" => {
                Some(Entry::new("subscribed").who(self.socket(connection)).channel(message.channel.clone()?))
            }
            "pusher:signin_success" => Some(Entry::new("signed in").who(self.socket(connection))),
            "pusher:error" | "pusher:subscription_error" => {
                self.counts.refused += 1;
                let entry = Entry::new("refused").who(self.socket(connection)).note(message.reason()).bad(true);
                Some(match &message.channel {
                    Some(channel) => entry.channel(channel.as_str()),
                    None => entry,
                })
            }
            _ => None,
        }
    }

    fn socket(&self, connection: ConnectionId) -> Option<&str> {
        self.sockets.get(&connection).map(String::as_str)
    }
}

fn state(server: &Handle, name: &str, counts: Counts) -> State {
    let connections = server.connections();
    let mut subscribers: BTreeMap<&ChannelName, usize> = BTreeMap::new();
    for channel in connections.iter().flat_map(|connection| &connection.channels) {
        *subscribers.entry(channel).or_default() += 1;
    }
    let channel = |(name, count): (&ChannelName, usize)| {
        let is_presence = name.kind() == ChannelKind::Presence;
        let users = if is_presence { server.users(name).unwrap_or_default() } else { Vec::new() };
        let users = users.iter().take(MAX_LISTED).map(ToString::to_string).collect();
        Channel { name: name.to_string(), count, users }
    };
    let channels = subscribers.into_iter().take(MAX_LISTED).map(channel).collect();
    let connection = |connection: &pusher_server::ConnectionState| Connection {
        id: connection.socket_id.to_string(),
        user: connection.user_id.clone(),
        channels: connection.channels.iter().take(MAX_LISTED).map(ToString::to_string).collect(),
    };
    State {
        server: name.to_owned(),
        can_publish: true,
        connection_count: connections.len(),
        // The newest are more interesting, and all of them too many for a page.
        connections: connections.iter().rev().take(MAX_LISTED).map(connection).collect(),
        channels,
        counts,
    }
}

/// How often the pages learn of counts and lists, when these have changed.
const REFRESH_EVERY: Duration = Duration::from_millis(500);

/// Items of a list that a page shows.
const MAX_LISTED: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &str) -> Activity {
        Activity::Sent { connection: ConnectionId::new(1), text: text.into() }
    }

    fn received(text: &str) -> Activity {
        Activity::Received { connection: ConnectionId::new(1), text: text.into() }
    }

    /// What is shown of each activity, without its time.
    fn shown(activities: &[Activity]) -> Vec<Entry> {
        let mut watcher = Watcher::default();
        let entries = activities.iter().filter_map(|activity| watcher.entry(activity));
        entries.map(|entry| Entry { at: 0, ..entry }).collect()
    }

    fn entry(kind: &'static str) -> Entry {
        Entry { kind, ..Entry::default() }
    }

    #[test]
    fn a_connection_is_shown_by_its_socket_id() {
        let seen = shown(&[
            sent(
                r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":120}"}"#,
            ),
            sent(r#"{"event":"pusher_internal:subscription_succeeded","channel":"chat","data":"{}"}"#),
            received(r#"{"event":"client-typing","channel":"private-chat","data":{"user":7}}"#),
            received(r#"{"event":"pusher:unsubscribe","data":{"channel":"chat"}}"#),
            Activity::Ended { connection: ConnectionId::new(1) },
        ]);
        let expected = [
            entry("connected").who(Some("1.2")),
            entry("subscribed").who(Some("1.2")).channel("chat"),
            entry("client event").who(Some("1.2")).channel("private-chat").event("client-typing", r#"{"user":7}"#),
            entry("unsubscribed").who(Some("1.2")).channel("chat"),
            entry("disconnected").who(Some("1.2")),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_refusal_is_shown_with_its_reason_and_nothing_that_was_signed() {
        let seen = shown(&[
            received(r#"{"event":"pusher:subscribe","data":{"channel":"private-a","auth":"key:5ec2e7"}}"#),
            sent(
                r#"{"event":"pusher:subscription_error","channel":"private-a","data":{"type":"AuthError","error":"no","status":401}}"#,
            ),
            sent(r#"{"event":"pusher:error","data":{"code":null,"message":"bad"}}"#),
        ]);
        let expected =
            [entry("refused").channel("private-a").note("no (401)").bad(true), entry("refused").note("bad").bad(true)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_call_that_published_is_shown_by_its_event() {
        let answered = |path: &str, status, reason: &str| {
            let (method, path, reason) = ("POST".into(), path.into(), reason.into());
            Activity::Answered { method, path, status, reason }
        };
        let seen = shown(&[
            answered("/apps/1/events", 200, ""),
            answered("/apps/1/batch_events", 413, "too large"),
            answered("/pusher/auth", 200, ""),
        ]);
        let expected = [
            entry("call").note("POST /apps/1/batch_events: 413 too large").bad(true),
            entry("call").note("POST /pusher/auth: 200"),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_not_a_message_is_not_shown() {
        assert_eq!(shown(&[received("pusher:"), sent("pusher:"), received("[]"), sent(r#"{"event":"pusher:7"}"#)]), []);
    }

    #[test]
    fn a_long_payload_is_cut_at_a_character() {
        let entry = entry("event").event("e", &"é".repeat(10_000));
        assert_eq!(entry.data.as_deref(), Some(format!("{}…", "é".repeat(2_048)).as_str()));
    }
}
