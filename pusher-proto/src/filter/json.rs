//! Filters from JSON, as a command line or a configuration file has them.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::node::{Comparison, Node, Test, Value, check_value};
use super::{Filter, InvalidFilter, Parts};
use crate::Text;
use crate::wire::object::{self, Key};

/// Reads both shapes: a condition on tags, or an object of event names, condition and expression.
pub(super) fn parse(json: &str) -> Result<Parts, InvalidFilter> {
    let fields = fields(json, "a JSON object")?;
    if !fields.iter().any(|(name, _)| ["events", "tags", "expression"].contains(&&**name)) {
        let tags = Some(Tree { nodes: 0 }.node(fields, 1)?);
        return Ok(Parts { tags, ..Parts::default() });
    }
    let mut parts = Parts::default();
    for (name, value) in fields {
        match &*name {
            "events" => parts.events = super::events(strings(value)?)?,
            "tags" => parts.tags = Some(Tree { nodes: 0 }.node(self::fields(value.get(), CONDITION)?, 1)?),
            "expression" => parts.expression = Some(super::expression(expression(value)?)?),
            _ => return Err(unknown_field(&name)),
        }
    }
    Ok(parts)
}

/// Counts the nodes that have been read, so that a text of any length ends at the limit.
struct Tree {
    nodes: usize,
}

impl Tree {
    fn node(&mut self, fields: Fields<'_>, depth: usize) -> Result<Node, InvalidFilter> {
        self.nodes += 1;
        if self.nodes > Filter::MAX_NODES {
            return Err(InvalidFilter::TooManyNodes);
        }
        if depth > Filter::MAX_DEPTH {
            return Err(InvalidFilter::TooDeep);
        }
        let [mut op, mut nodes, mut key, mut cmp, mut val, mut vals] = [None; 6];
        for (name, value) in fields {
            let field = match &*name {
                "op" => &mut op,
                "nodes" => &mut nodes,
                "key" => &mut key,
                "cmp" => &mut cmp,
                "val" => &mut val,
                "vals" => &mut vals,
                _ => return Err(unknown_field(&name)),
            };
            *field = Some(value).filter(|value| value.get() != "null");
        }
        let Some(op) = op else {
            if nodes.is_some_and(|nodes| nodes.get() != "[]") {
                return Err(InvalidFilter::Json { expected: "an `op` beside `nodes`" });
            }
            return leaf(key, cmp, val, vals);
        };
        if [key, cmp, val].iter().any(Option::is_some) || vals.is_some_and(|vals| vals.get() != "[]") {
            return Err(InvalidFilter::Json { expected: "either `op` and `nodes`, or `key` and `cmp`" });
        }
        self.combination(&string(op, "a string as `op`")?, nodes, depth)
    }

    fn combination(&mut self, op: &str, nodes: Option<&RawValue>, depth: usize) -> Result<Node, InvalidFilter> {
        if !["and", "or", "not"].contains(&op) {
            return Err(InvalidFilter::UnknownName(op.into()));
        }
        let mut inner = Vec::new();
        for node in nodes.map_or(Ok(Vec::new()), |nodes| elements(nodes, "an array as `nodes`"))? {
            inner.push(self.node(fields(node.get(), CONDITION)?, depth + 1)?);
        }
        match (op, inner.len()) {
            ("not", 1) => Ok(Node::Not(Box::new(inner.remove(0)))),
            ("not", _) => Err(InvalidFilter::Json { expected: "exactly one condition in `not`" }),
            (_, 0) => Err(InvalidFilter::NoConditions),
            ("and", _) => Ok(Node::All(inner)),
            _ => Ok(Node::Any(inner)),
        }
    }
}

