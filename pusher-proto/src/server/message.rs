//! Messages from clients.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::refusal::Refusal;
use crate::excerpt::excerpt;
use crate::name::CLIENT_PREFIX;

/// A message of a client.
#[derive(Debug)]
pub(super) enum Message<'a> {
    Ping,
    Pong,
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    SignIn(SignIn),
    ClientEvent(ClientEvent<'a>),
    /// A request to replay messages, with its data as JSON.
    Resume(Option<&'a str>),
    /// New information about a member of a presence channel, with its data as JSON.
    PresenceUpdate(Option<&'a str>),
    /// A request for deltas.
    EnableDeltas,
    /// A channel whose deltas cannot be applied.
    DeltaError(String),
}

#[derive(Debug, Deserialize)]
pub(super) struct Subscribe {
    pub(super) channel: String,
    pub(super) auth: Option<String>,
    pub(super) channel_data: Option<String>,
    /// Options of version 2, as JSON. A null is not the same as a missing field.
    #[serde(default, deserialize_with = "present")]
    pub(super) filter: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) tags_filter: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) rewind: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) delta: Option<Box<RawValue>>,
    /// Whether all of this was JSON inside a string.
    #[serde(skip)]
    pub(super) in_string: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Unsubscribe {
    pub(super) channel: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct SignIn {
    pub(super) auth: String,
    pub(super) user_data: String,
}

#[derive(Debug)]
pub(super) struct ClientEvent<'a> {
    pub(super) event: Cow<'a, str>,
    pub(super) channel: Cow<'a, str>,
    /// JSON as it was sent.
    pub(super) data: &'a str,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Reads a message. Sockudo accepts both prefixes from every client, whatever version it speaks.
pub(super) fn read(text: &str, has_version_2: bool) -> Result<Message<'_>, Refusal> {
    let Envelope { event, channel, data } = serde_json::from_str(text).map_err(|_| Refusal::NotAnEvent)?;
    let data = data.map(RawValue::get);
    let event = match event.strip_prefix(V2_PREFIX) {
        Some(rest) if has_version_2 => Cow::Owned(format!("pusher:{rest}")),
        Some(_) | None => event,
    };
    match event.as_ref() {
        "pusher:ping" => Ok(Message::Ping),
        "pusher:pong" => Ok(Message::Pong),
        SUBSCRIBE => {
            let subscribe: Subscribe = payload(data, SUBSCRIBE)?;
            Ok(Message::Subscribe(Subscribe { in_string: data.is_some_and(|data| data.starts_with('"')), ..subscribe }))
        }
        "pusher:unsubscribe" => payload(data, "pusher:unsubscribe").map(Message::Unsubscribe),
        "pusher:signin" => payload(data, "pusher:signin").map(Message::SignIn),
        "pusher:resume" if has_version_2 => Ok(Message::Resume(data)),
        "pusher:presence_update" if has_version_2 => Ok(Message::PresenceUpdate(data)),
        "pusher:enable_delta_compression" if has_version_2 => Ok(Message::EnableDeltas),
        DELTA_ERROR if has_version_2 => {
            payload::<Unsubscribe>(data, DELTA_ERROR).map(|request| Message::DeltaError(request.channel))
        }
        name if name.starts_with(CLIENT_PREFIX) => {
            let channel = channel.ok_or(Refusal::InvalidData("A client event"))?;
            Ok(Message::ClientEvent(ClientEvent { event, channel, data: data.unwrap_or("null") }))
        }
        name => Err(Refusal::UnknownEvent(excerpt(name, MAX_ECHO_LEN))),
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// The data of a message: an object, or an object as JSON inside a string.
fn payload<T: DeserializeOwned>(data: Option<&str>, event: &'static str) -> Result<T, Refusal> {
    let data = data.ok_or(Refusal::InvalidData(event))?;
    match serde_json::from_str::<String>(data) {
        Ok(inner) => serde_json::from_str(&inner).map_err(|_| Refusal::DataString(event)),
        Err(_) => serde_json::from_str(data).map_err(|_| Refusal::InvalidData(event)),
    }
}

/// Prefix of events in version 2.
const V2_PREFIX: &str = "sockudo:";

/// The event that requests a subscription.
pub(super) const SUBSCRIBE: &str = "pusher:subscribe";

/// The event that reports a delta that cannot be applied.
const DELTA_ERROR: &str = "pusher:delta_sync_error";

/// How much of a client's text an error repeats, in bytes.
pub(super) const MAX_ECHO_LEN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_message() {
        let table = [
            ("", Refusal::NotAnEvent),
            ("nonsense", Refusal::NotAnEvent),
            ("[1,2]", Refusal::NotAnEvent),
            ("\"pusher:ping\"", Refusal::NotAnEvent),
            (r#"{"data":{}}"#, Refusal::NotAnEvent),
            (r#"{"event":7}"#, Refusal::NotAnEvent),
            (r#"{"event":"pusher:subscribe"}"#, Refusal::InvalidData("pusher:subscribe")),
            (r#"{"event":"pusher:subscribe","data":null}"#, Refusal::InvalidData("pusher:subscribe")),
            (r#"{"event":"pusher:subscribe","data":"x"}"#, Refusal::DataString("pusher:subscribe")),
            (r#"{"event":"pusher:subscribe","data":{"channel":7}}"#, Refusal::InvalidData("pusher:subscribe")),
            (r#"{"event":"pusher:unsubscribe","data":{}}"#, Refusal::InvalidData("pusher:unsubscribe")),
            (r#"{"event":"client-x","data":{}}"#, Refusal::InvalidData("A client event")),
            (r#"{"event":"pusher:x"}"#, Refusal::UnknownEvent("pusher:x".into())),
        ];
        for (text, error) in table {
            assert_eq!(read(text, false).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn takes_data_as_an_object_and_as_a_string() {
        for text in [
            r#"{"event":"pusher:subscribe","data":{"channel":"a\u0062","auth":null,"more":1},"channel":null}"#,
            r#"{"event":"pusher:subscribe","data":"{\"channel\":\"ab\"}"}"#,
        ] {
            let Ok(Message::Subscribe(subscribe)) = read(text, false) else { panic!("{text}") };
            assert_eq!((subscribe.channel.as_str(), subscribe.auth), ("ab", None));
        }
    }
}
