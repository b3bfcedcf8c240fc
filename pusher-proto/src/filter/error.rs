//! Why a filter is not one that the server accepts.

use super::{ExpressionError, Filter};
use crate::Text;

/// Why a filter is refused. Nothing has been sent.
///
/// # Examples
///
/// ```
/// use pusher_proto::filter::{Filter, InvalidFilter};
///
/// let many = Filter::in_("asset", 0..200).check().unwrap_err();
/// assert_eq!(many, InvalidFilter::TooManyValues { len: 200 });
/// assert_eq!(many.to_string(), "a list of 200 values exceeds the limit of 128");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFilter {
    /// The key of a tag is empty or too long.
    #[error("the key of a tag must have 1 to {max} bytes, not {len}", max = Filter::MAX_KEY_LEN)]
    Key {
        /// Bytes that it has.
        len: usize,
    },
    /// A value is too long.
    #[error("a value of {len} bytes exceeds the limit of {max}", max = Filter::MAX_VALUE_LEN)]
    ValueTooLong {
        /// Bytes that it has.
        len: usize,
    },
    /// A comparison has no value, or an empty one. Only lists of values may contain the empty text.
    #[error("a comparison needs a value that is not empty")]
    EmptyValue,
    /// A number to compare with is not a number (NaN).
    #[error("nothing is greater or less than NaN")]
    NotANumber,
    /// A list of values is empty.
    #[error("a list of values must not be empty")]
    NoValues,
    /// A list has too many values.
    #[error("a list of {len} values exceeds the limit of {max}", max = Filter::MAX_VALUES)]
    TooManyValues {
        /// Values that it has.
        len: usize,
    },
    /// A combination has nothing to combine.
    #[error("a combination needs at least one condition")]
    NoConditions,
    /// The filter has too many conditions and combinations of conditions.
    #[error("the filter exceeds the limit of {max} conditions", max = Filter::MAX_NODES)]
    TooManyNodes,
    /// The filter is nested too deeply.
    #[error("the filter exceeds the limit of {max} levels", max = Filter::MAX_DEPTH)]
    TooDeep,
    /// A list of event names is empty.
    #[error("a list of event names must not be empty")]
    NoEvents,
    /// The filter has too many event names.
    #[error("a list of {len} event names exceeds the limit of {max}", max = Filter::MAX_EVENTS)]
    TooManyEvents {
        /// Names that it has.
        len: usize,
    },
    /// The name of an event is empty or too long.
    #[error("the name of an event must have 1 to {max} bytes, not {len}", max = Filter::MAX_EVENT_LEN)]
    EventName {
        /// Bytes that it has.
        len: usize,
    },
    /// The expression is not one that the server accepts.
    #[error("the expression is not usable")]
    Expression(#[from] ExpressionError),
    /// Event names or an expression are given twice. A filter can contain each of them once.
    #[error("the filter already has {0}")]
    Repeated(&'static str),
    /// Event names and expressions can only be combined with `and`, and cannot be negated.
    #[error("only conditions on tags can be negated or be alternatives")]
    NotTags,
    /// The JSON cannot be read.
    #[error("expected {expected}")]
    Json {
        /// What stands in its place.
        expected: &'static str,
    },
    /// The JSON has a field that a filter does not have there. The server would ignore it.
    #[error("a filter has no field {0:?} here")]
    UnknownField(Text),
    /// The JSON has an operator that does not exist.
    #[error("{0:?} is not a comparison, an operator or a language of filters")]
    UnknownName(Text),
}
