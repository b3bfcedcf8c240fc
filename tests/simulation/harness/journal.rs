//! The record of a run: its trace, what it reached, and the violated invariant.

use std::collections::BTreeMap;
use std::fmt::Write;

use pusher_proto::Instant;

use super::published::Published;
use super::reached::Rare;

/// Records what happens.
#[derive(Default)]
pub(crate) struct Journal {
    /// Kept only when it will be printed.
    lines: Option<Vec<Line>>,
    reached: BTreeMap<Rare, u64>,
    violation: Option<Violation>,
    /// The messages that have positions.
    pub(crate) published: Published,
    now: Instant,
}

struct Line {
    at: Instant,
    /// The client, or `None` for what happens outside of clients.
    who: Option<usize>,
    text: String,
}

/// A violated invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The client that violated it.
    pub who: usize,
    /// The text of the invariant, which is the same for every seed.
    pub invariant: &'static str,
    /// What happened.
    pub details: String,
}

impl Journal {
    pub(crate) fn new(with_trace: bool) -> Self {
        Self { lines: with_trace.then(Vec::new), ..Self::default() }
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        self.now = now;
    }

    /// Notes something about one client, in the notation of transcripts.
    pub(crate) fn note(&mut self, who: usize, text: impl FnOnce() -> String) {
        self.note_if(who, || Some(text()));
    }

    /// Notes something about one client, if there is something to note.
    pub(crate) fn note_if(&mut self, who: usize, text: impl FnOnce() -> Option<String>) {
        let at = self.now;
        if let Some(lines) = &mut self.lines
            && let Some(text) = text()
        {
            lines.push(Line { at, who: Some(who), text });
        }
    }

    /// Notes something that no client sees.
    pub(crate) fn remark(&mut self, text: impl FnOnce() -> String) {
        let at = self.now;
        if let Some(lines) = &mut self.lines {
            lines.push(Line { at, who: None, text: text() });
        }
    }

    pub(crate) fn reach(&mut self, rare: Rare) {
        *self.reached.entry(rare).or_default() += 1;
    }

    /// Only the first one counts.
    pub(crate) fn violated(&mut self, who: usize, invariant: &'static str, details: impl Into<String>) {
        if self.violation.is_none() {
            let details = details.into();
            self.note(who, || format!("# VIOLATED: {invariant}: {details}"));
            self.violation = Some(Violation { who, invariant, details });
        }
    }

    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    pub(crate) fn reached(&self) -> &BTreeMap<Rare, u64> {
        &self.reached
    }

    /// Everything, with times and names.
    pub(crate) fn trace(&self) -> String {
        let mut text = String::new();
        for line in self.lines.iter().flatten() {
            let who = line.who.map_or_else(|| "--".to_owned(), |who| format!("c{who}"));
            let _ = writeln!(text, "{:>10.3}s {who} {}", line.at.elapsed().as_secs_f64(), line.text);
        }
        text
    }

    /// What one client saw and did, as a transcript.
    pub(crate) fn transcript(&self, who: usize) -> String {
        let mut text = String::new();
        let mut then = Instant::ZERO;
        for line in self.lines.iter().flatten().filter(|line| line.who == Some(who)) {
            if line.at > then {
                let _ = writeln!(text, "+ {}ms", line.at.since(then).as_micros() as f64 / 1_000.0);
                then = line.at;
            }
            let _ = writeln!(text, "{}", line.text);
        }
        text
    }
}
