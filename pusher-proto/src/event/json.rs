//! Events for serde, one flat object each: `channel`, `event`, `data` and, for client events, `user_id`.
//!
//! `data` is a string, as on the wire: the published payload, or JSON for the client's own events. Every line of a log
//! therefore has the same four fields, whatever an application publishes.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use core::error::Error;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::{ChannelEvent, ConnectionEvent, ConnectionState, Event, LossReason, Presence, UserEvent};
use crate::members::{Difference, Member, Members};
use crate::{ChannelName, Data, with_causes};

/// As `pusher listen --json` prints it, without the time: an object with `channel` and `event` ([`Event::channel`],
/// [`Event::name`]), `data`, and `user_id` if a client event has one. `data` is a string or `null`: the payload of a
/// published event, or JSON with the details of one of the client's own events.
///
/// | Event | JSON in `data` |
/// |---|---|
/// | `StateChanged` | `previous`, `current`; `socket_id` or `cause` where there is one |
/// | `SubscriptionSucceeded` | `again`; on presence channels `members`, and `difference` (`joined`, `left`, `changed`) |
/// | `MemberAdded`, `MemberRemoved`, `MemberUpdated` | `user_id`, `user_info` |
/// | `SubscriptionError`, `SigninError`, `TokenError` | `message`, `retrying` |
/// | `ConnectionError`, `Diagnostic` | `message` |
/// | `DecryptionError` | `event`, `message` |
/// | `SignedIn` | `id`, `user_data` |
/// | `SubscriptionCount` | `subscription_count` |
/// | `History` | `items` (their number) and `has_more`, or `message` |
/// | `Lagged` | `missed` |
/// | `Recovered` | `replayed`, `source`, `proven` |
/// | `RewindComplete` | `replayed`, `complete` |
/// | `ContinuityLost` with [`Recovery`](crate::Recovery) | `reason`, and `missed` if it is known |
/// | `ContinuityLost` without it, `UserContinuityLost`, `CacheMiss`, `Unavailable` | none: `data` is `null` |
///
/// Points in time are left out, since they are counted from the start of the client.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ChannelEvent, ChannelName, Data, Event};
///
/// let event = ChannelEvent::new(ChannelName::new("orders")?, "order.created", Data::string(r#"{"id":7}"#));
/// assert_eq!(
///     serde_json::to_string(&Event::Channel(event))?,
///     r#"{"channel":"orders","event":"order.created","data":"{\"id\":7}"}"#,
/// );
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let user_id = match self {
            Self::Channel(event) => event.user_id(),
            _ => None,
        };
        let data = data(self).map_err(<S::Error as serde::ser::Error>::custom)?;
        Line { channel: self.channel().map(ChannelName::as_str), event: self.name(), data, user_id }
            .serialize(serializer)
    }
}

/// As in [`Event`].
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for ChannelEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (channel, user_id) = (Some(self.channel().as_str()), self.user_id());
        Line { channel, event: self.event(), data: text(self.data()), user_id }.serialize(serializer)
    }
}

/// Events that belong to no channel.
macro_rules! without_channel {
    ($($event:ident)+) => {$(
        /// As in [`Event`].
        #[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
        impl Serialize for $event {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let data = text(self.data());
                Line { channel: None, event: self.event(), data, user_id: None }.serialize(serializer)
            }
        }
    )+};
}

without_channel!(ConnectionEvent UserEvent);

/// An object with `user_id` and `user_info`, as in Pusher's messages.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        MemberLine { user_id: &self.id, user_info: &self.info }.serialize(serializer)
    }
}

/// A list of members.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        for member in self.iter() {
            list.serialize_element(&member)?;
        }
        list.end()
    }
}

/// An object with the lists `joined`, `left` and `changed`.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (joined, left, changed) = (self.joined().collect(), self.left().collect(), self.changed().collect());
        DifferenceLine { joined, left, changed }.serialize(serializer)
    }
}

