//! What one channel needs to prove that it has missed nothing.

use alloc::vec::Vec;

use super::gate::{Gate, Stage};
use super::seen::Seen;
use crate::client::room::Room;
use crate::event::LossReason;
use crate::wire::envelope::Envelope;
use crate::wire::protocol::Protocol;
use crate::wire::resume::{FailureCode, Stamp};
use crate::{Position, Recovery};

/// The position of a channel, which is kept over sockets, and what it holds back on the current one.
pub(crate) struct Track {
    /// The last message that was emitted, or a later one of which the server says that it was filtered.
    position: Option<Position>,
    seen: Seen,
    max_runs: usize,
    /// The protocol of the socket on which the subscription began.
    protocol: Protocol,
    gate: Option<Gate>,
    /// Requests on the current socket that the server has not answered. Only the answer to the last one counts.
    unanswered: u32,
    /// Whether the server has to be told that a delta did not fit.
    is_damage_untold: bool,
    /// Whether events of the current socket may have been ignored.
    may_be_behind: bool,
    /// Whether the channel had another stream than that of the position on an earlier socket, which was lost before anything was
    /// proven: what was sent there is missing, even if the server replays everything of the position's stream.
    has_strayed: bool,
}

/// What a delta that does not fit leads to.
pub(crate) struct Damage {
    /// Whether the server does not know yet, and will not be told anyway.
    pub(crate) is_new: bool,
    /// Whether the channel can ask for what is missing; nothing if it will do so anyway.
    pub(crate) verdict: Option<Verdict>,
}

/// What the success of a subscription means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The channel is where it was.
    Same,
    /// The server has to be asked for what was missed.
    Ask,
    /// Nothing can be proven.
    Lost(LossReason),
}

impl Track {
    pub(crate) fn new(options: &Recovery) -> Self {
        Self {
            position: None,
            seen: Seen::default(),
            max_runs: options.seen_window,
            protocol: Protocol::V1,
            gate: None,
            unanswered: 0,
            is_damage_untold: false,
            may_be_behind: false,
            has_strayed: false,
        }
    }

    /// Continues where another client has stopped.
    pub(crate) fn import(&mut self, position: Position) {
        self.has_strayed = false;
        self.seen.insert(position.stream_id(), position.serial(), self.max_runs);
        self.position = Some(position);
    }

    /// A subscription begins on a socket of this protocol. What an earlier one has held back will be replayed.
    pub(crate) fn begin(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        self.gate = None;
    }

    /// The subscription was sent: from now on, events may come that are later than what was missed.
    pub(crate) fn handle_sent(&mut self) {
        if self.protocol == Protocol::V2 && self.position.is_some() && self.gate.is_none() {
            self.gate = Some(Gate::new(Stage::Success));
        }
    }

    /// An attempt to subscribe was refused, or is given up. The server may have accepted it, and then it has sent events that
    /// are ignored until the next attempt. A late success does not count them, so the channel has to ask for what it missed
    /// even if the success has the known position.
    pub(crate) fn give_up(&mut self) {
        self.may_be_behind = true;
        if let Some(gate) = &mut self.gate {
            *gate = Gate::new(Stage::Success);
        }
    }

    /// The socket is lost. What was held back was not emitted, so it will be replayed.
    pub(crate) fn leave(&mut self) {
        let gate = self.gate.take();
        let other = gate.as_ref().and_then(|gate| gate.success.as_ref()).map(Position::stream_id);
        self.has_strayed |= other.is_some() && other != self.position.as_ref().map(Position::stream_id);
        self.unanswered = 0;
        self.is_damage_untold = false;
        self.may_be_behind = false;
    }

    /// The application no longer wants the channel, and may want it anew on the same socket.
    pub(crate) fn forget(&mut self) {
        self.forget_position();
        self.seen = Seen::default();
        self.gate = None;
    }

    fn forget_position(&mut self) {
        self.position = None;
        self.has_strayed = false;
    }

    pub(crate) fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Bytes of the events that are held back.
    pub(crate) fn held_bytes(&self) -> usize {
        self.gate.as_ref().map_or(0, Gate::bytes)
    }

