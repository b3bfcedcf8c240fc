//! The payload of an event, which is unwrapped only on request.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::Text;
use crate::span::Span;

/// The `data` of an event.
///
/// Servers wrap JSON payloads in a JSON string (Pusher protocol, *double encoding*); clients and some servers send
/// plain JSON. Both stay unchanged until [`Data::text`] or [`Data::json`] is called, so that nothing is lost, such as
/// the precision of big integers or the format of numbers.
///
/// # Examples
///
/// ```
/// use pusher_proto::Data;
///
/// let data = Data::from_serialize(&[1, 2])?;
/// assert_eq!(data.raw(), "[1,2]");
/// assert_eq!(data.json::<Vec<u8>>()?, [1, 2]);
///
/// let text = Data::string("say \"hi\"");
/// assert_eq!(text.raw(), r#""say \"hi\"""#);
/// assert_eq!(text.text(), r#"say "hi""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct Data {
    source: Text,
    /// Where the JSON is, unless the payload is absent.
    json: Option<Span>,
}

impl Data {
    /// No payload.
    pub const ABSENT: Self = Self { source: Text::from_static(""), json: None };

    /// Returns `text` as a JSON string.
    ///
    /// # Panics
    ///
    /// If the string is longer than 4 GiB.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self::whole(json_string(text).into())
    }

    /// Returns `value` as JSON.
    ///
    /// # Errors
    ///
    /// If the value cannot be serialised as JSON, such as a map whose keys are not strings, or the JSON is longer than
    /// 4 GiB.
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        checked(serde_json::to_string(value)?.into())
    }

    /// Takes JSON that is already serialised.
    ///
    /// # Errors
    ///
    /// If the text is not a single JSON value, or is longer than 4 GiB.
    pub fn from_json(json: impl Into<String>) -> Result<Self, serde_json::Error> {
        let json = json.into();
        serde_json::from_str::<IgnoredAny>(&json)?;
        checked(json.trim().into())
    }

    /// A payload that is part of a frame: see [`json_at`].
    pub(crate) const fn in_frame(source: Text, json: Option<Span>) -> Self {
        Self { source, json }
    }

    /// The same payload in a longer text, which begins with that of its frame.
    pub(crate) fn moved(&self, source: Text) -> Self {
        Self { source, json: self.json }
    }

    /// JSON that was read before, such as an object in a string.
    pub(crate) fn whole(json: Text) -> Self {
        checked(json).expect("JSON that was read is shorter than 4 GiB")
    }

    /// Whether there is no payload: the field is missing or `null`.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.json.is_none()
    }

    /// Returns the JSON as it was sent, with the quotes and escapes of a string; empty if there is no payload.
    #[must_use]
    pub fn raw(&self) -> &str {
        self.json.map_or("", |json| json.of(&self.source))
    }

    /// Returns the content of a string, or any other JSON as it was sent; empty if there is no payload.
    ///
    /// A lone surrogate becomes U+FFFD.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        self.content().map_or(Cow::Borrowed(self.raw()), unescape)
    }

    /// Parses the payload as JSON. A string is unwrapped once; if its content is not JSON, the string itself is the
    /// value. A missing payload counts as `null`.
    ///
    /// # Errors
    ///
    /// If the JSON does not match `T`, or is nested more than 128 levels deep.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        if self.content().is_none() {
            return serde_json::from_str(if self.is_absent() { "null" } else { self.raw() });
        }
        let text = self.text();
        serde_json::from_str(&text).or_else(|error| match serde_json::from_str::<IgnoredAny>(&text) {
            Ok(_) => Err(error),
            Err(_) => serde_json::from_str(&json_string(&text)).map_err(|_| error),
        })
    }

    /// Parses the payload as JSON into a value that may borrow from it, without an allocation for the text: if the
    /// payload has escapes, it is unwrapped into `buffer`, which can be reused for the next payload.
    ///
    /// A string inside the payload that has escapes of its own cannot be borrowed as `&str`; use `Cow<str>` with
    /// `#[serde(borrow)]`.
    ///
    /// # Errors
    ///
    /// As for [`Data::json`].
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::Data;
    ///
    /// let mut buffer = String::new();
    /// let data = Data::string(r#"["one","two"]"#);
    /// assert_eq!(data.json_in::<Vec<&str>>(&mut buffer)?, ["one", "two"]);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn json_in<'a, T: Deserialize<'a>>(&'a self, buffer: &'a mut String) -> Result<T, serde_json::Error> {
        let Some(content) = self.content() else {
            return serde_json::from_str(if self.is_absent() { "null" } else { self.raw() });
        };
        let text = if has_escapes(content) {
            *buffer = unescape_into(content, core::mem::take(buffer));
            buffer.as_str()
        } else {
            content
        };
        serde_json::from_str(text).or_else(|error| match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => Err(error),
            Err(_) => serde_json::from_str(self.raw()).map_err(|_| error),
        })
    }

    /// The text between the quotes, if the payload is a JSON string.
    fn content(&self) -> Option<&str> {
        self.raw().strip_prefix('"')?.strip_suffix('"')
    }

    /// The frame that the payload is part of.
    pub(crate) fn source(&self) -> &Text {
        &self.source
    }

    /// The same payload in a copy of its frame.
    pub(crate) fn detached(&self) -> Self {
        Self { source: self.source.detached(), json: self.json }
    }
}

