//! Reading and writing the frames that pass between the two machines.

use pusher_proto::{ChannelName, Frame, Text};
use serde_json::{Value, json};

/// A frame as the harness understands it.
pub(crate) struct Seen {
    /// With the prefix of version 1.
    pub(crate) event: String,
    pub(crate) channel: Option<String>,
    /// Unwrapped from one level of string, if the result is JSON.
    pub(crate) data: Value,
    /// The stream and the number in it, in version 2.
    pub(crate) position: Option<(String, u64)>,
}

impl Seen {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut frame: Value = serde_json::from_str(text).ok()?;
        let event = canonical(frame.get("event")?.as_str()?);
        let position = frame.get("stream_id").zip(frame.get("serial"));
        let position = position.and_then(|(stream, serial)| Some((stream.as_str()?.to_owned(), serial.as_u64()?)));
        let channel = frame.get("channel").and_then(Value::as_str).map(str::to_owned);
        let data = frame.get_mut("data").map(Value::take).unwrap_or_default();
        let inner = data.as_str().and_then(|text| serde_json::from_str(text).ok());
        Some(Self { event, channel, data: inner.unwrap_or(data), position })
    }

    pub(crate) fn is(&self, event: &str) -> bool {
        self.event == event
    }

    /// The channel that a message of a client is about.
    pub(crate) fn target(&self) -> &str {
        self.data.get("channel").and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.data.get(name).and_then(Value::as_str)
    }
}

/// An event of a client, as it reaches a server.
pub(crate) struct ClientEvent {
    pub(crate) channel: ChannelName,
    pub(crate) number: u64,
}

impl ClientEvent {
    pub(crate) fn read(frame: &Frame) -> Option<Self> {
        let Frame::Text(text) = frame else { return None };
        let seen = Seen::read(text).filter(|seen| seen.event.starts_with("client-"))?;
        Some(Self { channel: ChannelName::new(seen.channel?).ok()?, number: number_of(&seen.event)? })
    }
}

/// The name of an event in version 1.
fn canonical(event: &str) -> String {
    match event.strip_prefix("sockudo") {
        Some(rest) if rest.starts_with(':') || rest.starts_with("_internal:") => format!("pusher{rest}"),
        Some(_) | None => event.to_owned(),
    }
}

/// The name of the event with this number.
pub(crate) fn numbered(number: u64) -> String {
    format!("e{number}")
}

/// The number in the name of an event, sent by the server or by a client.
pub(crate) fn number_of(event: &str) -> Option<u64> {
    event.strip_prefix("client-").unwrap_or(event).strip_prefix('e')?.parse().ok()
}

pub(crate) fn succeeded(channel: &str) -> Text {
    json!({"event": SUCCEEDED, "channel": channel, "data": "{}"}).to_string().into()
}

pub(crate) fn deltas_enabled() -> Text {
    json!({"event": "sockudo:delta_compression_enabled", "data": {"enabled": true, "algorithm": "fossil"}})
        .to_string()
        .into()
}

/// The event with this number as a difference to an earlier one, which no client has.
pub(crate) fn unfit_delta(channel: &ChannelName, number: u64) -> Text {
    let data = json!({"event": numbered(number), "seq": 2, "base_index": 1, "algorithm": "fossil", "delta": "MAo="});
    json!({"event": "sockudo:delta", "channel": channel.as_str(), "data": data}).to_string().into()
}

/// A message to which deltas may refer.
pub(crate) fn base(text: &str) -> Text {
    format!(r#"{},"__delta_seq":0}}"#, text.trim_end().trim_end_matches('}')).into()
}

pub(crate) fn error(code: Option<u16>, message: &str, channel: Option<&str>) -> Text {
    let data = json!({"code": code, "message": message});
    let frame = match channel {
        None => json!({"event": "pusher:error", "data": data}),
        Some(channel) => json!({"event": "pusher:error", "channel": channel, "data": data}),
    };
    frame.to_string().into()
}

pub(crate) fn subscription_error(channel: &str) -> Text {
    let data = json!({"type": "AuthError", "error": "not today", "status": 401});
    json!({"event": "pusher:subscription_error", "channel": channel, "data": data}).to_string().into()
}

pub(crate) fn member_added(channel: &str, user: &str, version: usize) -> Text {
    let data = json!({"user_id": user, "user_info": {"version": version}}).to_string();
    json!({"event": "pusher_internal:member_added", "channel": channel, "data": data}).to_string().into()
}

pub(crate) fn signin_success(user_data: &str) -> Text {
    let data = json!({"user_data": user_data}).to_string();
    json!({"event": "pusher:signin_success", "data": data}).to_string().into()
}

pub(crate) fn watchlist(name: &str, user: &str) -> Text {
    let data = json!({"events": [{"name": name, "user_ids": [user]}]}).to_string();
    json!({"event": "pusher_internal:watchlist_events", "data": data}).to_string().into()
}

pub(crate) fn user_event(user: &str, number: u64) -> Text {
    let channel = format!("{SERVER_TO_USER}{user}");
    json!({"event": numbered(number), "channel": channel, "data": "{}"}).to_string().into()
}

pub(crate) const SUCCEEDED: &str = "pusher_internal:subscription_succeeded";

/// Prefix of the names of users' own channels.
pub(crate) const SERVER_TO_USER: &str = "#server-to-user-";
