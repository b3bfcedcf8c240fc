//! Arbitrary text in a structured input.

use std::borrow::Cow;

use arbitrary::{Arbitrary, Result, Unstructured};
use serde_json::value::RawValue;

/// A byte with the length, and then this many bytes, if there are enough.
#[derive(Debug)]
pub(crate) struct Line<'a>(pub(crate) Cow<'a, str>);

impl<'a> Arbitrary<'a> for Line<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let len = usize::from(u8::arbitrary(bytes)?).min(bytes.len());
        Ok(Self(String::from_utf8_lossy(bytes.bytes(len)?)))
    }
}

impl Line<'_> {
    /// The text if it is a JSON value, otherwise a JSON string with the text: what is valid in a frame.
    pub(crate) fn json(&self) -> Cow<'_, str> {
        match serde_json::from_str::<&RawValue>(&self.0) {
            Ok(json) => Cow::Borrowed(json.get()),
            Err(_) => Cow::Owned(string(&self.0)),
        }
    }
}

/// A text as a JSON string.
pub(crate) fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
