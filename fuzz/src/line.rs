//! Text of any kind in an input that has a form.

use std::borrow::Cow;

use arbitrary::{Arbitrary, Result, Unstructured};
use serde_json::value::RawValue;

/// A byte with the length, then so many bytes, as far as there are any.
#[derive(Debug)]
pub(crate) struct Line<'a>(pub(crate) Cow<'a, str>);

impl<'a> Arbitrary<'a> for Line<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let len = usize::from(u8::arbitrary(bytes)?).min(bytes.len());
        Ok(Self(String::from_utf8_lossy(bytes.bytes(len)?)))
    }
}

impl Line<'_> {
    /// The text where it is one JSON value, otherwise a JSON string of it: what can stand in a frame.
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
