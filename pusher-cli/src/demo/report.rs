//! The lines of the tour, and its result.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::step::{Miss, Outcome, Step};
use crate::failure::Failure;
use crate::output::{self, BAD, BOLD, DIM, GOOD, WARNING, printable};

/// Prints each step as it ends, and counts.
pub(super) struct Report {
    json: bool,
    total: usize,
    name_width: usize,
    started: Instant,
    observed: usize,
    unsupported: usize,
    failed: Vec<&'static str>,
}

/// One line of `--json`.
#[derive(Serialize)]
struct Json<'a> {
    name: &'a str,
    status: &'a str,
    millis: u128,
    detail: &'a str,
}

impl Report {
    pub(super) fn new(json: bool, steps: &[&Step]) -> Self {
        Self {
            json,
            total: steps.len(),
            name_width: steps.iter().map(|step| step.name.len()).max().unwrap_or_default(),
            started: Instant::now(),
            observed: 0,
            unsupported: 0,
            failed: Vec::new(),
        }
    }

    pub(super) fn step(&mut self, step: &Step, took: Duration, outcome: &Outcome) -> Result<(), Failure> {
        let (mark, style, status, detail) = match outcome {
            Ok(detail) => ('✓', GOOD, "ok", detail.clone()),
            Err(Miss::Unsupported(why)) => ('–', WARNING, "unsupported", why.clone()),
            Err(miss) => ('✗', BAD, "failed", miss.to_string()),
        };
        match outcome {
            Ok(_) => self.observed += 1,
            Err(Miss::Unsupported(_)) => self.unsupported += 1,
            Err(Miss::Failed(_) | Miss::Late { .. } | Miss::Over(_)) => self.failed.push(step.name),
        }
        let millis = took.as_millis();
        if self.json {
            return output::json(&Json { name: step.name, status, millis, detail: &detail });
        }
        let (name, width, millis) = (step.name, self.name_width, Millis(took));
        let label = if status == "unsupported" { "unsupported: " } else { "" };
        let detail = excerpt(&printable(&detail));
        output::line(format_args!(
            "{style}{mark}{style:#}  {name:width$}  {DIM}{millis:>6} ms{DIM:#}   {label}{detail}"
        ))
    }

    /// Prints the summary; an error if a step was not observed.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        if !self.json {
            let Self { observed, total, unsupported, failed, .. } = self;
            let seconds = self.started.elapsed().as_secs_f64();
            let mut rest = String::new();
            let untaken = total - observed - unsupported - failed.len();
            for (count, what) in
                [(*unsupported, "unsupported"), (failed.len(), "not observed"), (untaken, "not attempted")]
            {
                if count > 0 {
                    rest += &format!(", {count} {what}");
                }
            }
            output::line(format_args!("{BOLD}{observed} of {total} steps observed{BOLD:#} in {seconds:.1} s{rest}"))?;
        }
        if self.failed.is_empty() {
            return Ok(());
        }
        Err(Failure::failed(format!("not observed: {}", self.failed.join(", "))))
    }
}

/// Milliseconds, with a decimal where they are few.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_secs_f64() * 1_000.0;
        let decimals = usize::from(millis < 10.0);
        f.pad(&format!("{millis:.decimals$}"))
    }
}

/// The start of a text, such that a line stays a line. `--json` has the whole.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(MAX_DETAIL_LEN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Longest detail in characters.
const MAX_DETAIL_LEN: usize = 90;