/// An object with the list `members` and, if there is one, the `difference`.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Presence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PresenceLine { members: &self.members, difference: self.difference.as_ref() }.serialize(serializer)
    }
}

#[derive(Serialize)]
struct Line<'a> {
    channel: Option<&'a str>,
    event: &'a str,
    data: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

#[derive(Serialize)]
struct MemberLine<'a> {
    user_id: &'a str,
    user_info: &'a Data,
}

#[derive(Serialize)]
struct DifferenceLine {
    joined: Members,
    left: Members,
    changed: Members,
}

#[derive(Serialize)]
struct PresenceLine<'a> {
    members: &'a Members,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<&'a Difference>,
}

/// The details of the client's own events.
#[derive(Serialize)]
#[serde(untagged)]
enum Own<'a> {
    State {
        previous: &'static str,
        current: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        socket_id: Option<&'a str>,
    },
    Message {
        #[serde(skip_serializing_if = "Option::is_none")]
        event: Option<&'a str>,
        message: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        retrying: Option<bool>,
    },
    Succeeded {
        again: bool,
        #[serde(flatten)]
        presence: Option<&'a Presence>,
    },
    SignedIn {
        id: &'a str,
        user_data: &'a Data,
    },
    Count {
        subscription_count: u64,
    },
    History {
        items: usize,
        has_more: bool,
    },
    Lagged {
        missed: u64,
    },
    Recovered {
        replayed: u64,
        source: String,
        proven: bool,
    },
    Rewound {
        replayed: u64,
        complete: bool,
    },
    Lost {
        reason: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        missed: Option<u64>,
    },
    Member(&'a Member),
}

impl<'a> Own<'a> {
    fn state(previous: &ConnectionState, current: &'a ConnectionState) -> Self {
        let (cause, socket_id) = match current {
            ConnectionState::Waiting { cause, .. } => (Some(with_causes(cause).to_string()), None),
            ConnectionState::Connected { socket_id } => (None, Some(socket_id.as_str())),
            ConnectionState::Failed { reason } => (Some(with_causes(reason).to_string()), None),
            ConnectionState::Initialized | ConnectionState::Connecting { .. } | ConnectionState::Disconnected => {
                (None, None)
            }
        };
        Self::State { previous: previous.name(), current: current.name(), cause, socket_id }
    }

    fn message(error: &dyn Error) -> Self {
        Self::Message { event: None, message: with_causes(error).to_string(), retrying: None }
    }

    fn failure(error: &dyn Error, is_retried: bool) -> Self {
        Self::Message { event: None, message: with_causes(error).to_string(), retrying: Some(is_retried) }
    }
}

/// The payload as text, or the details of one of the client's own events.
fn data(event: &Event) -> Result<Option<Cow<'_, str>>, serde_json::Error> {
    let own = match event {
        Event::Channel(event) => return Ok(text(event.data())),
        Event::Connection(event) => return Ok(text(event.data())),
        Event::User(event) => return Ok(text(event.data())),
        Event::Watchlist(event) => return Ok(text(&event.data)),
        Event::StateChanged { previous, current } => Own::state(previous, current),
        Event::ConnectionError(error) => Own::message(error),
        Event::Diagnostic(diagnostic) => Own::message(diagnostic),
        Event::SubscriptionError { error, retry_at, .. } => Own::failure(error, retry_at.is_some()),
        Event::SigninError { error, retry_at } => Own::failure(error, retry_at.is_some()),
        Event::TokenError { error, retry_at } => Own::failure(error, retry_at.is_some()),
        Event::DecryptionError { event, error, .. } => {
            Own::Message { event: Some(event), message: with_causes(error).to_string(), retrying: None }
        }
        Event::SubscriptionSucceeded { again, presence, .. } => {
            Own::Succeeded { again: *again, presence: presence.as_ref() }
        }
        Event::SignedIn { id, data } => Own::SignedIn { id, user_data: data },
        Event::SubscriptionCount { count, .. } => Own::Count { subscription_count: *count },
        Event::MemberAdded { member, .. }
        | Event::MemberRemoved { member, .. }
        | Event::MemberUpdated { member, .. } => Own::Member(member),
        Event::History { result: Ok(page), .. } => {
            Own::History { items: page.items().len(), has_more: page.has_more() }
        }
        Event::History { result: Err(error), .. } => Own::message(error),
        Event::Lagged { missed } => Own::Lagged { missed: *missed },
        Event::Recovered { replayed, source, is_proven, .. } => {
            Own::Recovered { replayed: *replayed, source: source.to_string(), proven: *is_proven }
        }
        Event::RewindComplete { replayed, is_complete, .. } => {
            Own::Rewound { replayed: *replayed, complete: *is_complete }
        }
        Event::ContinuityLost { reason: LossReason::NotRequested, .. } => return Ok(None),
        Event::ContinuityLost { reason, missed, .. } => Own::Lost { reason: reason.to_string(), missed: *missed },
        Event::Unavailable | Event::UserContinuityLost { .. } | Event::CacheMiss { .. } => return Ok(None),
    };
    serde_json::to_string(&own).map(Cow::from).map(Some)
}

