//! Channels that have to prove that they missed nothing.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Channels, Entry, Phase};
use crate::client::authorizations::Authorizations;
use crate::client::outbox::Outbox;
use crate::client::recovery::{MAX_REQUEST_LEN, Track, Verdict};
use crate::event::{ChannelEvent, Event, LossReason, RecoverySource};
use crate::wire::envelope::Envelope;
use crate::wire::protocol::Protocol;
use crate::wire::resume::{self, Failure, FailureCode, Outcome, Request, Source, Stamp};
use crate::{ChannelKind, ChannelName, Data, Instant, Position, Text};

impl Channels {
    /// Takes positions at which another client has stopped.
    pub(crate) fn resume_from(&mut self, positions: impl IntoIterator<Item = (ChannelName, Position)>) {
        let Some(recovery) = &mut self.recovery else { return };
        for (channel, position) in positions {
            let Some(entry) = self.table.get_mut(&channel) else {
                recovery.imported.insert(channel, position);
                continue;
            };
            if !entry.is_listening() && entry.position().is_none() {
                entry.import(position);
            }
        }
    }

    /// The positions of all channels, and those that no channel has taken yet.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (&ChannelName, &Position)> {
        let known = self.table.iter().filter(|(_, entry)| entry.is_wanted());
        let known = known.filter_map(|(channel, entry)| Some((channel, entry.position()?)));
        known.chain(self.recovery.iter().flat_map(|recovery| &recovery.imported))
    }

    /// Begins to track a channel that the application has subscribed to.
    pub(super) fn track(&mut self, channel: &ChannelName, entry: &mut Entry) {
        let Some(recovery) = &mut self.recovery else { return };
        entry.past.track = Some(Track::new(&recovery.options).into());
        entry.terms = Some(Box::default());
        if let Some(position) = recovery.imported.remove(channel) {
            entry.import(position);
        }
    }

    /// Handles an event of a channel that is encrypted or tracked. Returns whether it was accepted.
    pub(super) fn handle_special(
        &mut self,
        channel: &ChannelName,
        envelope: Envelope,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) -> bool {
        self.keep_base(channel, &envelope);
        let envelope = match self.table.get(channel) {
            Some(entry) if entry.is_recoverable() => entry.marked(envelope.renamed()),
            Some(_) | None => envelope,
        };
        match self.hold(channel, envelope) {
            None => true,
            Some((envelope, is_too_much)) => {
                if is_too_much {
                    let missed = self.missed(channel);
                    self.lose(channel, LossReason::Overflow, missed, requests, now, outbox);
                }
                self.pass_on(channel, envelope, requests, now, outbox)
            }
        }
    }

    /// Returns the event if it is not held back, and whether that is because it does not fit.
    fn hold(&mut self, channel: &ChannelName, envelope: Envelope) -> Option<(Envelope, bool)> {
        let (Some(recovery), Some(entry)) = (&mut self.recovery, self.table.get_mut(channel)) else {
            return Some((envelope, false));
        };
        let Some(track) = entry.past.track.as_mut().filter(|track| track.is_holding()) else {
            return Some((envelope, false));
        };
        let room = recovery.room(track.held_bytes(), self.options.max_pending_events);
        match track.hold(envelope, room) {
            Ok(bytes) => {
                recovery.held_bytes += bytes;
                None
            }
            Err(envelope) => Some((envelope, true)),
        }
    }

    /// Emits an event, if it can be decrypted.
    fn pass_on(
        &mut self,
        channel: &ChannelName,
        envelope: Envelope,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) -> bool {
        if channel.kind() == ChannelKind::PrivateEncrypted {
            return self.handle_encrypted(channel, envelope, requests, now, outbox);
        }
        let Some(entry) = self.table.get_mut(channel) else { return false };
        entry.deliver(channel, envelope, None, outbox);
        true
    }

    /// A subscription has succeeded on a socket that can replay messages, if it can.
    pub(super) fn settle_gap(
        &mut self,
        channel: &ChannelName,
        (success, is_rewinding): (Option<Position>, bool),
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        let (Some(recovery), Some(entry)) = (&mut self.recovery, self.table.get_mut(channel)) else { return };
        let Some(track) = &mut entry.past.track else { return };
        // The success of a pattern has the position of a stream that no message belongs to.
        let verdict = if channel.contains('*') {
            Verdict::Lost(LossReason::NoPosition)
        } else {
            track.handle_success(success, is_rewinding)
        };
        match verdict {
            Verdict::Same => self.recover(channel, (0, RecoverySource::Equal), requests, now, outbox),
            Verdict::Ask => recovery.add(channel.clone(), now),
            Verdict::Lost(reason) => self.lose(channel, reason, None, requests, now, outbox),
        }
    }

    /// The next request to replay messages. With `is_idle`, no further channel will need one soon.
    pub(crate) fn poll_resume(&mut self, is_idle: bool, now: Instant) -> Option<Text> {
        if let Some(text) = self.poll_delta_error() {
            return Some(text);
        }
        let recovery = self.recovery.as_mut()?;
        recovery.send_at.filter(|at| *at <= now || (is_idle && self.sending.is_empty()))?;
        let timeout = recovery.options.resume_timeout;
        let mut request = Request::default();
        let mut asked = Vec::new();
        while request.len() < MAX_REQUEST_LEN {
            let Some(channel) = recovery.ready.pop_front() else { break };
            let track = self.table.get_mut(&channel).and_then(|entry| entry.past.track.as_mut());
            if let Some(position) = track.and_then(|track| track.ask()) {
                request.push(&channel, position);
                asked.push(channel);
            }
        }
        if recovery.ready.is_empty() {
            recovery.send_at = None;
        }
        for channel in &asked {
            self.arm(channel, now + timeout);
        }
        (!asked.is_empty()).then(|| request.finish())
    }

    /// The answer to a request.
    pub(crate) fn handle_resumed(
        &mut self,
        data: &Data,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        resume::answer(data, |channel, outcome| {
            let Some((_, name, entry)) = self.table.get_full_mut(channel) else { return };
            if !entry.past.track.as_mut().is_some_and(|track| track.handle_answer()) {
                return;
            }
            let name = name.clone();
            match outcome {
                Outcome::Recovered { .. } if self.must_ask_again(&name) => self.ask_again(&name, now),
                Outcome::Recovered { replayed, source, position } => {
                    self.recover(&name, (replayed, self::source(source)), requests, now, outbox);
                    self.adopt(&name, position);
                }
                Outcome::Failed(failure) => self.handle_failure(&name, &failure, requests, now, outbox),
            }
        });
    }

    fn must_ask_again(&self, channel: &ChannelName) -> bool {
        self.table.get(channel).and_then(|entry| entry.past.track.as_ref()).is_some_and(|track| track.must_ask_again())
    }

    /// Another event went missing while the server replayed others: what it has sent is still held.
    fn ask_again(&mut self, channel: &ChannelName, now: Instant) {
        self.disarm(channel);
        let (Some(recovery), Some(entry)) = (&mut self.recovery, self.table.get_mut(channel)) else { return };
        if let Some(track) = &mut entry.past.track {
            track.ask_again();
            recovery.add(channel.clone(), now);
        }
    }

    /// The server cannot replay what a channel has missed. The answer to the request, which repeats this, follows.
    pub(crate) fn handle_resume_failed(
        &mut self,
        channel: &str,
        failure: &Failure,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        let Some((_, name, entry)) = self.table.get_full(channel) else { return };
        if entry.past.track.as_ref().is_some_and(|track| track.awaits_next_answer()) {
            let name = name.clone();
            self.handle_failure(&name, failure, requests, now, outbox);
        }
    }

    /// The server has refused a request with an error. It does not say which one, but for the same reason it refuses all.
    /// Returns whether there was a request.
    pub(crate) fn handle_resume_refused(
        &mut self,
        code: FailureCode,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) -> bool {
        let is_asking = |entry: &Entry| entry.past.track.as_ref().is_some_and(|track| track.awaits_answer());
        let mut asking: Vec<_> = self.table.iter().filter(|(_, entry)| is_asking(entry)).collect();
        asking.sort_unstable_by_key(|(_, entry)| entry.order);
        let asking: Vec<ChannelName> = asking.into_iter().map(|(channel, _)| channel.clone()).collect();
        for channel in &asking {
            if let Some(track) = self.table.get_mut(channel).and_then(|entry| entry.past.track.as_mut()) {
                track.handle_answer();
            }
            self.handle_failure(channel, &Failure { code, newest: None }, requests, now, outbox);
        }
        !asking.is_empty()
    }

    /// The server has not answered a request in time.
    pub(super) fn handle_resume_timeout(
        &mut self,
        channel: &ChannelName,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        let Some(track) = self.table.get(channel).and_then(|entry| entry.past.track.as_ref()) else { return };
        if track.awaits_answer() {
            let missed = self.missed(channel);
            self.lose(channel, LossReason::Timeout, missed, requests, now, outbox);
        }
    }

    /// How many messages a channel has missed at most, as far as the success of its subscription says.
    fn missed(&self, channel: &ChannelName) -> Option<u64> {
        self.table.get(channel)?.past.track.as_ref()?.missed(None)
    }

    fn handle_failure(
        &mut self,
        channel: &ChannelName,
        failure: &Failure,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        let Some(track) = self.table.get(channel).and_then(|entry| entry.past.track.as_ref()) else { return };
        let reason = track.reason(failure.code);
        let is_countable = failure.code != FailureCode::StreamReset;
        let missed = track.missed(failure.newest).filter(|_| is_countable);
        self.lose(channel, reason, missed, requests, now, outbox);
    }

    /// A channel has missed nothing, or everything that it missed was replayed.
    fn recover(
        &mut self,
        channel: &ChannelName,
        (replayed, source): (u64, RecoverySource),
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        self.disarm(channel);
        let release = |track: &mut Track| (track.recover(), !track.is_interleaved());
        let Some((held, is_proven)) = self.free_held(channel, release) else { return };
        if self.table.get_mut(channel).is_some_and(|entry| entry.past.lost_at.take().is_some()) {
            outbox.emit(Event::Recovered { channel: channel.clone(), replayed, source, is_proven });
        }
        for envelope in held {
            self.pass_on(channel, envelope, requests, now, outbox);
        }
    }

    /// Nothing can be proven about a channel.
    fn lose(
        &mut self,
        channel: &ChannelName,
        reason: LossReason,
        missed: Option<u64>,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        self.disarm_answer(channel);
        let Some(held) = self.free_held(channel, Track::lose) else { return };
        if let Some(entry) = self.table.get_mut(channel) {
            entry.report_loss(channel, reason, missed, outbox);
        }
        for envelope in held {
            self.pass_on(channel, envelope, requests, now, outbox);
        }
    }

    /// Ends the wait for an answer, but not that for the success of a subscription.
    fn disarm_answer(&mut self, channel: &ChannelName) {
        if self.table.get(channel).is_some_and(|entry| matches!(entry.phase, Phase::Subscribed)) {
            self.disarm(channel);
        }
    }

    /// The server has replayed everything up to this message, of which the last ones may not be meant for this client.
    /// Encrypted events may still wait for a key, and are not emitted before.
    fn adopt(&mut self, channel: &ChannelName, position: Option<Position>) {
        let Some(track) = self.table.get_mut(channel).and_then(|entry| entry.past.track.as_mut()) else { return };
        let is_same_stream =
            |position: &Position| track.position().is_none_or(|known| known.stream_id() == position.stream_id());
        let is_emitted = channel.kind() != ChannelKind::PrivateEncrypted;
        if let Some(position) = position.filter(|position| is_emitted && is_same_stream(position)) {
            track.handle_replayed_up_to(&position);
        }
    }

    /// Changes a track so that the channel holds back less than before, and counts that.
    pub(super) fn free_held<T>(&mut self, channel: &ChannelName, change: impl FnOnce(&mut Track) -> T) -> Option<T> {
        let recovery = self.recovery.as_mut()?;
        let track = self.table.get_mut(channel)?.past.track.as_mut()?;
        let before = track.held_bytes();
        let result = change(track);
        recovery.held_bytes -= before - track.held_bytes();
        Some(result)
    }
}

