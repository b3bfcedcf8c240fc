//! The envelope of an event, in any of the forms that JSON allows.

use pusher_proto::ChannelName;
use serde_json::Value;

use super::names;
use crate::Choices;

/// A frame with an event, and its parts: what a reader of the frame has to find.
///
/// # Examples
///
/// ```
/// use pusher_test::{Choices, generate};
///
/// let envelope = generate::envelope(&mut Choices::from_seed(1));
/// let json: serde_json::Value = serde_json::from_str(&envelope.text)?;
/// assert_eq!(json["event"], envelope.event);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Envelope {
    /// The frame.
    pub text: String,
    /// The name of the event; not one of the protocol's own.
    pub event: String,
    /// The channel, if the event has one.
    pub channel: Option<ChannelName>,
    /// The payload as JSON, if there is one and it is not `null`. In most frames it is a string that contains JSON.
    pub data: Option<Value>,
    /// The user who sent it.
    pub user_id: Option<String>,
}

/// Returns an envelope. Its fields come in any order, with white space, escapes, and fields that the protocol does not have.
pub fn envelope(choices: &mut Choices) -> Envelope {
    let event = names::event_name(choices);
    let channel = (!choices.chance(32)).then(|| names::channel_name(choices));
    let data = (!choices.chance(24)).then(|| {
        let value = names::json_value(choices);
        if choices.chance(64) { value } else { value.to_string().into() }
    });
    let user_id = choices.chance(48).then(|| (*choices.pick(&["7", "ann", "é"])).to_owned());

    let mut fields = vec![("event", Value::from(event.as_str()))];
    fields.extend(channel.as_ref().map(|channel| ("channel", channel.as_str().into())));
    fields.extend(data.clone().map(|data| ("data", data)));
    fields.extend(user_id.as_deref().map(|id| ("user_id", id.into())));
    if choices.chance(32) {
        fields.push((*choices.pick(&["tags", "sequence", "", "Event"]), names::json_value(choices)));
    }
    let turn = choices.below(fields.len());
    fields.rotate_left(turn);
    let space = *choices.pick(&["", "", "", " ", "\n\t", "\r\n "]);
    let escapes = choices.chance(32);
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| {
            let value = value.to_string();
            let value = if escapes { escaped(&value) } else { value };
            format!("{space}\"{name}\"{space}:{space}{value}{space}")
        })
        .collect();
    Envelope {
        text: format!("{space}{{{}}}{space}", fields.join(",")),
        event,
        channel,
        data: data.filter(|data| !data.is_null()),
        user_id,
    }
}

/// The same JSON with everything beyond ASCII as escapes, as PHP writes it.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}