fn leaf(
    key: Option<&RawValue>,
    cmp: Option<&RawValue>,
    val: Option<&RawValue>,
    vals: Option<&RawValue>,
) -> Result<Node, InvalidFilter> {
    let key = string(key.ok_or(InvalidFilter::Json { expected: "a `key` or an `op`" })?, "a string as `key`")?;
    let cmp = string(cmp.ok_or(InvalidFilter::Json { expected: "a `cmp`" })?, "a string as `cmp`")?;
    let vals = vals.map_or(Ok(Vec::new()), |vals| elements(vals, "an array as `vals`"))?;
    let test = match &*cmp {
        "ex" | "nex" => Test::Exists(cmp == "ex"),
        "in" | "nin" => {
            Test::List { is_in: cmp == "in", values: vals.into_iter().map(value).collect::<Result<_, _>>()? }
        }
        name => {
            let comparison = Comparison::ALL.into_iter().find(|comparison| comparison.name() == name);
            let comparison = comparison.ok_or_else(|| InvalidFilter::UnknownName(name.into()))?;
            Test::One(comparison, value(val.ok_or(InvalidFilter::EmptyValue)?)?)
        }
    };
    Node::tag(Text::from(&*key), test)
}

/// A string, a number or a boolean. Numbers stay as they are written, since the server decides what their text is.
fn value(raw: &RawValue) -> Result<Value, InvalidFilter> {
    if let Some(text) = object::string(raw) {
        return Value::text(&text);
    }
    check_value(raw.get())?;
    if raw.get().starts_with(['{', '[', 'n']) {
        return Err(InvalidFilter::Json { expected: "a string, a number or a boolean as a value" });
    }
    Ok(Value(raw.get().into()))
}

/// Text, or an object that names its language.
fn expression(raw: &RawValue) -> Result<Text, InvalidFilter> {
    let expected = "a string as `source` of an expression";
    if let Some(source) = object::string(raw) {
        return Ok(Text::from(&*source));
    }
    let mut source = None;
    for (name, value) in fields(raw.get(), "an expression as a string or an object")? {
        let text = string(value, "a string as `language` or `source`")?;
        match &*name {
            "language" if text == "jmespath" => {}
            "language" => return Err(InvalidFilter::UnknownName(Text::from(&*text))),
            "source" => source = Some(Text::from(&*text)),
            _ => return Err(unknown_field(&name)),
        }
    }
    source.ok_or(InvalidFilter::Json { expected })
}

fn strings(raw: &RawValue) -> Result<Vec<Text>, InvalidFilter> {
    let expected = "an array of strings as `events`";
    elements(raw, expected)?.into_iter().map(|name| Ok(Text::from(&*string(name, expected)?))).collect()
}

fn string<'a>(raw: &'a RawValue, expected: &'static str) -> Result<Cow<'a, str>, InvalidFilter> {
    object::string(raw).ok_or(InvalidFilter::Json { expected })
}

fn elements<'a>(raw: &'a RawValue, expected: &'static str) -> Result<Vec<&'a RawValue>, InvalidFilter> {
    let mut elements = Vec::new();
    if object::each(raw.get(), |element| elements.push(element)) {
        Ok(elements)
    } else {
        Err(InvalidFilter::Json { expected })
    }
}

fn unknown_field(name: &str) -> InvalidFilter {
    InvalidFilter::UnknownField(crate::excerpt::excerpt(name, MAX_EXCERPT).into())
}

/// Fields in their order, with repeated ones.
type Fields<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

fn fields<'a>(json: &'a str, expected: &'static str) -> Result<Fields<'a>, InvalidFilter> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let fields = deserializer.deserialize_map(All).and_then(|fields| deserializer.end().map(|()| fields));
    fields.map_err(|_| InvalidFilter::Json { expected })
}

struct All;

impl<'de> Visitor<'de> for All {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((key, value)) = map.next_entry::<Key<'_>, &RawValue>()? {
            fields.push((key.0, value));
        }
        Ok(fields)
    }
}

const CONDITION: &str = "a condition on tags, which is a JSON object";

/// Most bytes of the name of an unknown field in an error.
const MAX_EXCERPT: usize = 100;
