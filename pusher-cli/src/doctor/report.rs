//! The lines of the examination.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anstyle::Style;
use serde::Serialize;
use terminal_size::{Width, terminal_size_of};

use super::finding::{Finding, Outcome};
use crate::failure::Failure;
use crate::output::{self, BAD, BOLD, DIM, GOOD, WARNING, millis, printable};

/// Prints each check as it ends, and remembers the first failure.
pub(super) struct Report {
    json: bool,
    name_width: usize,
    /// The width of the terminal, if the output is one.
    width: Option<usize>,
    counts: Counts,
    /// The checks that were left out, by the failure that they were left out for.
    left_out: BTreeMap<&'static str, Vec<&'static str>>,
    first: Option<(&'static str, Finding)>,
}

#[derive(Default)]
struct Counts {
    ok: usize,
    warnings: usize,
    skipped: usize,
}

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    check: &'a str,
    outcome: &'a str,
    millis: f64,
    seen: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    means: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'a str>,
}

/// The last line of `--json`.
#[derive(Serialize)]
struct Verdict<'a> {
    healthy: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'a str>,
}

impl Report {
    pub(super) fn new(json: bool, name_width: usize) -> Self {
        let width = terminal_size_of(io::stdout()).map(|(Width(columns), _)| usize::from(columns));
        Self { json, name_width, width, counts: Counts::default(), left_out: BTreeMap::new(), first: None }
    }

    pub(super) fn check(&mut self, name: &'static str, took: Duration, finding: Finding) -> Result<(), Failure> {
        let printed = if self.json { print_json(name, took, &finding) } else { self.print(name, took, &finding) };
        match finding.outcome {
            Outcome::Ok => self.counts.ok += 1,
            Outcome::Warning => self.counts.warnings += 1,
            Outcome::Skipped => self.counts.skipped += 1,
            Outcome::Failed(_) => {
                self.first.get_or_insert((name, finding));
            }
        }
        printed
    }

    /// Records a check that cannot run because of a failure.
    pub(super) fn left_out(&mut self, name: &'static str, cause: &'static str) -> Result<(), Failure> {
        if self.json {
            return print_json(name, Duration::ZERO, &Finding::skipped(format!("{cause} failed")));
        }
        self.left_out.entry(cause).or_default().push(name);
        Ok(())
    }

    /// Prints that everything is healthy; otherwise returns an error with the first thing to fix.
    pub(super) fn finish(self) -> Result<(), Failure> {
        for (cause, names) in &self.left_out {
            let text = format!("left out, since {cause} failed: {}", names.join(", "));
            let lines = output::wrapped(&text, self.width, LEFT_OUT_INDENT.len());
            output::line(format_args!("{DIM}–  {}{DIM:#}", lines.join(&format!("\n{LEFT_OUT_INDENT}"))))?;
        }
        let Self { json, counts: Counts { ok, warnings, skipped }, first, .. } = self;
        if json {
            let (check, fix) = match &first {
                Some((name, finding)) => (Some(*name), finding.fix.as_deref()),
                None => (None, None),
            };
            output::json(&Verdict { healthy: first.is_none(), check, fix })?;
        }
        if let Some((name, finding)) = first {
            return Err(finding.failure(name));
        }
        if json {
            return Ok(());
        }
        let mut rest = format!("{ok} checks passed");
        for (count, what) in [(warnings, "to look at"), (skipped, "skipped")] {
            if count > 0 {
                rest += &format!(", {count} {what}");
            }
        }
        output::line(format_args!("{BOLD}healthy{BOLD:#}: {rest}"))
    }

    fn print(&self, name: &str, took: Duration, finding: &Finding) -> Result<(), Failure> {
        let (mark, style) = match finding.outcome {
            Outcome::Ok => ('✓', GOOD),
            Outcome::Warning => ('!', WARNING),
            Outcome::Failed(_) => ('✗', BAD),
            Outcome::Skipped => ('–', DIM),
        };
        let width = self.name_width;
        let (time, seen_style) = match finding.outcome {
            Outcome::Skipped => (format!("{:>9}", ""), DIM),
            _ => (format!("{:>9}", millis(took)), Style::new()),
        };
        let head = format!("{style}{mark}{style:#}  {name:width$}  {DIM}{time}{DIM:#}  ");
        let indent = 1 + 2 + width + 2 + 9 + 2;
        let seen = match finding.outcome {
            Outcome::Skipped => format!("skipped: {}", finding.seen),
            _ => finding.seen.clone(),
        };
        for (number, line) in output::wrapped(&printable(&seen), self.width, indent).iter().enumerate() {
            let start = if number == 0 { head.clone() } else { " ".repeat(indent) };
            output::line(format_args!("{start}{seen_style}{line}{seen_style:#}"))?;
        }
        for (label, text) in [("means", &finding.means), ("fix", &finding.fix)] {
            let Some(text) = text else { continue };
            let label_style = if label == "fix" { BOLD } else { DIM };
            for (number, line) in output::wrapped(&printable(text), self.width, LABEL_INDENT.len()).iter().enumerate() {
                let label = if number == 0 { label } else { "" };
                output::line(format_args!("   {label_style}{label:<5}{label_style:#}  {line}"))?;
            }
        }
        Ok(())
    }
}

fn print_json(name: &str, took: Duration, finding: &Finding) -> Result<(), Failure> {
    output::json(&Line {
        check: name,
        outcome: finding.outcome.name(),
        // More digits than microseconds would mean nothing.
        millis: (took.as_secs_f64() * 1_000_000.0).round() / 1_000.0,
        seen: &finding.seen,
        means: finding.means.as_deref(),
        fix: finding.fix.as_deref(),
    })
}

/// Shows on the terminal what is being checked. Dropping it erases the text.
pub(super) struct Progress(bool);

impl Progress {
    pub(super) fn new() -> Self {
        Self(false)
    }

    pub(super) fn show(&mut self, name: &str, waited: Duration) {
        if !io::stderr().is_terminal() {
            return;
        }
        self.0 = true;
        // If the terminal is gone, there is nothing to erase.
        let _ = write!(io::stderr(), "\r\u{1b}[2K…  {name}  {} s", waited.as_secs());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.0 {
            let _ = write!(io::stderr(), "\r\u{1b}[2K");
        }
    }
}

/// The column of the names of checks that were left out.
const LEFT_OUT_INDENT: &str = "   ";

/// The column of texts that have a label.
const LABEL_INDENT: &str = "          ";
