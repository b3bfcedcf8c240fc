//! What the server sends, in the form of its dialect. The data of the server's events is JSON inside a JSON string,
//! except in errors and where a dialect differs (Pusher protocol, *Double encoding*).

use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::Value;

use super::channel::{Channel, Member};
use super::dialect::{Form, Ids, Profile, Wire};
use super::handshake::Protocol;
use super::message::ClientEvent;
use super::refusal::Says;
use crate::data::json_string;
use crate::{CloseFrame, SocketId, Text};

impl Profile {
    pub(super) fn established(&self, socket_id: &SocketId, protocol: Protocol, activity_timeout_secs: u64) -> Text {
        let timeout = if protocol.has_activity_timeout() {
            format!(r#","activity_timeout":{activity_timeout_secs}"#)
        } else {
            String::new()
        };
        let data = format!(r#"{{"socket_id":{}{timeout}}}"#, json_string(socket_id));
        self.own("pusher:connection_established", None, &data, Form::String)
    }

    pub(super) fn ping(&self) -> Text {
        self.own("pusher:ping", None, "{}", self.wire.ping)
    }

    pub(super) fn pong(&self) -> Text {
        self.own("pusher:pong", None, "{}", self.wire.pong)
    }

    /// The error that is sent before the connection ends.
    pub(super) fn closing(&self, frame: &CloseFrame) -> Text {
        self.error(Some(frame.code), &frame.reason, None)
    }

    pub(super) fn says(&self, says: &Says) -> Option<Text> {
        match says {
            Says::Nothing => None,
            Says::Error { code, message, channel } => Some(self.error(*code, message, channel.as_deref())),
            Says::SubscriptionError { channel, kind, status, message } => {
                let [kind, message] = [*kind, message].map(json_string);
                let data = format!(r#"{{"type":{kind},"error":{message},"status":{status}}}"#);
                Some(self.own("pusher:subscription_error", Some(channel), &data, Form::Object))
            }
            Says::Frame(text) => Some(text.clone()),
        }
    }

    pub(super) fn error(&self, code: Option<u16>, message: &str, channel: Option<&str>) -> Text {
        let code = code.map_or_else(|| "null".to_string(), |code| code.to_string());
        let data = format!(r#"{{"code":{code},"message":{}}}"#, json_string(message));
        self.own("pusher:error", channel, &data, self.wire.error)
    }

    /// With the number of the newest message, if a subscription can begin with old ones.
    pub(super) fn subscription_succeeded(&self, channel: &str, attach_serial: Option<u64>) -> Text {
        let data = attach_serial.map_or_else(|| "{}".to_string(), |serial| format!(r#"{{"attach_serial":{serial}}}"#));
        self.own("pusher_internal:subscription_succeeded", Some(channel), &data, self.wire.succeeded)
    }

    /// The same with the members of a presence channel.
    pub(super) fn presence_succeeded(&self, name: &str, channel: &Channel, attach_serial: Option<u64>) -> Text {
        let attach_serial = attach_serial.map_or_else(String::new, |serial| format!(r#""attach_serial":{serial},"#));
        let data = format!(r#"{{{attach_serial}"presence":{}}}"#, self.presence(channel));
        self.own("pusher_internal:subscription_succeeded", Some(name), &data, Form::String)
    }

    fn presence(&self, channel: &Channel) -> String {
        let members: Vec<&Member> = if channel.has_strangers() { Vec::new() } else { channel.members().collect() };
        let ids: Vec<String> = members.iter().map(|member| id(member, self.members.listed)).collect();
        let hash: Vec<String> = members
            .iter()
            .filter_map(|member| Some(format!("{}:{}", json_string(&member.id), self.listed_info(member)?)))
            .collect();
        let is_list = || members.iter().enumerate().all(|(at, member)| *member.id == *at.to_string());
        let hash = if self.wire.php && is_list() {
            let infos = members.iter().filter_map(|member| self.listed_info(member));
            format!("[{}]", infos.collect::<Vec<_>>().join(","))
        } else {
            format!("{{{}}}", hash.join(","))
        };
        format!(r#"{{"count":{},"ids":[{}],"hash":{hash}}}"#, members.len(), ids.join(","))
    }

    fn listed_info<'a>(&self, member: &'a Member) -> Option<Cow<'a, str>> {
        member.info.as_deref().or(self.members.listed_info).map(|info| self.wire.value(info))
    }

    pub(super) fn subscription_count(&self, channel: &str, count: usize) -> Text {
        let data = format!(r#"{{"subscription_count":{count}}}"#);
        self.own("pusher_internal:subscription_count", Some(channel), &data, Form::String)
    }

    pub(super) fn member_added(&self, channel: &str, member: &Member) -> Text {
        let data = if self.members.added_whole {
            self.wire.value(&member.data).into_owned()
        } else {
            let info = member.info.as_deref().or(self.members.added_info);
            let info = info.map_or_else(String::new, |info| format!(r#","user_info":{info}"#));
            format!(r#"{{"user_id":{}{info}}}"#, id(member, self.members.added))
        };
        self.own("pusher_internal:member_added", Some(channel), &data, Form::String)
    }

    pub(super) fn member_removed(&self, channel: &str, member: &Member) -> Text {
        let data = format!(r#"{{"user_id":{}}}"#, id(member, self.members.removed));
        self.own("pusher_internal:member_removed", Some(channel), &data, Form::String)
    }

    /// What a member says about itself instead of what it said before.
    pub(super) fn presence_update(&self, channel: &str, user_id: &str, info: &str) -> Text {
        let data = format!(r#"{{"user_id":{},"user_info":{info}}}"#, json_string(user_id));
        self.own("pusher_internal:presence_update", Some(channel), &data, Form::String)
    }

    pub(super) fn cache_miss(&self, channel: &str) -> Text {
        self.own("pusher:cache_miss", Some(channel), "{}", self.wire.cache_miss)
    }

    pub(super) fn signin_success(&self, form: Form, auth: Option<&str>, user_data: &str) -> Text {
        let auth = auth.map_or_else(String::new, |auth| format!(r#""auth":{},"#, json_string(auth)));
        let data = format!(r#"{{{auth}"user_data":{}}}"#, json_string(user_data));
        self.own("pusher:signin_success", None, &data, form)
    }

    /// What happened to users, in one event.
    pub(super) fn watchlist_events(&self, changes: &[(&str, BTreeSet<&Text>)]) -> Text {
        let events: Vec<String> = changes
            .iter()
            .map(|(name, users)| format!(r#"{{"name":{},"user_ids":{}}}"#, json_string(name), list(users)))
            .collect();
        let data = format!(r#"{{"events":[{}]}}"#, events.join(","));
        self.own("pusher_internal:watchlist_events", None, &data, Form::String)
    }

    /// The same for one change, in an event of its own.
    pub(super) fn watchlist_notice(&self, name: &str, users: &BTreeSet<&Text>) -> Text {
        self.own(name, None, &format!(r#"{{"user_ids":{}}}"#, list(users)), Form::Object)
    }

    /// An event whose data becomes a string.
    pub(super) fn event(&self, name: &str, channel: &str, data: &str) -> Text {
        self.own(name, Some(channel), data, Form::String)
    }

    /// A client event for the other subscribers.
    pub(super) fn client_event(&self, event: &ClientEvent<'_>, data: &str, sender: Option<&Member>) -> Text {
        let user_id = self.client_events.sender.zip(sender);
        let user_id = user_id.map_or_else(String::new, |(ids, sender)| format!(r#","user_id":{}"#, id(sender, ids)));
        let [name, channel] = [&event.event, &event.channel].map(|text| json_string(text));
        self.wire.frame(format!(r#"{{"event":{name},"channel":{channel},"data":{data}{user_id}}}"#))
    }

    fn own(&self, name: &str, channel: Option<&str>, data: &str, form: Form) -> Text {
        let channel = channel.map_or_else(String::new, |channel| format!(r#","channel":{}"#, json_string(channel)));
        let data = match form {
            Form::Absent => String::new(),
            Form::Object => format!(r#","data":{data}"#),
            Form::String => format!(r#","data":{}"#, json_string(data)),
        };
        self.wire.frame(format!(r#"{{"event":{}{channel}{data}}}"#, json_string(name)))
    }
}

impl Wire {
    /// A whole message. The characters that PHP escapes occur only in strings, so the JSON stays equivalent.
    fn frame(&self, json: String) -> Text {
        if !self.php || json.bytes().all(|byte| byte.is_ascii() && byte != b'/') {
            return json.into();
        }
        let mut escaped = String::with_capacity(json.len());
        for character in json.chars() {
            match character {
                '/' => escaped.push_str("\\/"),
                character if character.is_ascii() => escaped.push(character),
                character => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        escaped += &format!("\\u{unit:04x}");
                    }
                }
            }
        }
        escaped.into()
    }

    /// A value that the server read and writes again.
    pub(super) fn value<'a>(&self, json: &'a str) -> Cow<'a, str> {
        if !self.php {
            return Cow::Borrowed(json);
        }
        // JSON that is nested too deeply for the parser is too deep for PHP as well, and stays unchanged.
        serde_json::from_str::<Value>(json)
            .map_or(Cow::Borrowed(json), |value| Cow::Owned(php_arrays(value).to_string()))
    }
}

/// PHP does not distinguish an empty object, or one with the keys 0, 1, …, from an array. (PHP also considers the order
/// of the keys; here they are sorted.)
fn php_arrays(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let is_list = (0..fields.len()).all(|index| fields.contains_key(&index.to_string()));
            if is_list {
                let mut fields = fields;
                let items = (0..fields.len()).filter_map(|index| fields.remove(&index.to_string()));
                let items: Vec<Value> = items.map(php_arrays).collect();
                return Value::Array(items);
            }
            Value::Object(fields.into_iter().map(|(key, value)| (key, php_arrays(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(php_arrays).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn id(member: &Member, ids: Ids) -> String {
    let looks_numeric = || member.id.parse::<i64>().is_ok_and(|id| id.to_string() == member.id.as_str());
    match ids {
        Ids::Text => json_string(&member.id),
        Ids::Sent => member.id_json.to_string(),
        Ids::Numeric if looks_numeric() => member.id.to_string(),
        Ids::Numeric => json_string(&member.id),
    }
}

fn list(users: &BTreeSet<&Text>) -> String {
    let users: Vec<String> = users.iter().map(|user| json_string(user)).collect();
    format!("[{}]", users.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Dialect;
    use crate::server::message::{self, Message};

    fn forwarded(dialect: Dialect, sent: &str) -> String {
        let Ok(Message::ClientEvent(event)) = message::read(sent, false) else { panic!("{sent}") };
        let member = Member { id: "1".into(), id_json: "1".into(), info: None, data: Text::default() };
        let profile = dialect.profile();
        profile.client_event(&event, &profile.wire.value(event.data), Some(&member)).to_string()
    }

    #[test]
    fn forwards_the_data_of_a_client_event_as_it_was_sent() {
        let sent = r#"{"event":"client-\u0061","channel":"private-b","data":{"n": 12345678901234567890.10}}"#;
        let expected =
            r#"{"event":"client-a","channel":"private-b","data":{"n": 12345678901234567890.10},"user_id":"1"}"#;
        assert_eq!(forwarded(Dialect::Pusher, sent), expected);
    }

    #[test]
    fn reads_and_writes_json_as_php_does() {
        let sent = r#"{"event":"client-é/","channel":"private-b","data":{"0":{},"1":{"1":"😀"}}}"#;
        let expected = "{\"event\":\"client-\\u00e9\\/\",\"channel\":\"private-b\",\
                        \"data\":[[],{\"1\":\"\\ud83d\\ude00\"}],\"user_id\":1}";
        assert_eq!(forwarded(Dialect::Reverb, sent), expected);
    }

    #[test]
    fn tells_ids_as_each_server_does() {
        let member =
            |id: &str, json: &str| Member { id: id.into(), id_json: json.into(), info: None, data: Text::default() };
        let ids = [Ids::Text, Ids::Sent, Ids::Numeric];
        assert_eq!(ids.map(|ids| id(&member("2", "2"), ids)), ["\"2\"", "2", "2"]);
        assert_eq!(ids.map(|ids| id(&member("1", "\"1\""), ids)), ["\"1\"", "\"1\"", "1"]);
        assert_eq!(ids.map(|ids| id(&member("01", "\"01\""), ids)), ["\"01\"", "\"01\"", "\"01\""]);
    }
}
