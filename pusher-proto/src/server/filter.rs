//! Filters of subscriptions, as Sockudo reads and refuses them. This code is independent of the client's filters, so that a
//! test of both finds a mistake in either.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};

use super::recovery::{Published, Tags};
use crate::Text;
use crate::filter::Filter as Limits;

/// Which events of a channel a subscriber receives.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// Every name, if empty.
    events: Vec<String>,
    tags: Option<Node>,
}

/// A condition on tags.
#[derive(Clone, Debug)]
enum Node {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Tag { key: String, test: Test },
}

#[derive(Clone, Debug)]
enum Test {
    Is { value: String, is_equal: bool },
    In { values: Vec<String>, is_in: bool },
    Exists(bool),
    Part(fn(&str, &str) -> bool, String),
    Number(fn(&f64, &f64) -> bool, String),
}

impl Filter {
    /// Reads a filter; an error is a message for the client.
    pub(super) fn read(json: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Parts {
            events: Option<Box<RawValue>>,
            tags: Option<Box<RawValue>>,
            expression: Option<Value>,
        }

        let parts = serde_json::from_str::<Parts>(json).ok();
        let parts = parts.filter(|parts| parts.events.is_some() || parts.tags.is_some() || parts.expression.is_some());
        let Some(parts) = parts else {
            return Ok(Self { events: Vec::new(), tags: Some(tags(json)?) });
        };
        parts.expression.as_ref().map_or(Ok(()), expression)?;
        let events = parts.events.map_or(Ok(Vec::new()), |raw| events(&raw))?;
        Ok(Self { events, tags: parts.tags.map(|raw| tags(raw.get())).transpose()? })
    }

    /// Whether the subscriber receives the event.
    pub(super) fn passes(&self, event: &Published) -> bool {
        let has_name = self.events.is_empty() || self.events.iter().any(|name| *name == *event.name);
        has_name && self.tags.as_ref().is_none_or(|node| node.is_true(&event.tags))
    }
}

impl Node {
    fn is_true(&self, tags: &Tags) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.is_true(tags)),
            Self::Any(nodes) => nodes.iter().any(|node| node.is_true(tags)),
            Self::Not(node) => !node.is_true(tags),
            Self::Tag { key, test } => test.is_true(tags.get(key.as_str()).map(Text::as_str)),
        }
    }
}

impl Test {
    /// A missing tag is not equal to any value and contains none.
    fn is_true(&self, tag: Option<&str>) -> bool {
        match self {
            Self::Is { value, is_equal } => (tag == Some(value)) == *is_equal,
            Self::In { values, is_in } => tag.is_some_and(|tag| values.iter().any(|value| value == tag)) == *is_in,
            Self::Exists(exists) => tag.is_some() == *exists,
            Self::Part(compare, value) => tag.is_some_and(|tag| compare(tag, value)),
            Self::Number(compare, value) => {
                let numbers = tag.and_then(|tag| tag.parse().ok()).zip(value.parse().ok());
                numbers.is_some_and(|(tag, value)| compare(&tag, &value))
            }
        }
    }
}

/// A condition as it is sent.
#[derive(Deserialize)]
struct FilterNode {
    op: Option<String>,
    key: Option<String>,
    cmp: Option<String>,
    val: Option<Scalar>,
    vals: Option<Vec<Scalar>>,
    nodes: Option<Vec<Self>>,
}

/// A value. The server compares its text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(Number),
    Bool(bool),
}

impl Scalar {
    fn text(self) -> Result<String, String> {
        let text = match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
        };
        within(text.len(), Limits::MAX_VALUE_LEN, "value exceeds the byte limit").map(|()| text)
    }
}

fn tags(json: &str) -> Result<Node, String> {
    let node: FilterNode = serde_json::from_str(json).map_err(|error| format!("Invalid tags filter shape: {error}"))?;
    node.checked(1, &mut 0)
}

impl FilterNode {
    /// The condition, if it and all others, counted by `nodes`, are within the limits.
    fn checked(self, depth: usize, nodes: &mut usize) -> Result<Node, String> {
        *nodes += 1;
        within(*nodes, Limits::MAX_NODES, "exceeds the node limit")?;
        within(depth, Limits::MAX_DEPTH, "exceeds the depth limit")?;
        let Some(op) = self.op else { return leaf(self.key, self.cmp, self.val, self.vals) };
        if !["and", "or", "not"].contains(&op.as_str()) {
            return Err(invalid(format_args!("unknown logical operator: {op}")));
        }
        let children = self.nodes.unwrap_or_default();
        match (op.as_str(), children.len()) {
            ("not", 1) => {}
            ("not", count) => {
                return Err(invalid(format_args!("not operation requires exactly one child node, got {count}")));
            }
            (_, 0) => return Err(invalid(format_args!("{op} operation requires at least one child node"))),
            _ => {}
        }
        let mut children: Vec<Node> =
            children.into_iter().map(|node| node.checked(depth + 1, nodes)).collect::<Result<_, _>>()?;
        Ok(match op.as_str() {
            "and" => Node::All(children),
            "or" => Node::Any(children),
            _ => Node::Not(Box::new(children.remove(0))),
        })
    }
}

