//! Channels: what the application wants, what the server has confirmed, and how to get from one to the other.
//!
//! ```text
//!                    needs authorization           a place in the window, and the pace allows it
//!   Idle ──start──┬──────────────────► Authorizing ──► Ready ──► Sent ──success──► Subscribed
//!                 │                        │  │          ▲        │ │
//!                 │    no user is          │  └─► AwaitingUser    │ └──silence──► Unanswered ──delay──► (start)
//!                 │    signed in yet ──────┘             │        └──refusal─┐
//!                 └── public ────────────────────────────┘                   ▼
//!                          a definite "no" of the application's server ──► Failed ──asked again──► (start)
//! ```
//!
//! After a temporary failure, a channel goes back to an earlier phase, for as long as it is wanted. The end of the
//! connection leads to `Idle` from every phase. A channel that is no longer wanted is removed; in `Sent`, only after
//! the server has answered.

mod answers;
mod deltas;
mod encrypted;
mod entry;
mod recovering;
mod sending;
mod strays;
mod terms;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub(crate) use answers::{Answered, Success};
pub(crate) use entry::Entry;
use entry::{Failure, Phase, Wish};
use foldhash::fast::FixedState;
use indexmap::IndexMap;
use sending::Sending;
use strays::Strays;
use terms::Terms;

use super::authorizations::{Authorizations, Job};
use super::encryption::Key;
use super::outbox::Outbox;
use super::presence::Roster;
use super::recovery::{Recovering, Track};
use super::signin::UserStatus;
use super::unanswered::Unanswered;
use crate::config::{Options, Strictness};
use crate::event::{ChannelEvent, Diagnostic, Event};
use crate::excerpt::excerpt;
use crate::wire::envelope::Envelope;
use crate::wire::protocol::Protocol;
use crate::wire::write;
use crate::{AppKey, AuthPurpose, ChannelKind, ChannelName, Instant, Subscribe, SubscriptionError, Text};

/// All channels of one client.
pub(crate) struct Channels {
    options: Arc<Options>,
    seed: u64,
    table: IndexMap<ChannelName, Entry, FixedState>,
    wishes: Wishes,
    is_connected: bool,
    sending: Sending,
    timers: BTreeMap<(Instant, u64), ChannelName>,
    strays: Strays,
    /// Bytes of all events that wait for a newer key.
    held_bytes: usize,
    /// Present if recovery is configured.
    recovery: Option<Box<Recovering>>,
}

/// What the application has asked for.
#[derive(Default)]
struct Wishes {
    /// How many channels it has subscribed to.
    last_order: u64,
    /// Channels whose wish may have changed.
    dirty: Vec<ChannelName>,
}

/// The connection and the user that authorizations are for.
pub(crate) struct Signer<'a> {
    pub(crate) key: &'a AppKey,
    pub(crate) user: UserStatus<'a>,
    /// Whether a presence channel may be subscribed without `channel_data`.
    pub(crate) presence_by_signin: bool,
}

impl Channels {
    pub(crate) fn new(options: Arc<Options>, seed: u64) -> Self {
        Self {
            seed,
            table: IndexMap::with_hasher(FixedState::with_seed(seed)),
            wishes: Wishes::default(),
            is_connected: false,
            sending: Sending::new(&options, seed),
            timers: BTreeMap::new(),
            strays: Strays::default(),
            held_bytes: 0,
            recovery: options.recovery.map(|recovery| Recovering::new(recovery, options.max_frame_len).into()),
            options,
        }
    }

    /// Wants a channel; without `options`, those of an earlier call stay.
    pub(crate) fn subscribe(&mut self, channel: ChannelName, options: Option<Subscribe>) {
        if let Some(entry) = self.table.get_mut(&channel) {
            entry.wish = Wish::Again;
            entry.ask_for(options);
        } else {
            self.wishes.last_order += 1;
            let is_plain = self.recovery.is_none() && channel.kind() != ChannelKind::PrivateEncrypted;
            let mut entry = Entry::new(self.wishes.last_order, is_plain);
            self.track(&channel, &mut entry);
            entry.ask_for(options);
            if channel.kind() == ChannelKind::Presence {
                entry.roster(self.seed);
            }
            self.table.insert(channel.clone(), entry);
        }
        self.touch(channel);
    }

    pub(crate) fn unsubscribe(&mut self, channel: &ChannelName) {
        if let Some(recovery) = &mut self.recovery {
            recovery.imported.remove(channel);
        }
        let Some(entry) = self.table.get_mut(channel) else { return };
        entry.wish = Wish::Unwanted;
        self.touch(channel.clone());
    }

