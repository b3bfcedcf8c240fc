//! Shortens a failing run: first whole steps are left out, then choices are replaced by harmless ones.

use super::{Choices, Outcome, run};

/// Returns the fewest choices that violate the same invariant and can be found in a reasonable number of runs.
#[must_use]
pub fn shrink(failing: &Outcome) -> Vec<u8> {
    let Some(violation) = &failing.violation else { return failing.record.0.clone() };
    let mut search = Search { invariant: violation.invariant, runs_left: MAX_RUNS };
    let (mut bytes, mut marks) = failing.record.clone();
    loop {
        let before = bytes.len();
        search.drop_steps(&mut bytes, &mut marks);
        search.quieten(&mut bytes, &mut marks);
        if bytes.len() == before || search.runs_left == 0 {
            return bytes;
        }
    }
}

struct Search {
    invariant: &'static str,
    runs_left: usize,
}

impl Search {
    /// Whether these choices fail in the same way; if so, they are replaced by those that were actually used.
    fn fails(&mut self, candidate: Vec<u8>, bytes: &mut Vec<u8>, marks: &mut Vec<usize>) -> bool {
        if self.runs_left == 0 {
            return false;
        }
        self.runs_left -= 1;
        let outcome = run(Choices::from_bytes(candidate), false);
        let same = outcome.violation.is_some_and(|violation| violation.invariant == self.invariant);
        let shorter = outcome.record.0.len() <= bytes.len();
        if same && shorter {
            (*bytes, *marks) = outcome.record;
        }
        same && shorter
    }

    /// Leaves out runs of steps, long ones first.
    fn drop_steps(&mut self, bytes: &mut Vec<u8>, marks: &mut Vec<usize>) {
        let mut width = marks.len().max(1);
        while width > 0 && self.runs_left > 0 {
            let mut at = 0;
            while at < marks.len() {
                let end = marks.get(at + width).copied().unwrap_or(bytes.len());
                let candidate = [&bytes[..marks[at]], &bytes[end..]].concat();
                if !self.fails(candidate, bytes, marks) {
                    at += width;
                }
            }
            width /= 2;
        }
    }

    /// Replaces choices by the harmless one.
    fn quieten(&mut self, bytes: &mut Vec<u8>, marks: &mut Vec<usize>) {
        for width in [64, 16, 4, 1] {
            let mut at = 0;
            while at < bytes.len() && self.runs_left > 0 {
                let end = (at + width).min(bytes.len());
                if bytes[at..end].iter().any(|byte| *byte != 0) {
                    let mut candidate = bytes.clone();
                    candidate[at..end].fill(0);
                    self.fails(candidate, bytes, marks);
                }
                at += width;
            }
        }
    }
}

/// Runs that are spent on one failure.
const MAX_RUNS: usize = 3_000;
