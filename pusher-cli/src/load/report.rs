//! The result of a run.

use serde::Serialize;

use super::board::Errors;
use super::plan::Plan;
use super::sampler::{Percentiles, Totals};
use crate::output::printable;

/// All figures, in the form of `--json`.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    pub(super) plan: &'a Plan,
    /// Whether Ctrl-C ended it.
    pub(super) interrupted: bool,
    /// Whether events were to be published, or clients were still connecting.
    #[serde(skip)]
    pub(super) has_begun: bool,
    pub(super) clients: Clients,
    pub(super) connections: Connections,
    pub(super) events: Events,
    pub(super) deliveries: Deliveries,
    pub(super) latency: Percentiles,
    pub(super) connect: Percentiles,
    pub(super) subscribe: Percentiles,
    pub(super) storm: Option<StormReport>,
    pub(super) errors: Vec<CountedError>,
}

#[derive(Serialize)]
pub(super) struct Clients {
    pub(super) started: usize,
    /// At the end.
    pub(super) connected: usize,
    pub(super) subscribed: usize,
}

#[derive(Serialize)]
pub(super) struct Connections {
    pub(super) opened: u64,
    /// Without those that the storm closed.
    pub(super) lost: u64,
}

#[derive(Serialize)]
pub(super) struct Events {
    /// Seconds of publishing.
    pub(super) seconds: f64,
    /// Events that the rate makes due in this time.
    pub(super) due: u64,
    pub(super) accepted: u64,
    pub(super) failed: u64,
    /// Events that were still waiting for a free call at the end.
    pub(super) unsent: u64,
    pub(super) per_second: f64,
}

/// An event is delivered once to each subscriber.
#[derive(Serialize)]
pub(super) struct Deliveries {
    pub(super) expected: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    /// Outside of the storm.
    pub(super) missed: u64,
    pub(super) missed_in_storm: u64,
    pub(super) late: u64,
    pub(super) duplicates: u64,
    /// Gaps that the clients reported.
    pub(super) gaps: u64,
    pub(super) per_second: f64,
}

#[derive(Serialize)]
pub(super) struct StormReport {
    /// When, in seconds since the first event.
    pub(super) at: f64,
    /// Connections that were closed.
    pub(super) cut: usize,
    /// Clients that were subscribed again.
    pub(super) returned: usize,
    /// Seconds from the storm until the last one was.
    pub(super) seconds: Option<f64>,
    /// From when a client was told to connect.
    pub(super) resubscribe: Percentiles,
}

#[derive(Serialize)]
pub(super) struct CountedError {
    pub(super) error: String,
    pub(super) count: u64,
}

impl Events {
    pub(super) fn new(totals: &Totals, due: u64, seconds: f64) -> Self {
        let published = totals.published;
        let unsent = due.saturating_sub(published.sent);
        let per_second = rate(published.accepted, seconds);
        Self { seconds, due, accepted: published.accepted, failed: published.failed, unsent, per_second }
    }
}

impl Deliveries {
    pub(super) fn new(totals: &Totals, seconds: f64) -> Self {
        let counts = totals.clients.counts;
        let missing = counts.missing;
        Self {
            expected: counts.received + missing.lost + missing.outage + missing.storm,
            received: counts.received,
            lost: missing.lost,
            missed: missing.outage,
            missed_in_storm: missing.storm,
            late: counts.late,
            duplicates: counts.duplicates,
            gaps: counts.gaps,
            per_second: rate(counts.received, seconds),
        }
    }
}