    /// Starts and ends subscriptions as the application wishes. Returns whether a channel is no longer wanted.
    pub(crate) fn reconcile(&mut self, requests: &mut Authorizations, outbox: &mut Outbox) -> bool {
        if self.wishes.dirty.is_empty() {
            return false;
        }
        let mut unwanted = false;
        for channel in core::mem::take(&mut self.wishes.dirty) {
            unwanted |= !self.settle(&channel, requests, outbox);
        }
        unwanted
    }

    /// There is a connection: subscribes to everything that is wanted, in insertion order.
    pub(crate) fn enter(&mut self, protocol: Protocol, requests: &mut Authorizations, outbox: &mut Outbox) {
        self.is_connected = true;
        if let Some(recovery) = &mut self.recovery {
            recovery.protocol = protocol;
            if protocol == Protocol::V1 {
                outbox.offer(Event::Diagnostic(Diagnostic::RecoveryUnsupported));
            } else {
                self.enable_deltas(outbox);
            }
        }
        let mut wanted: Vec<_> = self.table.iter().map(|(name, entry)| (entry.order, name.clone())).collect();
        wanted.sort_unstable();
        for (_, channel) in wanted {
            self.start(&channel, requests, outbox);
        }
    }

    /// The connection is lost, and with it every subscription. `unanswered` is how many had no answer.
    pub(crate) fn leave(&mut self, unanswered: usize, now: Instant, outbox: &mut Outbox) {
        self.is_connected = false;
        debug_assert!(self.is_balanced(), "bytes that are held were counted wrongly");
        self.sending.leave(unanswered > 0, now);
        self.timers.clear();
        self.strays.clear();
        self.held_bytes = 0;
        if let Some(recovery) = &mut self.recovery {
            recovery.leave();
        }
        self.table.retain(|channel, entry| {
            if !entry.is_wanted() {
                outbox.forget(channel);
                return false;
            }
            let lost = entry.leave(now);
            if lost > 0 {
                outbox.lag(lost as u64);
            }
            true
        });
    }

    /// Whether the sums over all channels are what they should be.
    fn is_balanced(&self) -> bool {
        let sum = |bytes: fn(&Entry) -> usize| self.table.values().map(bytes).sum::<usize>();
        let sealed = sum(|entry| entry.vault.as_ref().map_or(0, |vault| vault.held_bytes()));
        let gated = sum(|entry| entry.past.track.as_ref().map_or(0, |track| track.held_bytes()));
        self.held_bytes == sealed && self.recovery.as_ref().map_or(0, |recovery| recovery.held_bytes) == gated
    }

    /// Handles an event of the application. Returns whether it was accepted.
    pub(crate) fn handle_event(
        &mut self,
        envelope: Envelope,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) -> bool {
        let channel = envelope.channel().unwrap_or_default();
        let Some((_, name, entry)) = self.table.get_full_mut(channel).filter(|(_, _, entry)| entry.is_listening())
        else {
            let [channel, event] = [channel, envelope.event()].map(|name| excerpt(name, ChannelName::MAX_LEN).into());
            outbox.offer(Event::Diagnostic(Diagnostic::NotSubscribed { channel, event }));
            return false;
        };
        if !entry.is_plain {
            let name = name.clone();
            return self.handle_special(&name, envelope, requests, now, outbox);
        }
        entry.close_gap(name, outbox);
        let event = ChannelEvent::received(name.clone(), envelope);
        outbox.offer(Event::Channel(event));
        true
    }

    pub(crate) fn handle_count(&mut self, channel: &str, count: u64, outbox: &mut Outbox) {
        let Some((name, entry)) = self.listening(channel) else { return };
        entry.close_gap(name, outbox);
        entry.count = Some(count);
        outbox.offer(Event::SubscriptionCount { channel: name.clone(), count });
    }

    pub(crate) fn handle_cache_miss(&mut self, channel: &str, outbox: &mut Outbox) {
        let Some((name, entry)) = self.listening(channel) else { return };
        entry.close_gap(name, outbox);
        outbox.offer(Event::CacheMiss { channel: name.clone() });
    }

    /// Ignores changes before the success, because they are included in its list.
    pub(crate) fn handle_member_added(&mut self, channel: &str, id: &str, info: &str, outbox: &mut Outbox) {
        if let Some((name, roster)) = self.subscribed_roster(channel) {
            roster.add(name, id, info, outbox);
        }
    }

