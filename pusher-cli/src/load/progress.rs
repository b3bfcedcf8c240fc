//! Live figures in a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::report::{millis, number};
use super::sampler::{Phase, Sample, Sampler};

/// A progress bar on standard error, if that is a terminal.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// `expected` is how long the run should take.
    pub(super) fn new(expected: Duration) -> Self {
        let bar = ProgressBar::with_draw_target(Some(expected.as_secs().max(1)), ProgressDrawTarget::stderr());
        // The template is valid; otherwise the default style remains.
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} {bar:10} {wide_msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Shows the latest figures.
    pub(super) fn show(&self, elapsed: Duration, sampler: &Sampler) {
        let Some(Sample { phase, subscribed, received, latency, .. }) = sampler.samples().last() else {
            return;
        };
        let missing = sampler.totals().clients.counts.missing;
        let figures = match phase {
            Phase::Ramp => format!("{} subscribed", number(*subscribed as u64)),
            Phase::Load | Phase::Drain => format!(
                "{} up, {}/s in, p99 {} ms, {} lost, {} missed",
                number(*subscribed as u64),
                number(*received),
                millis(latency.p99),
                number(missing.lost),
                number(missing.storm + missing.outage),
            ),
        };
        self.0.set_position(elapsed.as_secs());
        self.0.set_message(format!("{}: {figures}", phase.name()));
    }

    /// Removes it.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
