//! Channels: what the application wants, what the server has confirmed, and the way from one to the other.

mod answers;
mod encrypted;
mod entry;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

pub(crate) use entry::Entry;
use entry::{Failure, Phase};
use foldhash::fast::FixedState;
use indexmap::IndexMap;

use crate::client::backoff::Backoff;
use crate::client::encryption::Key;
use crate::client::outbox::Outbox;
use crate::client::presence::Roster;
use crate::client::signin::UserStatus;
use crate::client::unanswered::{Asked, Unanswered};
use crate::config::{Options, Strictness};
use crate::event::{ChannelEvent, Diagnostic, Event};
use crate::excerpt::excerpt;
use crate::wire::envelope::Envelope;
use crate::wire::write;
use crate::{
    AppKey, AuthId, AuthPurpose, AuthRequest, AuthSubject, ChannelKind, ChannelName, Instant, ServerError, SocketId,
    SubscriptionError, Text,
};

/// All channels of one client.
pub(crate) struct Channels {
    options: Arc<Options>,
    seed: u64,
    table: IndexMap<ChannelName, Entry, FixedState>,
    last_order: u64,
    /// Channels whose wish may have changed.
    dirty: Vec<ChannelName>,
    /// The connection that there is.
    socket_id: Option<SocketId>,
    /// Channels that wait for a place in a window, in insertion order.
    to_authorize: BTreeMap<u64, ChannelName>,
    to_send: BTreeMap<u64, ChannelName>,
    authorizing: BTreeMap<AuthId, ChannelName>,
    last_auth: u64,
    /// Encrypted channels that need a newer key, and those that have asked, with the deadline.
    to_refresh: VecDeque<ChannelName>,
    refreshing: BTreeMap<AuthId, (ChannelName, Instant)>,
    /// Whether the latest request was for a newer key, so that a channel comes next.
    refreshed_last: bool,
    /// Bytes of all events that wait for a newer key.
    held_bytes: usize,
    unanswered: Unanswered,
    /// The number under which the sign-in was sent, until when it may be answered, and an error that was about it.
    signin: Option<(u64, Instant)>,
    refused_signin: Option<ServerError>,
    timers: BTreeMap<(Instant, u64), ChannelName>,
    /// Names whose success nobody waited for, or waits for any more: the server was told to unsubscribe them, and was not
    /// asked to subscribe them since, on this socket.
    strays: BTreeSet<Text>,
    backoff: Backoff,
}

/// Whom authorizations are for.
pub(crate) struct Signer<'a> {
    pub(crate) key: &'a AppKey,
    pub(crate) user: UserStatus<'a>,
    /// Whether a presence channel may do without `channel_data`.
    pub(crate) presence_by_signin: bool,
}

impl Channels {
    pub(crate) fn new(options: Arc<Options>, seed: u64) -> Self {
        Self {
            seed,
            table: IndexMap::with_hasher(FixedState::with_seed(seed)),
            last_order: 0,
            dirty: Vec::new(),
            socket_id: None,
            to_authorize: BTreeMap::new(),
            to_send: BTreeMap::new(),
            authorizing: BTreeMap::new(),
            last_auth: 0,
            to_refresh: VecDeque::new(),
            refreshing: BTreeMap::new(),
            refreshed_last: false,
            held_bytes: 0,
            unanswered: Unanswered::default(),
            signin: None,
            refused_signin: None,
            timers: BTreeMap::new(),
            strays: BTreeSet::new(),
            backoff: Backoff::new(&options, seed),
            options,
        }
    }

    pub(crate) fn subscribe(&mut self, channel: ChannelName) {
        if let Some(entry) = self.table.get_mut(&channel) {
            entry.wanted = true;
            entry.retry = true;
        } else {
            self.last_order += 1;
            let mut entry = Entry::new(self.last_order);
            if channel.kind() == ChannelKind::Presence {
                entry.roster(self.seed);
            }
            self.table.insert(channel.clone(), entry);
        }
        self.touch(channel);
    }

    pub(crate) fn unsubscribe(&mut self, channel: &ChannelName) {
        let Some(entry) = self.table.get_mut(channel) else { return };
        entry.wanted = false;
        self.touch(channel.clone());
    }

    /// Starts and ends what the application's wishes ask for. Returns whether a channel is not wanted any more.
    pub(crate) fn reconcile(&mut self, outbox: &mut Outbox) -> bool {
        if self.dirty.is_empty() {
            return false;
        }
        let mut unwanted = false;
        for channel in core::mem::take(&mut self.dirty) {
            unwanted |= !self.settle(&channel, outbox);
        }
        unwanted
    }

    /// There is a connection: subscribes everything that is wanted, in insertion order.
    pub(crate) fn enter(&mut self, socket_id: SocketId, outbox: &mut Outbox) {
        self.socket_id = Some(socket_id);
        let mut wanted: Vec<_> = self.table.iter().map(|(name, entry)| (entry.order, name.clone())).collect();
        wanted.sort_unstable();
        for (_, channel) in wanted {
            self.start(&channel, outbox);
        }
    }