    pub(crate) fn handle_member_removed(&mut self, channel: &str, id: &str, outbox: &mut Outbox) {
        if let Some((name, roster)) = self.subscribed_roster(channel) {
            roster.remove(name, id, outbox);
        }
    }

    /// Whether authorized subscriptions wait to be sent.
    pub(crate) fn holds_authorization(&self) -> bool {
        self.sending.holds_authorization()
    }

    /// The next subscription, if the window and the pace allow one, and whether it has an authorization.
    pub(crate) fn poll_subscribe(&mut self, unanswered: &mut Unanswered, now: Instant) -> Option<(Text, bool)> {
        if unanswered.channels() >= self.options.subscribe_window {
            return None;
        }
        let channel = self.sending.pop(now)?;
        let entry = self.table.get_mut(&channel)?;
        let Phase::Ready { auth, .. } = &mut entry.phase else { return None };
        let auth = auth.take();
        let number = unanswered.push_channel(channel.clone());
        self.strays.handle_sent(&channel, self.options.subscribe_timeout, now);
        let (text, has_auth) = (entry.subscribe(&channel, auth.as_deref()), auth.is_some());
        entry.phase = Phase::Sent { number, auth };
        if let Some(track) = &mut entry.past.track {
            track.handle_sent();
        }
        // A subscription that is sent again after a complaint does not get more time for its answer.
        if entry.timer.is_none() {
            self.arm(&channel, now + self.options.subscribe_timeout);
        }
        Some((text, has_auth))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let timer = self.timers.first_key_value().map(|((at, _), _)| *at);
        let resume = self.recovery.as_ref().and_then(|recovery| recovery.send_at);
        timer.into_iter().chain(self.sending.deadline()).chain(resume).min()
    }

    pub(crate) fn get(&self, channel: &ChannelName) -> Option<(&ChannelName, &Entry)> {
        self.table.get_key_value(channel)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ChannelName, &Entry)> {
        self.table.iter()
    }

    fn touch(&mut self, channel: ChannelName) {
        if self.wishes.dirty.last() != Some(&channel) {
            self.wishes.dirty.push(channel);
        }
    }

    /// Returns whether the channel is wanted.
    fn settle(&mut self, channel: &ChannelName, requests: &mut Authorizations, outbox: &mut Outbox) -> bool {
        let Some(entry) = self.table.get_mut(channel) else { return false };
        let is_repeated = match entry.wish {
            Wish::Unwanted => {
                self.abandon(channel, requests, outbox);
                return false;
            }
            Wish::Wanted => false,
            Wish::Again => true,
        };
        entry.wish = Wish::Wanted;
        if !is_repeated && self.options.strict_names == Strictness::Warn && !channel.is_portable() {
            outbox.offer(Event::Diagnostic(Diagnostic::NameNotPortable { channel: channel.clone() }));
        }
        match entry.phase {
            Phase::Idle => self.start(channel, requests, outbox),
            Phase::Unanswered if is_repeated => self.start_anew(channel, requests, outbox),
            Phase::Failed(_) if is_repeated => self.start(channel, requests, outbox),
            Phase::Subscribed if is_repeated => self.amend(channel, outbox),
            Phase::Authorizing
            | Phase::AwaitingUser(_)
            | Phase::Ready { .. }
            | Phase::Sent { .. }
            | Phase::Unanswered
            | Phase::Subscribed
            | Phase::Failed(_) => {}
        }
        true
    }

    /// Ends a channel that is no longer wanted.
    fn abandon(&mut self, channel: &ChannelName, requests: &mut Authorizations, outbox: &mut Outbox) {
        let Some(entry) = self.table.get_mut(channel) else { return };
        match entry.phase {
            // Servers may refuse to unsubscribe a pending subscription, or handle both in the wrong order, so wait for
            // the answer.
            Phase::Sent { .. } => {
                self.free_held(channel, Track::leave);
                if let Some(entry) = self.table.get_mut(channel) {
                    entry.forget_past();
                }
                self.cancel_refresh(channel, requests, outbox);
                return outbox.forget(channel);
            }
            // Without an answer that names it, it is not known whether the channel is subscribed, so it is unsubscribed to be
            // safe.
            Phase::Subscribed
            | Phase::Unanswered
            | Phase::Ready { was_sent: true, .. }
            | Phase::Failed(Failure::Blamed) => {
                outbox.send(write::unsubscribe(channel));
            }
            Phase::Idle
            | Phase::Authorizing
            | Phase::AwaitingUser(_)
            | Phase::Ready { was_sent: false, .. }
            | Phase::Failed(Failure::Unsent | Failure::Refused) => {}
        }
        self.remove(channel, requests, outbox);
    }

