//! The reader of frames beside a naive one.

use pusher_proto::Event;
use serde_json::Value;

use crate::end::End;

/// Whatever the naive reader takes for an event of `chat` reaches the application with the same name and payload.
pub fn envelope(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some((event, payload)) = naive(text) else { return };
    let mut end = End::connected();
    end.receive(r#"{"event":"pusher_internal:subscription_succeeded","channel":"chat"}"#);
    end.events.clear();
    end.receive(text);
    let found = end.events.iter().find_map(|found| match found {
        Event::Channel(found) => Some(found),
        _ => None,
    });
    let found = found.unwrap_or_else(|| panic!("{text} was not delivered: {:?}", end.events));
    assert_eq!(found.event(), event);
    match payload {
        None => assert!(found.data().is_absent()),
        Some(Value::String(text)) => assert_eq!(found.data().text(), text),
        Some(value) => assert_eq!(serde_json::from_str::<Value>(found.data().raw()).expect("raw data is JSON"), value),
    }
}

/// Name and payload of a user event of `chat`.
fn naive(text: &str) -> Option<(String, Option<Value>)> {
    let value: Value = serde_json::from_str(text).ok()?;
    let event = value.as_object()?.get("event")?.as_str()?;
    let is_user_event = !event.starts_with("pusher") && value.get("channel")? == "chat";
    let payload = value.get("data").filter(|data| !data.is_null()).cloned();
    is_user_event.then(|| (event.to_owned(), payload))
}
