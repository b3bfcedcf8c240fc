//! What the client sends (Pusher protocol, *Client to Pusher Channels*).

use alloc::format;
use alloc::string::String;
use core::num::NonZeroU32;

use crate::data::json_string;
use crate::{AuthResponse, ChannelName, ClientEventName, Data, Secret, Subscribe, Text};

pub(crate) const PING: Text = Text::from_static(r#"{"event":"pusher:ping","data":{}}"#);
pub(crate) const PONG: Text = Text::from_static(r#"{"event":"pusher:pong","data":{}}"#);

pub(crate) fn subscribe(channel: &ChannelName, auth: Option<&AuthResponse>) -> Text {
    subscribe_with(channel, auth, &Subscribe::default(), None)
}

/// Only version 2 has options. A rewind is asked for once, and `rewind` says whether that is now.
pub(crate) fn subscribe_with(
    channel: &ChannelName,
    auth: Option<&AuthResponse>,
    options: &Subscribe,
    rewind: Option<NonZeroU32>,
) -> Text {
    let mut data = format!("\"channel\":{}", json_string(channel));
    if let Some(auth) = auth {
        data += &format!(",\"auth\":{}", json_string(auth.auth.expose()));
        if let Some(channel_data) = &auth.channel_data {
            data += &format!(",\"channel_data\":{}", json_string(channel_data));
        }
    }
    if let Some(filter) = &options.filter {
        data += &format!(",\"filter\":{}", filter.as_json());
    }
    if let Some(rewind) = rewind {
        data += &format!(",\"rewind\":{rewind}");
    }
    if options.annotations {
        data += r#","modes":["SUBSCRIBE","ANNOTATION_SUBSCRIBE"]"#;
    }
    format!(r#"{{"event":"pusher:subscribe","data":{{{data}}}}}"#).into()
}

/// Asks for deltas on all channels. A server that does not have them never answers.
pub(crate) const ENABLE_DELTAS: Text = Text::from_static(r#"{"event":"pusher:enable_delta_compression","data":{}}"#);

/// The next event of each name has to be a whole one.
pub(crate) fn delta_sync_error(channel: &str) -> Text {
    format!(r#"{{"event":"pusher:delta_sync_error","data":{{"channel":{}}}}}"#, json_string(channel)).into()
}

pub(crate) fn unsubscribe(channel: &str) -> Text {
    format!(r#"{{"event":"pusher:unsubscribe","data":{{"channel":{}}}}}"#, json_string(channel)).into()
}

/// Subscribes to a name that is not one of the application's channels.
pub(crate) fn subscribe_name(channel: &str) -> Text {
    format!(r#"{{"event":"pusher:subscribe","data":{{"channel":{}}}}}"#, json_string(channel)).into()
}

pub(crate) fn signin(auth: &AuthResponse) -> Text {
    let user_data = auth.user_data.as_deref().unwrap_or_default();
    let (auth, user_data) = (json_string(auth.auth.expose()), json_string(user_data));
    format!(r#"{{"event":"pusher:signin","data":{{"auth":{auth},"user_data":{user_data}}}}}"#).into()
}

pub(crate) fn token(token: &Secret) -> Text {
    format!(r#"{{"event":"pusher:auth","data":{{"token":{}}}}}"#, json_string(token.expose())).into()
}

/// The server takes the channel only from a string.
pub(crate) fn presence_update(channel: &ChannelName, info: &Data) -> Text {
    let info = if info.is_absent() { "null" } else { info.raw() };
    let data = format!(r#"{{"channel":{},"data":{info}}}"#, json_string(channel));
    format!(r#"{{"event":"pusher:presence_update","data":{}}}"#, json_string(&data)).into()
}

pub(crate) fn client_event(event: &ClientEventName, channel: &ChannelName, data: &Data) -> Text {
    let data = if data.is_absent() { "null" } else { data.raw() };
    format!(r#"{{"event":{},"channel":{},"data":{data}}}"#, json_string(event), json_string(channel)).into()
}

/// Returns a message with `…` instead of signatures and tokens. A quote inside a JSON string is escaped, so the name of the field
/// is found only where it is a field.
pub(crate) fn masked(message: &str) -> String {
    SECRETS.into_iter().fold(message.into(), |message, field| masked_field(&message, field))
}

fn masked_field(message: &str, field: &str) -> String {
    let mut pieces = message.split(field);
    let mut masked = String::from(pieces.next().unwrap_or_default());
    for piece in pieces {
        let mut is_escaped = false;
        let end = piece.find(|c: char| {
            let ends = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        });
        masked += field;
        masked += "…";
        masked += &piece[end.unwrap_or(piece.len())..];
    }
    masked
}

/// What precedes a signature or a token in our messages.
const SECRETS: [&str; 2] = [r#""auth":""#, r#""token":""#];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_show_no_signatures_and_no_tokens() {
        let channel = ChannelName::new("private-\"auth\":\"a").unwrap();
        let auth = AuthResponse::new(r#"k:"1\"#).channel_data(r#"{"auth":"2"}"#);
        assert_eq!(
            masked(&subscribe(&channel, Some(&auth))),
            r#"{"event":"pusher:subscribe","data":{"channel":"private-\"auth\":\"a","auth":"…","channel_data":"{\"auth\":\"2\"}"}}"#,
        );
        let auth = AuthResponse::new("k:3").user_data("{}");
        assert_eq!(masked(&signin(&auth)), r#"{"event":"pusher:signin","data":{"auth":"…","user_data":"{}"}}"#);
        assert_eq!(masked(&token(&Secret::from(r#"a"b"#))), r#"{"event":"pusher:auth","data":{"token":"…"}}"#);
        let twice = r#"{"token":"1","auth":"2","x":"auth","auth":"3","token":"4"}"#;
        assert_eq!(masked(twice), r#"{"token":"…","auth":"…","x":"auth","auth":"…","token":"…"}"#);
        assert_eq!(masked(&PING), PING.as_str());
    }

    #[test]
    fn writes_exactly_what_servers_expect() {
        let channel = ChannelName::new("presence-a\"b").unwrap();
        let auth = AuthResponse::new("k:1").channel_data(r#"{"user_id":"1"}"#);
        let event = ClientEventName::new("client-x").unwrap();
        let table = [
            (subscribe(&channel, None), r#"{"event":"pusher:subscribe","data":{"channel":"presence-a\"b"}}"#),
            (
                subscribe(&channel, Some(&auth)),
                r#"{"event":"pusher:subscribe","data":{"channel":"presence-a\"b","auth":"k:1","channel_data":"{\"user_id\":\"1\"}"}}"#,
            ),
            (
                subscribe_with(&channel, None, &Subscribe::rewind(9).annotations(), NonZeroU32::new(2)),
                concat!(
                    r#"{"event":"pusher:subscribe","data":{"channel":"presence-a\"b","rewind":2,"#,
                    r#""modes":["SUBSCRIBE","ANNOTATION_SUBSCRIBE"]}}"#,
                ),
            ),
            (unsubscribe(&channel), r#"{"event":"pusher:unsubscribe","data":{"channel":"presence-a\"b"}}"#),
            (
                client_event(&event, &channel, &Data::from_json(r#"{"a":1}"#).unwrap()),
                r#"{"event":"client-x","channel":"presence-a\"b","data":{"a":1}}"#,
            ),
            (
                presence_update(&channel, &Data::from_json(r#"{"a":"b"}"#).unwrap()),
                r#"{"event":"pusher:presence_update","data":"{\"channel\":\"presence-a\\\"b\",\"data\":{\"a\":\"b\"}}"}"#,
            ),
            (
                client_event(&event, &channel, &Data::ABSENT),
                r#"{"event":"client-x","channel":"presence-a\"b","data":null}"#,
            ),
        ];
        for (written, expected) in table {
            assert_eq!(written, expected);
        }
    }
}
