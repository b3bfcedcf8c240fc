//! Checks JMESPath expressions: their grammar and their size, without evaluating them.
//!
//! The parser accepts what the parser of Sockudo accepts (the crate `jmespath` 0.5), and counts what it counts. Types
//! and names of functions are not checked, because the server does so only when it evaluates an expression.

mod lexer;
mod parser;

/// Why an expression is not one that the server accepts.
///
/// # Examples
///
/// ```
/// use pusher_proto::filter::{Filter, InvalidFilter};
///
/// let Err(InvalidFilter::Expression(error)) = Filter::expression("data.[").check() else { panic!() };
/// assert_eq!(error.to_string(), "expected an operand at byte 6 of the expression");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// The expression is empty.
    #[error("the expression is empty")]
    Empty,
    /// The expression has more than 4,096 bytes.
    #[error("an expression of {len} bytes exceeds the limit of {MAX_LEN}")]
    TooLong {
        /// Bytes that it has.
        len: usize,
    },
    /// The expression is not JMESPath.
    #[error("expected {expected} at byte {at} of the expression")]
    Syntax {
        /// Offset in the expression, in bytes.
        at: usize,
        /// What JMESPath has there.
        expected: &'static str,
    },
    /// The expression has more than 256 nodes: names, literals, operators and calls.
    #[error("the expression exceeds the limit of {MAX_NODES} nodes")]
    TooManyNodes,
    /// The expression is nested deeper than 32 levels. A path such as `a.b.c` has one level for each dot.
    #[error("the expression exceeds the limit of {MAX_DEPTH} levels")]
    TooDeep,
}

/// Checks an expression.
pub(super) fn check(source: &str) -> Result<(), ExpressionError> {
    if source.is_empty() {
        return Err(ExpressionError::Empty);
    }
    if source.len() > MAX_LEN {
        return Err(ExpressionError::TooLong { len: source.len() });
    }
    parser::check(source)
}

/// Longest expression, in bytes, and its largest tree (Sockudo 5.2.0, limits of a subscription's predicate).
pub(super) const MAX_LEN: usize = 4_096;
pub(super) const MAX_NODES: usize = 256;
pub(super) const MAX_DEPTH: usize = 32;
