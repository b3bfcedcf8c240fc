//! Conditions on tags, as the tree that the server reads.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Filter, InvalidFilter};
use crate::Text;
use crate::data::json_string;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Tag { key: Text, test: Test },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    One(Comparison, Value),
    List { is_in: bool, values: Vec<Value> },
    Exists(bool),
}

/// A string, a number or a boolean, as JSON. The server compares all of them as text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value(pub(super) Text);

impl Value {
    pub(super) fn text(text: &str) -> Result<Self, InvalidFilter> {
        check_value(text)?;
        Ok(Self(json_string(text).into()))
    }
}

/// Checks the length of a value, as text.
pub(super) fn check_value(text: &str) -> Result<(), InvalidFilter> {
    if text.len() > Filter::MAX_VALUE_LEN {
        return Err(InvalidFilter::ValueTooLong { len: text.len() });
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    StartsWith,
    EndsWith,
    Contains,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    pub(super) const ALL: [Self; 9] = [
        Self::Equal,
        Self::NotEqual,
        Self::StartsWith,
        Self::EndsWith,
        Self::Contains,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Less,
        Self::LessOrEqual,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "neq",
            Self::StartsWith => "sw",
            Self::EndsWith => "ew",
            Self::Contains => "ct",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "gte",
            Self::Less => "lt",
            Self::LessOrEqual => "lte",
        }
    }
}

impl Node {
    /// A condition on one tag, within the limits.
    pub(super) fn tag(key: Text, test: Test) -> Result<Self, InvalidFilter> {
        if key.is_empty() || key.len() > Filter::MAX_KEY_LEN {
            return Err(InvalidFilter::Key { len: key.len() });
        }
        match &test {
            Test::One(_, value) if value.0 == r#""""# => return Err(InvalidFilter::EmptyValue),
            Test::List { values, .. } if values.is_empty() => return Err(InvalidFilter::NoValues),
            Test::List { values, .. } if values.len() > Filter::MAX_VALUES => {
                return Err(InvalidFilter::TooManyValues { len: values.len() });
            }
            Test::One(..) | Test::List { .. } | Test::Exists(_) => {}
        }
        Ok(Self::Tag { key, test })
    }

    /// A combination of several conditions; one condition stays as it is, and equal combinations become one.
    pub(super) fn joined(is_all: bool, nodes: Vec<Self>) -> Result<Self, InvalidFilter> {
        let mut flat = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node {
                Self::All(mut inner) if is_all => flat.append(&mut inner),
                Self::Any(mut inner) if !is_all => flat.append(&mut inner),
                node @ (Self::All(_) | Self::Any(_) | Self::Not(_) | Self::Tag { .. }) => flat.push(node),
            }
        }
        match flat.len() {
            0 => Err(InvalidFilter::NoConditions),
            1 => Ok(flat.remove(0)),
            _ => (if is_all { Self::All(flat) } else { Self::Any(flat) }).checked(),
        }
    }

    /// The same node if it is within the limits of a tree.
    pub(super) fn checked(self) -> Result<Self, InvalidFilter> {
        let (nodes, depth) = self.size();
        if nodes > Filter::MAX_NODES {
            return Err(InvalidFilter::TooManyNodes);
        }
        if depth > Filter::MAX_DEPTH {
            return Err(InvalidFilter::TooDeep);
        }
        Ok(self)
    }

    /// Number of nodes and levels.
    fn size(&self) -> (usize, usize) {
        let above = |(nodes, depth): (usize, usize), node: &Self| {
            let (more, deeper) = node.size();
            (nodes + more, depth.max(1 + deeper))
        };
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().fold((1, 1), above),
            Self::Not(node) => above((1, 1), node),
            Self::Tag { .. } => (1, 1),
        }
    }

    /// Appends the JSON that the server reads.
    pub(super) fn write(&self, json: &mut String) {
        match self {
            Self::All(nodes) => write_nodes("and", nodes, json),
            Self::Any(nodes) => write_nodes("or", nodes, json),
            Self::Not(node) => write_nodes("not", core::slice::from_ref(&**node), json),
            Self::Tag { key, test } => {
                *json += r#"{"key":"#;
                *json += &json_string(key);
                *json += r#","cmp":""#;
                test.write(json);
                json.push('}');
            }
        }
    }
}

impl Test {
    /// Appends the name of the comparison, which the caller has opened, and the values.
    fn write(&self, json: &mut String) {
        match self {
            Self::Exists(true) => *json += r#"ex""#,
            Self::Exists(false) => *json += r#"nex""#,
            Self::One(comparison, value) => {
                *json += comparison.name();
                *json += r#"","val":"#;
                *json += &value.0;
            }
            Self::List { is_in, values } => {
                *json += if *is_in { r#"in","vals":["# } else { r#"nin","vals":["# };
                let values: Vec<&str> = values.iter().map(|value| value.0.as_str()).collect();
                *json += &values.join(",");
                json.push(']');
            }
        }
    }
}

fn write_nodes(operator: &str, nodes: &[Node], json: &mut String) {
    *json += r#"{"op":""#;
    *json += operator;
    *json += r#"","nodes":["#;
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        node.write(json);
    }
    *json += "]}";
}

/// The text of a number.
pub(super) fn number(number: f64) -> Result<Value, InvalidFilter> {
    if number.is_nan() {
        return Err(InvalidFilter::NotANumber);
    }
    Value::text(&number.to_string())
}
