//! Filters: which events of a channel the server sends (Sockudo, Protocol V2).
//!
//! A [`Filter`] is written with functions or read from JSON, and checked against the server's rules before it is sent: the
//! server only says that a frame was malformed, and not which one.

mod error;
mod jmespath;
mod json;
mod node;

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::ops;
use core::str::FromStr;

use self::node::{Comparison, Node, Test, Value};
use crate::Text;
use crate::data::json_string;

pub use error::InvalidFilter;
pub use jmespath::ExpressionError;

/// Which events of a channel the server sends: by tags, by event name, and by an expression.
///
/// Tags are texts that a publisher attaches to an event. An event without tags is treated as one that lacks each key,
/// and so are client events. Values may be anything that has a text, because the server compares texts; only
/// [`gt`](Self::gt), [`ge`](Self::ge), [`lt`](Self::lt) and [`le`](Self::le) compare numbers.
///
/// Conditions are combined with [`and`](Self::and), [`or`](Self::or) and `!`. What is wrong with a part is kept and returned by [`check`](Self::check), so that conditions can be written without
/// a `?` after each.
///
/// A filter on a presence channel also hides members who join and leave, and a server whose filters are not enabled
/// ignores it without a word.
///
/// # Examples
///
/// ```
/// use pusher_proto::filter::Filter;
///
/// let filter = Filter::eq("asset", "BTC").and(Filter::gt("price", 100).or(!Filter::exists("price")));
/// assert_eq!(
///     filter.check()?.as_json(),
///     concat!(
///         r#"{"op":"and","nodes":[{"key":"asset","cmp":"eq","val":"BTC"},"#,
///         r#"{"op":"or","nodes":[{"key":"price","cmp":"gt","val":"100"},"#,
///         r#"{"op":"not","nodes":[{"key":"price","cmp":"ex"}]}]}]}"#,
///     ),
/// );
///
/// let filter = Filter::events(["trade"]).and(Filter::in_("asset", ["BTC", "ETH"]));
/// assert_eq!(
///     filter.check()?.as_json(),
///     r#"{"events":["trade"],"tags":{"key":"asset","cmp":"in","vals":["BTC","ETH"]}}"#,
/// );
/// # Ok::<(), pusher_proto::filter::InvalidFilter>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a filter does nothing until it is checked and given to a subscription"]
pub struct Filter(Result<Parts, InvalidFilter>);

/// What has to be true at once. At least one part is there.
#[derive(Clone, Debug, Default, PartialEq)]
struct Parts {
    events: Vec<Text>,
    tags: Option<Node>,
    expression: Option<Text>,
}

impl Filter {
    /// Most event names (Sockudo 5.2.0, default of `max_events_per_filter`).
    pub const MAX_EVENTS: usize = 50;
    /// Length of the longest event name, in bytes (Sockudo 5.2.0, default of `max_event_name_length`).
    pub const MAX_EVENT_LEN: usize = 200;
    /// Most conditions on tags, including their combinations (Sockudo 5.2.0).
    pub const MAX_NODES: usize = 128;
    /// Most levels of combinations; a single condition has one (Sockudo 5.2.0).
    pub const MAX_DEPTH: usize = 16;
    /// Length of the longest key of a tag, in bytes (Sockudo 5.2.0).
    pub const MAX_KEY_LEN: usize = 256;
    /// Length of the longest value, in bytes (Sockudo 5.2.0).
    pub const MAX_VALUE_LEN: usize = 1_024;
    /// Most values of one list (Sockudo 5.2.0).
    pub const MAX_VALUES: usize = 128;
    /// Length of the longest expression, in bytes (Sockudo 5.2.0).
    pub const MAX_EXPRESSION_LEN: usize = jmespath::MAX_LEN;

    /// The tag `key` is one of `values`.
    pub fn in_(key: impl Into<Text>, values: impl IntoIterator<Item = impl ToString>) -> Self {
        Self::list(key, true, values)
    }

    /// The tag `key` is none of `values`, or is missing.
    pub fn not_in(key: impl Into<Text>, values: impl IntoIterator<Item = impl ToString>) -> Self {
        Self::list(key, false, values)
    }

    /// There is a tag `key`.
    pub fn exists(key: impl Into<Text>) -> Self {
        Self::tag(key, Ok(Test::Exists(true)))
    }

    /// The tag `key` is missing.
    pub fn not_exists(key: impl Into<Text>) -> Self {
        Self::tag(key, Ok(Test::Exists(false)))
    }

    /// The tag `key` is a number greater than `value`.
    pub fn gt(key: impl Into<Text>, value: impl Into<f64>) -> Self {
        Self::number(key, Comparison::Greater, value)
    }

    /// The tag `key` is a number, and at least `value`.
    pub fn ge(key: impl Into<Text>, value: impl Into<f64>) -> Self {
        Self::number(key, Comparison::GreaterOrEqual, value)
    }

