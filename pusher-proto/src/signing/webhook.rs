//! What webhooks say.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{App, InvalidAuth};
use crate::Text;

/// A verified webhook: what happened in an application (Pusher docs, *Webhooks*).
///
/// A server repeats a webhook that was not answered with a status of 200 to 299 in time, and one may overtake another;
/// [`Webhook::time`] tells their order.
///
/// # Examples
///
/// ```
/// use pusher_proto::signing::{Webhook, WebhookEvent};
///
/// /// The channels that need no more updates.
/// fn vacated(webhook: &Webhook) -> impl Iterator<Item = &str> {
///     webhook.events.iter().filter_map(|event| match event {
///         WebhookEvent::ChannelVacated { channel } => Some(channel.as_str()),
///         _ => None,
///     })
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Webhook {
    /// When the server created it, since the Unix epoch. 0 where the server does not say it.
    pub time: Duration,
    /// What happened: one event, or several where batches are enabled.
    pub events: Vec<WebhookEvent>,
}

/// One event of a [`Webhook`].
///
/// # Examples
///
/// ```
/// use pusher_proto::signing::{App, WebhookEvent};
///
/// let app = App::new("1", "key", "secret")?;
/// let body = br#"{"time_ms":1,"events":[{"name":"member_added","channel":"presence-a","user_id":"ann"},{"name":"new"}]}"#;
/// # let signature = app.sign_webhook(body)?;
/// for event in app.webhook("key", &signature, body)?.events {
///     match event {
///         WebhookEvent::MemberAdded { channel, user_id } => println!("{user_id} has joined {channel}"),
///         WebhookEvent::MemberRemoved { channel, user_id } => println!("{user_id} has left {channel}"),
///         other => println!("ignored: {other:?}"),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookEvent {
    /// The channel has its first subscriber.
    ChannelOccupied {
        /// Name of the channel.
        channel: Text,
    },
    /// The channel has lost its last subscriber.
    ChannelVacated {
        /// Name of the channel.
        channel: Text,
    },
    /// A user has joined a presence channel.
    MemberAdded {
        /// Name of the channel.
        channel: Text,
        /// Who.
        user_id: Text,
    },
    /// A user has left a presence channel, with the last of their connections.
    MemberRemoved {
        /// Name of the channel.
        channel: Text,
        /// Who.
        user_id: Text,
    },
    /// A client event was sent on a channel.
    ClientEvent {
        /// Name of the channel.
        channel: Text,
        /// Name of the event, with `client-`.
        event: Text,
        /// Its payload, usually JSON.
        data: Text,
        /// The connection that sent it.
        socket_id: Text,
        /// Who sent it, on presence channels.
        user_id: Option<Text>,
    },
    /// Someone subscribed to a cache channel whose cache is empty: publish the event that it should have.
    CacheMiss {
        /// Name of the channel.
        channel: Text,
    },
    /// The number of subscriptions has changed.
    SubscriptionCount {
        /// Name of the channel.
        channel: Text,
        /// How many there are now.
        count: u64,
    },
    /// What this version does not know, or what lacks a field.
    Unknown {
        /// Name of the event; empty if it has none.
        name: Text,
        /// The whole event as JSON.
        json: Text,
    },
}

/// Why a webhook is not accepted.
///
/// # Examples
///
/// ```
/// use pusher_proto::signing::{App, InvalidAuth, InvalidWebhook};
///
/// let app = App::new("1", "key", "secret")?;
/// let forged = app.webhook("key", "00", br#"{"events":[]}"#);
/// assert_eq!(forged, Err(InvalidWebhook::Auth(InvalidAuth::Signature)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidWebhook {
    /// It is not from the server, or its body was changed: answer 401.
    #[error("the webhook is not from the server of this application")]
    Auth(#[source] InvalidAuth),
    /// The body is longer than [`MAX_WEBHOOK_LEN`]; its signature was not checked.
    #[error("the body of the webhook has {len} bytes, and at most {MAX_WEBHOOK_LEN} are read")]
    TooLong {
        /// Length of the body in bytes.
        len: usize,
    },
    /// The signature matches, but the body has no list of events.
    #[error("the body of the webhook has no list of events")]
    NoEvents,
}

/// Largest body of a webhook that [`App::webhook`] reads, in bytes.
pub const MAX_WEBHOOK_LEN: usize = 1_024 * 1_024;