    pub(crate) fn is_holding(&self) -> bool {
        self.gate.is_some()
    }

    /// Holds an event back and returns how many bytes it takes, or returns the event if it does not fit.
    pub(crate) fn hold(&mut self, envelope: Envelope, room: Room) -> Result<usize, Envelope> {
        match &mut self.gate {
            Some(gate) => gate.hold(envelope, room),
            None => Err(envelope),
        }
    }

    /// The subscription has succeeded. `success` is the newest message of the channel.
    ///
    /// Messages up to `success` may still arrive, because the server reads it when the subscription is already active. It
    /// therefore says what is the same, but not what is a repetition, and becomes the position only if there is none, and not
    /// while old messages follow that the application has asked for.
    pub(crate) fn handle_success(&mut self, success: Option<Position>, is_rewinding: bool) -> Verdict {
        let unknown = if success.is_some() { LossReason::NoPosition } else { LossReason::NotEnabled };
        let (Some(gate), Some(position)) = (&mut self.gate, &self.position) else {
            if self.position.is_none() && !is_rewinding {
                self.position = success.map(Position::unconfirmed);
            }
            return Verdict::Lost(unknown);
        };
        let Some(success) = success else { return Verdict::Lost(unknown) };
        let is_sure = !gate.is_damaged && !self.may_be_behind && !self.has_strayed;
        if is_sure && success.serial() == position.serial() && success.stream_id() == position.stream_id() {
            return Verdict::Same;
        }
        let has_returned = self.has_strayed && success.stream_id() == position.stream_id();
        gate.success = Some(success);
        if has_returned {
            return Verdict::Lost(LossReason::StreamReset);
        }
        gate.stage = Stage::Request;
        Verdict::Ask
    }

    /// The old messages that the application has asked for were sent. `newest` was the newest one at the success.
    pub(crate) fn handle_rewound(&mut self, newest: Option<Position>) {
        if self.position.is_none() {
            self.position = newest.map(Position::unconfirmed);
        }
    }

    /// Returns the position to ask for, if the channel waits for that.
    pub(crate) fn ask(&mut self) -> Option<&Position> {
        let gate = self.gate.as_mut().filter(|gate| gate.stage == Stage::Request)?;
        gate.stage = Stage::Answer;
        gate.is_damaged = false;
        self.unanswered = self.unanswered.saturating_add(1);
        self.position.as_ref()
    }

    /// An event is missing, because it was a delta that did not fit. As always, the channel asks once it is subscribed.
    pub(crate) fn handle_damage(&mut self, is_subscribed: bool) -> Damage {
        let is_new = !core::mem::replace(&mut self.is_damage_untold, true);
        let verdict = match (&mut self.gate, &self.position) {
            (Some(gate), _) => {
                gate.is_damaged = true;
                None
            }
            (None, Some(_)) if is_subscribed => {
                self.gate = Some(Gate::new(Stage::Request));
                Some(Verdict::Ask)
            }
            (None, Some(_)) => {
                self.gate.insert(Gate::new(Stage::Success)).is_damaged = true;
                None
            }
            (None, None) => Some(Verdict::Lost(LossReason::NoPosition)),
        };
        Damage { is_new, verdict }
    }

    /// The server has been told about the delta.
    pub(crate) fn handle_damage_told(&mut self) {
        self.is_damage_untold = false;
    }