    /// Starts a subscription, if there is a connection.
    fn start(&mut self, channel: &ChannelName, requests: &mut Authorizations, outbox: &mut Outbox) {
        if !self.is_connected {
            return;
        }
        let refusal = if self.options.strict_names == Strictness::Refuse && !channel.is_portable() {
            Some(SubscriptionError::NameNotPortable)
        } else if channel.kind() == ChannelKind::PrivateEncrypted && !Key::IS_AVAILABLE {
            Some(SubscriptionError::EncryptionUnsupported)
        } else {
            None
        };
        if let Some(error) = refusal {
            return self.fail(channel, Failure::Unsent, error, requests, outbox);
        }
        self.disarm(channel);
        if let Some(protocol) = self.recovery.as_ref().map(|recovery| recovery.protocol) {
            self.free_held(channel, |track| track.begin(protocol));
        }
        let Some(entry) = self.table.get_mut(channel) else { return };
        self.sending.remove(entry.turn());
        if channel.kind().needs_auth() {
            let purpose = if entry.past.was_subscribed { AuthPurpose::Resubscribe } else { AuthPurpose::Subscribe };
            entry.phase = Phase::Authorizing;
            requests.ask_for_channel(entry.order, channel, purpose);
        } else {
            entry.phase = Phase::Ready { auth: None, was_sent: false };
            self.sending.insert(entry.turn(), channel.clone());
        }
    }

    /// Starts a subscription again, to a channel that the server may consider subscribed.
    fn start_anew(&mut self, channel: &ChannelName, requests: &mut Authorizations, outbox: &mut Outbox) {
        self.strays.give_up(channel);
        self.free_held(channel, Track::give_up);
        outbox.send(write::unsubscribe(channel));
        self.start(channel, requests, outbox);
    }

    fn fail(
        &mut self,
        channel: &ChannelName,
        failure: Failure,
        error: SubscriptionError,
        requests: &mut Authorizations,
        outbox: &mut Outbox,
    ) {
        self.disarm(channel);
        self.cancel_refresh(channel, requests, outbox);
        self.free_held(channel, Track::give_up);
        let Some(entry) = self.table.get_mut(channel) else { return };
        if !entry.is_wanted() {
            if failure == Failure::Blamed {
                outbox.send(write::unsubscribe(channel));
            }
            return self.remove(channel, requests, outbox);
        }
        self.sending.remove(entry.turn());
        entry.phase = Phase::Failed(failure);
        outbox.emit(Event::SubscriptionError { channel: channel.clone(), error, retry_at: None });
    }

    fn remove(&mut self, channel: &ChannelName, requests: &mut Authorizations, outbox: &mut Outbox) {
        self.disarm(channel);
        self.cancel_refresh(channel, requests, outbox);
        self.free_held(channel, Track::leave);
        self.forget_bases(channel);
        let Some(entry) = self.table.swap_remove(channel) else { return };
        self.strays.forget(channel);
        requests.cancel(Job::Channel(entry.order), outbox);
        self.sending.remove(entry.turn());
        outbox.forget(channel);
    }

    fn listening(&mut self, channel: &str) -> Option<(&ChannelName, &mut Entry)> {
        let (_, name, entry) = self.table.get_full_mut(channel)?;
        entry.is_listening().then_some((name, entry))
    }

    fn subscribed_roster(&mut self, channel: &str) -> Option<(&ChannelName, &mut Roster)> {
        let (_, name, entry) = self.table.get_full_mut(channel)?;
        let roster = entry.roster.as_deref_mut().filter(|_| matches!(entry.phase, Phase::Subscribed));
        roster.map(|roster| (name, roster))
    }

    fn arm(&mut self, channel: &ChannelName, at: Instant) {
        self.disarm(channel);
        let Some(entry) = self.table.get_mut(channel) else { return };
        entry.timer = Some(at);
        self.timers.insert((at, entry.order), channel.clone());
    }

    fn disarm(&mut self, channel: &ChannelName) {
        let Some(entry) = self.table.get_mut(channel) else { return };
        if let Some(at) = entry.timer.take() {
            self.timers.remove(&(at, entry.order));
        }
    }
}
