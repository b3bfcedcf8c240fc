//! Positions in frames, and the request to replay what follows them.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use serde_json::value::RawValue;

use super::envelope::Envelope;
use super::{object, read};
use crate::data::json_string;
use crate::{Data, Position, ServerError, Text};

/// The position that a frame has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamp<'a> {
    pub(crate) stream: Cow<'a, str>,
    pub(crate) serial: u64,
}

impl<'a> Stamp<'a> {
    /// Reads the position; `None` if the frame has none, or one that cannot be used.
    pub(crate) fn read(envelope: &'a Envelope) -> Option<Self> {
        let [stream, serial] = envelope.fields(["stream_id", "serial"])?;
        Self::from_fields(stream?, serial?)
    }

    fn from_fields(stream: &'a RawValue, serial: &RawValue) -> Option<Self> {
        let (stream, serial) = (object::string(stream)?, serial.get().parse().ok()?);
        (1..=Position::MAX_STREAM_LEN).contains(&stream.len()).then_some(Self { stream, serial })
    }

    pub(crate) fn position(&self) -> Option<Position> {
        Position::new(&self.stream, self.serial)
    }
}

/// Why the server cannot replay what a channel has missed. The reasons that it adds are for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureCode {
    NotEnabled,
    StreamReset,
    Expired,
    Unverifiable,
    Unavailable,
    Unknown,
}

/// A channel for which nothing can be proven.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: FailureCode,
    /// The newest message of the stream that was asked for, if the server still has that stream and says so.
    pub(crate) newest: Option<u64>,
}

/// Where replayed messages came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Hot,
    Cold,
    Unknown,
}

/// What the answer says about one channel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Recovered { replayed: u64, source: Source, position: Option<Position> },
    Failed(Failure),
}

/// Reads a failure.
pub(crate) fn failure(data: &Data) -> Failure {
    failure_in(&read::inner(data))
}

fn failure_in(json: &str) -> Failure {
    let names = ["code", "expected_stream_id", "current_stream_id", "newest_available_serial"];
    let [code, expected, current, newest] = object::fields(json, names).unwrap_or_default();
    let code = match code.and_then(object::string).as_deref() {
        Some("stream_reset") => FailureCode::StreamReset,
        Some("position_expired") => FailureCode::Expired,
        Some("continuity_unverifiable") => FailureCode::Unverifiable,
        Some("persistence_unavailable") => FailureCode::Unavailable,
        Some(_) | None => FailureCode::Unknown,
    };
    let streams = expected.and_then(object::string).zip(current.and_then(object::string));
    let is_same_stream = streams.is_some_and(|(expected, current)| expected == current);
    let newest = newest.filter(|_| is_same_stream).and_then(|raw| raw.get().parse().ok());
    Failure { code, newest }
}

/// Passes on what the answer to a request says about each channel.
pub(crate) fn answer(data: &Data, mut each: impl FnMut(&str, Outcome)) {
    let text = read::inner(data);
    let [recovered, failed] = object::fields(&text, ["recovered", "failed"]).unwrap_or_default();
    let mut entries = |list: Option<&RawValue>, outcome: fn(&RawValue) -> Outcome| {
        object::each(list.map_or("[]", RawValue::get), |entry| {
            let [channel] = object::fields(entry.get(), ["channel"]).unwrap_or_default();
            if let Some(channel) = channel.and_then(object::string) {
                each(&channel, outcome(entry));
            }
        });
    };
    entries(recovered, recovered_in);
    entries(failed, |entry| Outcome::Failed(failure_in(entry.get())));
}

fn recovered_in(entry: &RawValue) -> Outcome {
    let [replayed, source, position] =
        object::fields(entry.get(), ["replayed", "source", "position"]).unwrap_or_default();
    let source = match source.and_then(object::string).as_deref() {
        Some("hot") => Source::Hot,
        Some("cold") => Source::Cold,
        Some(_) | None => Source::Unknown,
    };
    let position = position.and_then(|raw| {
        let [stream, serial] = object::fields(raw.get(), ["stream_id", "serial"])?;
        Stamp::from_fields(stream?, serial?)?.position()
    });
    let replayed = replayed.and_then(|raw| raw.get().parse().ok()).unwrap_or_default();
    Outcome::Recovered { replayed, source, position }
}

/// What an error says about a request to replay messages, if it is about one: the server answers with an error that names
/// no request when it does not accept it at all.
pub(crate) fn refusal(error: &ServerError) -> Option<FailureCode> {
    match error.code {
        Some(NOT_ENABLED) if error.message.contains("recovery") => Some(FailureCode::NotEnabled),
        Some(NO_POSITIONS) if error.message.contains("recovery") => Some(FailureCode::Unknown),
        Some(MALFORMED) if error.message.contains("resume") => Some(FailureCode::Unknown),
        Some(_) | None => None,
    }
}

/// A request to replay what follows the positions of several channels, which is written piece by piece.
///
/// The id of the last message is left out: Sockudo uses it only to suppress that message, and where messages have versions,
/// it would suppress the later ones too.
#[derive(Default)]
pub(crate) struct Request {
    positions: String,
}

