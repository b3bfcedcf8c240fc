//! Events that a channel holds back until it is known what it has missed.

use alloc::vec::Vec;
use core::mem::size_of;
use core::ops::RangeInclusive;

use crate::Position;
use crate::client::room::Room;
use crate::wire::envelope::Envelope;
use crate::wire::resume::Stamp;

/// What a channel holds back from the moment at which a subscription is sent.
pub(super) struct Gate {
    pub(super) stage: Stage,
    /// The position in the success of the subscription.
    pub(super) success: Option<Position>,
    /// Whether an event is missing that the answer to the last request, if there was one, may not contain.
    pub(super) is_damaged: bool,
    held: Vec<Envelope>,
    bytes: usize,
}

/// What the channel waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The success of the subscription.
    Success,
    /// The next request to replay messages, which asks for several channels.
    Request,
    /// The answer to that request.
    Answer,
}

impl Gate {
    pub(super) const fn new(stage: Stage) -> Self {
        Self { stage, success: None, is_damaged: false, held: Vec::new(), bytes: 0 }
    }

    /// Keeps an event in its own buffer and returns how many bytes it takes, or returns the event if it does not fit.
    pub(super) fn hold(&mut self, envelope: Envelope, room: Room) -> Result<usize, Envelope> {
        let len = envelope.len() + size_of::<Envelope>();
        if self.held.len() >= room.events || len > room.bytes.saturating_sub(self.bytes) {
            return Err(envelope);
        }
        // What arrives before the request cannot be part of its answer.
        let envelope = if self.stage == Stage::Answer { envelope.replayed() } else { envelope };
        self.held.push(envelope.detached());
        self.bytes += len;
        Ok(len)
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many different messages of this part of a stream are held.
    pub(super) fn count(&self, stream: &str, serials: RangeInclusive<u64>) -> u64 {
        let stamps = self.held.iter().filter_map(Stamp::read);
        let stamps = stamps.filter(|stamp| stamp.stream == stream && serials.contains(&stamp.serial));
        let mut serials: Vec<u64> = stamps.map(|stamp| stamp.serial).collect();
        serials.sort_unstable();
        serials.dedup();
        serials.len() as u64
    }

    /// The events as they arrived.
    pub(super) fn into_arrived(self) -> Vec<Envelope> {
        self.held
    }

    /// The events in the order in which they were sent, when the server has replayed everything that was missed of this
    /// stream: live ones may have arrived before older ones that were replayed.
    ///
    /// Events without a position keep their place among the others, and those of other streams come last, since a channel
    /// changes to a new stream and not back.
    pub(super) fn into_sent(self, stream: &str) -> Vec<Envelope> {
        let (mut of_stream, mut rest, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (place, envelope) in self.held.into_iter().enumerate() {
            let serial = Stamp::read(&envelope).map(|stamp| (stamp.stream == stream).then_some(stamp.serial));
            match serial {
                Some(Some(serial)) => of_stream.push((serial, place, envelope)),
                None => rest.push((place, envelope)),
                Some(None) => others.push(envelope),
            }
        }
        let mut places: Vec<usize> = of_stream.iter().map(|(_, place, _)| *place).collect();
        places.sort_unstable();
        of_stream.sort_by_key(|(serial, place, _)| (*serial, *place));
        let moved = places.into_iter().zip(of_stream).map(|(place, (_, _, envelope))| (place, envelope));
        rest.extend(moved);
        rest.sort_by_key(|(place, _)| *place);
        rest.into_iter().map(|(_, envelope)| envelope).chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;

    fn envelope(event: &str) -> Envelope {
        let (stream, serial) = event.split_at(1);
        let position = format!(r#","stream_id":"{stream}","serial":{serial}"#);
        let position = if serial.is_empty() { "" } else { &position };
        Envelope::read(format!(r#"{{"event":"{event}","channel":"c"{position}}}"#).into()).unwrap()
    }

    const ROOM: Room = Room { events: 10, bytes: 10_000 };

    #[test]
    fn brings_live_and_replayed_events_into_the_order_of_sending() {
        for (arrived, sent) in [
            ("a3 a2 a3", "a2 a3 a3"),
            ("a3 x a1 a2", "a1 x a2 a3"),
            ("b1 a5 y a4 b2 x", "a4 y a5 x b1 b2"),
            ("b2 b1", "b2 b1"),
            ("", ""),
        ] {
            let mut gate = Gate::new(Stage::Success);
            for event in arrived.split_whitespace() {
                gate.hold(envelope(event), ROOM).unwrap();
            }
            let events: Vec<String> =
                gate.into_sent("a").iter().map(|envelope| String::from(envelope.event())).collect();
            assert_eq!(events.join(" "), sent);
        }
    }

    #[test]
    fn holds_no_more_than_its_bounds() {
        let len = envelope("a1").len() + size_of::<Envelope>();
        let held = |room: Room| {
            let mut gate = Gate::new(Stage::Success);
            let count = (0..100).take_while(|_| gate.hold(envelope("a1"), room).is_ok()).count();
            (count, gate.bytes())
        };
        assert_eq!(held(Room { events: 3, bytes: 10_000 }), (3, 3 * len));
        assert_eq!(held(Room { events: 100, bytes: 5 * len }), (5, 5 * len));
        assert_eq!(held(Room { events: 100, bytes: 5 * len - 1 }), (4, 4 * len));
        assert_eq!(held(Room { events: 100, bytes: 0 }), (0, 0));
    }

    #[test]
    fn only_what_arrives_after_the_request_may_be_replayed() {
        let mut gate = Gate::new(Stage::Success);
        for stage in [Stage::Success, Stage::Request, Stage::Answer] {
            gate.stage = stage;
            gate.hold(envelope("a1"), ROOM).unwrap();
        }
        let replayed: Vec<bool> = gate.into_arrived().iter().map(Envelope::is_replayed).collect();
        assert_eq!(replayed, [false, false, true]);
    }

    #[test]
    fn counts_each_message_of_a_stream_once() {
        let mut gate = Gate::new(Stage::Success);
        for event in ["a3", "a4", "a3", "a2", "b9", "x"] {
            gate.hold(envelope(event), ROOM).unwrap();
        }
        let counts = [("a", 3..=9), ("a", 3..=3), ("a", 5..=9), ("b", 1..=9)];
        assert_eq!(counts.map(|(stream, serials)| gate.count(stream, serials)), [2, 1, 0, 1]);
    }
}
