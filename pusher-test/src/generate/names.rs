//! Names and payloads.

use pusher_proto::{ChannelName, ClientEventName};
use serde_json::{Value, json};

use crate::Choices;

/// Returns a valid name of a channel of any kind, with or without `cache-`. Some have up to 1,024 bytes, and some have
/// characters that hosted Pusher does not accept.
///
/// # Examples
///
/// ```
/// use pusher_test::{Choices, generate};
///
/// let name = generate::channel_name(&mut Choices::from_seed(1));
/// assert!(pusher_proto::ChannelName::new(name.as_str()).is_ok());
/// ```
pub fn channel_name(choices: &mut Choices) -> ChannelName {
    let is_portable = !choices.chance(64);
    named(choices, is_portable, if is_portable { MAX_PORTABLE_LEN } else { ChannelName::MAX_LEN })
}

/// Returns a name of a channel that hosted Pusher accepts as well: at most 164 characters of `A-Z a-z 0-9 _ - = @ , . ;`.
///
/// # Examples
///
/// ```
/// use pusher_test::{Choices, generate};
///
/// assert!(generate::portable_channel_name(&mut Choices::from_seed(1)).is_portable());
/// ```
pub fn portable_channel_name(choices: &mut Choices) -> ChannelName {
    named(choices, true, MAX_PORTABLE_LEN)
}

fn named(choices: &mut Choices, is_portable: bool, max_len: usize) -> ChannelName {
    let mut name = format!("{}{}", choices.pick(&PREFIXES), choices.pick(&WORDS));
    extend(choices, &mut name, if is_portable { &PORTABLE } else { &ANY }, max_len);
    ChannelName::new(name).expect("a prefix, a word and printable characters are a name")
}

/// Returns a text that is not the name of a channel: blank, too long, reserved, or with a control character.
///
/// # Examples
///
/// ```
/// use pusher_test::{Choices, generate};
///
/// let name = generate::invalid_channel_name(&mut Choices::from_seed(1));
/// assert!(pusher_proto::ChannelName::new(name).is_err());
/// ```
pub fn invalid_channel_name(choices: &mut Choices) -> String {
    let name = channel_name(choices);
    match choices.below(5) {
        0 => String::new(),
        1 => " ".repeat(1 + choices.below(8)),
        2 => format!("#{name}"),
        3 => format!("{name}{}", "x".repeat(ChannelName::MAX_LEN + 1 - name.as_str().len())),
        _ => with_control(choices, name.as_str()),
    }
}

/// Returns the name of an event of the application: not empty, and not one of the protocol's own, which begin with `pusher`.
///
/// # Examples
///
/// ```
/// use pusher_test::{Choices, generate};
///
/// assert!(!generate::event_name(&mut Choices::from_seed(1)).starts_with("pusher"));
/// ```
pub fn event_name(choices: &mut Choices) -> String {
    let mut name =
        (*choices.pick(&["e", "message", "App\\Events\\Sent", "a b", "client-e", "é", ".created"])).to_owned();
    extend(choices, &mut name, &ANY, ClientEventName::MAX_LEN);
    name
}

/// Returns a valid name of a client event, of at most 200 bytes.
///
/// # Examples
///
/// ```
/// use pusher_test::{Choices, generate};
///
/// assert!(generate::client_event_name(&mut Choices::from_seed(1)).as_str().starts_with("client-"));
/// ```
pub fn client_event_name(choices: &mut Choices) -> ClientEventName {
    let mut name = format!("client-{}", choices.pick(&WORDS));
    extend(choices, &mut name, &ANY, ClientEventName::MAX_LEN);
    ClientEventName::new(name).expect("the prefix and printable characters are a name")
}

/// Returns a text that is not the name of a client event: without `client-`, too long, or with a control character.
///
/// # Examples
///
/// ```
/// use pusher_test::{Choices, generate};
///
/// let name = generate::invalid_client_event_name(&mut Choices::from_seed(1));
/// assert!(pusher_proto::ClientEventName::new(name).is_err());
/// ```
pub fn invalid_client_event_name(choices: &mut Choices) -> String {
    let name = client_event_name(choices);
    match choices.below(5) {
        0 => String::new(),
        1 => name.as_str().replacen("client-", "", 1).replacen("client-", "", 1),
        2 => name.as_str().replacen("client-", "Client-", 1),
        3 => format!("{}{}", name.as_str(), "x".repeat(ClientEventName::MAX_LEN + 1 - name.as_str().len())),
        _ => with_control(choices, name.as_str()),
    }
}

