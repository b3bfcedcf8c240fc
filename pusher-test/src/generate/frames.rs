//! Frames of servers: as they should be, and as they should not.

use pusher_proto::server::Dialect;
use serde_json::{Value, json};

use super::exchange::{CHANNELS, conversation};
use crate::Choices;

/// Returns one of the five dialects.
///
/// # Examples
///
/// ```
/// use pusher_proto::server::Dialect;
/// use pusher_test::{Choices, generate};
///
/// assert_eq!(generate::dialect(&mut Choices::from_bytes([])), Dialect::Pusher);
/// ```
pub fn dialect(choices: &mut Choices) -> Dialect {
    *choices.pick(&Dialect::ALL)
}

/// Returns a frame as a server of this dialect sends it: a greeting, an answer, an event, a member, a pong, an error.
///
/// It is about one of a few channels: `chat`, `private-a`, `presence-b`, `private-encrypted-c`, `cache-d` and
/// `presence-cache-e`.
///
/// # Examples
///
/// ```
/// use pusher_proto::server::Dialect;
/// use pusher_test::{Choices, generate};
///
/// let frame = generate::frame(&mut Choices::from_seed(1), Dialect::Soketi);
/// assert!(serde_json::from_str::<serde_json::Value>(&frame)?["event"].is_string());
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn frame(choices: &mut Choices, dialect: Dialect) -> String {
    let at = choices.below(1_000);
    let mut frames = conversation(choices, dialect);
    let at = at % frames.len().max(1);
    if frames.is_empty() { String::new() } else { frames.swap_remove(at) }
}

/// Returns a frame that no server should send: a damaged one of any dialect, or something else entirely. It is always UTF-8,
/// since the WebSocket layer guarantees that, and at most a few hundred kilobytes long.
///
/// # Examples
///
/// ```
/// use pusher_test::{Choices, generate};
///
/// let frame = generate::hostile_frame(&mut Choices::from_seed(1));
/// assert!(frame.len() < 500_000);
/// ```
pub fn hostile_frame(choices: &mut Choices) -> String {
    let dialect = dialect(choices);
    let mut frame = frame(choices, dialect);
    for _ in 0..=choices.below(3) {
        frame = mutated(choices, &frame);
    }
    frame
}

/// Returns the text with one change: characters or whole parts are removed, repeated or replaced, or, if it is a JSON object,
/// one of its fields gets another value.
///
/// # Examples
///
/// ```
/// use pusher_test::{Choices, generate};
///
/// let frame = generate::mutated(&mut Choices::from_bytes([0, 0]), r#"{"event":"e"}"#);
/// assert_eq!(frame, r#"{"channel":null,"event":"e"}"#);
/// ```
pub fn mutated(choices: &mut Choices, text: &str) -> String {
    match choices.below(10) {
        0..=3 => with_another_value(choices, text).unwrap_or_default(),
        4 => text[..position(choices, text)].to_owned(),
        5 => {
            let [from, to] = part(choices, text);
            format!("{}{}", &text[..from], &text[to..])
        }
        6 => {
            let [from, to] = part(choices, text);
            let most = MAX_REPEATED / (to - from).max(1);
            let count = choices.below(most.clamp(1, 3_000));
            format!("{}{}{}", &text[..to], text[from..to].repeat(count), &text[to..])
        }
        7 | 8 => {
            let at = position(choices, text);
            let mut rest = text[at..].chars();
            rest.next();
            format!("{}{}{}", &text[..at], choices.pick(&ODD), rest.as_str())
        }
        _ => (*choices.pick(&OTHER)).to_owned(),
    }
}

/// `None` if it is not a JSON object.
fn with_another_value(choices: &mut Choices, text: &str) -> Option<String> {
    let mut frame: Value = serde_json::from_str(text).ok()?;
    let field = *choices.pick(&["channel", "data", "event", "user_id", "data"]);
    let fields = frame.as_object_mut()?;
    let value = match choices.below(8) {
        0 => Value::Null,
        1 => json!({}),
        2 => json!(-1.5e300),
        3 => (*choices.pick(&CHANNELS)).into(),
        4 => (*choices.pick(&EVENTS)).into(),
        5 => json!([[], {"": [null]}]),
        // What is a string contains JSON in most frames; then it is an object, and the other way round.
        6 => match fields.get(field) {
            Some(Value::String(json)) => serde_json::from_str(json).unwrap_or_default(),
            value => value.map(Value::to_string).into(),
        },
        _ => {
            let data =
                json!({"code": choices.below(5_000), "message": choices.pick(&CHANNELS), "presence": {"ids": 7}});
            if choices.chance(128) { data.to_string().into() } else { data }
        }
    };
    fields.insert(field.to_owned(), value);
    Some(frame.to_string())
}

/// The position of a character, or the end.
fn position(choices: &mut Choices, text: &str) -> usize {
    let mut at = choices.below(65_536) * (text.len() + 1) / 65_536;
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn part(choices: &mut Choices, text: &str) -> [usize; 2] {
    let mut ends = [position(choices, text), position(choices, text)];
    ends.sort_unstable();
    ends
}

const EVENTS: [&str; 12] = [
    "pusher:connection_established",
    "pusher_internal:subscription_succeeded",
    "pusher:subscription_error",
    "pusher_internal:member_added",
    "pusher_internal:member_removed",
    "pusher_internal:subscription_count",
    "pusher:signin_success",
    "pusher:error",
    "pusher:ping",
    "pusher:cache_miss",
    "pusher_internal:watchlist_events",
    "",
];

const ODD: [&str; 12] = ["\"", "\\", "{", "}", "[", ",", "\0", "é", "\\ud800", "9", "\u{feff}", "\\\""];

const OTHER: [&str; 8] = ["", "null", "[]", "{}", "\"text\"", "{\"event\":{}}", "\u{feff}{}", "<html>502</html>"];

/// Bytes that one repetition adds at most.
const MAX_REPEATED: usize = 100_000;
