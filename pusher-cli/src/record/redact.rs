//! What applications publish, and who their users are, in a recording that hides it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// Replaces payloads by texts of the same length, and users by numbers.
#[derive(Default)]
pub(super) struct Redactor(BTreeMap<String, String>);

#[derive(Deserialize)]
struct Envelope<'a> {
    event: String,
    channel: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    user_id: Option<Value>,
}

impl Redactor {
    /// Returns a frame without what it is about. `None` if it contains nothing to replace.
    pub(super) fn frame(&mut self, text: &str) -> Option<String> {
        let Ok(Envelope { event, channel, data, user_id }) = serde_json::from_str(text) else {
            // The core refuses it too, in most cases, and then its length is all that matters.
            return Some("x".repeat(text.len()));
        };
        let mut frame = json!({ "event": event });
        let user = channel.as_deref().and_then(|channel| channel.strip_prefix(USER_CHANNEL)).map(str::to_owned);
        if let Some(user) = &user {
            frame["channel"] = format!("{USER_CHANNEL}{}", self.name(user)).into();
        } else if let Some(channel) = channel {
            frame["channel"] = channel.into();
        }
        if let Some(mut id) = user_id {
            self.user(&mut id);
            frame["user_id"] = id;
        }
        if event.starts_with("pusher:") || event.starts_with("pusher_internal:") {
            if user.is_none() && !HAVE_USERS.iter().any(|part| event.contains(part)) {
                return text.contains(USER_CHANNEL).then(|| self.complaint(text)).flatten();
            }
            frame["data"] = self.data(data.map_or("null", RawValue::get));
        } else if let Some(data) = data {
            frame["data"] = payload(data);
        }
        Some(frame.to_string())
    }

    /// Returns a frame whose payload is sealed without the rest of what it is about.
    pub(super) fn sealed(&mut self, text: &str) -> Option<String> {
        let Envelope { event, channel, data, user_id } = serde_json::from_str(text).ok()?;
        let data: Value = serde_json::from_str(data?.get()).ok()?;
        let mut frame = json!({ "event": event, "channel": channel, "data": data });
        if let Some(mut id) = user_id {
            self.user(&mut id);
            frame["user_id"] = id;
        }
        Some(frame.to_string())
    }

    /// Returns a message for the server, in which the user's own channel has its real name.
    pub(super) fn send(&self, text: &str) -> Option<String> {
        let mut message: Value = serde_json::from_str(text).ok().filter(|_| text.contains(USER_CHANNEL))?;
        let channel = message.get_mut("data")?.get_mut("channel")?;
        let name = channel.as_str()?.strip_prefix(USER_CHANNEL)?;
        let (id, _) = self.0.iter().find(|(_, known)| *known == name)?;
        *channel = format!("{USER_CHANNEL}{id}").into();
        Some(message.to_string())
    }

    /// A message that names the channel of a user somewhere.
    fn complaint(&mut self, text: &str) -> Option<String> {
        let mut message = serde_json::from_str(text).ok()?;
        replace_texts(&mut message, &mut |text| self.text(text));
        Some(message.to_string())
    }

