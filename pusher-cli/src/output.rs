//! What the user sees: lines, colours and times.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::time::Duration;

use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;
use textwrap::WordSplitter;

use crate::failure::Failure;

/// When the output is coloured.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// Sets when both outputs are coloured.
pub(crate) fn colour(color: Color) {
    match color {
        Color::Auto => {}
        Color::Always => ColorChoice::Always.write_global(),
        Color::Never => ColorChoice::Never.write_global(),
    }
}

/// Writes a line to standard output. Its colours are left out unless that is a terminal, or if `NO_COLOR` is set.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    writeln!(anstream::stdout(), "{text}")?;
    Ok(())
}

/// Writes to standard output as it is, such as a sequence that moves the cursor.
pub(crate) fn raw(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Writes a line of JSON to standard output.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string(value)?)
}

/// Writes a line to standard error, beside the results.
pub(crate) fn remark(text: impl Display) {
    anstream::eprintln!("{text}");
}

/// Writes a note to standard error.
pub(crate) fn note(text: &str) {
    anstream::eprintln!("{WARNING}note:{WARNING:#} {}", printable(text));
}

/// Returns the text with its control characters escaped, so that text from elsewhere cannot control the terminal.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            // Writing to a string does not fail.
            let _ = write!(printable, "{}", c.escape_default());
        } else {
            printable.push(c);
        }
    }
    Cow::Owned(printable)
}

/// Breaks a text that begins in this column of a terminal into lines, between words; one line where there is no
/// terminal.
pub(crate) fn wrapped(text: &str, terminal_width: Option<usize>, column: usize) -> Vec<String> {
    let Some(width) = terminal_width else { return vec![text.to_owned()] };
    let options = textwrap::Options::new(width.saturating_sub(column).max(MIN_WIDTH));
    // Flags contain hyphens, and it must be possible to copy a URL.
    let options = options.word_splitter(WordSplitter::NoHyphenation).break_words(false);
    textwrap::wrap(text, options).iter().map(ToString::to_string).collect()
}

/// Returns a time in milliseconds, with a decimal if there are few.
pub(crate) fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1_000.0;
    let decimals = usize::from(millis < 10.0);
    format!("{millis:.decimals$} ms")
}

/// Returns the local time of the day.
pub(crate) fn time_of_day() -> String {
    jiff::Zoned::now().strftime("%H:%M:%S").to_string()
}

/// Returns the time in UTC, as RFC 3339 writes it.
pub(crate) fn timestamp() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(crate) const CHANNEL: Style = AnsiColor::Cyan.on_default();

/// Narrower than this, nothing can be read.
const MIN_WIDTH: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_flags_and_urls_are_not_broken() {
        let text = "check --app-id, or use https://example.com/broadcasting/auth";
        let lines = ["check --app-id, or", "use", "https://example.com/broadcasting/auth"];
        assert_eq!(wrapped(text, Some(30), 10), lines);
        assert_eq!(wrapped(text, None, 10), [text]);
    }

    #[test]
    fn escape_sequences_of_others_do_not_reach_the_terminal() {
        assert_eq!(printable("plain é"), "plain é");
        assert_eq!(printable("a\u{1b}[2Jb\r\n"), "a\\u{1b}[2Jb\\r\\n");
    }
}
