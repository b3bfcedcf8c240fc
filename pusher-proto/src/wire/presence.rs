//! The list of members in a presence channel's success, read without a tree of JSON values.

use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::object::{self, Key};
use super::read;
use crate::Data;
use crate::members::Members;

/// Reads `{"presence":{"ids":[…],"hash":{…}}}` into `members`, which is empty; `None` if there is no such list.
///
/// PHP servers send `{}` as `[]`, and users numbered from 0 as an array: then the index is the id.
pub(crate) fn members(data: &Data, mut members: Members) -> Option<Members> {
    let text = read::inner(data);
    let [ids, hash] = object::inner_fields(&text, "presence", ["ids", "hash"])?;
    // Ids first: they give the order. Infos follow, for ids that the hash alone knows too.
    for (part, list) in [(Part::Ids, ids), (Part::Hash, hash)] {
        let Some(list) = list else { continue };
        let mut json = serde_json::Deserializer::from_str(list.get());
        Fill { part, members: &mut members }.deserialize(&mut json).ok()?;
    }
    Some(members)
}

#[derive(Clone, Copy)]
enum Part {
    Ids,
    Hash,
}

struct Fill<'m> {
    part: Part,
    members: &'m mut Members,
}

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut index = 0_u64;
        while let Some(item) = seq.next_element::<&RawValue>()? {
            match self.part {
                Part::Ids => {
                    if let Some(id) = read::id(item).filter(|id| !id.is_empty()) {
                        self.members.insert(&id, "null");
                    }
                }
                Part::Hash => {
                    self.members.insert(&alloc::format!("{index}"), item.get());
                }
            }
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((id, info)) = map.next_entry::<Key<'_>, &RawValue>()? {
            if matches!(self.part, Part::Hash) && !id.0.is_empty() {
                self.members.insert(&id.0, info.get());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use super::*;

    fn read(json: &str) -> Option<Vec<(String, String)>> {
        let data = Data::from_json(json).unwrap();
        let members = members(&data, Members::new(1))?;
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
            (r#"{"presence":{"ids":["a\/b",null,""],"hash":{"a\/b":1}}}"#, some(&[("a/b", "1")])),
            (r#"{"presence":{"ids":["1"],"hash":{"1":1,"\ud83d":2,"":3}}}"#, some(&[("1", "1"), ("\u{fffd}", "2")])),
            (r#"{}"#, None),
            (r#"{"presence":null}"#, None),
            (r#"{"presence":{"ids":7}}"#, None),
        ];
        for (json, expected) in table {
            assert_eq!(read(json), expected, "{json}");
        }
        assert!(members(&Data::ABSENT, Members::new(1)).is_none());
    }
}
