//! The outer object of a frame (Pusher protocol, *Events*): name, channel, user id and payload.
//!
//! Usual frames are read in one pass that neither allocates nor looks into the payload. Unusual ones (with escapes in a
//! name, payloads that are not strings, unknown or repeated fields) go to the general parser.

use alloc::borrow::Cow;
use alloc::string::String;
use core::ops::Range;

use serde_json::value::RawValue;

use super::{names, object, read};
use crate::data::{json_at, json_string};
use crate::span::Span;
use crate::{Data, Text};

/// A parsed frame. All spans refer to the source of `data`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    event: Span,
    channel: Option<Span>,
    user_id: Option<Span>,
    /// Whether the server may have replayed it.
    is_replayed: bool,
    pub(crate) data: Data,
}

impl Envelope {
    /// Parses a frame; returns it as the error if it is not a JSON object with an `event` that is a string.
    pub(crate) fn read(frame: Text) -> Result<Self, Text> {
        match scan(&frame) {
            Some(fields) => Ok(fields.into_envelope(frame)),
            None => read_any(&frame).ok_or(frame),
        }
    }

    #[inline]
    pub(crate) fn event(&self) -> &str {
        self.event.of(self.data.source())
    }

    #[inline]
    pub(crate) fn channel(&self) -> Option<&str> {
        self.channel.map(|span| span.of(self.data.source()))
    }

    /// The same event with another payload, and without its frame.
    pub(crate) fn with_text(&self, text: &str) -> Self {
        let user_id = self.user_id.map(|span| span.of(self.data.source()));
        // The payload, a JSON string, comes first, so that `ChannelEvent::field` does not mistake the text for a frame.
        let data = json_string(text);
        let (event, user) = (self.event(), user_id.unwrap_or_default());
        let source = [data.as_str(), event, user].concat();
        let (event, user) = (data.len()..data.len() + event.len(), data.len() + event.len()..source.len());
        // A name is never at the very start, because the payload has at least two bytes.
        let event = Span::new(event).unwrap_or(self.event);
        let user_id = user_id.and(Span::new(user));
        let data = Data::in_frame(source.into(), Span::new(0..data.len()));
        Self { event, channel: None, user_id, is_replayed: self.is_replayed, data }
    }

    /// The same event, marked as one that the server may have replayed.
    pub(crate) fn replayed(self) -> Self {
        Self { is_replayed: true, ..self }
    }

    /// The same event under the name with which it was published, if this is the creation of a message as a rewind brings it.
    pub(crate) fn renamed(self) -> Self {
        if self.event() != names::MESSAGE_CREATE {
            return self;
        }
        let Some(name) = self.fields(["name"]).and_then(|[name]| object::string(name?)) else { return self };
        let source = self.data.source();
        if let Cow::Borrowed(name) = name {
            let event = place(source, name).and_then(Span::new).unwrap_or(self.event);
            return Self { event, ..self };
        }
        let joined = [source, &*name].concat();
        let Some(event) = Span::new(source.len()..joined.len()) else { return self };
        Self { event, data: self.data.moved(joined.into()), ..self }
    }

    pub(crate) fn is_replayed(&self) -> bool {
        self.is_replayed
    }

    /// Finds fields of the frame that the protocol of version 1 does not have; each call parses the frame.
    pub(crate) fn fields<const N: usize>(&self, names: [&str; N]) -> Option<[Option<&RawValue>; N]> {
        object::leading_fields(self.data.source(), names)
    }

    /// The frame that it came in, without anything that was appended to it.
    pub(crate) fn frame(&self) -> &str {
        let source = self.data.source();
        let mut values = serde_json::Deserializer::from_str(source).into_iter::<&RawValue>();
        values.next().and_then(Result::ok).map_or(source, RawValue::get)
    }

    /// Length in bytes of the frame that it came in.
    pub(crate) fn len(&self) -> usize {
        self.data.source().len()
    }

    /// The same event in its own buffer.
    pub(crate) fn detached(self) -> Self {
        Self { data: self.data.detached(), ..self }
    }

    /// Name, user id and payload; both spans refer to the source of the payload.
    pub(crate) fn into_parts(self) -> (Span, Option<Span>, Data) {
        (self.event, self.user_id, self.data)
    }
}

struct Fields {
    event: Span,
    channel: Option<Span>,
    user_id: Option<Span>,
    data: Option<Span>,
}

impl Fields {
    fn into_envelope(self, source: Text) -> Envelope {
        let Self { event, channel, user_id, data } = self;
        Envelope { event, channel, user_id, is_replayed: false, data: Data::in_frame(source, data) }
    }
}