    /// Whether an event went missing since the request.
    pub(crate) fn must_ask_again(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.is_damaged)
    }

    /// Waits for the next request.
    pub(crate) fn ask_again(&mut self) {
        if let Some(gate) = &mut self.gate {
            gate.stage = Stage::Request;
        }
    }

    /// A request was answered. Returns whether the channel waits for this answer.
    pub(crate) fn handle_answer(&mut self) -> bool {
        let awaits_it = self.awaits_next_answer();
        self.unanswered = self.unanswered.saturating_sub(1);
        awaits_it
    }

    /// Whether the channel waits for the answer that comes next, and not for a later one.
    pub(crate) fn awaits_next_answer(&self) -> bool {
        self.awaits_answer() && self.unanswered == 1
    }

    pub(crate) fn awaits_answer(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.stage == Stage::Answer)
    }

    /// Everything that was missed was replayed. Returns the events in the order in which they were sent.
    pub(crate) fn recover(&mut self) -> Vec<Envelope> {
        self.may_be_behind = false;
        self.has_strayed = false;
        let stream = self.position.as_ref().map(Position::stream_id).unwrap_or_default();
        self.gate.take().map_or_else(Vec::new, |gate| gate.into_sent(stream))
    }

    /// Nothing can be proven: the channel begins where the subscription has begun. Returns the events as they have arrived.
    pub(crate) fn lose(&mut self) -> Vec<Envelope> {
        self.may_be_behind = false;
        self.has_strayed = false;
        let Some(gate) = self.gate.take() else { return Vec::new() };
        self.position = gate.success.clone().map(Position::unconfirmed);
        gate.into_arrived()
    }

    /// Why nothing can be proven when something happens on the channel; `None` while that is not known.
    pub(crate) fn loss(&mut self) -> Option<LossReason> {
        match (self.protocol, &self.gate) {
            (Protocol::V2, Some(_)) => None,
            (Protocol::V2, None) => Some(LossReason::NoPosition),
            (Protocol::V1, _) => {
                // What follows has no positions, so a later server must not replay it.
                self.forget_position();
                Some(LossReason::Unsupported)
            }
        }
    }

    /// What a failure of the server means.
    pub(crate) fn reason(&self, code: FailureCode) -> LossReason {
        match code {
            FailureCode::NotEnabled => LossReason::NotEnabled,
            // Where messages have versions, a success has a position of another stream than events, which never works.
            FailureCode::StreamReset if !self.position.as_ref().is_some_and(Position::is_confirmed) => {
                LossReason::Unverifiable
            }
            FailureCode::StreamReset => LossReason::StreamReset,
            FailureCode::Expired => LossReason::Expired,
            FailureCode::Unverifiable => LossReason::Unverifiable,
            FailureCode::Unavailable => LossReason::Unavailable,
            FailureCode::Unknown => LossReason::Refused,
        }
    }

    /// How many messages were missed at most, if `newest` or the success of the subscription says it: those of the same
    /// stream that have not arrived in the meantime.
    pub(crate) fn missed(&self, newest: Option<u64>) -> Option<u64> {
        let (gate, position) = (self.gate.as_ref()?, self.position.as_ref()?);
        let is_counted = |success: &&Position| !self.may_be_behind && success.stream_id() == position.stream_id();
        let success = gate.success.as_ref().filter(is_counted);
        let newest = newest.max(success.map(Position::serial))?;
        // A position that is ahead of its stream belongs to another one, whatever its name.
        let sent = newest.checked_sub(position.serial())?;
        let held = gate.count(position.stream_id(), position.serial().saturating_add(1)..=newest);
        Some(sent.saturating_sub(held))
    }

    /// Whether a message with this position was emitted.
    pub(crate) fn is_repeated(&self, stamp: &Stamp<'_>) -> bool {
        self.seen.contains(&stamp.stream, stamp.serial)
    }

    /// A message is emitted. A new stream is not a loss: a server without history begins one whenever a channel was silent
    /// for longer than it remembers.
    pub(crate) fn handle_emitted(&mut self, stamp: &Stamp<'_>) {
        self.seen.insert(&stamp.stream, stamp.serial, self.max_runs);
        self.advance(&stamp.stream, stamp.serial);
    }

    /// Everything up to this message was emitted, or is not meant for this client.
    pub(crate) fn handle_replayed_up_to(&mut self, position: &Position) {
        self.advance(position.stream_id(), position.serial());
    }

    /// Whether several nodes count the messages of the channel, so that the messages of one of them prove nothing.
    pub(crate) fn is_interleaved(&self) -> bool {
        self.seen.is_interleaved
    }

    fn advance(&mut self, stream: &str, serial: u64) {
        match &mut self.position {
            Some(position) if position.stream_id() == stream => position.advance(serial),
            Some(_) | None => self.position = Position::new(stream, serial),
        }
    }
}

#[cfg(test)]
mod tests;
