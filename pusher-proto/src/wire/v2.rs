//! What Sockudo's protocol version 2 adds to the frames of version 1.

use super::envelope::Envelope;
use super::message::Message;
use super::names;
use super::protocol::V2_PREFIX;
use super::resume::{self, Stamp};
use super::rewind::Completion;

/// Reads an envelope on a socket of version 2; `None` if it is an event of the application.
///
/// Names of version 1 are read as well: Sockudo uses them for the error before a close.
pub(crate) fn read(envelope: &Envelope) -> Option<Message<'_>> {
    let event = envelope.event();
    let Some(rest) = event.strip_prefix(V2_PREFIX) else { return Message::read(envelope) };
    let channel = envelope.channel().unwrap_or_default();
    let canonical = match rest {
        // The server does not send it on a channel, so a publisher has.
        RESUME_SUCCESS | DELTAS_ENABLED | AUTH_SUCCESS | TOKEN_EXPIRED if !channel.is_empty() => {
            return Some(Message::NotOfChannel { channel, event });
        }
        RESUME_SUCCESS => return Some(Message::Resumed(&envelope.data)),
        AUTH_SUCCESS => return Some(Message::TokenAccepted),
        TOKEN_EXPIRED => return Some(Message::TokenExpired),
        RESUME_FAILED => {
            return Some(Message::ResumeFailed { channel, failure: resume::failure(&envelope.data) });
        }
        DELTAS_ENABLED => return Some(Message::DeltasEnabled(&envelope.data)),
        DELTA => return Some(Message::Delta { channel, data: &envelope.data }),
        REWIND_COMPLETE => return Some(Message::Rewound { channel, completion: Completion::read(&envelope.data) }),
        CHANNEL_HISTORY => return Some(Message::HistoryPage { channel, data: &envelope.data }),
        // A member has changed its own info, which is what an addition of a known member means.
        PRESENCE_UPDATE => names::MEMBER_ADDED,
        rest => match names::canonical(rest) {
            Some(canonical) => canonical,
            None if matches!(event, names::MESSAGE_SUMMARY | names::ANNOTATION) && !channel.is_empty() => return None,
            None if names::is_internal_rest(rest) => return Some(Message::Unknown { event }),
            None => return None,
        },
    };
    let mut message = Message::read_reserved(envelope, canonical)?;
    if let Message::Succeeded { position, .. } = &mut message {
        *position = Stamp::read(envelope).and_then(|stamp| stamp.position());
    }
    Some(message)
}

/// Names of events without the prefix.
const RESUME_SUCCESS: &str = ":resume_success";
const AUTH_SUCCESS: &str = ":auth_success";
const TOKEN_EXPIRED: &str = ":token_expired";
const RESUME_FAILED: &str = ":resume_failed";
const REWIND_COMPLETE: &str = ":rewind_complete";
const DELTAS_ENABLED: &str = ":delta_compression_enabled";
const DELTA: &str = ":delta";
const CHANNEL_HISTORY: &str = ":channel_history";
const PRESENCE_UPDATE: &str = "_internal:presence_update";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;

    fn envelope(frame: &str) -> Envelope {
        Envelope::read(Text::from(frame)).unwrap()
    }

    #[test]
    fn both_prefixes_mean_the_same_and_no_other_is_reserved() {
        for [v2, v1] in [
            [
                r#"{"event":"sockudo:error","data":{"code":4301,"message":"m"},"message_id":"1"}"#,
                r#"{"event":"pusher:error","data":{"code":4301,"message":"m"}}"#,
            ],
            [r#"{"event":"sockudo:pong"}"#, r#"{"event":"pusher:pong"}"#],
            [
                r#"{"event":"sockudo_internal:member_removed","channel":"presence-a","data":"{\"user_id\":\"7\"}"}"#,
                r#"{"event":"pusher_internal:member_removed","channel":"presence-a","data":"{\"user_id\":\"7\"}"}"#,
            ],
            [
                r#"{"event":"sockudo:signin_success","channel":"a","data":{}}"#,
                r#"{"event":"pusher:signin_success","channel":"a","data":{}}"#,
            ],
        ] {
            let (v2, v1) = (envelope(v2), envelope(v1));
            assert_eq!(read(&v2), Message::read(&v1));
            assert_eq!(read(&v1), Message::read(&v1));
            assert_eq!(Message::read(&v2), None, "on version 1, it is an event of the application");
        }
        for (event, channel) in [("sockudo_internal:other", "a"), ("sockudo_internal:message", "")] {
            let unknown = envelope(&alloc::format!(r#"{{"event":"{event}","channel":"{channel}","data":{{}}}}"#));
            assert_eq!(read(&unknown), Some(Message::Unknown { event }));
        }
        for event in ["sockudo_internal:message", "sockudo_internal:annotation", "sockudo:message.append"] {
            let of_the_channel = envelope(&alloc::format!(r#"{{"event":"{event}","channel":"a","data":{{}}}}"#));
            assert_eq!(read(&of_the_channel), None, "{event}");
        }
        for name in ["sockudo", "sockudo:", "sockudo:message.append", "sockudoping", "sockudo-internal:error"] {
            assert_eq!(read(&envelope(&alloc::format!(r#"{{"event":"{name}"}}"#))), None, "{name}");
        }
    }
}
