//! Which messages of a channel were emitted.

use alloc::collections::VecDeque;

use crate::Text;

/// The messages of the last streams of a channel that were emitted.
#[derive(Default)]
pub(super) struct Seen {
    /// The stream of the last message comes last.
    streams: VecDeque<Stream>,
    /// Whether a stream has come back after another one. Then several nodes count the messages of the channel, each its
    /// own.
    pub(super) is_interleaved: bool,
}

struct Stream {
    name: Text,
    /// Numbers that follow one another are one run: first and last, in order. Usually there is a single one, because the
    /// server leaves out a number only where a message is not meant for this client.
    runs: VecDeque<(u64, u64)>,
}

impl Seen {
    pub(super) fn contains(&self, stream: &str, serial: u64) -> bool {
        let stream = self.streams.iter().rev().find(|known| known.name.as_str() == stream);
        stream.is_some_and(|stream| stream.contains(serial))
    }

    /// Remembers a message, and at most `max_runs` runs of its stream.
    pub(super) fn insert(&mut self, stream: &str, serial: u64, max_runs: usize) {
        let place = self.streams.iter().position(|known| known.name.as_str() == stream);
        match place {
            Some(place) if place + 1 == self.streams.len() => {}
            Some(place) => {
                self.is_interleaved = true;
                let known = self.streams.remove(place);
                self.streams.extend(known);
            }
            None => {
                if self.streams.len() == MAX_STREAMS {
                    self.streams.pop_front();
                }
                self.streams.push_back(Stream { name: stream.into(), runs: VecDeque::new() });
            }
        }
        if let Some(stream) = self.streams.back_mut() {
            stream.insert(serial, max_runs);
        }
    }
}

impl Stream {
    fn contains(&self, serial: u64) -> bool {
        self.run_before(serial).is_some_and(|run| serial <= self.runs[run].1)
    }

    fn insert(&mut self, serial: u64, max_runs: usize) {
        let before = self.run_before(serial);
        let after = before.map_or(0, |run| run + 1);
        if before.is_some_and(|run| serial <= self.runs[run].1) {
            return;
        }
        let extends = before.filter(|run| self.runs[*run].1.checked_add(1) == Some(serial));
        let meets = self.runs.get(after).is_some_and(|(first, _)| serial.checked_add(1) == Some(*first));
        match (extends, meets) {
            (Some(run), true) => {
                let (_, last) = self.runs.remove(after).unwrap_or_default();
                self.runs[run].1 = last;
            }
            (Some(run), false) => self.runs[run].1 = serial,
            (None, true) => self.runs[after].0 = serial,
            (None, false) => self.runs.insert(after, (serial, serial)),
        }
        // The lowest numbers are the least likely to be repeated.
        while self.runs.len() > max_runs {
            self.runs.pop_front();
        }
    }

    /// The last run that does not begin after this number.
    fn run_before(&self, serial: u64) -> Option<usize> {
        self.runs.partition_point(|(first, _)| *first <= serial).checked_sub(1)
    }
}

/// How many streams of a channel are remembered. A cluster without a common history has one for each node.
const MAX_STREAMS: usize = 4;

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::format;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn remembers_every_message_in_any_order_as_a_set_does() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let (mut seen, mut set) = (Seen::default(), BTreeSet::new());
            for _ in 0..100 {
                let serial = if random.u8(..) == 0 { u64::MAX } else { random.u64(..60) };
                assert_eq!(seen.contains("s", serial), set.contains(&serial));
                seen.insert("s", serial, 256);
                set.insert(serial);
            }
            assert!((0..60).chain([u64::MAX]).all(|serial| seen.contains("s", serial) == set.contains(&serial)));
            let runs: Vec<_> = seen.streams[0].runs.iter().copied().collect();
            assert!(runs.is_sorted() && runs.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{runs:?}");
        }
    }

    #[test]
    fn forgets_the_lowest_runs_and_the_oldest_streams_beyond_its_bounds() {
        let mut seen = Seen::default();
        for serial in 0..10 {
            seen.insert("a", serial * 2, 3);
        }
        assert_eq!(seen.streams[0].runs, [(14, 14), (16, 16), (18, 18)]);
        for stream in 0..10 {
            seen.insert(&format!("{stream}"), 1, 3);
        }
        assert!(!seen.contains("a", 18) && !seen.contains("5", 1) && seen.contains("6", 1));
        assert_eq!(seen.streams.len(), MAX_STREAMS);
        assert!(!seen.is_interleaved, "no stream has come back");
    }

    #[test]
    fn notices_a_stream_that_comes_back() {
        let mut seen = Seen::default();
        for (stream, is_interleaved) in [("a", false), ("a", false), ("b", false), ("b", false), ("a", true)] {
            seen.insert(stream, 1, 256);
            assert_eq!(seen.is_interleaved, is_interleaved);
        }
        assert!(seen.contains("b", 1));
    }
}
