//! What the log and watchers get to know about messages. The log contains neither payloads nor signatures.

use pusher_proto::ChannelName;
use pusher_proto::server::{ConnectionId, Publication, Server as Model};
use serde_json::Value;
use tracing::{Level, debug, enabled, info};

use crate::activity::{Activity, Announcer, start};
use crate::message::Envelope;

/// What a message may change: whether its connection is subscribed to the channel that it names, and who is signed in.
#[derive(PartialEq)]
pub(crate) struct Standing {
    is_subscribed: bool,
    user: Option<String>,
}

/// Whether the log or a watcher needs the content of messages, which takes time to read.
pub(crate) fn is_wanted(announcer: &Announcer) -> bool {
    enabled!(Level::DEBUG) || announcer.is_watched()
}

impl Envelope {
    /// Reports what became of the message.
    pub(crate) fn report(
        &self,
        connection: ConnectionId,
        channel: Option<&ChannelName>,
        [before, after]: [Standing; 2],
        complaint: Option<String>,
        announcer: &Announcer,
    ) {
        let (id, event, name) = (connection, self.event.as_str(), channel.map_or("", ChannelName::as_str));
        if let Some(channel) = channel.cloned().filter(|_| before.is_subscribed != after.is_subscribed) {
            if after.is_subscribed {
                debug!(connection = %id, channel = name, "subscribed");
                announcer.announce(|| Activity::Subscribed { connection, channel });
            } else {
                debug!(connection = %id, channel = name, "unsubscribed");
                announcer.announce(|| Activity::Unsubscribed { connection, channel });
            }
        } else if let Some(user_id) = after.user.filter(|user| before.user.as_ref() != Some(user)) {
            debug!(connection = %id, "signed in");
            announcer.announce(|| Activity::SignedIn { connection, user_id });
        } else if let Some(reason) = complaint {
            info!(connection = %id, event, channel = name, reason, "refused");
            let (event, channel) = (start(event), channel.cloned());
            announcer.announce(|| Activity::Refused { connection, event, channel, reason });
        } else if let Some(channel) = channel.cloned().filter(|_| event.starts_with("client-")) {
            debug!(connection = %id, event, channel = name, "client event");
            announcer.announce(|| Activity::ClientEvent {
                connection,
                channel,
                event: start(event),
                data: start(&self.text()),
            });
        }
    }
}

impl Standing {
    pub(crate) fn of(connection: ConnectionId, channel: Option<&ChannelName>, model: &Model) -> Self {
        let is_subscribed = channel.is_some_and(|channel| model.is_subscribed(connection, channel));
        Self { is_subscribed, user: model.user(connection).map(str::to_owned) }
    }
}

/// Reports an event that was published.
pub(crate) fn published(publication: &Publication, announcer: &Announcer) {
    let Publication { name, channels, data, .. } = publication;
    let channels = || channels.iter().map(ChannelName::as_str).collect::<Vec<_>>().join(" ");
    debug!(event = %name, channels = channels(), bytes = data.len(), "publication");
    announcer.announce(|| Activity::Published { publication: publication.clone() });
}

/// Returns the text of an error that is sent to a client.
pub(crate) fn complaint(text: &str) -> Option<String> {
    let is_error = |event: &str| matches!(event, "pusher:error" | "pusher:subscription_error");
    // There are many events for subscribers, which must not be parsed here. The order of the fields depends on the dialect.
    let may_be = ["\"pusher:error\"", "\"pusher:subscription_error\""].iter().any(|event| text.contains(event));
    if !may_be {
        return None;
    }
    let message: Value = serde_json::from_str(text).ok()?;
    message["event"].as_str().filter(|event| is_error(event))?;
    // Some dialects send data as JSON in a string.
    let data = match &message["data"] {
        Value::String(json) => serde_json::from_str(json).ok()?,
        data => data.clone(),
    };
    let reason = data["message"].as_str().or_else(|| data["error"].as_str())?;
    // The signature that was sent does not belong in a log.
    let reason = reason.split(", but got ").next().unwrap_or_default();
    let reason = start(reason);
    Some(match data["code"].as_u64() {
        Some(code) => format!("{reason} (code {code})"),
        None => reason.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use pusher_proto::Frame;

    use super::*;

    #[test]
    fn what_is_not_a_message_is_not_reported() {
        for text in ["", "pusher:error", "[]", "7", r#"{"event":7}"#, r#"{"data":{"channel":"a"}}"#] {
            assert!(Envelope::read(&Frame::Text(text.into())).is_none(), "{text}");
            assert_eq!(complaint(text), None, "{text}");
        }
    }

    #[test]
    fn a_complaint_is_found_in_every_form_and_says_nothing_that_was_signed() {
        let table = [
            (r#"{"event":"pusher:error","data":{"code":4009,"message":"no, but got 5ec2e7"}}"#, Some("no (code 4009)")),
            (r#"{"data":{"error":"no"},"event":"pusher:subscription_error"}"#, Some("no")),
            (r#"{"event":"pusher:error","data":"{\"message\":\"no\"}"}"#, Some("no")),
            (r#"{"event":"pusher:error","data":{}}"#, None),
            (r#"{"event":"e","channel":"a","data":"\"pusher:error\""}"#, None),
            (r#"{"event":"e","data":{"event":"pusher:error","message":"no"}}"#, None),
        ];
        for (text, expected) in table {
            assert_eq!(complaint(text).as_deref(), expected, "{text}");
        }
    }
}