/// The JSON as it was sent, for JSON serialisers; an absent payload is `null`.
impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_absent() {
            return serializer.serialize_unit();
        }
        let json: &RawValue = serde_json::from_str(self.raw()).map_err(S::Error::custom)?;
        json.serialize(serializer)
    }
}

/// Two payloads are equal if their JSON is identical, character for character.
impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        self.raw() == other.raw()
    }
}

impl Eq for Data {}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_absent() { "absent" } else { self.raw() })
    }
}

/// A payload that is a whole text.
fn checked(json: Text) -> Result<Data, serde_json::Error> {
    if u32::try_from(json.len()).is_err() {
        return Err(serde_json::Error::custom("the payload is longer than 4 GiB"));
    }
    let span = json_at(&json, 0..json.len());
    Ok(Data::in_frame(json, span))
}

/// The place of a payload in a frame; `None` if it is absent, that is, empty or `null`.
pub(crate) fn json_at(frame: &str, range: Range<usize>) -> Option<Span> {
    match frame.as_bytes().get(range.clone())? {
        b"" | b"null" => None,
        _ => Span::new(range),
    }
}

/// The content of a JSON string; escapes that JSON does not know stay as they are.
pub(crate) fn unescape(escaped: &str) -> Cow<'_, str> {
    if has_escapes(escaped) { Cow::Owned(unescape_into(escaped, String::new())) } else { Cow::Borrowed(escaped) }
}

fn has_escapes(content: &str) -> bool {
    content.as_bytes().contains(&b'\\')
}

/// The same in a buffer, whose content is replaced.
///
/// Payloads are JSON within JSON, with an escape every few bytes: copying single bytes costs less than searching for
/// the next escape and copying what is between two.
fn unescape_into(escaped: &str, buffer: String) -> String {
    let mut text = buffer.into_bytes();
    text.clear();
    text.reserve(escaped.len());
    let mut rest = escaped.as_bytes();
    while !rest.is_empty() {
        while let Some((block, behind)) = rest.split_first_chunk::<16>().filter(|(block, _)| is_plain(block)) {
            text.extend_from_slice(block);
            rest = behind;
        }
        while let Some((&byte, behind)) = rest.split_first() {
            if byte == b'\\' {
                rest = push_escape(rest, &mut text);
                break;
            }
            text.push(byte);
            rest = behind;
        }
    }
    String::from_utf8(text).expect("a whole escape is replaced by a whole character, and everything else is copied")
}

/// Tests all bytes instead of stopping at the first backslash, because this compiles to vector instructions.
fn is_plain(block: &[u8; 16]) -> bool {
    !block.iter().fold(false, |any, &byte| any | (byte == b'\\'))
}

/// Appends what the escape at the start of `rest` stands for; returns what follows it.
fn push_escape<'a>(rest: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    match rest {
        [_, byte @ (b'"' | b'\\' | b'/'), behind @ ..] => {
            text.push(*byte);
            behind
        }
        _ => {
            let (character, len) = escape(rest).unwrap_or(('\\', 1));
            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            &rest[len..]
        }
    }
}

/// The character that an escape at the start of `rest` stands for, and the bytes it takes.
fn escape(rest: &[u8]) -> Option<(char, usize)> {
    let character = match rest.get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(rest),
        _ => return None,
    };
    Some((character, 2))
}

fn unicode_escape(rest: &[u8]) -> Option<(char, usize)> {
    let high = code_unit(rest)?;
    let units = [high, code_unit(&rest[6..]).unwrap_or(0)];
    let character = char::decode_utf16(units).next()?.unwrap_or(char::REPLACEMENT_CHARACTER);
    Some((character, 6 * character.len_utf16().max(1)))
}

/// The code unit of a `\uXXXX` at the start of `rest`.
fn code_unit(rest: &[u8]) -> Option<u16> {
    let digits = rest.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16))
}

