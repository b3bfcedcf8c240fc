//! Why a text is not a transcript, and why a transcript fails.

use std::error::Error;
use std::fmt;

use super::player::Stop;

/// Why a text cannot be read.
///
/// # Examples
///
/// ```
/// use pusher_test::transcript::Transcript;
///
/// let error = Transcript::parse_all("# a title\n! conect").unwrap_err();
/// assert_eq!((error.line(), error.reason()), (2, "\"conect\" is not a call"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    line: usize,
    reason: String,
}

impl ParseError {
    pub(crate) fn new(line: usize, reason: impl Into<String>) -> Self {
        Self { line, reason: reason.into() }
    }

    /// Returns the number of the line, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// Returns what is wrong with the line.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl Error for ParseError {}

/// Why a transcript or a story fails. Lines are counted from 1, in the text that was read or that would be printed.
///
/// # Examples
///
/// ```
/// use pusher_test::transcript::{Failure, Transcript};
///
/// let transcript = Transcript::parse("# nobody connects\n< open")?;
/// assert!(matches!(transcript.play(), Err(Failure::Impossible { line: 2, .. })));
/// # Ok::<(), pusher_test::transcript::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The outputs after an input are not those that are expected.
    Differs {
        /// The number of the line of the input.
        line: usize,
        /// The input.
        input: String,
        /// The outputs that must follow.
        expected: Vec<String>,
        /// The outputs that follow.
        happened: Vec<String>,
    },
    /// The line refers to something that does not exist, such as a socket that the client has not asked for.
    Impossible {
        /// The number of the line of the input.
        line: usize,
        /// The input.
        input: String,
        /// What does not exist.
        reason: String,
    },
    /// The embedding does something that it never may, whatever the inputs are.
    Broken {
        /// The number of the line of the input.
        line: usize,
        /// The input.
        input: String,
        /// What it does.
        reason: String,
    },
}

impl Failure {
    pub(crate) fn stopped(line: usize, input: &str, stop: Stop) -> Self {
        let input = input.to_owned();
        match stop {
            Stop::Impossible(reason) => Self::Impossible { line, input, reason },
            Stop::Broken(reason) => Self::Broken { line, input, reason },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |lines: &[String]| lines.iter().map(|line| format!("\n    {line}")).collect::<String>();
        match self {
            Self::Differs { line, input, expected, happened } => {
                let (expected, happened) = (show(expected), show(happened));
                write!(f, "line {line}: after\n    {input}\nexpected{expected}\nhappened{happened}")
            }
            Self::Impossible { line, input, reason } | Self::Broken { line, input, reason } => {
                write!(f, "line {line}: {reason}\n    {input}")
            }
        }
    }
}

impl Error for Failure {}
