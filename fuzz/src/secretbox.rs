//! Payloads of encrypted channels.

use pusher_proto::Event;

use crate::end::End;

/// Nothing that the key did not seal reaches the application.
pub fn secretbox(data: &[u8]) {
    let mut end = End::connected();
    end.receive(r#"{"event":"pusher_internal:subscription_succeeded","channel":"private-encrypted-c"}"#);
    end.events.clear();
    let payload = String::from_utf8_lossy(data);
    for payload in [payload.as_ref(), &serde_json::Value::from(payload.as_ref()).to_string()] {
        end.receive(&format!(r#"{{"event":"e","channel":"private-encrypted-c","data":{payload}}}"#));
    }
    let is_event = |event: &&Event| matches!(event, Event::Channel(event) if event.event() == "e");
    assert_eq!(end.events.iter().find(is_event), None, "a payload that nobody sealed");
}
