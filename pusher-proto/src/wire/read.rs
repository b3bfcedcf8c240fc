//! The content of the protocol's own events, parsed as leniently as real servers require.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::str::FromStr;
use core::time::Duration;

use serde_json::value::RawValue;

use super::object;
use crate::excerpt::excerpt;
use crate::{Data, ServerError, SocketId, Text};

/// The content of `pusher:connection_established`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Established {
    pub(crate) socket_id: Option<SocketId>,
    pub(crate) activity_timeout: Option<Duration>,
}

pub(crate) fn established(data: &Data) -> Established {
    let text = inner(data);
    let [socket_id, activity_timeout] = object::fields(&text, ["socket_id", "activity_timeout"]).unwrap_or_default();
    let socket_id = socket_id.and_then(|raw| SocketId::new(id(raw)?.into_owned()).ok());
    let seconds = activity_timeout.and_then(number::<f64>).filter(|seconds| *seconds > 0.0);
    Established { socket_id, activity_timeout: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) }
}

/// The content of `pusher:error`.
pub(crate) fn error(data: &Data) -> ServerError {
    let text = inner(data);
    match object::fields(&text, ["message", "code"]) {
        None => ServerError { code: None, message: short(&text) },
        Some([message, code]) => ServerError { code: code.and_then(number), message: short(&words(message)) },
    }
}

/// The content of `pusher:subscription_error`: its status is the code.
pub(crate) fn subscription_error(data: &Data) -> ServerError {
    let text = inner(data);
    match object::fields(&text, ["error", "message", "type", "status", "code"]) {
        None => ServerError { code: None, message: short(&text) },
        Some([error, message, kind, status, code]) => {
            ServerError { code: status.or(code).and_then(number), message: short(&words(error.or(message).or(kind))) }
        }
    }
}

/// The content of `pusher_internal:subscription_count`.
pub(crate) fn subscription_count(data: &Data) -> Option<u64> {
    let text = inner(data);
    let [count] = object::fields(&text, ["subscription_count"])?;
    count.and_then(number)
}

/// The member of a `member_added` or `member_removed`, with the info as JSON.
pub(crate) fn member(data: &Data) -> Option<(String, String)> {
    member_of(&inner(data))
}

/// The member that a `channel_data` names.
pub(crate) fn member_of(channel_data: &str) -> Option<(String, String)> {
    let [user_id, user_info] = object::fields(channel_data, ["user_id", "user_info"])?;
    let id = id(user_id?).filter(|id| !id.is_empty())?;
    Some((id.into_owned(), user_info.map_or("null", RawValue::get).to_string()))
}

/// Nonce and ciphertext of an encrypted payload, both in base64.
#[cfg(feature = "encryption")]
pub(crate) fn sealed(data: &Data) -> Option<(String, String)> {
    let text = inner(data);
    let [nonce, ciphertext] = object::fields(&text, ["nonce", "ciphertext"])?;
    Some((object::string(nonce?)?.into_owned(), object::string(ciphertext?)?.into_owned()))
}

/// The user of a `pusher:signin_success`: id and data.
pub(crate) fn signed_in(data: &Data) -> Option<(String, String)> {
    let text = inner(data);
    let [user_data] = object::fields(&text, ["user_data"])?;
    let user_data = object::string(user_data?).map_or_else(|| user_data.map(|raw| raw.get().into()), Some)?;
    let id = user_id(&user_data)?;
    Some((id, user_data.into_owned()))
}

/// The id that a `user_data` names.
pub(crate) fn user_id(user_data: &str) -> Option<String> {
    let [id] = object::fields(user_data, ["id"])?;
    Some(id.and_then(self::id).filter(|id| !id.is_empty())?.into_owned())
}

/// Passes on each change in a watchlist notice: name, users, and the entry as it was sent.
pub(crate) fn watchlist(data: &Data, mut each: impl FnMut(Text, Vec<Text>, Data)) {
    let text = inner(data);
    let Some([Some(events)]) = object::fields(&text, ["events"]) else { return };
    object::each(events.get(), |entry| {
        let Some([Some(name)]) = object::fields(entry.get(), ["name"]) else { return };
        let (Some(name), Ok(entry)) = (object::string(name), Data::from_json(entry.get())) else { return };
        let name = Text::from(name.as_ref());
        if !user_ids(&entry, |ids| each(name.clone(), ids, entry.clone())) {
            each(name, Vec::new(), entry);
        }
    });
}