    /// The connection is gone, and with it every subscription.
    pub(crate) fn leave(&mut self, now: Instant, outbox: &mut Outbox) {
        self.socket_id = None;
        self.to_authorize.clear();
        self.to_send.clear();
        self.timers.clear();
        self.strays.clear();
        self.unanswered = Unanswered::default();
        self.signin = None;
        self.to_refresh.clear();
        self.held_bytes = 0;
        let refreshing = core::mem::take(&mut self.refreshing).into_keys();
        for id in core::mem::take(&mut self.authorizing).into_keys().chain(refreshing) {
            outbox.cancel_auth(id);
        }
        self.table.retain(|channel, entry| {
            if !entry.wanted {
                outbox.forget(channel);
                return false;
            }
            if entry.was_subscribed {
                entry.lost_at = entry.lost_at.or(Some(now));
            }
            entry.phase = Phase::Idle;
            entry.refreshed = false;
            entry.failures = 0;
            entry.timer = None;
            entry.count = None;
            let lost = entry.vault.take().map_or(0, |mut vault| vault.stop_waiting().1);
            if lost > 0 {
                outbox.lag(lost as u64);
            }
            true
        });
    }

    /// An event of the application.
    pub(crate) fn handle_event(&mut self, envelope: Envelope, now: Instant, outbox: &mut Outbox) -> bool {
        let channel = envelope.channel().unwrap_or_default();
        let Some((_, name, entry)) = self.table.get_full_mut(channel).filter(|(_, _, entry)| entry.is_listening())
        else {
            let [channel, event] = [channel, envelope.event()].map(|name| excerpt(name, ChannelName::MAX_LEN).into());
            outbox.offer(Event::Diagnostic(Diagnostic::NotSubscribed { channel, event }));
            return false;
        };
        if name.kind() == ChannelKind::PrivateEncrypted {
            let name = name.clone();
            return self.handle_encrypted(&name, envelope, now, outbox);
        }
        entry.close_gap(name, outbox);
        let event = ChannelEvent::new(name.clone(), envelope);
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

    /// Changes before the success are in the list that it brings.
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

    /// The next request for authorization, as far as the window is open.
    pub(crate) fn poll_auth(&mut self, now: Instant) -> Option<AuthRequest> {
        if self.to_refresh.is_empty() && self.to_authorize.is_empty() {
            return None;
        }
        if self.authorizing.len() + self.refreshing.len() >= self.options.auth_window {
            return None;
        }
        // Events wait for a newer key, but a server that makes it needed all the time must not keep channels out.
        let (key_waits, channel_waits) = (!self.to_refresh.is_empty(), !self.to_authorize.is_empty());
        self.refreshed_last = key_waits && (!channel_waits || !self.refreshed_last);
        if self.refreshed_last {
            return self.poll_refresh(now);
        }
        let socket_id = self.socket_id.clone()?;
        let (_, channel) = self.to_authorize.pop_first()?;
        let id = self.next_auth();
        let entry = self.table.get_mut(&channel)?;
        let purpose = if entry.was_subscribed { AuthPurpose::Resubscribe } else { AuthPurpose::Subscribe };
        entry.phase = Phase::Authorizing(id);
        self.authorizing.insert(id, channel.clone());
        self.arm(&channel, now + self.options.auth_timeout);
        Some(AuthRequest { id, subject: AuthSubject::Channel(channel), socket_id, purpose })
    }

    /// The next subscription, as far as the window is open.
    pub(crate) fn poll_subscribe(&mut self, now: Instant) -> Option<Text> {
        // The sign-in takes no place in the window.
        let unanswered = self.unanswered.len() - usize::from(self.signin.is_some());
        if self.to_send.is_empty() || unanswered >= self.options.subscribe_window {
            return None;
        }
        let (_, channel) = self.to_send.pop_first()?;
        let entry = self.table.get_mut(&channel)?;
        let order = self.unanswered.push(Asked::Channel(channel.clone()));
        self.strays.remove(channel.as_str());
        let text = match core::mem::replace(&mut entry.phase, Phase::Sent(order)) {
            Phase::Authorized(auth) => write::subscribe(&channel, Some(&auth)),
            _ => write::subscribe(&channel, None),
        };
        self.arm(&channel, now + self.options.subscribe_timeout);
        Some(text)
    }

    /// The sign-in goes out now. Its answer is awaited until `deadline`, also if the application gives it up.
    pub(crate) fn push_signin(&mut self, deadline: Instant) {
        self.signin = Some((self.unanswered.push(Asked::Signin), deadline));
    }

    /// Nobody answered the sign-in; returns the error that may be the reason.
    pub(crate) fn expire_signin(&mut self) -> Option<ServerError> {
        let (order, _) = self.signin.take()?;
        self.unanswered.expired(order)
    }

    /// The error that was about the sign-in, once.
    pub(crate) fn take_refused_signin(&mut self) -> Option<ServerError> {
        self.refused_signin.take()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let timer = self.timers.first_key_value().map(|((at, _), _)| *at);
        let refresh = self.refreshing.first_key_value().map(|(_, (_, at))| *at);
        let signin = self.signin.map(|(_, deadline)| deadline);
        timer.into_iter().chain(refresh).chain(signin).min()
    }

    pub(crate) fn get(&self, channel: &ChannelName) -> Option<(&ChannelName, &Entry)> {
        self.table.get_key_value(channel)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ChannelName, &Entry)> {
        self.table.iter()
    }

    fn touch(&mut self, channel: ChannelName) {
        if self.dirty.last() != Some(&channel) {
            self.dirty.push(channel);
        }
    }

    /// Returns whether the channel is wanted.
    fn settle(&mut self, channel: &ChannelName, outbox: &mut Outbox) -> bool {
        let Some(entry) = self.table.get_mut(channel) else { return false };
        let retry = core::mem::take(&mut entry.retry);
        if !entry.wanted {
            self.abandon(channel, outbox);
            return false;
        }
        if !retry && self.options.strict_names == Strictness::Warn && !channel.is_portable() {
            outbox.offer(Event::Diagnostic(Diagnostic::NameNotPortable { channel: channel.clone() }));
        }
        match entry.phase {
            Phase::Idle => self.start(channel, outbox),
            Phase::Failed(failure) if retry => {
                if failure == Failure::TimedOut {
                    self.strays.insert(channel.as_str().into());
                    outbox.send(write::unsubscribe(channel));
                }
                self.start(channel, outbox);
            }
            Phase::Queued
            | Phase::Authorizing(_)
            | Phase::RetryingAuth
            | Phase::AwaitingUser(_)
            | Phase::Authorized(_)
            | Phase::Sent(_)
            | Phase::Subscribed
            | Phase::Failed(_) => {}
        }
        true
    }

    /// Ends a channel that is not wanted any more.
    fn abandon(&mut self, channel: &ChannelName, outbox: &mut Outbox) {
        let Some(entry) = self.table.get_mut(channel) else { return };
        match entry.phase {
            Phase::Authorizing(id) => {
                self.authorizing.remove(&id);
                outbox.cancel_auth(id);
            }
            // Servers may refuse to end a subscription in progress, or let it overtake: the answer decides.
            Phase::Sent(_) => {
                entry.forget_past();
                self.cancel_refresh(channel, outbox);
                return outbox.forget(channel);
            }
            // Whether an answer that did not come means a subscription is not known: the server must not be asked twice.
            Phase::Subscribed | Phase::Failed(Failure::TimedOut) => outbox.send(write::unsubscribe(channel)),
            Phase::Idle
            | Phase::Queued
            | Phase::RetryingAuth
            | Phase::AwaitingUser(_)
            | Phase::Authorized(_)
            | Phase::Failed(Failure::Unsent | Failure::Refused) => {}
        }
        self.remove(channel, outbox);
    }

    /// Sets a channel on its way, if there is a connection.
    fn start(&mut self, channel: &ChannelName, outbox: &mut Outbox) {
        if self.socket_id.is_none() {
            return;
        }
        if self.options.strict_names == Strictness::Refuse && !channel.is_portable() {
            return self.fail(channel, Failure::Unsent, SubscriptionError::NameNotPortable, outbox);
        }
        if channel.kind() == ChannelKind::PrivateEncrypted && !Key::IS_AVAILABLE {
            return self.fail(channel, Failure::Unsent, SubscriptionError::EncryptionUnsupported, outbox);
        }
        let Some(entry) = self.table.get_mut(channel) else { return };
        entry.failures = 0;
        entry.phase = Phase::Queued;
        let waiting = if channel.kind().needs_auth() { &mut self.to_authorize } else { &mut self.to_send };
        waiting.insert(entry.order, channel.clone());
    }

    fn fail(&mut self, channel: &ChannelName, failure: Failure, error: SubscriptionError, outbox: &mut Outbox) {
        self.disarm(channel);
        self.cancel_refresh(channel, outbox);
        let Some(entry) = self.table.get_mut(channel) else { return };
        if !entry.wanted {
            return self.remove(channel, outbox);
        }
        entry.phase = Phase::Failed(failure);
        outbox.emit(Event::SubscriptionError { channel: channel.clone(), error });
    }

    fn remove(&mut self, channel: &ChannelName, outbox: &mut Outbox) {
        self.disarm(channel);
        self.cancel_refresh(channel, outbox);
        let Some(entry) = self.table.swap_remove(channel) else { return };
        self.to_authorize.remove(&entry.order);
        self.to_send.remove(&entry.order);
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
