//! The list of members in a presence channel's success, read without a tree of JSON values.

use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::object::Key;
use super::read;
use crate::Data;
use crate::members::{Listing, Members};

/// Reads `{"presence":{"ids":[…],"hash":{…}}}`; `None` if it contains no such list.
///
/// PHP servers send `{}` as `[]`, and users with the ids 0, 1, … as an array, in which the index is the id. Lists can have
/// megabytes, so the infos are taken as they are found, without a first pass that only finds their end.
pub(crate) fn members(data: &Data, seed: u64) -> Option<Members> {
    let text = read::inner(data);
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let mut listing = Listing::new(seed);
    let ids = deserializer.deserialize_map(Outer(&mut listing)).ok()??;
    deserializer.end().ok()?;
    let listed = listing.finish();
    let Some(ids) = ids else { return Some(listed) };
    let mut order = Order { listed: &listed, in_order: 0, reordered: None, seed };
    serde_json::Deserializer::from_str(ids.get()).deserialize_any(Ids(&mut order)).ok()?;
    let reordered = order.finish();
    Some(reordered.unwrap_or(listed))
}

/// Finds the object `presence`, and returns what [`Presence`] returns. Its last repetition counts, as everywhere.
struct Outer<'l>(&'l mut Listing);

impl<'de> Visitor<'de> for Outer<'_> {
    type Value = Option<Option<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut ids = None;
        while let Some(key) = map.next_key::<Key<'_>>()? {
            if key.0 == "presence" {
                ids = Some(map.next_value_seed(Presence(self.0))?);
            } else {
                map.next_value::<&RawValue>()?;
            }
        }
        Ok(ids)
    }
}

/// Takes the ids and infos of `hash`, and returns the field `ids`.
struct Presence<'l>(&'l mut Listing);

impl<'de> DeserializeSeed<'de> for Presence<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Presence<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut ids = None;
        self.0.clear();
        while let Some(key) = map.next_key::<Key<'_>>()? {
            match &*key.0 {
                "ids" => ids = map.next_value::<Option<&RawValue>>()?,
                "hash" => map.next_value_seed(Hash(self.0))?,
                _ => _ = map.next_value::<&RawValue>()?,
            }
        }
        Ok(ids)
    }
}

/// Takes ids and infos.
struct Hash<'l>(&'l mut Listing);

impl<'de> DeserializeSeed<'de> for Hash<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.clear();
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Hash<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut index = 0_u64;
        while let Some(info) = seq.next_element::<&RawValue>()? {
            self.0.push(&alloc::format!("{index}"), info.get());
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((id, info)) = map.next_entry::<Key<'_>, &RawValue>()? {
            if !id.0.is_empty() {
                self.0.push(&id.0, info.get());
            }
        }
        Ok(())
    }
}

/// Takes ids, which determine the order.
struct Ids<'o, 'm>(&'o mut Order<'m>);

impl<'de> Visitor<'de> for Ids<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element::<&RawValue>()? {
            if let Some(id) = read::id(item).filter(|id| !id.is_empty()) {
                self.0.take(&id);
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<&RawValue, &RawValue>()?.is_some() {}
        Ok(())
    }
}

/// Brings members into the order of the ids. Servers usually send both in the same order, and then nothing has to be
/// moved.
struct Order<'m> {
    listed: &'m Members,
    /// How many of `listed` are already at the position of their id.
    in_order: usize,
    reordered: Option<Members>,
    seed: u64,
}

impl Order<'_> {
    fn take(&mut self, id: &str) {
        let Self { listed, in_order, reordered, seed } = self;
        if reordered.is_none() && listed.at(*in_order).is_some_and(|(listed, _)| listed == id) {
            *in_order += 1;
            return;
        }
        let reordered = reordered.get_or_insert_with(|| {
            let mut members = Members::new(*seed);
            members.add_missing(listed.entries().take(*in_order));
            members
        });
        reordered.add_missing([(id, listed.info(id).unwrap_or("null"))]);
    }

    /// Members that are not in the list of ids come last.
    fn finish(self) -> Option<Members> {
        let mut reordered = self.reordered?;
        reordered.add_missing(self.listed.entries());
        Some(reordered)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use super::*;

    fn read(json: &str) -> Option<Vec<(String, String)>> {
        let data = Data::from_json(json).unwrap();
        let members = members(&data, 1)?;
        Some(members.iter().map(|member| (member.id.to_string(), member.info.raw().to_string())).collect())
    }

    fn some(members: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(members.iter().map(|(id, info)| (id.to_string(), info.to_string())).collect())
    }

    #[test]
    fn takes_lists_in_every_form() {
        let table = [
            (
                r#"{"presence":{"count":2,"ids":["b","a"],"hash":{"a":{"n":1},"b":null}}}"#,
                some(&[("b", ""), ("a", r#"{"n":1}"#)]),
            ),
            (r#""{\"presence\":{\"ids\":[\"a\"],\"hash\":{\"a\":[]}}}""#, some(&[("a", "[]")])),
            (r#"{"presence":{"ids":[0,1],"hash":[{"n":0},[]]}}"#, some(&[("0", r#"{"n":0}"#), ("1", "[]")])),
            (r#"{"presence":{"count":0,"ids":[],"hash":[]}}"#, some(&[])),
            (r#"{"presence":{"ids":["x"]}}"#, some(&[("x", "")])),
            (r#"{"presence":{"hash":{"x":1}}}"#, some(&[("x", "1")])),
            (r#"{"presence":{"ids":null,"hash":null}}"#, some(&[])),
            (
                r#"{"presence":{"ids":["a","c","c","d","b"],"hash":{"a":1,"b":2,"c":3,"e":5,"c":4}}}"#,
                some(&[("a", "1"), ("c", "4"), ("d", ""), ("b", "2"), ("e", "5")]),
            ),
            (r#"{"presence":{"ids":["a","a"],"hash":{"a":1,"b":2}}}"#, some(&[("a", "1"), ("b", "2")])),
            (r#"{"presence":{"ids":{"a":1},"hash":{"b":2}}}"#, some(&[("b", "2")])),
            (r#"{"presence":{"ids":["a"],"hash":7}}"#, None),
            (r#"{"presence":{"hash":{"a":1},"ids":["b"],"hash":{"b":2},"ids":null}}"#, some(&[("b", "2")])),
            (r#"{"presence":{"hash":{"a":1}},"x":{"hash":{"c":3}},"presence":{"ids":["b"]}}"#, some(&[("b", "")])),
            (r#""{\"presence\":{\"hash\":{\"a\":1}}""#, None),
            (r#""{\"presence\":{\"hash\":{\"a\":1}}}}""#, None),
            (r#"{"presence":{"ids":["a\/b",null,""],"hash":{"a\/b":1}}}"#, some(&[("a/b", "1")])),
            (r#"{"presence":{"ids":["1"],"hash":{"1":1,"\ud83d":2,"":3}}}"#, some(&[("1", "1"), ("\u{fffd}", "2")])),
            (r#"{}"#, None),
            (r#"{"presence":null}"#, None),
            (r#"{"presence":{"ids":7}}"#, None),
        ];
        for (json, expected) in table {
            assert_eq!(read(json), expected, "{json}");
        }
        assert!(members(&Data::ABSENT, 1).is_none());
    }
}
