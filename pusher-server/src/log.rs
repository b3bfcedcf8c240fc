//! What the log says of messages: neither their payloads nor their signatures.

use pusher_proto::server::ConnectionId;
use pusher_proto::{ChannelName, Frame};
use serde::Deserialize;
use serde_json::Value;
use tracing::{debug, info};

/// A message, as far as the log names it.
pub(crate) struct Received {
    event: String,
    pub(crate) channel: Option<ChannelName>,
}

impl Received {
    pub(crate) fn read(frame: &Frame) -> Option<Self> {
        #[derive(Deserialize)]
        struct Message {
            event: String,
            channel: Option<String>,
            data: Option<Value>,
        }

        let Frame::Text(text) = frame else { return None };
        let Message { event, channel, data } = serde_json::from_str(text).ok()?;
        let in_data = || data.as_ref()?["channel"].as_str().map(str::to_owned);
        Some(Self { event, channel: channel.or_else(in_data).and_then(|name| ChannelName::new(name).ok()) })
    }

    /// Says what became of it.
    pub(crate) fn log(&self, id: ConnectionId, is_subscribed: (bool, bool), complaint: Option<&str>) {
        let channel = self.channel.as_ref().map_or("", ChannelName::as_str);
        match (is_subscribed, complaint) {
            ((false, true), _) => debug!(connection = %id, channel, "subscribed"),
            ((true, false), _) => debug!(connection = %id, channel, "unsubscribed"),
            (_, Some(reason)) => info!(connection = %id, event = self.event, channel, reason, "refused"),
            (_, None) if self.event.starts_with("client-") => {
                debug!(connection = %id, event = self.event, channel, "client event");
            }
            (_, None) => {}
        }
    }
}

/// What an error says that is sent to a client.
pub(crate) fn complaint(text: &str) -> Option<String> {
    let is_error = ["{\"event\":\"pusher:error\"", "{\"event\":\"pusher:subscription_error\""];
    is_error.into_iter().find(|start| text.starts_with(start))?;
    let message: Value = serde_json::from_str(text).ok()?;
    // Some dialects send data as JSON in a string.
    let data = match &message["data"] {
        Value::String(json) => serde_json::from_str(json).ok()?,
        data => data.clone(),
    };
    let reason = data["message"].as_str().or_else(|| data["error"].as_str())?;
    // The signature that came instead is nothing for a log.
    let reason = reason.split(", but got ").next().unwrap_or_default();
    Some(match data["code"].as_u64() {
        Some(code) => format!("{reason} (code {code})"),
        None => reason.to_owned(),
    })
}