impl Entry {
    /// Emits an event, unless it was emitted before. `sealed` is the frame in which an encrypted one came.
    pub(super) fn deliver(
        &mut self,
        channel: &ChannelName,
        envelope: Envelope,
        sealed: Option<&Envelope>,
        outbox: &mut Outbox,
    ) {
        // In version 1, fields of these names are not the protocol's.
        if let Some(track) = self.past.track.as_mut().filter(|track| track.protocol() == Protocol::V2) {
            if let Some(stamp) = Stamp::read(sealed.unwrap_or(&envelope)) {
                if track.is_repeated(&stamp) {
                    return;
                }
                // What is lost for want of room was not emitted, and may be replayed later.
                if outbox.has_room() {
                    track.handle_emitted(&stamp);
                }
            }
        }
        self.close_gap(channel, outbox);
        outbox.offer(Event::Channel(ChannelEvent::received(channel.clone(), envelope)));
    }

    /// Reports a gap of which nothing can be proven.
    pub(super) fn report_loss(
        &mut self,
        channel: &ChannelName,
        reason: LossReason,
        missed: Option<u64>,
        outbox: &mut Outbox,
    ) {
        if let Some(since) = self.past.lost_at.take() {
            outbox.emit(Event::ContinuityLost { channel: channel.clone(), since, reason, missed });
        }
    }

    /// Whether recovery decides about a gap when the subscription succeeds.
    pub(super) fn is_recoverable(&self) -> bool {
        self.past.track.as_ref().is_some_and(|track| track.protocol() == Protocol::V2)
    }

    pub(super) fn position(&self) -> Option<&Position> {
        self.past.track.as_ref()?.position()
    }

    /// Continues where another client has stopped.
    fn import(&mut self, position: Position) {
        if let Some(track) = &mut self.past.track {
            track.import(position);
            self.past.lost_at = Some(Instant::ZERO);
        }
    }
}

const fn source(source: Source) -> RecoverySource {
    match source {
        Source::Hot => RecoverySource::Hot,
        Source::Cold => RecoverySource::Cold,
        Source::Unknown => RecoverySource::Other,
    }
}