impl App {
    /// Verifies a webhook by its `X-Pusher-Key`, its `X-Pusher-Signature` and its raw body, and returns what it says.
    ///
    /// An event of an unknown kind does not make the others unreadable: see [`WebhookEvent::Unknown`]. While a key is
    /// being replaced, try the [`App`] of each key in turn.
    ///
    /// # Errors
    ///
    /// If the webhook is for another key, its signature does not match, or its body is too long or has no list of
    /// events.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::signing::{App, WebhookEvent};
    ///
    /// let app = App::new("1", "key", "secret")?;
    /// let body = br#"{"time_ms":1327078148132,"events":[{"name":"channel_occupied","channel":"chat"}]}"#;
    /// # let signature = app.sign_webhook(body)?;
    ///
    /// // `signature` is the header X-Pusher-Signature.
    /// let webhook = app.webhook("key", &signature, body)?;
    /// assert_eq!(webhook.time.as_millis(), 1_327_078_148_132);
    /// assert_eq!(webhook.events, [WebhookEvent::ChannelOccupied { channel: "chat".into() }]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn webhook(&self, key: &str, signature: &str, body: &[u8]) -> Result<Webhook, InvalidWebhook> {
        if body.len() > MAX_WEBHOOK_LEN {
            return Err(InvalidWebhook::TooLong { len: body.len() });
        }
        self.verify_webhook(key, signature, body).map_err(InvalidWebhook::Auth)?;
        let Body { time_ms, events } = serde_json::from_slice(body).map_err(|_| InvalidWebhook::NoEvents)?;
        let events = events.into_iter().map(|json| event(json.get())).collect();
        Ok(Webhook { time: Duration::from_millis(time_ms), events })
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(default)]
    time_ms: u64,
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

/// The fields of all kinds.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    #[serde(borrow)]
    socket_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user_id: Option<Cow<'a, str>>,
    subscription_count: Option<u64>,
}

fn event(json: &str) -> WebhookEvent {
    let unknown = |name: &str| WebhookEvent::Unknown { name: name.into(), json: json.into() };
    match serde_json::from_str::<Fields<'_>>(json) {
        Ok(fields) => known(&fields).unwrap_or_else(|| unknown(&fields.name)),
        Err(_) => unknown(""),
    }
}

