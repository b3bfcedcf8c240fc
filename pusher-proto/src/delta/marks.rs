//! The fields that make a frame a base, and the text of the base.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::wire::object;

/// What the last fields of a frame say: that it is a base, and which one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marks<'a> {
    pub(super) seq: u64,
    /// Empty without conflation.
    pub(super) conflation_key: Cow<'a, str>,
    frame: &'a str,
    /// Where the first mark begins, with its comma.
    start: usize,
    /// Where the last mark ends.
    end: usize,
}

impl Marks<'_> {
    /// The frame without the marks: what the server computed the next delta from, byte for byte.
    pub(super) fn base(&self) -> String {
        let mut base = String::with_capacity(self.frame.len() - (self.end - self.start));
        base.push_str(&self.frame[..self.start]);
        base.push_str(&self.frame[self.end..]);
        base
    }
}

/// Finds the marks of a frame; `None` if it is not a base. Only fields of the frame itself count, at its very end: a
/// payload or a header may contain the same names.
pub(super) fn marks(frame: &str) -> Option<Marks<'_>> {
    // Most frames of a connection without deltas end here.
    if !frame.contains(SEQ) {
        return None;
    }
    let mut json = serde_json::Deserializer::from_str(frame);
    let marks = json.deserialize_map(Fields(frame)).ok()?;
    json.end().ok()?;
    marks
}

struct Fields<'a>(&'a str);

impl<'de> Visitor<'de> for Fields<'de> {
    type Value = Option<Marks<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut marks = None;
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            marks = match key.get() {
                SEQ => self.seq(key, value),
                CONFLATION_KEY => marks.and_then(|marks| self.conflation_key(marks, value)),
                // A field behind a mark: the mark is not the end of the frame.
                _ => None,
            };
        }
        Ok(marks)
    }
}

impl<'a> Fields<'a> {
    fn seq(&self, key: &RawValue, value: &RawValue) -> Option<Marks<'a>> {
        let before = self.0[..self.offset(key.get())].trim_end();
        let start = before.strip_suffix(',')?.len();
        let seq = value.get().parse().ok()?;
        Some(Marks { seq, conflation_key: Cow::Borrowed(""), frame: self.0, start, end: self.end(value) })
    }

    fn conflation_key(&self, mut marks: Marks<'a>, value: &'a RawValue) -> Option<Marks<'a>> {
        marks.conflation_key = object::string(value)?;
        marks.end = self.end(value);
        Some(marks)
    }

    /// Where a part of the frame begins in it.
    fn offset(&self, part: &str) -> usize {
        part.as_ptr().addr() - self.0.as_ptr().addr()
    }

    fn end(&self, value: &RawValue) -> usize {
        self.offset(value.get()) + value.get().len()
    }
}

const SEQ: &str = r#""__delta_seq""#;
const CONFLATION_KEY: &str = r#""__conflation_key""#;

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn cuts_exactly_the_last_fields() {
        let head = r#"{"event":"e","channel":"c","data":"{\"a\": 1}","serial":3"#;
        for (tail, seq, key) in [
            (r#","__delta_seq":0"#, 0, ""),
            (r#","__delta_seq":18446744073709551615"#, u64::MAX, ""),
            (r#","__delta_seq":7,"__conflation_key":"BTC""#, 7, "BTC"),
            (r#","__delta_seq":7,"__conflation_key":"ETH \"x\", {}""#, 7, r#"ETH "x", {}"#),
            (r#","__delta_seq":7,"__conflation_key":"é\\""#, 7, r"é\"),
            (r#" , "__delta_seq" : 7 , "__conflation_key" : """#, 7, ""),
        ] {
            let frame = format!("{head}{tail}}}");
            let found = marks(&frame).unwrap();
            assert_eq!((found.seq, &*found.conflation_key), (seq, key), "{tail}");
            let rest = if tail.starts_with(' ') { " }" } else { "}" };
            assert_eq!(found.base(), format!("{head}{rest}"), "{tail}");
        }
    }

    #[test]
    fn other_places_of_the_same_names_are_no_marks() {
        for frame in [
            r#"{"event":"e","channel":"c","data":"{}"}"#,
            r#"{"event":"e","channel":"c","data":"{\"x\":1,\"__delta_seq\":5}"}"#,
            r#"{"event":"e","channel":"c","data":{"x":1,"__delta_seq":5}}"#,
            r#"{"event":"e","data":{"__delta_seq":5},"extras":{"headers":{"x":1,"__delta_seq":6}}}"#,
            r#"{"event":"e","data":"{}","__delta_seq":5,"serial":3}"#,
            r#"{"event":"e","__delta_seq":5,"__conflation_key":"k","data":"{}"}"#,
            r#"{"event":"e","data":"{}","__delta_seq":"5"}"#,
            r#"{"event":"e","data":"{}","__delta_seq":-5}"#,
            r#"{"event":"e","data":"{}","__delta_seq":5.0}"#,
            r#"{"event":"e","data":"{}","__delta_seq":5,"__conflation_key":null}"#,
            r#"{"event":"e","data":"{}","__conflation_key":"k"}"#,
            r#"{"__delta_seq":5}"#,
            r#"{"event":"e","__delta_seq":5"#,
            r#"{"event":"e","__delta_seq":5}}"#,
            r#"["event","__delta_seq",5]"#,
        ] {
            assert_eq!(marks(frame), None, "{frame}");
        }
    }

    #[test]
    fn only_the_last_mark_counts() {
        let frame = r#"{"event":"e","data":{"__delta_seq":1},"__delta_seq":2,"x":0,"__delta_seq":3}"#;
        let found = marks(frame).unwrap();
        assert_eq!(found.seq, 3);
        assert_eq!(found.base(), r#"{"event":"e","data":{"__delta_seq":1},"__delta_seq":2,"x":0}"#);
    }
}
