//! The lines of the tour, and its result.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;
use terminal_size::{Width, terminal_size_of};

use super::step::{Outcome, Step};
use super::wait::Miss;
use crate::failure::Failure;
use crate::output::{self, BAD, BOLD, DIM, GOOD, WARNING, printable};

/// Prints each step as it ends, and counts.
pub(super) struct Report {
    json: bool,
    total: usize,
    name_width: usize,
    detail_width: usize,
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
        let name_width = steps.iter().map(|step| step.name.len()).max().unwrap_or_default();
        let terminal = terminal_size_of(io::stdout()).map(|(Width(columns), _)| usize::from(columns));
        let detail_width = terminal.map_or(MAX_DETAIL_LEN, |columns| columns.saturating_sub(name_width + MARGIN));
        Self {
            json,
            total: steps.len(),
            name_width,
            detail_width: detail_width.max(MIN_DETAIL_LEN),
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
        let (name, width, time) = (step.name, self.name_width, output::millis(took));
        let label = if status == "unsupported" { "unsupported: " } else { "" };
        let detail = format!("{label}{}", printable(&detail));
        let detail = excerpt(&detail, self.detail_width);
        output::line(format_args!("{style}{mark}{style:#}  {name:width$}  {DIM}{time:>9}{DIM:#}   {detail}"))
    }

    /// Prints the summary; returns an error if a step was not observed.
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

/// The start of a text, so that it fits into a line. `--json` prints the whole.
fn excerpt(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let start: String = text.chars().take(max.saturating_sub(1)).collect();
    format!("{start}…")
}

/// Characters of a line beside the name of the step and the detail.
const MARGIN: usize = "✓    123456 ms   ".len() - "✓".len() + 1;

/// Longest detail in characters where the output is not a terminal, and the shortest where it is one.
const MAX_DETAIL_LEN: usize = 90;
const MIN_DETAIL_LEN: usize = 20;