impl Report<'_> {
    /// Returns what went wrong, as one sentence.
    pub(super) fn fault(&self) -> Option<String> {
        let Deliveries { lost, missed, expected, .. } = self.deliveries;
        let mut faults = Vec::new();
        if lost > 0 {
            faults.push(format!("{} of {} deliveries were lost", number(lost), number(expected)));
        }
        if missed > 0 {
            let (missed, expected) = (number(missed), number(expected));
            faults.push(format!("{missed} of {expected} deliveries were missed while the connection was down"));
        }
        let away = self.clients.started - self.clients.subscribed;
        // If the ramp was interrupted, clients were still connecting.
        if away > 0 && self.has_begun {
            let (away, started) = (number(away as u64), number(self.clients.started as u64));
            faults.push(format!("{away} of {started} clients were not subscribed at the end"));
        }
        if self.events.failed > 0 {
            let (failed, due) = (number(self.events.failed), number(self.events.due));
            faults.push(format!("the HTTP API did not accept {failed} of {due} events"));
        }
        (!faults.is_empty()).then(|| faults.join("; "))
    }

    /// Returns a note about the figures.
    pub(super) fn remark(&self) -> Option<String> {
        let Events { unsent, due, .. } = self.events;
        (unsent > 0).then(|| {
            let (unsent, due, in_flight) = (number(unsent), number(due), self.plan.in_flight);
            format!(
                "{unsent} of {due} events were not sent, since all calls waited for answers (--in-flight {in_flight})"
            )
        })
    }

    /// Returns the result as a table.
    pub(super) fn table(&self) -> String {
        let Self { clients, connections, events, deliveries, .. } = self;
        let mut lines = Vec::new();
        let mut line = |label: &str, text: String| lines.push(format!("{label:<15}{text}"));
        line("server", self.plan.url.clone());
        line("load", self.plan_text());
        line(
            "clients",
            format!(
                "{} of {} subscribed at the end, {} connected",
                count(clients.subscribed),
                count(clients.started),
                count(clients.connected)
            ),
        );
        line("connections", format!("{} opened, {} lost", number(connections.opened), number(connections.lost)));
        if let Some(storm) = &self.storm {
            let StormReport { at, cut, returned, seconds, .. } = storm;
            let time = seconds.map_or_else(String::new, |seconds| format!(", the last after {seconds:.2} s"));
            let (cut, returned) = (count(*cut), count(*returned));
            line("storm", format!("{cut} closed at {at:.1} s, {returned} subscribed again{time}"));
        }
        line(
            "published",
            format!(
                "{} of {} events, {}/s; {} failed",
                number(events.accepted),
                number(events.due),
                rounded(events.per_second),
                number(events.failed)
            ),
        );
        line(
            "received",
            format!(
                "{} of {} expected, {}/s",
                number(deliveries.received),
                number(deliveries.expected),
                rounded(deliveries.per_second)
            ),
        );
        line("lost", format!("{} while subscribed", number(deliveries.lost)));
        line(
            "missed",
            format!(
                "{} in the storm, {} in other outages",
                number(deliveries.missed_in_storm),
                number(deliveries.missed)
            ),
        );
        line("late", format!("{} after more than {} s", number(deliveries.late), super::sampler::SETTLED_AFTER));
        line("duplicates", number(deliveries.duplicates));
        line("gaps", format!("{} reported by the clients", number(deliveries.gaps)));
        lines.push(String::new());
        lines.push(format!("{:<15}{:>11}{:>11}{:>11}{:>11}{:>11}", "ms", "p50", "p90", "p99", "p99.9", "max"));
        let resubscribe = self.storm.as_ref().map(|storm| ("resubscribe", &storm.resubscribe));
        let rows = [("latency", &self.latency), ("connect", &self.connect), ("subscribe", &self.subscribe)];
        for (label, row) in rows.into_iter().chain(resubscribe) {
            let cells = [row.p50, row.p90, row.p99, row.p999, row.max].map(|value| format!("{:>11}", millis(value)));
            lines.push(format!("{label:<15}{}", cells.concat()));
        }
        if !self.errors.is_empty() {
            lines.push(String::new());
            lines.push("errors".into());
            lines.extend(
                self.errors
                    .iter()
                    .map(|CountedError { error, count }| format!("{:>13}  {}", number(*count), printable(error))),
            );
        }
        lines.join("\n")
    }

    /// Describes the load in one line.
    pub(super) fn plan_text(&self) -> String {
        let Plan { clients, channels, kind, rate, size, .. } = self.plan;
        let (clients, channels, size) = (count(*clients), count(*channels), count(*size));
        let (kind, seconds) = (kind.name(), self.events.seconds);
        format!("{clients} clients, {channels} {kind} channels, {rate} events/s of {size} B, {seconds:.1} s")
    }
}

pub(super) fn errors(errors: &Errors) -> Vec<CountedError> {
    errors.list().into_iter().map(|(error, count)| CountedError { error: error.to_owned(), count }).collect()
}

fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

/// Formats milliseconds with about three significant digits.
pub(super) fn millis(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(value) if value < 10.0 => format!("{value:.2}"),
        Some(value) if value < 100.0 => format!("{value:.1}"),
        Some(value) => number(value.round() as u64),
    }
}

fn rounded(rate: f64) -> String {
    if rate < 1_000.0 { format!("{rate:.1}") } else { number(rate.round() as u64) }
}

fn count(count: usize) -> String {
    number(count as u64)
}

/// Formats a number with commas between thousands.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let texts = [0, 999, 1_000, 1_234_567].map(number);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
        let texts = [None, Some(0.314), Some(31.4159), Some(3141.59)].map(millis);
        assert_eq!(texts, ["–", "0.31", "31.4", "3,142"]);
    }
}