/// Returns the `user_data` of a sign-in: JSON with an `id`, and often with `user_info` and a `watchlist`.
///
/// # Examples
///
/// ```
/// use pusher_test::{Choices, generate};
///
/// let user = generate::user_data(&mut Choices::from_seed(1));
/// assert!(serde_json::from_str::<serde_json::Value>(&user)?["id"].is_string());
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn user_data(choices: &mut Choices) -> String {
    let mut data = json!({"id": user_id(choices)});
    if choices.chance(128) {
        data["user_info"] = json!({"name": choices.pick(&USERS), "more": json_value(choices)});
    }
    if choices.chance(64) {
        let friends: Vec<_> = (0..choices.below(4)).map(|_| user_id(choices)).collect();
        data["watchlist"] = friends.into();
    }
    data.to_string()
}

/// Returns the `channel_data` of a presence channel: JSON with a `user_id`, and often with `user_info`.
///
/// # Examples
///
/// ```
/// use pusher_test::{Choices, generate};
///
/// let member = generate::channel_data(&mut Choices::from_seed(1));
/// assert!(serde_json::from_str::<serde_json::Value>(&member)?["user_id"].is_string());
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn channel_data(choices: &mut Choices) -> String {
    let mut data = json!({"user_id": user_id(choices)});
    if choices.chance(192) {
        data["user_info"] = json!({"name": choices.pick(&USERS), "more": json_value(choices)});
    }
    data.to_string()
}

fn user_id(choices: &mut Choices) -> String {
    (*choices.pick(&USERS)).to_owned()
}

/// Returns a JSON text: mostly an object, at most three levels deep and a few hundred bytes long.
///
/// # Examples
///
/// ```
/// use pusher_test::{Choices, generate};
///
/// let json = generate::json(&mut Choices::from_seed(1));
/// serde_json::from_str::<serde_json::Value>(&json)?;
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn json(choices: &mut Choices) -> String {
    json_value(choices).to_string()
}

pub(super) fn json_value(choices: &mut Choices) -> Value {
    nested(choices, 3)
}

fn nested(choices: &mut Choices, depth: usize) -> Value {
    if depth > 0 && choices.chance(if depth == 3 { 200 } else { 90 }) {
        let len = choices.below(4);
        return if choices.chance(64) {
            (0..len).map(|_| nested(choices, depth - 1)).collect()
        } else {
            let keys = ["id", "text", "data", "event", "channel", "é", ""];
            Value::Object((0..len).map(|_| ((*choices.pick(&keys)).to_owned(), nested(choices, depth - 1))).collect())
        };
    }
    match choices.below(7) {
        0 => json!({}),
        1 => (choices.below(10_000) as u64).into(),
        2 => Value::Null,
        3 => choices.chance(128).into(),
        4 => json!(0.25 - choices.below(100) as f64),
        5 => json!(u64::MAX),
        _ => {
            let mut text = String::new();
            extend(choices, &mut text, &ANY, 200);
            text.into()
        }
    }
}

/// Appends up to 15 characters, rarely until there are `max_len` bytes.
fn extend(choices: &mut Choices, name: &mut String, from: &[&str], max_len: usize) {
    let count = choices.below(16);
    for _ in 0..count {
        let next = choices.pick(from);
        if name.len() + next.len() <= max_len {
            name.push_str(next);
        }
    }
    if choices.chance(6) && name.len() < max_len {
        name.push_str(&"x".repeat(max_len - name.len()));
    }
}

fn with_control(choices: &mut Choices, name: &str) -> String {
    let mut name = name.to_owned();
    let at = name.char_indices().map(|(at, _)| at).nth(choices.below(8)).unwrap_or(name.len());
    name.insert(at, *choices.pick(&['\n', '\0', '\u{7f}', '\u{85}']));
    name
}

const PREFIXES: [&str; 8] = [
    "",
    "private-",
    "presence-",
    "private-encrypted-",
    "cache-",
    "private-cache-",
    "presence-cache-",
    "private-encrypted-cache-",
];

const WORDS: [&str; 6] = ["chat", "room", "a", "orders.7", "0", "Private-x"];

const USERS: [&str; 6] = ["ann", "bob", "7", "0", "é", "user 8"];

const PORTABLE: [&str; 12] = ["a", "Z", "0", "_", "-", "=", "@", ",", ".", ";", "cache-", "encrypted-"];

const ANY: [&str; 16] =
    ["a", "Z", "0", " ", "#", ":", "/", "\"", "\\", "é", "漢", "😀", "\u{301}", "&", "client-", "\u{2028}"];

/// The longest name that hosted Pusher accepts (Pusher docs, *Channel naming conventions*).
const MAX_PORTABLE_LEN: usize = 164;
