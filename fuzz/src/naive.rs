//! A slow and simple frame parser that follows the protocol literally.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// A frame that is an event.
pub(crate) struct Fields {
    pub(crate) event: String,
    pub(crate) channel: Option<String>,
    pub(crate) user_id: Option<Box<RawValue>>,
    pub(crate) data: Option<Box<RawValue>>,
}

impl Fields {
    /// `None` unless the text is a JSON object with a string `event` and, optionally, a string `channel`. If a field is
    /// repeated, the last one counts, and `null` counts as missing.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = without_lone_surrogates(text);
        let mut fields: BTreeMap<String, Option<Box<RawValue>>> = serde_json::from_str(&text).ok()?;
        let mut take = |name| fields.remove(name).flatten();
        let (event, channel) = (take("event")?, take("channel"));
        Some(Self {
            event: serde_json::from_str(event.get()).ok()?,
            channel: channel.map(|channel| serde_json::from_str(channel.get())).transpose().ok()?,
            user_id: take("user_id"),
            data: take("data"),
        })
    }
}

/// The same JSON with U+FFFD instead of lone surrogates, which have no meaning and which almost every parser refuses.
pub(crate) fn without_lone_surrogates(json: &str) -> Cow<'_, str> {
    if !json.contains("\\u") {
        return Cow::Borrowed(json);
    }
    let mut whole = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        whole.push_str(&rest[..at]);
        rest = &rest[at..];
        let (escape, len) = match [unit(rest), rest.get(6..).and_then(unit)] {
            [Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)] => (&rest[..12], 12),
            [Some(0xd800..=0xdfff), _] => (r"\ufffd", 6),
            _ => {
                let len = rest.chars().take(2).map(char::len_utf8).sum();
                (&rest[..len], len)
            }
        };
        whole.push_str(escape);
        rest = &rest[len..];
    }
    whole.push_str(rest);
    Cow::Owned(whole)
}

/// The number in a `\uXXXX` at the start.
fn unit(json: &str) -> Option<u16> {
    let digits = json.strip_prefix(r"\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}