pub(crate) fn json_string(text: &str) -> String {
    serde_json::to_string(text).expect("a string always has a JSON form")
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    fn data(json: &str) -> Data {
        Data::whole(json.into())
    }

    #[test]
    fn unwraps_a_string_once() {
        assert_eq!(data(r#""[1,2]""#).json::<Vec<u8>>().unwrap(), [1, 2]);
        assert_eq!(data(r#""\"abc\"""#).json::<String>().unwrap(), "abc");
        assert_eq!(data(r#""\"[1]\"""#).json::<String>().unwrap(), "[1]");
        assert_eq!(data(r#""[1,2]""#).raw(), r#""[1,2]""#, "nobody asked");
        assert_eq!(data(r#""just text""#).json::<String>().unwrap(), "just text");
        assert_eq!(data(r#""123""#).json::<u32>().unwrap(), 123);
        for text in ["12 apples", "2024-05-01", "[info] x", "true story"] {
            assert_eq!(Data::string(text).json::<String>().unwrap(), text);
        }
        assert_eq!(data(r#""""#).json::<String>().unwrap(), "");
        assert!(!data(r#""""#).is_absent());
    }

    #[test]
    fn takes_bare_json_and_null() {
        assert_eq!(data(r#"{"a":12345678901234567890}"#).raw(), r#"{"a":12345678901234567890}"#);
        assert!(data("null").is_absent());
        assert_eq!(data("null").json::<Option<u8>>().unwrap(), None);
        assert_eq!(Data::ABSENT.text(), "");
    }

    #[test]
    fn what_is_written_otherwise_is_not_equal() {
        let forms = [Data::ABSENT, data("1"), data(r#""1""#), data("[1]"), data("[ 1]")];
        for (place, one) in forms.iter().enumerate() {
            let equal: Vec<_> = (0..forms.len()).filter(|&other| *one == forms[other]).collect();
            assert_eq!(equal, [place], "{one:?}");
        }
    }

    #[test]
    fn unescapes_everything_that_json_knows() {
        let text = data(r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#);
        assert_eq!(text.text(), "\"\\/\u{8}\u{c}\n\r\té😀");
    }

    #[test]
    fn a_lone_surrogate_is_replaced_in_the_text_and_kept_in_the_raw_form() {
        for (raw, text) in [
            (r#""a\ud83db""#, "a\u{fffd}b"),
            (r#""\ude00""#, "\u{fffd}"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ud83d\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!((data(raw).raw(), data(raw).text().as_ref()), (raw, text));
        }
    }

    #[test]
    fn unescapes_wherever_an_escape_lies() {
        for len in 0..40 {
            for (escaped, text) in [(r#"\""#, "\""), (r"\u00e9", "é"), (r"\n", "\n"), (r"\q", r"\q")] {
                let plain = "é7".repeat(len);
                let data = data(&alloc::format!("\"{plain}{escaped}{plain}{escaped}\""));
                assert_eq!(data.text(), alloc::format!("{plain}{text}{plain}{text}"));
            }
        }
    }

    #[test]
    fn a_value_borrows_from_the_payload_or_from_the_buffer() {
        let mut buffer = String::from("used before");
        let plain = data(r#""[1,2]""#);
        assert_eq!(plain.json_in::<&serde_json::value::RawValue>(&mut buffer).unwrap().get(), "[1,2]");
        assert_eq!(buffer, "used before");
        let escaped = data(r#""[\"a\",\"b\"]""#);
        assert_eq!(escaped.json_in::<Vec<&str>>(&mut buffer).unwrap(), ["a", "b"]);
        assert_eq!(buffer, r#"["a","b"]"#);
        assert_eq!(data(r#"["a"]"#).json_in::<Vec<&str>>(&mut buffer).unwrap(), ["a"]);
        assert_eq!(data(r#""just text""#).json_in::<&str>(&mut buffer).unwrap(), "just text");
        assert_eq!(data(r#""a \"b\"""#).json_in::<Cow<'_, str>>(&mut buffer).unwrap(), r#"a "b""#);
        assert_eq!(Data::ABSENT.json_in::<Option<u8>>(&mut buffer).unwrap(), None);
        let error = data(r#""[1]""#).json_in::<&str>(&mut buffer).unwrap_err().to_string();
        assert!(error.contains("invalid type: sequence"), "{error}");
    }

    #[test]
    fn a_text_without_escapes_is_not_copied() {
        for payload in [r#""[1,2]""#, "[1,2]", "null", r#""""#] {
            assert!(matches!(data(payload).text(), Cow::Borrowed(_)), "{payload}");
        }
    }

    #[test]
    fn an_escape_that_json_does_not_know_stays() {
        assert_eq!(data(r#""\q\u12""#).text(), r"\q\u12");
        assert_eq!(data(r#""\u+123é""#).text(), r"\u+123é");
    }

    #[test]
    fn refuses_deep_nesting_only_when_read_as_json() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert!(Data::string(&deep).json::<serde_json::Value>().is_err());
        let deep = data(&deep);
        assert_eq!(deep.raw().len(), 20_000);
        assert!(deep.json::<serde_json::Value>().is_err());
    }
}
