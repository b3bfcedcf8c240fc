use alloc::borrow::Cow;

use super::*;

const STREAMS: [&str; 2] = ["a", "b"];

/// What was emitted last, and whether something of another stream is missing.
#[derive(Debug, Default)]
struct Reference {
    position: Option<(usize, u64)>,
    /// A channel that has been in another stream, in which it did not get what was sent, owes the application a report.
    owes_loss: bool,
    /// The position of the server that is to replay, as it was when the subscription succeeded.
    asked: Option<(usize, u64)>,
    /// The stream of the current socket, once the channel is up to date.
    current: Option<usize>,
}

impl Reference {
    fn leave(&mut self) {
        let other = self.asked.take().map(|(stream, _)| stream);
        self.owes_loss |= other.is_some() && other != self.position.map(|(stream, _)| stream);
        self.current = None;
    }

    fn succeed(&mut self, stream: usize, serial: u64) -> Verdict {
        let success = (stream, serial);
        match self.position {
            None => self.settle(success, Verdict::Lost(LossReason::NoPosition)),
            Some(position) if position == success && !self.owes_loss => self.settle(success, Verdict::Same),
            Some((known, _)) if known == stream && self.owes_loss => {
                self.settle(success, Verdict::Lost(LossReason::StreamReset))
            }
            Some(_) => {
                self.asked = Some(success);
                Verdict::Ask
            }
        }
    }

    /// The loss was reported, so none is owed.
    fn settle(&mut self, position: (usize, u64), verdict: Verdict) -> Verdict {
        *self = Self { position: Some(position), current: Some(position.0), ..Self::default() };
        verdict
    }
}

struct Pair {
    track: Track,
    reference: Reference,
    /// The newest serial of each stream on the server.
    newest: [u64; 2],
}

/// A socket is lost and the channel subscribed again, in either stream, in which nothing was sent or something; the server
/// replays, or says that it cannot; a message comes; the socket is lost.
const STEPS: usize = 8;

impl Pair {
    fn step(&mut self, step: usize) {
        let Self { track, reference, newest } = self;
        match step {
            0..=3 => {
                let (stream, sent) = (step % 2, step / 2);
                track.leave();
                reference.leave();
                newest[stream] += sent as u64;
                track.begin(Protocol::V2);
                track.handle_sent();
                let success = Position::new(STREAMS[stream], newest[stream]);
                let verdict = track.handle_success(success, false);
                assert_eq!(verdict, reference.succeed(stream, newest[stream]));
                match verdict {
                    Verdict::Same => assert!(track.recover().is_empty()),
                    Verdict::Lost(_) => assert!(track.lose().is_empty()),
                    Verdict::Ask => {}
                }
            }
            4 | 5 => {
                let Some(success) = reference.asked else { return };
                // No server replays the messages of a stream that is not there.
                let is_replayed = step == 4 && reference.position.is_some_and(|(stream, _)| stream == success.0);
                let asked = track.ask().cloned().unwrap();
                assert_eq!(Some((asked.stream_id(), asked.serial())), reference.position.map(|(a, b)| (STREAMS[a], b)));
                assert!(track.handle_answer());
                if is_replayed {
                    assert!(track.recover().is_empty());
                    track.handle_replayed_up_to(&Position::new(STREAMS[success.0], success.1).unwrap());
                    reference.settle(success, Verdict::Same);
                } else {
                    assert!(track.lose().is_empty());
                    reference.settle(success, Verdict::Lost(LossReason::StreamReset));
                }
            }
            6 => {
                let Some(stream) = reference.current else { return };
                newest[stream] += 1;
                let stamp = Stamp { stream: Cow::Borrowed(STREAMS[stream]), serial: newest[stream] };
                assert!(!track.is_repeated(&stamp));
                track.handle_emitted(&stamp);
                assert!(track.is_repeated(&stamp));
                reference.position = Some((stream, newest[stream]));
            }
            _ => {
                track.leave();
                reference.leave();
            }
        }
        let position = track.position().map(|position| (position.stream_id(), position.serial()));
        assert_eq!(position, reference.position.map(|(stream, serial)| (STREAMS[stream], serial)));
        assert_eq!(track.is_holding(), reference.asked.is_some());
    }
}

#[test]
fn verdicts_follow_the_reference_when_streams_change() {
    for sequence in 0..STEPS.pow(6) {
        let (track, reference) = (Track::new(&Recovery::default()), Reference::default());
        let mut pair = Pair { track, reference, newest: [5, 7] };
        // It has a position before anything else happens.
        pair.step(0);
        for place in 0..6 {
            pair.step(sequence / STEPS.pow(place) % STEPS);
        }
    }
}