    /// Returns a sentence in which users' own channels have their new names.
    pub(super) fn text(&mut self, text: &str) -> String {
        let (mut shown, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once(USER_CHANNEL) {
            let id = self.id_at_start(after);
            shown.extend([before, USER_CHANNEL]);
            if !id.is_empty() {
                shown.push_str(&self.name(id));
            }
            rest = &after[id.len()..];
        }
        shown + rest
    }

    /// The id of the user with which a text begins. Where it ends is not certain: an id may begin with another one, and may
    /// contain spaces.
    fn id_at_start<'a>(&self, text: &'a str) -> &'a str {
        let of_channel = |character: char| character.is_ascii_alphanumeric() || "_-=@,.;".contains(character);
        let word = &text[..text.find(|character| !of_channel(character)).unwrap_or(text.len())];
        // The rest of a sentence follows.
        let word = word.trim_end_matches(['.', ',', ';']);
        let known = self.0.keys().filter(|id| id.len() > word.len() && text.starts_with(id.as_str()));
        known.map(String::len).max().map_or(word, |len| &text[..len])
    }

    /// Returns `channel_data` or `user_data` with the same users, by number.
    pub(super) fn user_data(&mut self, text: &str) -> String {
        match serde_json::from_str::<Value>(text) {
            // Each level of quotes doubles the length, so there are few.
            Ok(Value::String(inner)) => Value::String(self.user_data(&inner)).to_string(),
            Ok(mut data) => {
                self.walk(&mut data);
                data.to_string()
            }
            Err(_) => "x".repeat(text.len()),
        }
    }

    /// The data of a message about users: JSON, or JSON in a string.
    fn data(&mut self, raw: &str) -> Value {
        match serde_json::from_str(raw) {
            Ok(Value::String(text)) => Value::String(self.user_data(&text)),
            Ok(mut data) => {
                self.walk(&mut data);
                data
            }
            Err(_) => Value::Null,
        }
    }

    /// Replaces everything that is not known to be part of the protocol.
    fn walk(&mut self, value: &mut Value) {
        let Value::Object(fields) = value else { return clear(value) };
        for (name, value) in fields {
            match name.as_str() {
                "id" | "user_id" => self.user(value),
                "ids" | "user_ids" | "watchlist" => match value {
                    Value::Array(ids) => ids.iter_mut().for_each(|id| self.user(id)),
                    id => self.user(id),
                },
                "hash" => self.roster(value),
                "presence" => self.walk(value),
                "events" => match value {
                    Value::Array(events) => events.iter_mut().for_each(|event| self.watched(event)),
                    other => clear(other),
                },
                "user_data" | "channel_data" => match value {
                    Value::String(text) => *text = self.user_data(text),
                    other => self.walk(other),
                },
                "count" if value.is_number() => {}
                _ => clear(value),
            }
        }
    }

    /// Users of the watchlist who have come or gone.
    fn watched(&mut self, event: &mut Value) {
        let name = event.get("name").filter(|name| name.is_string()).cloned();
        self.walk(event);
        if let (Some(name), Some(place)) = (name, event.get_mut("name")) {
            *place = name;
        }
    }

    /// The members of a presence channel: their infos by id.
    fn roster(&mut self, value: &mut Value) {
        let Value::Object(members) = value else {
            // PHP writes an empty object so.
            let is_empty = value.as_array().is_some_and(Vec::is_empty);
            if !is_empty {
                clear(value);
            }
            return;
        };
        let mut replaced = Map::new();
        for (id, info) in std::mem::take(members) {
            let info = if info.is_null() { info } else { blank(&info.to_string()) };
            replaced.insert(self.name(&id), info);
        }
        *members = replaced;
    }

    fn user(&mut self, id: &mut Value) {
        let text = match &*id {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return clear(id),
        };
        *id = self.name(&text).into();
    }

    /// The same user has the same name everywhere in a recording.
    fn name(&mut self, id: &str) -> String {
        let next = self.0.len() + 1;
        self.0.entry(id.to_owned()).or_insert_with(|| format!("user-{next}")).clone()
    }
}

/// Replaces all texts of a value, but not the names of its fields. A text may be JSON itself, which keeps its form if
/// nothing in it changes. Returns whether anything has changed.
pub(super) fn replace_texts(value: &mut Value, replaced: &mut dyn FnMut(&str) -> String) -> bool {
    match value {
        Value::String(text) => {
            let new = match serde_json::from_str::<Value>(text) {
                // Each level of quotes doubles the length, so there are few.
                Ok(mut inner @ (Value::Object(_) | Value::Array(_) | Value::String(_))) => {
                    if !replace_texts(&mut inner, replaced) {
                        return false;
                    }
                    inner.to_string()
                }
                _ => replaced(text),
            };
            let changed = new != *text;
            *text = new;
            changed
        }
        Value::Array(values) => {
            values.iter_mut().map(|value| replace_texts(value, replaced)).filter(|changed| *changed).count() > 0
        }
        Value::Object(fields) => {
            fields.values_mut().map(|value| replace_texts(value, replaced)).filter(|changed| *changed).count() > 0
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Returns JSON of this many bytes that says nothing.
pub(super) fn filler(len: usize) -> String {
    match len {
        0 => String::new(),
        1 => "0".to_owned(),
        len => format!("\"{}\"", "x".repeat(len - 2)),
    }
}

/// A payload of the same length. JSON in a string stays that.
pub(super) fn payload(data: &RawValue) -> Value {
    match serde_json::from_str::<String>(data.get()) {
        Ok(text) => filler(text.len()).into(),
        Err(_) => blank(data.get()),
    }
}

/// Replaces a value by a string of the same length, unless it is nothing.
fn clear(value: &mut Value) {
    if !value.is_null() {
        *value = blank(&value.to_string());
    }
}

/// A string that is as long as this JSON.
fn blank(json: &str) -> Value {
    "x".repeat(json.len().saturating_sub(2)).into()
}

/// What the name of a user's own channel begins with.
const USER_CHANNEL: &str = "#server-to-user-";

/// Parts of the names of the protocol's messages that are about users.
const HAVE_USERS: [&str; 4] = ["member_", "subscription_succeeded", "signin_success", "watchlist_events"];

#[cfg(test)]
mod tests;