/// Passes on the `user_ids` of one change, 1,000 at a time, because an id of one digit takes 30 times as much memory as
/// in its frame. Returns whether there is a list.
pub(crate) fn user_ids(data: &Data, mut each: impl FnMut(Vec<Text>)) -> bool {
    let text = inner(data);
    let Some([Some(list)]) = object::fields(&text, ["user_ids"]) else { return false };
    let mut ids = Vec::new();
    let is_list = object::each(list.get(), |raw| {
        let Some(id) = id(raw) else { return };
        if ids.len() == MAX_USER_IDS {
            each(core::mem::take(&mut ids));
        }
        ids.push(id.as_ref().into());
    });
    if is_list {
        each(ids);
    }
    is_list
}

/// The channel for the events for a user.
pub(crate) fn server_to_user(id: &str) -> String {
    alloc::format!("{SERVER_TO_USER}{id}")
}

/// Prefix of the channels of signed-in users. Some servers confirm a subscription to them without a request.
pub const SERVER_TO_USER: &str = "#server-to-user-";

/// An id: a string, or a number as its digits.
pub(crate) fn id(raw: &RawValue) -> Option<Cow<'_, str>> {
    let json = raw.get();
    match json.as_bytes().first()? {
        b'"' => object::string(raw),
        b'-' | b'0'..=b'9' => Some(digits(json)),
        _ => None,
    }
}

/// A number without exponent and without `.0`, if it is an integer that can be represented exactly.
fn digits(number: &str) -> Cow<'_, str> {
    if number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return Cow::Borrowed(number);
    }
    match number.parse::<f64>() {
        Ok(value) if value.abs() < EXACT_INTEGERS && value == (value as i64) as f64 => {
            Cow::Owned((value as i64).to_string())
        }
        _ => Cow::Borrowed(number),
    }
}

/// The JSON in an internal event: unwrapped, and unwrapped again if the string contains another string.
pub(crate) fn inner(data: &Data) -> Cow<'_, str> {
    let text = data.text();
    if !text.trim_start().starts_with('"') {
        return text;
    }
    match serde_json::from_str::<String>(&text) {
        Ok(inner) => Cow::Owned(inner),
        Err(_) => text,
    }
}

/// A number, or a string of its digits.
fn number<T: FromStr>(raw: &RawValue) -> Option<T> {
    raw.get().trim_matches('"').trim().parse().ok()
}

/// A message, whatever its type.
fn words(raw: Option<&RawValue>) -> Cow<'_, str> {
    raw.map_or(Cow::Borrowed(""), |raw| object::string(raw).unwrap_or(Cow::Borrowed(raw.get())))
}

/// Shortens a message: one that is kept in states and errors must not be as long as a frame.
fn short(message: &str) -> Text {
    excerpt(message, MAX_MESSAGE_LEN).into()
}

/// Integers below this are exact in a double: 2^53.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;

/// The largest number of users in one watchlist event; hosted Pusher allows 100 on a watchlist.
const MAX_USER_IDS: usize = 1_000;

/// Longest message of a server that is kept, in bytes.
const MAX_MESSAGE_LEN: usize = 1_024;

