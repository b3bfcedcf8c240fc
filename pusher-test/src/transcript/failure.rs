//! Why a text is not a transcript, and why a transcript fails.

use std::error::Error;
use std::fmt;

use pusher_proto::with_causes;

use super::player::Stop;

/// Why a line of a transcript, or a part of one, cannot be read.
///
/// # Examples
///
/// ```
/// use pusher_test::transcript::Line;
///
/// let error = "! auth 1".parse::<Line>().unwrap_err();
/// assert_eq!(error.to_string(), "expected `auth #N ANSWER`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidLine(String);

impl InvalidLine {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// The line does not have this form.
    pub(crate) fn expected(form: &str) -> Self {
        Self(format!("expected `{form}`"))
    }

    pub(crate) fn because(error: &(dyn Error + 'static)) -> Self {
        Self(with_causes(error).to_string())
    }
}

impl fmt::Display for InvalidLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for InvalidLine {}

/// Why a text cannot be read. Its [`source`](Error::source) is the [`InvalidLine`].
///
/// # Examples
///
/// ```
/// use pusher_proto::with_causes;
/// use pusher_test::transcript::Transcript;
///
/// let error = Transcript::parse_all("# a title\n! conect").unwrap_err();
/// assert_eq!((error.line(), error.reason()), (2, "\"conect\" is not a call"));
/// assert_eq!(with_causes(&error).to_string(), "line 2 is not valid: \"conect\" is not a call");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    line: usize,
    reason: InvalidLine,
}

impl ParseError {
    pub(crate) const fn new(line: usize, reason: InvalidLine) -> Self {
        Self { line, reason }
    }

    /// Returns the number of the line, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// Returns what is wrong with the line.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason.0
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not valid", self.line)
    }
}

impl Error for ParseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.reason)
    }
}

/// Why a transcript or a story fails. Lines are counted from 1, in the text that was read; those of a story, and of a
/// transcript that was not read, in the text that it prints.
///
/// # Examples
///
/// ```
/// use pusher_test::transcript::{Failure, Transcript};
///
/// let transcript = Transcript::parse("# the client does not connect\n< open")?;
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
    /// Returns the number of the line of the input.
    #[must_use]
    pub const fn line(&self) -> usize {
        match self {
            Self::Differs { line, .. } | Self::Impossible { line, .. } | Self::Broken { line, .. } => *line,
        }
    }

    pub(crate) fn with_line(mut self, number: usize) -> Self {
        match &mut self {
            Self::Differs { line, .. } | Self::Impossible { line, .. } | Self::Broken { line, .. } => *line = number,
        }
        self
    }

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
