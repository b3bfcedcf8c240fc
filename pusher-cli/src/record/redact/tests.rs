use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Redactor, USER_CHANNEL};

/// Ids of which some begin with others, look like their replacements, are numbers, or contain what JSON escapes.
const IDS: [&str; 9] = ["1", "12", "123", "user-1", "user-2", "a b", "a", "q\"x", "ä\\u"];

/// Frames about a user, each with the place where its id is; the data is JSON in a string.
fn frames(id: &str) -> Vec<Value> {
    let own = format!("{USER_CHANNEL}{id}");
    let within =
        |event: &str, data: Value| json!({ "event": event, "channel": "presence-a", "data": data.to_string() });
    vec![
        within("pusher_internal:member_added", json!({ "user_id": id, "user_info": { "name": id } })),
        within("pusher_internal:member_removed", json!({ "user_id": id })),
        within(
            "pusher_internal:subscription_succeeded",
            json!({ "presence": { "count": 1, "ids": [id], "hash": { id: { "name": id } } } }),
        ),
        within("pusher:signin_success", json!({ "user_data": json!({ "id": id, "watchlist": [id] }).to_string() })),
        within("pusher:watchlist_events", json!({ "events": [{ "name": "online", "user_ids": [id] }] })),
        json!({ "event": "client-typing", "channel": "presence-a", "data": "\"xx\"", "user_id": id }),
        json!({ "event": "news", "channel": own, "data": "\"xx\"" }),
        within("pusher:error", json!({ "code": 4009, "message": own })),
        json!({ "event": "pusher:error", "data": { "code": 4009, "message": own } }),
    ]
}

/// Takes the texts out of a value that contain JSON themselves.
fn opened(value: Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => opened(inner),
            _ => Value::String(text),
        },
        Value::Array(values) => values.into_iter().map(opened).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, opened(value))).collect(),
        value => value,
    }
}

/// The frame as it was, but with a name for each id, and with infos of the same length that say nothing.
fn expected(frame: Value, id: &str, name: &str) -> Value {
    let renamed = |value| expected(value, id, name);
    match frame {
        Value::String(text) if text == id => name.into(),
        Value::String(text) if text == format!("{USER_CHANNEL}{id}") => format!("{USER_CHANNEL}{name}").into(),
        Value::Array(values) => values.into_iter().map(renamed).collect(),
        Value::Object(fields) => {
            let blank = |info: &Value| Value::from("x".repeat(info.to_string().len() - 2));
            let field = |(field, value): (String, Value)| match field.as_str() {
                "user_info" => (field, blank(&value)),
                _ if field == id => (name.to_owned(), blank(&value)),
                _ => (field, renamed(value)),
            };
            fields.into_iter().map(field).collect()
        }
        value => value,
    }
}

#[test]
fn each_user_has_one_name_in_all_frames_and_no_two_users_have_the_same() {
    for first in IDS {
        for last in IDS {
            let (mut redactor, mut names) = (Redactor::default(), BTreeSet::new());
            for id in [first, "somebody", last] {
                for frame in frames(id) {
                    let text = frame.to_string();
                    let shown = redactor.frame(&text).unwrap_or(text);
                    let shown: Value = serde_json::from_str(&shown).unwrap();
                    let name = redactor.name(id);
                    assert_eq!(opened(shown), expected(opened(frame), id, &name), "{id} after {first}");
                    names.insert((id, name));
                }
            }
            let users: BTreeSet<_> = names.iter().map(|(id, _)| id).collect();
            let shown: BTreeSet<_> = names.iter().map(|(_, name)| name).collect();
            assert_eq!((names.len(), shown.len()), (users.len(), users.len()), "{names:?}");
        }
    }
}

#[test]
fn a_sentence_names_no_user_whether_known_or_not() {
    let mut redactor = Redactor::default();
    for (number, id) in (1..).zip(["zq", "user-1", "zq 7", "zq\"8", "zq 7x"]) {
        assert_eq!(redactor.name(id), format!("user-{number}"));
    }
    let own = |text: &str| text.replace('@', USER_CHANNEL);
    for (said, shown) in [
        ("@zq", "@user-1"),
        ("no @zq, and no @user-1.", "no @user-1, and no @user-2."),
        ("@zq 7 is not signed in", "@user-3 is not signed in"),
        ("\"@zq\"8\"", "\"@user-4\""),
        ("@zq 7x is not", "@user-5 is not"),
        ("@zq.7 and @zqx: unknown", "@user-6 and @user-7: unknown"),
        ("@ alone", "@ alone"),
        ("@zq@zq", "@user-1@user-1"),
    ] {
        assert_eq!(redactor.text(&own(said)), own(shown), "{said}");
    }
}
