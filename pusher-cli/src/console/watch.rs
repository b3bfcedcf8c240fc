//! From the activities of a server of this program to what the page shows.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use pusher_server::pusher_proto::server::ConnectionId;
use pusher_server::{Activity, Handle};
use pusher_tokio::{ChannelKind, ChannelName};
use tokio::time::{MissedTickBehavior, interval};

use super::MAX_LISTED;
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
                    if let Activity::Missed { .. } = activity {
                        // The ends of some connections may be among what was missed.
                        watcher.sockets = sockets(server);
                    }
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

impl Watcher {
    fn entry(&mut self, activity: &Activity) -> Option<Entry> {
        match activity {
            Activity::Connected { connection, socket_id } => {
                self.sockets.insert(*connection, socket_id.to_string());
                Some(Entry::new("connected").who(Some(socket_id)))
            }
            Activity::Closing { connection, frame } => {
                let note = format!("{} (code {})", frame.reason, frame.code);
                let is_refusal = !self.sockets.contains_key(connection);
                self.counts.refused += u64::from(is_refusal);
                let kind = if is_refusal { "refused" } else { "closing" };
                Some(Entry::new(kind).who(self.socket(*connection)).note(&note).bad(true))
            }
            // A connection without a greeting was refused, which is shown already.
            Activity::Ended { connection } => {
                let socket = self.sockets.remove(connection)?;
                Some(Entry::new("disconnected").who(Some(&socket)))
            }
            Activity::Subscribed { connection, channel } => {
                Some(Entry::new("subscribed").who(self.socket(*connection)).channel(channel))
            }
            Activity::Unsubscribed { connection, channel } => {
                Some(Entry::new("unsubscribed").who(self.socket(*connection)).channel(channel))
            }
            Activity::SignedIn { connection, user_id } => {
                Some(Entry::new("signed in").who(self.socket(*connection)).note(user_id))
            }
            Activity::Refused { connection, channel, reason, .. } => {
                self.counts.refused += 1;
                let entry = Entry::new("refused").who(self.socket(*connection)).note(reason).bad(true);
                Some(match channel {
                    Some(channel) => entry.channel(channel),
                    None => entry,
                })
            }
            Activity::ClientEvent { connection, channel, event, data } => {
                self.counts.client_events += 1;
                Some(Entry::new("client event").who(self.socket(*connection)).channel(channel).event(event, data))
            }
            Activity::Published { publication } => {
                self.counts.events += 1;
                let channels: Vec<&str> = publication.channels.iter().map(ChannelName::as_str).collect();
                Some(Entry::new("event").channel(&channels.join(", ")).event(&publication.name, &publication.data))
            }
            Activity::Answered { method, path, status, reason } => {
                self.counts.calls += 1;
                // soketi refuses with status 200.
                let is_bad = *status >= 400 || !reason.is_empty();
                // The event of a call that published is shown.
                if !is_bad && path.ends_with("events") {
                    return None;
                }
                let note = format!("{method} {path}: {status} {reason}");
                Some(Entry::new("call").note(note.trim_end()).bad(is_bad))
            }
            Activity::Missed { count } => {
                let note = format!("{count} activities, which arrived faster than the console could show them");
                Some(Entry::new("missed").note(&note).bad(true))
            }
            // Raw messages, which the other activities explain, and kinds that a newer server adds.
            _ => None,
        }
    }

    fn socket(&self, connection: ConnectionId) -> Option<&str> {
        self.sockets.get(&connection).map(String::as_str)
    }
}

/// The connections by their socket ids.
fn sockets(server: &Handle) -> HashMap<ConnectionId, String> {
    let connections = server.connections().into_iter();
    connections.map(|state| (state.connection, state.socket_id.to_string())).collect()
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
        Channel { name: name.to_string(), count: Some(count), users }
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
        connection_count: Some(connections.len()),
        // The newest are more interesting, and a page cannot show all of them.
        connections: connections.iter().rev().take(MAX_LISTED).map(connection).collect(),
        channels,
        counts,
    }
}

/// How often the pages learn of counts and lists, when these have changed.
const REFRESH_EVERY: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use pusher_tokio::SocketId;

    use super::*;

    const CONNECTION: ConnectionId = ConnectionId::new(1);

    fn name(channel: &str) -> ChannelName {
        ChannelName::new(channel).unwrap()
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
        let (connection, channel) = (CONNECTION, name("private-chat"));
        let (event, data) = ("client-typing".into(), r#"{"user":7}"#.into());
        let seen = shown(&[
            Activity::Connected { connection, socket_id: SocketId::new("1.2").unwrap() },
            Activity::Subscribed { connection, channel: channel.clone() },
            Activity::ClientEvent { connection, channel: channel.clone(), event, data },
            Activity::Unsubscribed { connection, channel },
            Activity::Ended { connection },
        ]);
        let expected = [
            entry("connected").who(Some("1.2")),
            entry("subscribed").who(Some("1.2")).channel("private-chat"),
            entry("client event").who(Some("1.2")).channel("private-chat").event("client-typing", r#"{"user":7}"#),
            entry("unsubscribed").who(Some("1.2")).channel("private-chat"),
            entry("disconnected").who(Some("1.2")),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_refusal_is_shown_with_its_reason_and_nothing_that_was_signed() {
        let (connection, channel) = (CONNECTION, Some(name("private-a")));
        let text = r#"{"event":"pusher:subscribe","data":{"channel":"private-a","auth":"key:5ec2e7"}}"#;
        let event = "pusher:subscribe".into();
        let seen = shown(&[
            Activity::Received { connection, text: text.into() },
            Activity::Refused { connection, event, channel, reason: "no (code 4009)".into() },
            Activity::Refused { connection, event: "x".into(), channel: None, reason: "bad".into() },
        ]);
        let expected = [
            entry("refused").channel("private-a").note("no (code 4009)").bad(true),
            entry("refused").note("bad").bad(true),
        ];
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
            answered("/apps/1/events", 200, "refused by soketi"),
        ]);
        let expected = [
            entry("call").note("POST /apps/1/batch_events: 413 too large").bad(true),
            entry("call").note("POST /pusher/auth: 200"),
            entry("call").note("POST /apps/1/events: 200 refused by soketi").bad(true),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let long = "é".repeat(10_000);
        let entry = entry("event").channel(&long).event(&long, &long).note(&long);
        assert_eq!(entry.data.as_deref(), Some(format!("{}…", "é".repeat(2_048)).as_str()));
        let name = format!("{}…", "é".repeat(256));
        assert_eq!([entry.channel, entry.event, entry.note], [(); 3].map(|()| Some(name.clone())));
    }
}
