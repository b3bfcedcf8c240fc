//! The fields of a JSON object, as raw JSON.

use core::fmt;

use alloc::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::data::unescape;

/// Finds fields by name; `None` if the text is not a JSON object. If a field is repeated, the last one counts, as in
/// every other client, and `null` counts as missing.
pub(crate) fn fields<'a, const N: usize>(json: &'a str, names: [&str; N]) -> Option<[Option<&'a RawValue>; N]> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let fields = Fields(names).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(fields)
}

/// Finds fields of the object in the field `outer`, without parsing it twice; `None` if it is missing or not an object.
pub(crate) fn inner_fields<'a, const N: usize>(
    json: &'a str,
    outer: &str,
    names: [&str; N],
) -> Option<[Option<&'a RawValue>; N]> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let fields = deserializer.deserialize_map(Outer { name: outer, inner: Inner(names) }).ok()?;
    deserializer.end().ok()?;
    fields
}

/// Like [`fields`], but anything may follow the object.
pub(crate) fn leading_fields<'a, const N: usize>(json: &'a str, names: [&str; N]) -> Option<[Option<&'a RawValue>; N]> {
    Fields(names).deserialize(&mut serde_json::Deserializer::from_str(json)).ok()
}

/// Passes on the elements of an array, one at a time; false if the text is not a JSON array.
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
        while let Some((key, value)) = map.next_entry::<Key<'_>, &RawValue>()? {
            if let Some(at) = self.0.iter().position(|name| *name == key.0) {
                fields[at] = Some(value).filter(|value| value.get() != "null");
            }
        }
        Ok(fields)
    }
}

struct Outer<'n, const N: usize> {
    name: &'n str,
    inner: Inner<'n, N>,
}

impl<'de, const N: usize> Visitor<'de> for Outer<'_, N> {
    type Value = Option<[Option<&'de RawValue>; N]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = None;
        while let Some(key) = map.next_key::<Key<'_>>()? {
            if key.0 == self.name {
                fields = map.next_value_seed(self.inner)?;
            } else {
                map.next_value::<&RawValue>()?;
            }
        }
        Ok(fields)
    }
}

/// The fields of an object; `None` for any other value.
#[derive(Clone, Copy)]
struct Inner<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Inner<'_, N> {
    type Value = Option<[Option<&'de RawValue>; N]>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Inner<'_, N> {
    type Value = Option<[Option<&'de RawValue>; N]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Fields(self.0).visit_map(map).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// The text of a JSON string.
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let content = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    Some(unescape(content))
}

/// A key, which may contain a lone surrogate.
pub(crate) struct Key<'a>(pub(crate) Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(string(raw).unwrap_or_default()))
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
    fn inner_fields_are_those_of_the_last_object_of_that_name() {
        fn found(json: &str) -> Option<[Option<&str>; 2]> {
            inner_fields(json, "o", ["a", "b"]).map(|fields| fields.map(|field| field.map(RawValue::get)))
        }
        assert_eq!(found(r#"{"x":[{}],"o":{"a":1,"b":{"a":2},"c":3},"y":"z"}"#), Some([Some("1"), Some(r#"{"a":2}"#)]));
        assert_eq!(found(r#"{"o":{"a":1},"\u006f":{"b":2}}"#), Some([None, Some("2")]));
        for other in ["null", "true", "7", "-7", "7.5", r#""a""#, "[1,[2]]"] {
            assert_eq!(found(&alloc::format!(r#"{{"o":{{"a":1}},"o":{other}}}"#)), None, "{other}");
        }
        for json in ["{}", "[]", r#"{"o":{"a":1}"#, r#"{"o":{"a"}}"#, r#"{"o":{"a":1}}}"#] {
            assert_eq!(found(json), None, "{json}");
        }
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        for json in ["", "[]", "[1,2]", "7", r#""a""#, "{", r#"{"a":1}}"#, r#"{"a"}"#] {
            assert_eq!(found(json), None, "{json}");
        }
    }
}