    /// The tag `key` is a number less than `value`.
    pub fn lt(key: impl Into<Text>, value: impl Into<f64>) -> Self {
        Self::number(key, Comparison::Less, value)
    }

    /// The tag `key` is a number, and at most `value`.
    pub fn le(key: impl Into<Text>, value: impl Into<f64>) -> Self {
        Self::number(key, Comparison::LessOrEqual, value)
    }

    /// The event has one of these names.
    pub fn events(names: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        Self(events(names).map(|events| Parts { events, ..Parts::default() }))
    }

    /// The result of a JMESPath expression is true: not `false`, not `null` and not empty.
    ///
    /// The expression sees the event as an object with `event`, `channel`, `data`, `name`, `userId`, `tags`, `headers`,
    /// `messageId`, `streamId`, `serial` and `action`. The `data` of an event that was published over HTTP is a string,
    /// even if it contains JSON, so `data.price` is only found in client events.
    pub fn expression(source: impl Into<Text>) -> Self {
        Self(expression(source.into()).map(|source| Parts { expression: Some(source), ..Parts::default() }))
    }

    /// All filters apply.
    pub fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        filters.into_iter().reduce(Self::and).unwrap_or(Self(Err(InvalidFilter::NoConditions)))
    }

    /// At least one of the filters applies. They may only contain conditions on tags.
    pub fn any(filters: impl IntoIterator<Item = Self>) -> Self {
        filters.into_iter().reduce(Self::or).unwrap_or(Self(Err(InvalidFilter::NoConditions)))
    }

    /// Both filters apply. Only one of them may contain event names, and only one an expression.
    pub fn and(self, other: Self) -> Self {
        Self(self.0.and_then(|parts| parts.and(other.0?)))
    }

    /// At least one of both filters applies. They may only contain conditions on tags.
    pub fn or(self, other: Self) -> Self {
        let either = || Node::joined(false, Vec::from([self.tags()?, other.tags()?]));
        Self::of_tags(either())
    }

    /// Reads a filter in the form that the server takes, for example from a command line. Both shapes are read: a
    /// condition on tags, and an object with `events`, `tags` and `expression`.
    ///
    /// # Errors
    ///
    /// If the text is not such JSON, has a field that filters do not have (the server would ignore it, and send more
    /// than wanted), or breaks a rule that [`check`](Self::check) names.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::filter::{Filter, InvalidFilter};
    ///
    /// let filter = Filter::from_json(r#"{"key":"price","cmp":"gte","val":100}"#)?;
    /// assert_eq!(filter.check()?.as_json(), r#"{"key":"price","cmp":"gte","val":100}"#);
    ///
    /// let typo = Filter::from_json(r#"{"events":["trade"],"tag":{"key":"asset","cmp":"ex"}}"#);
    /// assert_eq!(typo, Err(InvalidFilter::UnknownField("tag".into())));
    /// # Ok::<(), InvalidFilter>(())
    /// ```
    pub fn from_json(json: &str) -> Result<Self, InvalidFilter> {
        json::parse(json).map(|parts| Self(Ok(parts)))
    }

    /// Returns the filter as it is sent.
    ///
    /// # Errors
    ///
    /// If a name, key, value or expression is empty where it must not be, a limit is exceeded (each is a constant of
    /// this type), the expression is not JMESPath, or parts are combined that cannot be.
    pub fn check(self) -> Result<CheckedFilter, InvalidFilter> {
        self.0.map(|parts| CheckedFilter(parts.to_json().into()))
    }

    fn text(key: impl Into<Text>, comparison: Comparison, value: &impl ToString) -> Self {
        Self::tag(key, Value::text(&value.to_string()).map(|value| Test::One(comparison, value)))
    }

    fn number(key: impl Into<Text>, comparison: Comparison, value: impl Into<f64>) -> Self {
        Self::tag(key, node::number(value.into()).map(|value| Test::One(comparison, value)))
    }

    fn list(key: impl Into<Text>, is_in: bool, values: impl IntoIterator<Item = impl ToString>) -> Self {
        let values = values.into_iter().map(|value| Value::text(&value.to_string())).collect::<Result<_, _>>();
        Self::tag(key, values.map(|values| Test::List { is_in, values }))
    }

    fn tag(key: impl Into<Text>, test: Result<Test, InvalidFilter>) -> Self {
        Self::of_tags(test.and_then(|test| Node::tag(key.into(), test)))
    }

    fn of_tags(tags: Result<Node, InvalidFilter>) -> Self {
        Self(tags.map(|tags| Parts { tags: Some(tags), ..Parts::default() }))
    }

    /// The conditions, if there is nothing else.
    fn tags(self) -> Result<Node, InvalidFilter> {
        let Parts { events, tags, expression } = self.0?;
        tags.filter(|_| events.is_empty() && expression.is_none()).ok_or(InvalidFilter::NotTags)
    }
}