fn leaf(
    key: Option<String>,
    cmp: Option<String>,
    val: Option<Scalar>,
    vals: Option<Vec<Scalar>>,
) -> Result<Node, String> {
    let key = key.filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| invalid(format_args!("Leaf node requires a non-empty key")))?;
    within(key.len(), Limits::MAX_KEY_LEN, "key exceeds the byte limit")?;
    let cmp = cmp.ok_or_else(|| invalid(format_args!("Leaf node requires a comparison operator")))?;
    let value = || {
        let value = val.map_or(Ok(String::new()), Scalar::text)?;
        if value.is_empty() {
            return Err(invalid(format_args!("{cmp} operation requires a non-empty val")));
        }
        Ok(value)
    };
    let values = || {
        let values = vals.unwrap_or_default();
        if values.is_empty() {
            return Err(invalid(format_args!("{cmp} operation requires at least one value in vals")));
        }
        within(values.len(), Limits::MAX_VALUES, "value list exceeds the limit")?;
        values.into_iter().map(Scalar::text).collect::<Result<Vec<_>, _>>()
    };
    let test = match cmp.as_str() {
        "eq" | "neq" => Test::Is { value: value()?, is_equal: cmp == "eq" },
        "in" | "nin" => Test::In { values: values()?, is_in: cmp == "in" },
        "ex" | "nex" => Test::Exists(cmp == "ex"),
        "sw" => Test::Part(|tag, value| tag.starts_with(value), value()?),
        "ew" => Test::Part(|tag, value| tag.ends_with(value), value()?),
        "ct" => Test::Part(|tag, value| tag.contains(value), value()?),
        "gt" => Test::Number(f64::gt, value()?),
        "gte" => Test::Number(f64::ge, value()?),
        "lt" => Test::Number(f64::lt, value()?),
        "lte" => Test::Number(f64::le, value()?),
        _ => return Err(invalid(format_args!("unknown comparison operator: {cmp}"))),
    };
    Ok(Node::Tag { key, test })
}

fn events(raw: &RawValue) -> Result<Vec<String>, String> {
    let events = serde_json::from_str::<Vec<String>>(raw.get()).unwrap_or_default();
    if events.is_empty() || events.iter().any(String::is_empty) {
        return Err("filter.events must be an array of non-empty strings".into());
    }
    if events.len() > Limits::MAX_EVENTS {
        return Err(format!("filter.events exceeds maximum of {} event names", Limits::MAX_EVENTS));
    }
    match events.iter().find(|name| name.len() > Limits::MAX_EVENT_LEN) {
        None => Ok(events),
        Some(name) => {
            let start: String = name.chars().take(EXCERPT_LEN).collect();
            Err(format!("Event name '{start}...' exceeds maximum length of {} characters", Limits::MAX_EVENT_LEN))
        }
    }
}

/// Sockudo evaluates expressions. This model cannot, and refuses them instead of sending unwanted events.
fn expression(value: &Value) -> Result<(), String> {
    let language = value.get("language").and_then(Value::as_str).unwrap_or("jmespath");
    if language != "jmespath" {
        return Err(format!("Unsupported filter expression language '{language}'"));
    }
    let source = value.as_str().or_else(|| value.get("source")?.as_str()).unwrap_or_default();
    match Limits::expression(source).check() {
        Ok(_) => Err("Invalid subscription filter: this server does not evaluate expressions".into()),
        Err(error) => Err(format!("Invalid subscription filter: invalid JMESPath expression: {error}")),
    }
}

fn invalid(message: core::fmt::Arguments<'_>) -> String {
    format!("Invalid tags filter: {message}")
}

fn within(len: usize, max: usize, what: &str) -> Result<(), String> {
    if len > max { Err(format!("Invalid subscription filter: tag filter {what} of {max}")) } else { Ok(()) }
}

/// How much of a name an error repeats, in characters.
const EXCERPT_LEN: usize = 40;
