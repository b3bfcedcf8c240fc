//! Shortening a transcript that fails.

use super::Transcript;

pub(crate) fn shrink(transcript: &Transcript, mut still_fails: impl FnMut(&Transcript) -> bool) -> Transcript {
    let mut shortest = transcript.clone();
    let mut calls_left = MAX_CALLS;
    loop {
        let before = shortest.steps.len();
        let mut width = before;
        while width > 0 {
            let mut at = 0;
            while at < shortest.steps.len() {
                if calls_left == 0 {
                    return shortest;
                }
                calls_left -= 1;
                let mut candidate = shortest.clone();
                candidate.steps.drain(at..(at + width).min(candidate.steps.len()));
                candidate.renumber();
                if still_fails(&candidate) { shortest = candidate } else { at += width }
            }
            width /= 2;
        }
        if shortest.steps.len() == before {
            return shortest;
        }
    }
}

impl Transcript {
    /// Gives each step the number of its line in the printed text.
    fn renumber(&mut self) {
        let mut number = 2 + self.remarks.len() + self.options.len();
        for step in &mut self.steps {
            step.number = number;
            number += 1 + step.outputs.len();
        }
    }
}

/// Calls that are spent on one transcript.
const MAX_CALLS: usize = 3_000;