fn text(data: &Data) -> Option<Cow<'_, str>> {
    Some(data.text()).filter(|_| !data.is_absent())
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec;

    use super::*;
    use crate::event::WatchlistEvent;
    use crate::{
        AuthError, ConnectionError, DecryptionError, Diagnostic, FailReason, Instant, RecoverySource, SigninError,
        SocketId, SubscriptionError,
    };

    #[test]
    fn every_event_has_the_same_four_fields_and_says_the_rest_in_its_data() {
        let channel = || ChannelName::new("presence-c").unwrap();
        let json = |json: &str| Data::from_json(json).unwrap();
        let member = |id: &str| Member::new(id, json(r#"{"n":12345678901234567890123}"#));
        let members = |ids: &[&str]| ids.iter().map(|id| Member::new(*id, Data::ABSENT)).collect::<Members>();
        let again = Presence::new(members(&["b"])).difference(Difference::new(members(&["a"]), members(&["b"])));
        let socket_id = SocketId::new("1.2").unwrap();
        let (connected, initial) = (ConnectionState::Connected { socket_id }, ConnectionState::Initialized);
        let failed = ConnectionState::Failed { reason: FailReason::NoEndpoint };
        let retry_at = Some(Instant::ZERO);
        let lost = |reason, missed| Event::ContinuityLost { channel: channel(), since: Instant::ZERO, reason, missed };
        let on_channel = |event: &str, data: &str| (Some("presence-c"), String::from(event), Some(String::from(data)));
        let on_none = |event: &str, data: &str| (None, String::from(event), Some(String::from(data)));
        let without = |channel, event: &str| (channel, String::from(event), None);
        let notice = WatchlistEvent { name: "online".into(), user_ids: vec!["7".into()], data: json("{}") };
        let table = [
            (Event::Channel(ChannelEvent::new(channel(), "e", Data::string("a\"b"))), on_channel("e", "a\"b")),
            (Event::Channel(ChannelEvent::new(channel(), "e", Data::ABSENT)), without(Some("presence-c"), "e")),
            (Event::Connection(ConnectionEvent::new("e", json("[1]"))), on_none("e", "[1]")),
            (Event::User(UserEvent::new("e", json("[1]"))), on_none("e", "[1]")),
            (Event::Watchlist(Box::new(notice)), on_none("online", "{}")),
            (
                Event::StateChanged { previous: initial.clone(), current: connected },
                on_none("state_change", r#"{"previous":"initialized","current":"connected","socket_id":"1.2"}"#),
            ),
            (
                Event::StateChanged { previous: initial, current: failed },
                on_none(
                    "state_change",
                    r#"{"previous":"initialized","current":"failed","cause":"there is no server to connect to"}"#,
                ),
            ),
            (
                Event::SubscriptionSucceeded { channel: channel(), again: false, presence: None },
                on_channel("pusher:subscription_succeeded", r#"{"again":false}"#),
            ),
            (
                Event::SubscriptionSucceeded { channel: channel(), again: true, presence: Some(again) },
                on_channel(
                    "pusher:subscription_succeeded",
                    concat!(
                        r#"{"again":true,"members":[{"user_id":"b","user_info":null}],"difference":"#,
                        r#"{"joined":[{"user_id":"b","user_info":null}],"left":[{"user_id":"a","user_info":null}],"#,
                        r#""changed":[]}}"#,
                    ),
                ),
            ),
            (
                Event::SubscriptionError { channel: channel(), error: SubscriptionError::NameNotPortable, retry_at: None },
                on_channel(
                    "pusher:subscription_error",
                    &serde_json::json!({ "message": SubscriptionError::NameNotPortable.to_string(), "retrying": false })
                        .to_string(),
                ),
            ),
            (
                Event::SigninError { error: SigninError::Auth(AuthError::Timeout), retry_at },
                on_none("pusher:signin_error", r#"{"message":"the user was not authenticated: authorization timed out","retrying":true}"#),
            ),
            (
                Event::ConnectionError(ConnectionError::PongTimeout),
                on_none("error", r#"{"message":"the server did not answer a ping"}"#),
            ),
            (Event::Diagnostic(Diagnostic::BinaryFrame), on_none("diagnostic", r#"{"message":"ignored a binary message"}"#)),
            (
                Event::DecryptionError { channel: channel(), event: "e".into(), error: DecryptionError::WrongKey },
                on_channel("pusher:decryption_error", r#"{"event":"e","message":"no key opens the payload"}"#),
            ),
            (
                Event::SignedIn { id: "7".into(), data: json(r#"{"id":7}"#) },
                on_none("pusher:signin_success", r#"{"id":"7","user_data":{"id":7}}"#),
            ),
            (
                Event::SubscriptionCount { channel: channel(), count: 3 },
                on_channel("pusher:subscription_count", r#"{"subscription_count":3}"#),
            ),
            (
                Event::MemberUpdated { channel: channel(), member: member("a") },
                on_channel("pusher:member_updated", r#"{"user_id":"a","user_info":{"n":12345678901234567890123}}"#),
            ),
            (Event::Lagged { missed: 3 }, on_none("pusher:lagged", r#"{"missed":3}"#)),
            (lost(LossReason::NotRequested, None), without(Some("presence-c"), "pusher:continuity_lost")),
            (
                lost(LossReason::Timeout, Some(3)),
                on_channel(
                    "pusher:continuity_lost",
                    r#"{"reason":"the server did not answer in time","missed":3}"#,
                ),
            ),
            (
                Event::Recovered { channel: channel(), replayed: 2, source: RecoverySource::Hot, is_proven: true },
                on_channel(
                    "pusher:recovered",
                    r#"{"replayed":2,"source":"replayed from the server's memory","proven":true}"#,
                ),
            ),
            (Event::CacheMiss { channel: channel() }, without(Some("presence-c"), "pusher:cache_miss")),
            (Event::Unavailable, without(None, "unavailable")),
        ];
        for (event, (channel, name, data)) in table {
            let expected = serde_json::json!({ "channel": channel, "event": name, "data": data });
            assert_eq!(serde_json::to_value(&event).unwrap(), expected, "{event:?}");
        }
    }

    #[test]
    fn a_client_event_names_its_sender() {
        let event = ChannelEvent::new(ChannelName::new("presence-c").unwrap(), "client-e", Data::ABSENT);
        let event = event.with_user_id("ann");
        let json = r#"{"channel":"presence-c","event":"client-e","data":null,"user_id":"ann"}"#;
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::to_string(&Event::Channel(event)).unwrap(), json);
    }
}
