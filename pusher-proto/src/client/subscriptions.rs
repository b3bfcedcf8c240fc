//! Channels: what the application wants, what the server has confirmed, and the way from one to the other.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use foldhash::fast::FixedState;
use indexmap::IndexMap;

use super::backoff::Backoff;
use super::event::{Diagnostic, Event};
use super::members::Members;
use super::outbox::Outbox;
use super::presence::Roster;
use super::unanswered::Unanswered;
use crate::config::{Options, Strictness};
use crate::wire::envelope::Envelope;
use crate::wire::{presence, read, write};
use crate::{
    AppKey, AuthError, AuthId, AuthPurpose, AuthRequest, AuthResponse, ChannelKind, ChannelName, ConnectionError, Data,
    Instant, ServerError, SocketId, SubscriptionError, Text,
};

/// All channels of one client.
pub(crate) struct Subscriptions {
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
    unanswered: Unanswered,
    timers: BTreeMap<(Instant, u64), ChannelName>,
    /// Names that the server thinks are subscribed and that were sent an unsubscribe, on this socket.
    strays: BTreeSet<Text>,
    backoff: Backoff,
}

pub(crate) struct Entry {
    /// Place in insertion order.
    order: u64,
    phase: Phase,
    wanted: bool,
    /// The application asked again: a failed channel starts anew.
    retry: bool,
    /// Whether a refused second subscription has been answered with a fresh one, on this socket.
    refreshed: bool,
    /// Failed requests for authorization in a row.
    failures: u32,
    timer: Option<Instant>,
    /// Since when events may have been missed.
    lost_at: Option<Instant>,
    count: Option<u64>,
    roster: Option<Box<Roster>>,
}

