//! Events that a server of version 2 sends as a difference to an earlier one.

use super::{Channels, Phase};
use crate::client::outbox::Outbox;
use crate::client::recovery::{Bases, Damage, Verdict};
use crate::event::{Diagnostic, Event};
use crate::wire::envelope::Envelope;
use crate::wire::{v2, write};
use crate::{ChannelName, Data, Instant, Text};

impl Channels {
    /// There is a socket of version 2: the server may send deltas.
    pub(super) fn enable_deltas(&mut self, outbox: &mut Outbox) {
        if self.bases().is_some() {
            outbox.send(write::ENABLE_DELTAS);
        }
    }

    /// The server has begun to send deltas.
    pub(crate) fn handle_deltas_enabled(&mut self, data: &Data) {
        if let Some(bases) = self.bases() {
            bases.enable(&data.text());
        }
    }

    /// Rebuilds the event that a delta stands for. If that fails, the server is asked for a full frame and for what is
    /// missing.
    pub(crate) fn handle_delta(
        &mut self,
        channel: &str,
        data: &Data,
        now: Instant,
        outbox: &mut Outbox,
    ) -> Option<Envelope> {
        let (_, name, _) = self.table.get_full(channel).filter(|(_, _, entry)| entry.is_listening())?;
        let name = name.clone();
        let Some(bases) = self.bases() else {
            outbox.offer(Event::Diagnostic(Diagnostic::UnknownInternalEvent(Text::from_static("sockudo:delta"))));
            return None;
        };
        match bases.rebuild(channel, &data.text()) {
            // Only events of the application are sent as deltas.
            Ok(frame) => Envelope::read(frame).ok().filter(|envelope| v2::read(envelope).is_none()),
            Err(lost) => {
                self.handle_damage(&name, lost.is_first, now, outbox);
                None
            }
        }
    }

    /// Keeps an event to which later deltas may refer.
    pub(super) fn keep_base(&mut self, channel: &ChannelName, envelope: &Envelope) {
        if let Some(bases) = self.bases() {
            bases.keep(channel, envelope.event(), envelope.frame());
        }
    }

    /// The channel is not subscribed any more.
    pub(super) fn forget_bases(&mut self, channel: &ChannelName) {
        if let Some(bases) = self.bases() {
            bases.forget(channel);
        }
    }

    /// The next message to a server whose deltas do not fit.
    pub(super) fn poll_delta_error(&mut self) -> Option<Text> {
        let channel = self.recovery.as_mut()?.damaged.pop_front()?;
        if let Some(track) = self.table.get_mut(&channel).and_then(|entry| entry.past.track.as_mut()) {
            track.handle_damage_told();
        }
        Some(write::delta_sync_error(&channel))
    }

    fn bases(&mut self) -> Option<&mut Bases> {
        self.recovery.as_mut()?.bases.as_mut()
    }

    /// An event is missing: the channel asks for it as after a lost connection.
    fn handle_damage(&mut self, channel: &ChannelName, is_first: bool, now: Instant, outbox: &mut Outbox) {
        let (Some(recovery), Some(entry)) = (&mut self.recovery, self.table.get_mut(channel)) else { return };
        let Some(track) = &mut entry.past.track else { return };
        // The server has sent further ones before it has read the first message about them, and replays them too.
        let is_covered = !is_first && track.is_holding();
        if is_covered {
            return;
        }
        let Damage { is_new, verdict } = track.handle_damage(matches!(entry.phase, Phase::Subscribed));
        if is_new {
            recovery.damaged.push_back(channel.clone());
        }
        entry.past.lost_at.get_or_insert(now);
        match verdict {
            Some(Verdict::Ask) => recovery.add(channel.clone(), now),
            Some(Verdict::Lost(reason)) => entry.report_loss(channel, reason, None, outbox),
            Some(Verdict::Same) | None => {}
        }
    }
}