impl Request {
    pub(crate) fn push(&mut self, channel: &str, position: &Position) {
        let separator = if self.positions.is_empty() { "" } else { "," };
        let (channel, stream) = (json_string(channel), json_string(position.stream_id()));
        let serial = position.serial();
        self.positions += &format!(r#"{separator}{channel}:{{"serial":{serial},"stream_id":{stream}}}"#);
    }

    /// Length of what was written so far, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    pub(crate) fn finish(self) -> Text {
        format!(r#"{{"event":"pusher:resume","data":{{"channel_positions":{{{}}}}}}}"#, self.positions).into()
    }
}

/// Codes of errors about a request, which have other meanings too.
const NOT_ENABLED: u32 = 4301;
const NO_POSITIONS: u32 = 4302;
const MALFORMED: u32 = 4000;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn outcomes(json: &str) -> Vec<(String, Outcome)> {
        let mut outcomes = Vec::new();
        answer(&Data::from_json(json).unwrap(), |channel, outcome| outcomes.push((channel.to_string(), outcome)));
        outcomes
    }

    #[test]
    fn reads_the_outcome_of_each_channel() {
        let json = r#"{"failed":[{"channel":"a","code":"position_expired","reason":"x","expected_stream_id":"s",
            "current_stream_id":"s","newest_available_serial":102},{"channel":"b","code":"new"},{"code":"stream_reset"}],
            "recovered":[{"channel":"c","source":"hot","replayed":2,"position":{"stream_id":"s","serial":4}},
            {"channel":"d","source":"cold","replayed":0,"position":null}]}"#;
        let expired = Outcome::Failed(Failure { code: FailureCode::Expired, newest: Some(102) });
        let unknown = Outcome::Failed(Failure { code: FailureCode::Unknown, newest: None });
        let (hot, cold) = (Source::Hot, Source::Cold);
        let expected = vec![
            ("c".into(), Outcome::Recovered { replayed: 2, source: hot, position: Position::new("s", 4) }),
            ("d".into(), Outcome::Recovered { replayed: 0, source: cold, position: None }),
            ("a".into(), expired),
            ("b".into(), unknown),
        ];
        assert_eq!(outcomes(json), expected);
        assert_eq!(outcomes(&json_string(json)), expected, "a string with JSON");
        for other in ["{}", "[]", "null", r#"{"recovered":7,"failed":[7,null,{}]}"#, r#""x""#] {
            assert_eq!(outcomes(other), [], "{other}");
        }
    }

    #[test]
    fn the_newest_message_of_another_stream_says_nothing() {
        let newest = |expected: &str, current: &str| {
            let json = format!(
                r#"{{"code":"stream_reset","expected_stream_id":{expected},"current_stream_id":{current},
                "newest_available_serial":9}}"#
            );
            failure(&Data::from_json(json).unwrap()).newest
        };
        assert_eq!(newest(r#""s""#, r#""s""#), Some(9));
        assert_eq!(newest(r#""s""#, r#""t""#), None);
        assert_eq!(newest(r#""s""#, "null"), None);
    }

    #[test]
    fn an_error_is_about_a_request_only_if_it_says_so() {
        let error = |code, message: &str| refusal(&ServerError { code: Some(code), message: message.into() });
        assert_eq!(error(4301, "Connection recovery is not enabled"), Some(FailureCode::NotEnabled));
        assert_eq!(error(4302, "No channel recovery positions provided"), Some(FailureCode::Unknown));
        assert_eq!(error(4000, "Invalid message format: Missing data in resume message"), Some(FailureCode::Unknown));
        assert_eq!(error(4301, "Rate limit exceeded"), None);
        assert_eq!(error(4009, "recovery"), None);
    }

    #[test]
    fn positions_that_cannot_be_used_are_none() {
        let stamp = |fields: &str| {
            let envelope = Envelope::read(format!(r#"{{"event":"e","channel":"c",{fields}}}"#).into()).unwrap();
            Stamp::read(&envelope).and_then(|stamp| stamp.position())
        };
        assert_eq!(stamp(r#""stream_id":"a\"b","serial":18446744073709551615"#), Position::new("a\"b", u64::MAX));
        for fields in [
            r#""stream_id":"s""#,
            r#""serial":1"#,
            r#""stream_id":"","serial":1"#,
            r#""stream_id":7,"serial":1"#,
            r#""stream_id":"s","serial":"1""#,
            r#""stream_id":"s","serial":-1"#,
            r#""stream_id":"s","serial":18446744073709551616"#,
            &format!(r#""stream_id":"{}","serial":1"#, "x".repeat(129)),
        ] {
            assert_eq!(stamp(fields), None, "{fields}");
        }
    }

    #[test]
    fn a_request_names_channels_and_positions() {
        let mut request = Request::default();
        request.push("a\"b", &Position::new("s", 0).unwrap());
        request.push("c", &Position::new("t\"", u64::MAX).unwrap());
        let expected = r#"{"event":"pusher:resume","data":{"channel_positions":{"a\"b":{"serial":0,"stream_id":"s"},"c":{"serial":18446744073709551615,"stream_id":"t\""}}}}"#;
        assert_eq!(request.finish(), expected);
    }
}
