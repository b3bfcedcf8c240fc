//! Collects the figures of each second, and decides which events are lost.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::board::{Board, Published, histogram};
use super::channel::Channel;
use super::fleet::{Fleet, Headcount};
use super::tracker::Missing;

pub(super) struct Sampler {
    began: Instant,
    samples: Vec<Sample>,
    /// Of the whole run.
    latencies: Histogram<u64>,
    /// How far all calls were answered at the end of the last samples.
    answered: VecDeque<Answered>,
    before: Totals,
}

/// How far all calls were answered.
struct Answered {
    /// At the end of this sample.
    sample: usize,
    /// By channel.
    ends: Vec<u64>,
}

/// The figures of one second. The last one is shorter.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sample {
    /// When it ended, since the first client started.
    pub(super) second: f64,
    pub(super) phase: Phase,
    /// Clients at its end.
    pub(super) connected: usize,
    pub(super) subscribed: usize,
    /// Events that the server accepted.
    pub(super) published: u64,
    pub(super) received: u64,
    /// Of the events that the server accepted in this second. Late arrivals are subtracted in the second in which they
    /// arrive, so this can be negative.
    pub(super) lost: i64,
    pub(super) missed: i64,
    pub(super) duplicates: u64,
    pub(super) gaps: u64,
    pub(super) dropped: u64,
    pub(super) errors: u64,
    pub(super) latency: Percentiles,
}

/// The phases of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    Ramp,
    Load,
    Drain,
}

/// In milliseconds; `None` where nothing was measured.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Percentiles {
    pub(super) count: u64,
    pub(super) p50: Option<f64>,
    pub(super) p90: Option<f64>,
    pub(super) p99: Option<f64>,
    #[serde(rename = "p99.9")]
    pub(super) p999: Option<f64>,
    pub(super) max: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) clients: Headcount,
    pub(super) published: Published,
    pub(super) errors: u64,
}

impl Sampler {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            samples: Vec::new(),
            latencies: histogram(),
            answered: VecDeque::new(),
            before: Totals::default(),
        }
    }

    /// Collects the figures since the last call. Call it every second.
    pub(super) fn sample(&mut self, phase: Phase, board: &Board, fleet: &Fleet) {
        // Events whose calls were answered a second ago should have arrived.
        let recent = self.answered.back().map(|answered| answered.ends.as_slice()).unwrap_or_default();
        for (channel, answered) in board.channels.iter().zip(recent) {
            channel.set_recent(*answered);
        }
        self.take(phase, board, fleet);
        let ends = board.channels.iter().map(Channel::answered).collect();
        self.answered.push_back(Answered { sample: self.samples.len() - 1, ends });
        if self.answered.len() > SETTLED_AFTER {
            self.settle_first(board, fleet);
        }
    }

    /// Collects the last figures, and stops waiting for events.
    pub(super) fn finish(&mut self, board: &Board, fleet: &Fleet) {
        self.take(Phase::Drain, board, fleet);
        let ends = board.channels.iter().map(Channel::next).collect();
        self.answered.push_back(Answered { sample: self.samples.len() - 1, ends });
        while !self.answered.is_empty() {
            self.settle_first(board, fleet);
        }
    }

    fn take(&mut self, phase: Phase, board: &Board, fleet: &Fleet) {
        let now = Totals { clients: fleet.headcount(), published: *board.published(), errors: board.errors().total() };
        let latencies = board.take_latencies();
        // Both have the same bounds.
        let _ = self.latencies.add(&latencies);
        let (counts, before) = (now.clients.counts, self.before.clients.counts);
        self.samples.push(Sample {
            second: self.began.elapsed().as_secs_f64(),
            phase,
            connected: now.clients.connected,
            subscribed: now.clients.subscribed,
            published: now.published.accepted - self.before.published.accepted,
            received: counts.received - before.received,
            lost: change(before.missing.lost, counts.missing.lost),
            missed: change(missed(before.missing), missed(counts.missing)),
            duplicates: counts.duplicates - before.duplicates,
            gaps: counts.gaps - before.gaps,
            dropped: counts.dropped - before.dropped,
            errors: now.errors - self.before.errors,
            latency: Percentiles::of(&latencies),
        });
        self.before = now;
    }

    /// Stops waiting for the events that were accepted first. Missing ones count in the second in which they were accepted.
    fn settle_first(&mut self, board: &Board, fleet: &Fleet) {
        let Some(Answered { sample, ends }) = self.answered.pop_front() else { return };
        let failed: Vec<_> = board.channels.iter().map(Channel::failed).collect();
        let missing = fleet.settle(&ends, &failed);
        for (channel, end) in board.channels.iter().zip(ends) {
            channel.forget(end);
        }
        self.samples[sample].lost += change(0, missing.lost);
        self.samples[sample].missed += change(0, missed(missing));
        self.before.clients.counts.missing.add(missing);
    }

    pub(super) const fn totals(&self) -> &Totals {
        &self.before
    }

    pub(super) fn latency(&self) -> Percentiles {
        Percentiles::of(&self.latencies)
    }

    pub(super) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// When it began.
    pub(super) const fn began(&self) -> Instant {
        self.began
    }
}

fn change(before: u64, now: u64) -> i64 {
    now as i64 - before as i64
}

const fn missed(missing: Missing) -> u64 {
    missing.storm + missing.outage
}

impl Phase {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ramp => "ramp",
            Self::Load => "load",
            Self::Drain => "drain",
        }
    }
}

impl Percentiles {
    pub(super) fn of(micros: &Histogram<u64>) -> Self {
        if micros.is_empty() {
            return Self::default();
        }
        let millis = |quantile| Some(micros.value_at_quantile(quantile) as f64 / 1_000.0);
        Self {
            count: micros.len(),
            p50: millis(0.5),
            p90: millis(0.9),
            p99: millis(0.99),
            p999: millis(0.999),
            max: Some(micros.max() as f64 / 1_000.0),
        }
    }

    pub(super) fn of_times(times: impl Iterator<Item = Duration>) -> Self {
        let mut micros = histogram();
        for time in times {
            micros.saturating_record(super::board::micros(time));
        }
        Self::of(&micros)
    }
}

/// Seconds from the answer of the server until an event that has not arrived is lost.
pub(super) const SETTLED_AFTER: usize = 5;
