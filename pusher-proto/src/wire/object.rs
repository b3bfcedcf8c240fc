//! The fields of a JSON object, untouched.

use core::fmt;

use alloc::borrow::Cow;
use alloc::string::String;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::data::unescape;

/// Finds fields by name; `None` if the text is no JSON object. Of repeated fields the last one counts, as in every other
/// client, and `null` is a field that is not there.
pub(crate) fn fields<'a, const N: usize>(json: &'a str, names: [&str; N]) -> Option<[Option<&'a RawValue>; N]> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let fields = Fields(names).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(fields)
}

/// The same for an object with anything behind it.
pub(crate) fn leading_fields<'a, const N: usize>(json: &'a str, names: [&str; N]) -> Option<[Option<&'a RawValue>; N]> {
    Fields(names).deserialize(&mut serde_json::Deserializer::from_str(json)).ok()
}

/// Passes on the elements of an array, one at a time; false if the text is no JSON array.
pub(crate) fn each<'a>(json: &'a str, each: impl FnMut(&'a RawValue)) -> bool {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserializer.deserialize_seq(Each(each)).is_ok()
}

struct Each<F>(F);

impl<'de, F: FnMut(&'de RawValue)> Visitor<'de> for Each<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element()? {
            self.0(element);
        }
        Ok(())
    }
}

struct Fields<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Fields<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Fields<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = [None; N];
        while let Some((key, value)) = map.next_entry::<Key, &RawValue>()? {
            if let Some(at) = self.0.iter().position(|name| *name == key.0) {
                fields[at] = Some(value).filter(|value| value.get() != "null");
            }
        }
        Ok(fields)
    }
}

/// The text of a JSON string.
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let content = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    Some(unescape(content))
}

/// A key, also one with a lone surrogate.
pub(crate) struct Key(pub(crate) String);

impl<'de> serde::Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(string(raw).unwrap_or_default().into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str) -> Option<[Option<&str>; 2]> {
        fields(json, ["a", "b"]).map(|fields| fields.map(|field| field.map(RawValue::get)))
    }

    #[test]
    fn the_last_of_repeated_fields_counts_and_null_is_none() {
        assert_eq!(found(r#"{"a":1,"x":[{}],"a":2,"b":null}"#), Some([Some("2"), None]));
        assert_eq!(found(r#"{"\u0061":1,"\ud83d":2,"b":"\ud83d"}"#), Some([Some("1"), Some(r#""\ud83d""#)]));
        assert_eq!(found(r#"{"a":1,"a":null}"#), Some([None, None]));
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        for json in ["", "[]", "[1,2]", "7", r#""a""#, "{", r#"{"a":1}}"#, r#"{"a"}"#] {
            assert_eq!(found(json), None, "{json}");
        }
    }
}