/// Whether an error refuses a change of a member's info, and so no subscription, though it names no channel (Sockudo 5.2.0).
pub(crate) fn is_about_presence_update(error: &ServerError) -> bool {
    error.message.starts_with("presence_update ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(json: &str) -> Data {
        Data::from_json(json).unwrap()
    }

    #[test]
    fn a_list_of_users_of_any_length_is_passed_on_whole_and_in_order() {
        for len in [0, 1, MAX_USER_IDS - 1, MAX_USER_IDS, MAX_USER_IDS + 1, 2 * MAX_USER_IDS, 2 * MAX_USER_IDS + 1] {
            let ids: Vec<String> = (0..len).map(|id| alloc::format!("user-{id}")).collect();
            let quoted: Vec<String> = ids.iter().map(|id| alloc::format!("{id:?}")).collect();
            let list = alloc::format!(r#"{{"name":"online","user_ids":[{}]}}"#, quoted.join(","));
            let mut passed = Vec::new();
            let mut largest = 0;
            assert!(user_ids(&Data::from_json(&list).unwrap(), |ids| {
                largest = largest.max(ids.len());
                passed.extend(ids.iter().map(ToString::to_string));
            }));
            assert_eq!(passed, ids);
            let mut noticed = Vec::new();
            let notice = alloc::format!(r#"{{"events":[{list},{list}]}}"#);
            watchlist(&Data::from_json(&notice).unwrap(), |name, ids, entry| {
                assert_eq!((name.as_str(), entry.raw()), ("online", list.as_str()));
                noticed.extend(ids.iter().map(ToString::to_string));
            });
            assert_eq!(noticed, [ids.clone(), ids].concat());
            assert!(largest <= MAX_USER_IDS);
        }
    }

    #[test]
    fn takes_the_greeting_in_every_form() {
        let established = |id: Option<&str>, millis: Option<u64>| Established {
            socket_id: id.map(|id| SocketId::new(id).unwrap()),
            activity_timeout: millis.map(Duration::from_millis),
        };
        let table = [
            (r#"{"socket_id":"1.2","activity_timeout":30}"#, established(Some("1.2"), Some(30_000))),
            (r#""{\"socket_id\":\"1.2\",\"activity_timeout\":120}""#, established(Some("1.2"), Some(120_000))),
            (r#""\"{\\\"socket_id\\\":\\\"1.2\\\"}\"""#, established(Some("1.2"), None)),
            (r#"{"socket_id":12,"activity_timeout":"0.5"}"#, established(Some("12"), Some(500))),
            (r#"{"socket_id":"","activity_timeout":0}"#, established(None, None)),
            (r#"{"socket_id":null,"activity_timeout":-1}"#, established(None, None)),
            (r#"{"socket_id":"1.2","activity_timeout":1e300}"#, established(Some("1.2"), None)),
            ("[]", established(None, None)),
        ];
        for (json, expected) in table {
            assert_eq!(super::established(&data(json)), expected, "{json}");
        }
    }

    #[test]
    fn takes_errors_in_every_form() {
        let table = [
            (r#"{"message":"m","code":4001}"#, Some(4001), "m"),
            (r#""{\"message\":\"m\",\"code\":\"4200\"}""#, Some(4200), "m"),
            (r#"{"message":"m","code":null}"#, None, "m"),
            (r#"{"code":4009}"#, Some(4009), ""),
            (r#""just words""#, None, "just words"),
            (r#"{"message":"m","code":-1}"#, None, "m"),
            ("{}", None, ""),
        ];
        for (json, code, message) in table {
            assert_eq!(error(&data(json)), ServerError { code, message: message.into() }, "{json}");
        }
        let refused = subscription_error(&data(r#"{"type":"AuthError","error":"no","status":401}"#));
        assert_eq!(refused, ServerError { code: Some(401), message: "no".into() });
    }

    #[test]
    fn takes_ids_as_strings_and_numbers() {
        let table = [
            (r#"{"user_id":"7"}"#, Some(("7", "null"))),
            (r#"{"user_id":7,"user_info":{"a":1}}"#, Some(("7", r#"{"a":1}"#))),
            (r#"{"user_id":7.0,"user_info":[]}"#, Some(("7", "[]"))),
            (r#"{"user_id":1e3}"#, Some(("1000", "null"))),
            (r#"{"user_id":12345678901234567890}"#, Some(("12345678901234567890", "null"))),
            (r#"{"user_id":1.5}"#, Some(("1.5", "null"))),
            (r#"{"user_id":-5}"#, Some(("-5", "null"))),
            (r#"{"user_id":1e300}"#, Some(("1e300", "null"))),
            (r#"{"user_id":""}"#, None),
            (r#"{"user_id":null}"#, None),
            (r#"{"user_info":{}}"#, None),
            ("[]", None),
        ];
        for (json, expected) in table {
            let expected = expected.map(|(id, info)| (id.to_string(), info.to_string()));
            assert_eq!(member(&data(json)), expected, "{json}");
        }
    }

    #[test]
    fn a_count_of_zero_is_a_count() {
        assert_eq!(subscription_count(&data(r#""{\"subscription_count\":0}""#)), Some(0));
        assert_eq!(subscription_count(&data(r#"{"subscription_count":null}"#)), None);
    }
}