#[derive(Debug)]
enum Phase {
    /// Nothing is under way: there is no connection.
    Idle,
    /// Waits for a place in a window.
    Queued,
    Authorizing(AuthId),
    /// Asks for authorization again when the timer fires.
    RetryingAuth,
    /// Waits for a place in the window of subscriptions.
    Authorized(Box<AuthResponse>),
    /// The server has been asked, under this number. If the channel is not wanted any more, it is unsubscribed as soon as
    /// the server has answered.
    Sent(u64),
    Subscribed,
    Failed(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// The server was not asked on this socket.
    Unsent,
    Refused,
    /// The server did not answer, and may think that we are subscribed.
    TimedOut,
}

impl Subscriptions {
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
            unanswered: Unanswered::default(),
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
            self.table.insert(channel.clone(), Entry::new(self.last_order));
        }
        self.touch(channel);
    }

    pub(crate) fn unsubscribe(&mut self, channel: &ChannelName) {
        let Some(entry) = self.table.get_mut(channel) else { return };
        entry.wanted = false;
        self.touch(channel.clone());
    }

    /// Starts and ends what the application's wishes ask for. Returns whether a channel was removed.
    pub(crate) fn reconcile(&mut self, outbox: &mut Outbox) -> bool {
        let mut removed = false;
        for channel in core::mem::take(&mut self.dirty) {
            removed |= self.settle(&channel, outbox);
        }
        removed
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
        for (id, _) in core::mem::take(&mut self.authorizing) {
            outbox.cancel_auth(id);
        }
        self.table.retain(|channel, entry| {
            match entry.phase {
                Phase::Sent(_) if !entry.wanted => {
                    outbox.forget(channel);
                    return false;
                }
                Phase::Subscribed => entry.lost_at = entry.lost_at.or(Some(now)),
                Phase::Idle
                | Phase::Queued
                | Phase::Authorizing(_)
                | Phase::RetryingAuth
                | Phase::Authorized(_)
                | Phase::Sent(_)
                | Phase::Failed(_) => {}
            }
            entry.phase = Phase::Idle;
            entry.refreshed = false;
            entry.failures = 0;
            entry.timer = None;
            entry.count = None;
            true
        });
    }

    pub(crate) fn handle_auth(
        &mut self,
        id: AuthId,
        answer: Result<AuthResponse, AuthError>,
        key: &AppKey,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        let Some(channel) = self.authorizing.remove(&id) else {
            return outbox.offer(Event::Diagnostic(Diagnostic::StaleAuth(id)));
        };
        self.handle_auth_of(&channel, answer, key, now, outbox);
    }

    /// The server confirmed a subscription. Returns the channel if it has become subscribed by that.
    pub(crate) fn handle_succeeded(&mut self, channel: &str, data: &Data, outbox: &mut Outbox) -> Option<ChannelName> {
        let Some((_, name, entry)) = self.table.get_full_mut(channel) else {
            self.unsubscribe_stray(channel, outbox);
            return None;
        };
        let name = name.clone();
        match entry.phase {
            Phase::Sent(order) => {
                let blamed = self.unanswered.answered(order);
                let subscribed = if entry.wanted {
                    self.become_subscribed(&name, data, outbox);
                    Some(name)
                } else {
                    outbox.send(write::unsubscribe(&name));
                    self.remove(&name, outbox);
                    None
                };
                if let Some((blamed, error)) = blamed {
                    self.handle_refused(&blamed, error, outbox);
                }
                subscribed
            }
            // Late, or the failure was not this channel's.
            Phase::Failed(Failure::Refused | Failure::TimedOut) => {
                self.become_subscribed(&name, data, outbox);
                Some(name)
            }
            Phase::Subscribed => {
                if let (Some(roster), Some(members)) =
                    (&mut entry.roster, presence::members(data, Members::new(self.seed)))
                {
                    roster.replace(members);
                }
                None
            }
            Phase::Idle
            | Phase::Queued
            | Phase::Authorizing(_)
            | Phase::RetryingAuth
            | Phase::Authorized(_)
            | Phase::Failed(Failure::Unsent) => {
                let event = Text::from_static("pusher_internal:subscription_succeeded");
                outbox.offer(Event::Diagnostic(Diagnostic::NotSubscribed { channel: channel.into(), event }));
                None
            }
        }
    }

    /// The server refused a channel by name.
    pub(crate) fn handle_refused(&mut self, channel: &str, error: ServerError, outbox: &mut Outbox) {
        let Some((_, name, entry)) = self.table.get_full(channel) else { return };
        let name = name.clone();
        match entry.phase {
            Phase::Sent(order) => {
                let blamed = self.unanswered.answered(order);
                self.fail(&name, Failure::Refused, SubscriptionError::Refused(error), outbox);
                if let Some((blamed, error)) = blamed {
                    self.handle_refused(&blamed, error, outbox);
                }
            }
            Phase::Subscribed | Phase::Failed(_) | Phase::Idle => {
                outbox.offer(Event::SubscriptionError { channel: name, error: SubscriptionError::Refused(error) });
            }
            Phase::Queued | Phase::Authorizing(_) | Phase::RetryingAuth | Phase::Authorized(_) => {}
        }
    }

    /// An error frame. Returns a channel that has become subscribed by it.
    pub(crate) fn handle_error(
        &mut self,
        error: &ServerError,
        channel: Option<&str>,
        triggered_lately: bool,
        outbox: &mut Outbox,
    ) -> Option<ChannelName> {
        if error.message.starts_with(NO_SUBSCRIPTION) {
            return None;
        }
        if let Some(channel) = error.message.strip_prefix(EXISTING_SUBSCRIPTION) {
            return self.handle_existing(channel.trim(), outbox);
        }
        outbox.offer(Event::ConnectionError(ConnectionError::Server(error.clone())));
        if let Some(channel) = channel {
            if self.table.get(channel).is_some_and(|entry| matches!(entry.phase, Phase::Sent(_))) {
                self.handle_refused(channel, error.clone(), outbox);
            }
        } else if !matches!(error.code, Some(CLIENT_EVENT_REJECTED | WATCHLIST_TOO_LONG))
            && let Some(channel) = self.unanswered.blame(error, triggered_lately)
        {
            self.handle_refused(&channel, error.clone(), outbox);
        }
        None
    }

    /// An event of the application.
    pub(crate) fn handle_event(&mut self, envelope: Envelope, outbox: &mut Outbox) -> bool {
        let channel = envelope.channel().unwrap_or_default();
        let Some((_, name, entry)) = self.table.get_full_mut(channel).filter(|(_, _, entry)| entry.is_listening())
        else {
            let (channel, event) = (channel.into(), envelope.event().into());
            outbox.offer(Event::Diagnostic(Diagnostic::NotSubscribed { channel, event }));
            return false;
        };
        entry.close_gap(name, outbox);
        let event = envelope.into_channel_event(name.clone());
        outbox.offer(Event::Channel(event));
        true
    }

    pub(crate) fn handle_count(&mut self, channel: &str, count: u64, outbox: &mut Outbox) {
        let Some((name, entry)) = self.listening(channel) else { return };
        entry.count = Some(count);
        outbox.offer(Event::SubscriptionCount { channel: name.clone(), count });
    }

    pub(crate) fn handle_cache_miss(&mut self, channel: &str, outbox: &mut Outbox) {
        let Some((name, _)) = self.listening(channel) else { return };
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

    pub(crate) fn handle_timeout(&mut self, key: &AppKey, now: Instant, outbox: &mut Outbox) {
        while let Some(timer) = self.timers.first_entry().filter(|timer| timer.key().0 <= now) {
            let channel = timer.remove();
            let Some(entry) = self.table.get_mut(&channel) else { continue };
            entry.timer = None;
            match entry.phase {
                Phase::Authorizing(id) => {
                    outbox.cancel_auth(id);
                    self.authorizing.remove(&id);
                    self.handle_auth_of(&channel, Err(AuthError::Timeout), key, now, outbox);
                }
                Phase::RetryingAuth => {
                    entry.phase = Phase::Queued;
                    self.to_authorize.insert(entry.order, channel);
                }
                Phase::Sent(order) => {
                    let probable_cause = self.unanswered.expired(order);
                    if entry.wanted {
                        self.fail(&channel, Failure::TimedOut, SubscriptionError::Timeout { probable_cause }, outbox);
                    } else {
                        outbox.send(write::unsubscribe(&channel));
                        self.remove(&channel, outbox);
                    }
                }
                Phase::Idle | Phase::Queued | Phase::Authorized(_) | Phase::Subscribed | Phase::Failed(_) => {}
            }
        }
    }

    /// The next request for authorization, as far as the window is open.
    pub(crate) fn poll_auth(&mut self, now: Instant) -> Option<AuthRequest> {
        let socket_id = self.socket_id.clone()?;
        if self.authorizing.len() >= self.options.auth_window {
            return None;
        }
        let (_, channel) = self.to_authorize.pop_first()?;
        let entry = self.table.get_mut(&channel)?;
        self.last_auth += 1;
        let id = AuthId(self.last_auth);
        entry.phase = Phase::Authorizing(id);
        let purpose = if entry.lost_at.is_some() { AuthPurpose::Resubscribe } else { AuthPurpose::Subscribe };
        self.authorizing.insert(id, channel.clone());
        self.arm(&channel, now + self.options.auth_timeout);
        Some(AuthRequest { id, channel, socket_id, purpose })
    }

    /// The next subscription, as far as the window is open.
    pub(crate) fn poll_subscribe(&mut self, now: Instant) -> Option<Text> {
        if self.unanswered.len() >= self.options.subscribe_window {
            return None;
        }
        let (_, channel) = self.to_send.pop_first()?;
        let entry = self.table.get_mut(&channel)?;
        let order = self.unanswered.push(channel.clone());
        let text = match core::mem::replace(&mut entry.phase, Phase::Sent(order)) {
            Phase::Authorized(auth) => write::subscribe(&channel, Some(&auth)),
            _ => write::subscribe(&channel, None),
        };
        self.arm(&channel, now + self.options.subscribe_timeout);
        Some(text)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|((at, _), _)| *at)
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

    /// Returns whether the channel was removed.
    fn settle(&mut self, channel: &ChannelName, outbox: &mut Outbox) -> bool {
        let Some(entry) = self.table.get_mut(channel) else { return false };
        let retry = core::mem::take(&mut entry.retry);
        if !entry.wanted {
            return self.abandon(channel, outbox);
        }
        match entry.phase {
            Phase::Idle => {
                if !channel.is_portable() && self.options.strict_names == Strictness::Warn {
                    outbox.offer(Event::Diagnostic(Diagnostic::NameNotPortable { channel: channel.clone() }));
                }
                self.start(channel, outbox);
            }
            Phase::Failed(failure) if retry => {
                if failure == Failure::TimedOut {
                    outbox.send(write::unsubscribe(channel));
                }
                self.start(channel, outbox);
            }
            Phase::Queued
            | Phase::Authorizing(_)
            | Phase::RetryingAuth
            | Phase::Authorized(_)
            | Phase::Sent(_)
            | Phase::Subscribed
            | Phase::Failed(_) => {}
        }
        false
    }

    /// Ends a channel that is not wanted any more. Returns whether it is gone at once.
    fn abandon(&mut self, channel: &ChannelName, outbox: &mut Outbox) -> bool {
        let Some(entry) = self.table.get(channel) else { return false };
        match entry.phase {
            Phase::Authorizing(id) => {
                self.authorizing.remove(&id);
                outbox.cancel_auth(id);
            }
            // Servers may refuse to end a subscription in progress, or let it overtake: the answer decides.
            Phase::Sent(_) => {
                outbox.forget(channel);
                return false;
            }
            Phase::Subscribed => outbox.send(write::unsubscribe(channel)),
            Phase::Idle | Phase::Queued | Phase::RetryingAuth | Phase::Authorized(_) | Phase::Failed(_) => {}
        }
        self.remove(channel, outbox);
        true
    }

    /// Sets a channel on its way, if there is a connection.
    fn start(&mut self, channel: &ChannelName, outbox: &mut Outbox) {
        if self.socket_id.is_none() {
            return;
        }
        if self.options.strict_names == Strictness::Refuse && !channel.is_portable() {
            return self.fail(channel, Failure::Unsent, SubscriptionError::NameNotPortable, outbox);
        }
        let Some(entry) = self.table.get_mut(channel) else { return };
        entry.failures = 0;
        entry.phase = Phase::Queued;
        match channel.kind() {
            ChannelKind::Public => self.to_send.insert(entry.order, channel.clone()),
            ChannelKind::Private | ChannelKind::Presence => self.to_authorize.insert(entry.order, channel.clone()),
            ChannelKind::PrivateEncrypted => {
                self.fail(channel, Failure::Unsent, SubscriptionError::EncryptionUnsupported, outbox);
                None
            }
        };
    }

    fn handle_auth_of(
        &mut self,
        channel: &ChannelName,
        answer: Result<AuthResponse, AuthError>,
        key: &AppKey,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        self.disarm(channel);
        let seed = self.seed;
        let Some(entry) = self.table.get_mut(channel) else { return };
        match answer {
            Ok(auth) => {
                let signed_for = auth.auth.expose().split(':').next();
                if signed_for != Some(key.as_str()) {
                    outbox.offer(Event::Diagnostic(Diagnostic::ForeignKey { channel: channel.clone() }));
                }
                if channel.kind() == ChannelKind::Presence
                    && let Err(error) = entry.meet_ourselves(auth.channel_data.as_deref(), seed)
                {
                    return self.fail(channel, Failure::Unsent, error, outbox);
                }
                entry.phase = Phase::Authorized(Box::new(auth));
                self.to_send.insert(entry.order, channel.clone());
            }
            Err(error) if error.is_retryable() && entry.failures < self.options.auth_retries => {
                entry.failures += 1;
                entry.phase = Phase::RetryingAuth;
                let delay = self.backoff.delay(entry.failures).max(error.retry_after().unwrap_or_default());
                let (channel, retry_at) = (channel.clone(), now + delay);
                self.arm(&channel, retry_at);
                outbox.offer(Event::Diagnostic(Diagnostic::AuthRetry { channel, retry_at, error }));
            }
            Err(error) => self.fail(channel, Failure::Unsent, SubscriptionError::Auth(error), outbox),
        }
    }

    fn become_subscribed(&mut self, channel: &ChannelName, data: &Data, outbox: &mut Outbox) {
        self.disarm(channel);
        let seed = self.seed;
        let Some(entry) = self.table.get_mut(channel) else { return };
        entry.phase = Phase::Subscribed;
        entry.close_gap(channel, outbox);
        let presence = (channel.kind() == ChannelKind::Presence).then(|| {
            let members = presence::members(data, Members::new(seed)).unwrap_or_else(|| {
                outbox.offer(Event::Diagnostic(Diagnostic::NoMembers { channel: channel.clone() }));
                Members::new(seed)
            });
            entry.roster(seed).replace(members)
        });
        outbox.emit(Event::SubscriptionSucceeded { channel: channel.clone(), presence });
    }

    /// Hosted Pusher says that the channel is subscribed already; then nobody has told us its members.
    fn handle_existing(&mut self, channel: &str, outbox: &mut Outbox) -> Option<ChannelName> {
        let (_, name, entry) = self.table.get_full_mut(channel)?;
        match entry.phase {
            Phase::Sent(_) | Phase::Failed(Failure::Refused | Failure::TimedOut) => {}
            Phase::Idle
            | Phase::Queued
            | Phase::Authorizing(_)
            | Phase::RetryingAuth
            | Phase::Authorized(_)
            | Phase::Subscribed
            | Phase::Failed(Failure::Unsent) => return None,
        }
        let name = name.clone();
        if name.kind() != ChannelKind::Presence || !entry.wanted || core::mem::replace(&mut entry.refreshed, true) {
            return self.handle_succeeded(channel, &Data::ABSENT, outbox);
        }
        if let Phase::Sent(order) = entry.phase {
            self.unanswered.answered(order);
        }
        self.disarm(&name);
        outbox.send(write::unsubscribe(&name));
        self.start(&name, outbox);
        None
    }

    fn fail(&mut self, channel: &ChannelName, failure: Failure, error: SubscriptionError, outbox: &mut Outbox) {
        self.disarm(channel);
        let Some(entry) = self.table.get_mut(channel) else { return };
        if !entry.wanted {
            return self.remove(channel, outbox);
        }
        entry.phase = Phase::Failed(failure);
        outbox.emit(Event::SubscriptionError { channel: channel.clone(), error });
    }

    fn remove(&mut self, channel: &ChannelName, outbox: &mut Outbox) {
        self.disarm(channel);
        let Some(entry) = self.table.swap_remove(channel) else { return };
        self.to_authorize.remove(&entry.order);
        self.to_send.remove(&entry.order);
        outbox.forget(channel);
    }

    /// The server thinks that a channel is subscribed that nobody wants.
    fn unsubscribe_stray(&mut self, channel: &str, outbox: &mut Outbox) {
        if self.socket_id.is_none() || channel.starts_with(SERVER_TO_USER) || self.strays.len() >= MAX_STRAYS {
            return;
        }
        if self.strays.insert(channel.into()) {
            outbox.send(write::unsubscribe(channel));
        }
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

impl Entry {
    fn new(order: u64) -> Self {
        Self {
            order,
            phase: Phase::Idle,
            wanted: true,
            retry: false,
            refreshed: false,
            failures: 0,
            timer: None,
            lost_at: None,
            count: None,
            roster: None,
        }
    }

    pub(crate) fn is_subscribed(&self) -> bool {
        matches!(self.phase, Phase::Subscribed) && self.wanted
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted
    }

    pub(crate) fn count(&self) -> Option<u64> {
        self.count
    }

    pub(crate) fn presence(&self) -> Option<&Roster> {
        self.roster.as_deref()
    }

    /// Some servers send events before the success.
    fn is_listening(&self) -> bool {
        self.wanted && matches!(self.phase, Phase::Sent(_) | Phase::Subscribed)
    }

    fn close_gap(&mut self, channel: &ChannelName, outbox: &mut Outbox) {
        if let Some(since) = self.lost_at.take() {
            outbox.emit(Event::ContinuityLost { channel: channel.clone(), since });
        }
    }

    /// Learns from the authorization who we are on a presence channel.
    fn meet_ourselves(&mut self, channel_data: Option<&str>, seed: u64) -> Result<(), SubscriptionError> {
        let channel_data = channel_data.ok_or(SubscriptionError::MissingChannelData)?;
        let (id, info) = read::member_of(channel_data).ok_or(SubscriptionError::InvalidChannelData)?;
        self.roster(seed).set_me(id, info);
        Ok(())
    }

    fn roster(&mut self, seed: u64) -> &mut Roster {
        self.roster.get_or_insert_with(|| Box::new(Roster::new(seed)))
    }
}

/// How hosted Pusher answers a second subscription of a channel.
const EXISTING_SUBSCRIPTION: &str = "Existing subscription to channel ";

/// How hosted Pusher answers the end of a subscription that it does not know.
const NO_SUBSCRIPTION: &str = "No current subscription to channel ";

/// Code of an error about a client event, which fails no subscription.
const CLIENT_EVENT_REJECTED: u32 = 4301;

/// Code of an error about a sign-in, which fails no subscription.
const WATCHLIST_TOO_LONG: u32 = 4302;

/// The channels of signed-in users, which some servers confirm unasked.
const SERVER_TO_USER: &str = "#server-to-user-";

/// Most names a server is told to unsubscribe that we did not subscribe, per socket.
const MAX_STRAYS: usize = 1_024;