/// Comparisons of a tag with one text.
#[expect(clippy::needless_pass_by_value, reason = "values are mostly literals, which need no `&` this way")]
impl Filter {
    /// The tag `key` is `value`.
    pub fn eq(key: impl Into<Text>, value: impl ToString) -> Self {
        Self::text(key, Comparison::Equal, &value)
    }

    /// The tag `key` is not `value`, or is missing.
    pub fn ne(key: impl Into<Text>, value: impl ToString) -> Self {
        Self::text(key, Comparison::NotEqual, &value)
    }

    /// The tag `key` starts with `value`.
    pub fn starts_with(key: impl Into<Text>, value: impl ToString) -> Self {
        Self::text(key, Comparison::StartsWith, &value)
    }

    /// The tag `key` ends with `value`.
    pub fn ends_with(key: impl Into<Text>, value: impl ToString) -> Self {
        Self::text(key, Comparison::EndsWith, &value)
    }

    /// The tag `key` contains `value`.
    pub fn contains(key: impl Into<Text>, value: impl ToString) -> Self {
        Self::text(key, Comparison::Contains, &value)
    }
}

impl Parts {
    fn and(self, other: Self) -> Result<Self, InvalidFilter> {
        if !self.events.is_empty() && !other.events.is_empty() {
            return Err(InvalidFilter::Repeated("event names"));
        }
        if self.expression.is_some() && other.expression.is_some() {
            return Err(InvalidFilter::Repeated("an expression"));
        }
        let tags = match (self.tags, other.tags) {
            (Some(one), Some(two)) => Some(Node::joined(true, Vec::from([one, two]))?),
            (one, two) => one.or(two),
        };
        let events = if self.events.is_empty() { other.events } else { self.events };
        Ok(Self { events, tags, expression: self.expression.or(other.expression) })
    }

    fn to_json(&self) -> String {
        let mut fields = Vec::new();
        if !self.events.is_empty() {
            let names: Vec<_> = self.events.iter().map(|name| json_string(name)).collect();
            fields.push(alloc::format!(r#""events":[{}]"#, names.join(",")));
        }
        if let Some(tags) = &self.tags {
            let mut json = String::new();
            tags.write(&mut json);
            if self.events.is_empty() && self.expression.is_none() {
                return json;
            }
            fields.push(alloc::format!(r#""tags":{json}"#));
        }
        if let Some(source) = &self.expression {
            fields.push(alloc::format!(r#""expression":{}"#, json_string(source)));
        }
        alloc::format!("{{{}}}", fields.join(","))
    }
}

/// The filter does not apply. It may only contain conditions on tags.
impl ops::Not for Filter {
    type Output = Self;

    fn not(self) -> Self {
        Self::of_tags(self.tags().and_then(|tags| Node::Not(Box::new(tags)).checked()))
    }
}

/// A filter that the server accepts, as the JSON that is sent.
///
/// # Examples
///
/// ```
/// use pusher_proto::filter::CheckedFilter;
///
/// let filter: CheckedFilter = r#"{ "events": ["trade"] }"#.parse()?;
/// assert_eq!(filter.as_json(), r#"{"events":["trade"]}"#);
/// # Ok::<(), pusher_proto::filter::InvalidFilter>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CheckedFilter(Text);

impl CheckedFilter {
    /// Returns the filter as JSON: the value of the field `filter` of a subscription.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

/// As [`Filter::check`].
impl TryFrom<Filter> for CheckedFilter {
    type Error = InvalidFilter;

    fn try_from(filter: Filter) -> Result<Self, InvalidFilter> {
        filter.check()
    }
}

/// As [`Filter::from_json`] and [`Filter::check`].
impl FromStr for CheckedFilter {
    type Err = InvalidFilter;

    fn from_str(json: &str) -> Result<Self, InvalidFilter> {
        Filter::from_json(json)?.check()
    }
}

/// The filter as JSON.
impl fmt::Display for CheckedFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Checks names of events.
fn events(names: Vec<Text>) -> Result<Vec<Text>, InvalidFilter> {
    if names.is_empty() {
        return Err(InvalidFilter::NoEvents);
    }
    if names.len() > Filter::MAX_EVENTS {
        return Err(InvalidFilter::TooManyEvents { len: names.len() });
    }
    match names.iter().find(|name| name.is_empty() || name.len() > Filter::MAX_EVENT_LEN) {
        Some(name) => Err(InvalidFilter::EventName { len: name.len() }),
        None => Ok(names),
    }
}

fn expression(source: Text) -> Result<Text, InvalidFilter> {
    jmespath::check(&source)?;
    Ok(source)
}