fn known(fields: &Fields<'_>) -> Option<WebhookEvent> {
    let text = |field: &Option<Cow<'_, str>>| field.as_deref().map(Text::from);
    let channel = text(&fields.channel)?;
    Some(match &*fields.name {
        "channel_occupied" => WebhookEvent::ChannelOccupied { channel },
        "channel_vacated" => WebhookEvent::ChannelVacated { channel },
        "member_added" => WebhookEvent::MemberAdded { channel, user_id: text(&fields.user_id)? },
        "member_removed" => WebhookEvent::MemberRemoved { channel, user_id: text(&fields.user_id)? },
        "client_event" => WebhookEvent::ClientEvent {
            channel,
            event: text(&fields.event)?,
            data: text(&fields.data)?,
            socket_id: text(&fields.socket_id)?,
            user_id: text(&fields.user_id),
        },
        "cache_miss" => WebhookEvent::CacheMiss { channel },
        "subscription_count" => WebhookEvent::SubscriptionCount { channel, count: fields.subscription_count? },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString as _};
    use alloc::{format, vec};

    use super::*;

    fn app() -> App {
        App::new("1", "key", "secret").unwrap()
    }

    fn read(body: &str) -> Result<Webhook, InvalidWebhook> {
        app().webhook("key", &app().sign(body.as_bytes()), body.as_bytes())
    }

    fn events(events: &str) -> Vec<WebhookEvent> {
        read(&format!(r#"{{"time_ms":1,"events":[{events}]}}"#)).unwrap().events
    }

    #[test]
    fn every_documented_event_is_read() {
        let (channel, user_id) = (Text::from("presence-a"), Text::from("7"));
        let table = [
            (
                r#"{"name":"channel_occupied","channel":"presence-a"}"#,
                WebhookEvent::ChannelOccupied { channel: channel.clone() },
            ),
            (
                r#"{"name":"channel_vacated","channel":"presence-a"}"#,
                WebhookEvent::ChannelVacated { channel: channel.clone() },
            ),
            (
                r#"{"name":"member_added","channel":"presence-a","user_id":"7"}"#,
                WebhookEvent::MemberAdded { channel: channel.clone(), user_id: user_id.clone() },
            ),
            (
                r#"{"name":"member_removed","channel":"presence-a","user_id":"7"}"#,
                WebhookEvent::MemberRemoved { channel: channel.clone(), user_id: user_id.clone() },
            ),
            (
                r#"{"name":"client_event","channel":"presence-a","event":"client-x","data":"{\"n\":1}","socket_id":"1.2","user_id":"7"}"#,
                WebhookEvent::ClientEvent {
                    channel: channel.clone(),
                    event: "client-x".into(),
                    data: r#"{"n":1}"#.into(),
                    socket_id: "1.2".into(),
                    user_id: Some(user_id),
                },
            ),
            (
                r#"{"name":"cache_miss","channel":"presence-a","event":"cache_miss"}"#,
                WebhookEvent::CacheMiss { channel: channel.clone() },
            ),
            (
                r#"{"name":"subscription_count","channel":"presence-a","subscription_count":3}"#,
                WebhookEvent::SubscriptionCount { channel, count: 3 },
            ),
        ];
        for (json, expected) in table {
            assert_eq!(events(json), [expected], "{json}");
        }
    }

    #[test]
    fn an_event_that_is_not_understood_keeps_its_json_and_spoils_no_other() {
        let unknown = [
            (r#"{"name":"new_kind","x":[1]}"#, "new_kind"),
            (r#"{"name":"member_added","channel":"a"}"#, "member_added"),
            (r#"{"name":"channel_occupied"}"#, "channel_occupied"),
            (r#"{"name":"channel_occupied","channel":7}"#, ""),
            (r#"{"name":"subscription_count","channel":"a","subscription_count":-1}"#, ""),
            (r#"{"name":"cache_miss","channel":"\ud800"}"#, ""),
            ("{}", ""),
            ("7", ""),
            ("null", ""),
        ];
        for (json, name) in unknown {
            let seen = events(&format!(r#"{json},{{"name":"cache_miss","channel":"a"}}"#));
            let expected = WebhookEvent::Unknown { name: name.into(), json: json.into() };
            assert_eq!(seen, [expected, WebhookEvent::CacheMiss { channel: "a".into() }], "{json}");
        }
    }

    #[test]
    fn what_is_not_from_the_server_is_not_read() {
        let body = br#"{"time_ms":1,"events":[]}"#;
        let signature = app().sign(body);
        assert_eq!(app().webhook("other", &signature, body), Err(InvalidWebhook::Auth(InvalidAuth::Key)));
        assert_eq!(app().webhook("key", "00", body), Err(InvalidWebhook::Auth(InvalidAuth::Signature)));
        assert_eq!(app().webhook("key", &signature, b"{}"), Err(InvalidWebhook::Auth(InvalidAuth::Signature)));
        assert_eq!(read("1.2:private-a"), Err(InvalidWebhook::Auth(InvalidAuth::Body)));
    }

    #[test]
    fn a_body_without_a_list_of_events_is_refused() {
        for body in ["{}", r#"{"events":7}"#, r#"{"time_ms":"1","events":[]}"#, r#"{"time_ms":-1,"events":[]}"#] {
            assert_eq!(read(body), Err(InvalidWebhook::NoEvents), "{body}");
        }
        let untimed = Webhook { time: Duration::ZERO, events: vec![] };
        assert_eq!(read(r#"{"events":[]}"#), Ok(untimed));
    }

    #[test]
    fn a_body_is_read_up_to_its_limit() {
        let body = |len: usize| {
            let frame = r#"{"events":[],"x":""}"#;
            frame.replace("\"\"", &format!("\"{}\"", "é".repeat((len - frame.len()) / 2)))
        };
        let longest = body(MAX_WEBHOOK_LEN);
        assert_eq!((longest.len(), read(&longest).map(|webhook| webhook.events)), (MAX_WEBHOOK_LEN, Ok(vec![])));
        let longer: String = longest + " ";
        assert_eq!(read(&longer), Err(InvalidWebhook::TooLong { len: MAX_WEBHOOK_LEN + 1 }));
        assert!(InvalidWebhook::TooLong { len: 7 }.to_string().contains("1048576"));
    }
}
