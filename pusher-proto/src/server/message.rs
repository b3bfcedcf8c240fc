//! What clients say and what the server says, as text. Data of the server's events is a JSON string in JSON, except in
//! errors (Pusher protocol, *Double encoding*).

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::handshake::Protocol;
use super::refusal::Refusal;
use crate::auth::excerpt;
use crate::data::json_string;
use crate::name::CLIENT_PREFIX;
use crate::{CloseFrame, SocketId, Text};

/// A message of a client.
#[derive(Debug)]
pub(super) enum Message<'a> {
    Ping,
    Pong,
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    ClientEvent(ClientEvent<'a>),
}

#[derive(Debug, Deserialize)]
pub(super) struct Subscribe {
    pub(super) channel: String,
    pub(super) auth: Option<String>,
    pub(super) channel_data: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Unsubscribe {
    pub(super) channel: String,
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

pub(super) fn read(text: &str) -> Result<Message<'_>, Refusal> {
    let Envelope { event, channel, data } = serde_json::from_str(text).map_err(|_| Refusal::NotAnEvent)?;
    let data = data.map(RawValue::get);
    match event.as_ref() {
        "pusher:ping" => Ok(Message::Ping),
        "pusher:pong" => Ok(Message::Pong),
        "pusher:subscribe" => payload(data, "pusher:subscribe").map(Message::Subscribe),
        "pusher:unsubscribe" => payload(data, "pusher:unsubscribe").map(Message::Unsubscribe),
        name if name.starts_with(CLIENT_PREFIX) => {
            let channel = channel.ok_or(Refusal::InvalidData("A client event"))?;
            Ok(Message::ClientEvent(ClientEvent { event, channel, data: data.unwrap_or("null") }))
        }
        name => Err(Refusal::UnknownEvent(excerpt(name, MAX_ECHO_LEN))),
    }
}

/// The data of a message: an object, or the same as a string.
fn payload<T: DeserializeOwned>(data: Option<&str>, event: &'static str) -> Result<T, Refusal> {
    let data = data.ok_or(Refusal::InvalidData(event))?;
    let parsed = match serde_json::from_str::<String>(data) {
        Ok(inner) => serde_json::from_str(&inner),
        Err(_) => serde_json::from_str(data),
    };
    parsed.map_err(|_| Refusal::InvalidData(event))
}

pub(super) fn established(socket_id: &SocketId, protocol: Protocol, activity_timeout_secs: u64) -> Text {
    let timeout = if protocol.has_activity_timeout() {
        format!(r#","activity_timeout":{activity_timeout_secs}"#)
    } else {
        String::new()
    };
    let data = format!(r#"{{"socket_id":{}{timeout}}}"#, json_string(socket_id));
    format!(r#"{{"event":"pusher:connection_established","data":{}}}"#, json_string(&data)).into()
}

pub(super) const fn ping() -> Text {
    Text::from_static(r#"{"event":"pusher:ping","data":"{}"}"#)
}

pub(super) const fn pong() -> Text {
    Text::from_static(r#"{"event":"pusher:pong","data":"{}"}"#)
}

pub(super) fn refusal(refusal: &Refusal) -> Text {
    error(refusal.code(), &refusal.to_string())
}

/// The error that clients of old protocols get before a close frame.
pub(super) fn closing(frame: &CloseFrame) -> Text {
    error(Some(frame.code), &frame.reason)
}

fn error(code: Option<u16>, message: &str) -> Text {
    let code = code.map_or_else(|| "null".to_string(), |code| code.to_string());
    format!(r#"{{"event":"pusher:error","data":{{"code":{code},"message":{}}}}}"#, json_string(message)).into()
}

pub(super) fn subscription_succeeded(channel: &str, data: &str) -> Text {
    event("pusher_internal:subscription_succeeded", channel, data)
}

pub(super) fn subscription_count(channel: &str, count: usize) -> Text {
    event("pusher_internal:subscription_count", channel, &format!(r#"{{"subscription_count":{count}}}"#))
}

pub(super) fn member_added(channel: &str, user_id: &str, info: Option<&str>) -> Text {
    let info = info.map_or_else(String::new, |info| format!(r#","user_info":{info}"#));
    event("pusher_internal:member_added", channel, &format!(r#"{{"user_id":{}{info}}}"#, json_string(user_id)))
}

pub(super) fn member_removed(channel: &str, user_id: &str) -> Text {
    event("pusher_internal:member_removed", channel, &format!(r#"{{"user_id":{}}}"#, json_string(user_id)))
}

pub(super) fn cache_miss(channel: &str) -> Text {
    event("pusher:cache_miss", channel, "{}")
}

/// An event whose data becomes a string.
pub(super) fn event(name: &str, channel: &str, data: &str) -> Text {
    let [name, channel, data] = [name, channel, data].map(json_string);
    format!(r#"{{"event":{name},"channel":{channel},"data":{data}}}"#).into()
}

/// A client event for the other subscribers, with its data as it was sent.
pub(super) fn client_event(event: &ClientEvent<'_>, user_id: Option<&str>) -> Text {
    let user_id = user_id.map_or_else(String::new, |id| format!(r#","user_id":{}"#, json_string(id)));
    let [name, channel] = [&event.event, &event.channel].map(|text| json_string(text));
    format!(r#"{{"event":{name},"channel":{channel},"data":{}{user_id}}}"#, event.data).into()
}

/// Largest part of a client's text that an error repeats, in bytes.
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
            (r#"{"event":"pusher:subscribe","data":"x"}"#, Refusal::InvalidData("pusher:subscribe")),
            (r#"{"event":"pusher:subscribe","data":{"channel":7}}"#, Refusal::InvalidData("pusher:subscribe")),
            (r#"{"event":"pusher:unsubscribe","data":{}}"#, Refusal::InvalidData("pusher:unsubscribe")),
            (r#"{"event":"client-x","data":{}}"#, Refusal::InvalidData("A client event")),
            (r#"{"event":"pusher:x"}"#, Refusal::UnknownEvent("pusher:x".into())),
        ];
        for (text, error) in table {
            assert_eq!(read(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn takes_data_as_an_object_and_as_a_string() {
        for text in [
            r#"{"event":"pusher:subscribe","data":{"channel":"a\u0062","auth":null,"more":1},"channel":null}"#,
            r#"{"event":"pusher:subscribe","data":"{\"channel\":\"ab\"}"}"#,
        ] {
            let Ok(Message::Subscribe(subscribe)) = read(text) else { panic!("{text}") };
            assert_eq!((subscribe.channel.as_str(), subscribe.auth), ("ab", None));
        }
    }

    #[test]
    fn forwards_the_data_of_a_client_event_as_it_was_sent() {
        let text = r#"{"event":"client-\u0061","channel":"private-b","data":{"n": 12345678901234567890.10}}"#;
        let Ok(Message::ClientEvent(event)) = read(text) else { panic!("{text}") };
        let forwarded = client_event(&event, Some("1\""));
        let expected =
            r#"{"event":"client-a","channel":"private-b","data":{"n": 12345678901234567890.10},"user_id":"1\""}"#;
        assert_eq!(forwarded, expected);
    }
}