/// Reads a frame of strings without escapes, except in `data`; `None` if anything is unusual.
fn scan(frame: &str) -> Option<Fields> {
    let bytes = frame.as_bytes();
    let (mut event, mut channel, mut user_id, mut data) = (None, None, None, None);
    let mut rest = bytes.strip_prefix(b"{")?;
    loop {
        // The first letter tells the fields apart.
        match rest.get(1)? {
            b'e' if event.is_none() => (event, rest) = name(bytes, rest.strip_prefix(b"\"event\":")?)?,
            b'c' if channel.is_none() => (channel, rest) = name(bytes, rest.strip_prefix(b"\"channel\":")?)?,
            b'u' if user_id.is_none() => (user_id, rest) = name(bytes, rest.strip_prefix(b"\"user_id\":")?)?,
            b'd' if data.is_none() => {
                let quoted = skip_spaces(rest.strip_prefix(b"\"data\":")?);
                // In an event of a channel, nothing follows after the other two.
                let is_last = event.is_some() && channel.is_some();
                let (start, len) = (bytes.len() - quoted.len(), string_end(quoted, is_last)? + 1);
                data = Some(Span::new(start..start + len)?);
                rest = &quoted[len..];
            }
            _ => return None,
        }
        rest = match rest.split_first()? {
            (b',', rest) => skip_spaces(rest),
            (b'}', []) => return Some(Fields { event: event?, channel, user_id, data }),
            _ => return None,
        };
    }
}

fn skip_spaces(mut bytes: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// Reads a string without escapes, after optional spaces; returns its content, and what follows the string.
fn name<'a>(frame: &[u8], value: &'a [u8]) -> Option<(Option<Span>, &'a [u8])> {
    let content = skip_spaces(value).strip_prefix(b"\"")?;
    let len = content.iter().position(|&byte| ENDS_NAME[usize::from(byte)])?;
    let rest = content[len..].strip_prefix(b"\"")?;
    let start = frame.len() - content.len();
    Some((Some(Span::new(start..start + len)?), rest))
}

/// Whether a byte ends a string, or cannot be part of one without an escape. A table takes half of the instructions that
/// three comparisons take.
static ENDS_NAME: [bool; 256] = {
    let mut ends = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        ends[byte] = byte < 0x20 || byte == b'"' as usize || byte == b'\\' as usize;
        byte += 1;
    }
    ends
};

/// Returns where a string ends whose opening quote is the first byte; `None` if it does not end, or contains a control
/// character. With `is_last`, the frame probably ends with the string.
///
/// Tests whole blocks, in a loop that compiles to vector instructions, for whether they can contain the end. Payloads
/// are JSON within JSON, so nearly every quote follows a single backslash.
#[inline(never)]
fn string_end(bytes: &[u8], is_last: bool) -> Option<usize> {
    // Between blocks, a backslash before `at` is a single one, so it escapes what is at `at`.
    let is_escaped = |at: usize| bytes.get(at - 1) == Some(&b'\\');
    let mut at = bytes.starts_with(b"\"").then_some(1)?;
    if let Some(string) = bytes.strip_suffix(b"\"}").filter(|_| is_last) {
        at = skip_all(string, at);
        if at == string.len() && !is_escaped(at) {
            return Some(at);
        }
    }
    loop {
        at = skip_inner::<256>(bytes, at);
        let end = at + 256;
        while at < end {
            at = skip_inner::<64>(bytes, at);
            at = skip_inner::<16>(bytes, at);
            let to = at + 16;
            at += usize::from(is_escaped(at));
            while at < to || is_escaped(at) {
                match bytes.get(at)? {
                    b'"' => return Some(at),
                    b'\\' => at += 2,
                    byte if *byte < b' ' => return None,
                    _ => at += 1,
                }
            }
        }
    }
}

/// Skips everything that is certainly inside the string, if the string does not end before the last byte.
fn skip_all(string: &[u8], at: usize) -> usize {
    let at = skip_inner::<256>(string, at);
    let at = skip_rest::<64>(string, skip_inner::<64>(string, at));
    skip_rest::<16>(string, skip_inner::<16>(string, at))
}

/// Skips whole blocks that are certainly inside the string.
fn skip_inner<const LEN: usize>(bytes: &[u8], mut at: usize) -> usize {
    while is_inner::<LEN>(bytes, at) {
        at += LEN;
    }
    at
}

/// Skips a rest that is shorter than a block: the last block of the string overlaps with what was skipped before.
fn skip_rest<const LEN: usize>(string: &[u8], at: usize) -> usize {
    match string.len().checked_sub(LEN) {
        Some(start) if (1..at).contains(&start) && is_inner::<LEN>(string, start) => string.len(),
        _ => at,
    }
}

/// Whether the block at `at` exists and is certainly inside the string: it contains no control character and no
/// backslash after another one, and each quote follows a backslash.
fn is_inner<const LEN: usize>(bytes: &[u8], at: usize) -> bool {
    let Some(window @ [_, rest @ ..]) = bytes.get(at - 1..) else { return false };
    let (Some(before), Some(block)) = (window.first_chunk::<LEN>(), rest.first_chunk::<LEN>()) else { return false };
    let (mut may_end, mut least) = (false, u8::MAX);
    for (&before, &byte) in before.iter().zip(block) {
        // Turns a backslash that follows another one into a quote, and an escaped quote into something else. As a mask,
        // this takes a third fewer instructions than as a condition.
        let behind_backslash = u8::from(before == b'\\').wrapping_neg();
        may_end |= byte ^ (behind_backslash & (b'\\' ^ b'"')) == b'"';
        least = least.min(byte);
    }
    !may_end & (least >= b' ')
}

/// Where a part of a text is.
fn place(text: &str, part: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    Some(start..start + part.len())
}

fn read_any(frame: &Text) -> Option<Envelope> {
    let [event, channel, user_id, data] = object::fields(frame, ["event", "channel", "user_id", "data"])?;
    let event = object::string(event?)?;
    let channel = match channel {
        None => None,
        Some(raw) => Some(object::string(raw)?),
    };
    let user_id = user_id.and_then(read::id);
    let data = data.map(RawValue::get);
    let place = |part: &str| self::place(frame, part);
    if let (Cow::Borrowed(event), None | Some(Cow::Borrowed(_)), None | Some(Cow::Borrowed(_))) =
        (&event, &channel, &user_id)
    {
        let fields = Fields {
            event: place(event).and_then(Span::new)?,
            channel: channel.as_deref().and_then(place).and_then(Span::new),
            user_id: user_id.as_deref().and_then(place).and_then(Span::new),
            data: data.and_then(place).and_then(|data| json_at(frame, data)),
        };
        return Some(fields.into_envelope(frame.clone()));
    }
    // Fields that had escapes are appended to the frame, unescaped.
    let parts = [Some(&event), channel.as_ref(), user_id.as_ref()];
    let len = frame.len() + parts.iter().flatten().map(|part| part.len()).sum::<usize>();
    u32::try_from(len).ok()?;
    let mut joined = String::with_capacity(len);
    joined.push_str(frame);
    let mut push = |part: &str| {
        let start = joined.len();
        joined.push_str(part);
        Span::new(start..joined.len())
    };
    let fields = Fields {
        event: push(&event)?,
        channel: channel.as_deref().and_then(&mut push),
        user_id: user_id.as_deref().and_then(&mut push),
        data: data.and_then(place).and_then(|data| json_at(frame, data)),
    };
    Some(fields.into_envelope(Text::from(joined)))
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    /// Name, channel, user id and raw data.
    fn parts(frame: &str) -> Option<(String, Option<String>, Option<String>, String)> {
        let envelope = Envelope::read(Text::from(frame)).ok()?;
        let user_id = envelope.user_id.map(|span| span.of(envelope.data.source()).to_string());
        let channel = envelope.channel().map(ToString::to_string);
        Some((envelope.event().to_string(), channel, user_id, envelope.data.raw().to_string()))
    }

    fn some(
        event: &str,
        channel: Option<&str>,
        user: Option<&str>,
        data: &str,
    ) -> Option<(String, Option<String>, Option<String>, String)> {
        Some((event.into(), channel.map(Into::into), user.map(Into::into), data.into()))
    }

    #[test]
    fn reads_usual_frames_in_any_order_of_fields() {
        let whole = some("e", Some("c"), Some("7"), r#""{\"a\":1}""#);
        for frame in [
            r#"{"event":"e","channel":"c","user_id":"7","data":"{\"a\":1}"}"#,
            r#"{"data":"{\"a\":1}","user_id":"7","channel":"c","event":"e"}"#,
            r#"{"channel":"c", "data": "{\"a\":1}", "event": "e","user_id":"7"}"#,
        ] {
            assert!(scan(frame).is_some(), "{frame}");
            assert_eq!(parts(frame), whole, "{frame}");
        }
    }

    #[test]
    fn reads_unusual_frames_too() {
        let table = [
            (r#"{"event":"e"}"#, some("e", None, None, "")),
            (r#"{"event":"e","channel":null,"data":null}"#, some("e", None, None, "")),
            (r#"{"event":"e","data":{"a":[1.0]}}"#, some("e", None, None, r#"{"a":[1.0]}"#)),
            (r#"{"event":"caf\u00e9\/x","channel":"a\/b","data":"1"}"#, some("café/x", Some("a/b"), None, r#""1""#)),
            (r#"{"event":"e","user_id":12345678901234567890}"#, some("e", None, Some("12345678901234567890"), "")),
            (r#"{"event":"e","user_id":{}}"#, some("e", None, None, "")),
            (r#" {"event":"a","x":[{}],"event":"b"} "#, some("b", None, None, "")),
            (r#"{"event":"e","data":"\ud83d"}"#, some("e", None, None, r#""\ud83d""#)),
            (r#"{"event":"","channel":""}"#, some("", Some(""), None, "")),
        ];
        for (frame, expected) in table {
            assert_eq!(parts(frame), expected, "{frame}");
        }
    }

    #[test]
    fn refuses_what_is_no_event() {
        for frame in [
            "",
            "{",
            "[]",
            "null",
            "7",
            r#""event""#,
            "{}",
            r#"{"event":7}"#,
            r#"{"event":"e""#,
            r#"{"event":"e"}}"#,
            r#"{"event":"e","data":"x}"#,
            "{\"event\":\"e\",\"data\":\"\n\"}",
            "{\"event\":\"a\u{1}b\"}",
            "{\"event\":\"e\",\"channel\":\"a\tb\"}",
            r#"{"event":"e","channel":7}"#,
            r#"{"data":"x"}"#,
        ] {
            assert_eq!(parts(frame), None, "{frame}");
        }
    }

    #[test]
    fn finds_the_end_of_a_payload_wherever_it_lies() {
        for pattern in ["x", r#"\""#, r"\\", r#"\\\""#, r"\\\\", "é", r#"a\"b"#] {
            for len in 0..350 {
                let content = pattern.repeat(len);
                let data = format!("\"{content}\"");
                let frame = format!(r#"{{"event":"e","data":{data}}}"#);
                assert_eq!(parts(&frame), some("e", None, None, &data), "{frame}");
                assert_eq!(parts(&frame[..frame.len() - 2]), None, "{frame}");
                for frame in [
                    format!(r#"{{"event":"e","channel":"c","data":{data}}}"#),
                    format!(r#"{{"event":"e","channel":"c","data":{data},"user_id":null}}"#),
                ] {
                    assert_eq!(parts(&frame), some("e", Some("c"), None, &data), "{frame}");
                }
                for end in ["", "\\\"}", "\n\"}", "\"x\"}", "\"}}"] {
                    let frame = format!(r#"{{"event":"e","channel":"c","data":"{content}{end}"#);
                    assert_eq!(parts(&frame), None, "{frame}");
                }
            }
        }
    }

    #[test]
    fn finds_what_ends_a_payload_wherever_it_lies() {
        for len in (1..=130).chain([256, 257, 272, 321, 400]) {
            let frame = format!(r#"{{"event":"e","channel":"c","data":"{}"}}"#, "x".repeat(len));
            let start = frame.len() - "\"}".len() - len;
            for at in start..start + len {
                for what in ["\"", "\n", "\0"] {
                    let mut frame = frame.clone();
                    frame.replace_range(at..=at, what);
                    assert_eq!(parts(&frame), None, "{frame}");
                }
            }
        }
    }

    #[test]
    fn the_two_parsers_read_the_same() {
        let fields = [
            r#""event":"a""#,
            r#""event":"b""#,
            r#""event":"\u0061""#,
            r#""event":7"#,
            r#""channel":"c""#,
            r#""channel": "d""#,
            r#""channel":null"#,
            r#""user_id":"7""#,
            r#""user_id":"8""#,
            r#""user_id":8"#,
            r#""data":"x""#,
            r#" "data":"\"}" "#,
            r#""data":"\ud83d\ud83d""#,
            r#""data":{"event":"b"}"#,
            r#""x":"event""#,
        ];
        let (mut frames, mut usual) = (alloc::vec![String::new()], 0);
        for _ in 0..4 {
            frames = frames.iter().flat_map(|frame| fields.map(|field| format!("{frame},{field}"))).collect();
            for frame in &frames {
                let frame = Text::from(format!("{{{}}}", &frame[1..]));
                let Some(fields) = scan(&frame) else { continue };
                assert_eq!(Some(fields.into_envelope(frame.clone())), read_any(&frame), "{frame}");
                usual += 1;
            }
        }
        assert!(usual > 100, "only {usual} frames are usual");
    }

    #[test]
    fn the_data_of_a_frame_may_be_nested_to_any_depth() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert_eq!(parts(&format!(r#"{{"event":"e","data":{deep}}}"#)), some("e", None, None, &deep));
    }
}
