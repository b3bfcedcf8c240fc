//! What comes back for a channel: authorizations, successes, refusals, silence.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Channels, Failure, Phase, Signer};
use crate::client::outbox::Outbox;
use crate::client::signin::UserStatus;
use crate::client::unanswered::Asked;
use crate::event::{Diagnostic, Event};
use crate::members::Members;
use crate::wire::{presence, read, write};
use crate::{
    AuthError, AuthId, AuthResponse, ChannelKind, ChannelName, ConnectionError, Data, Instant, ServerError,
    SubscriptionError, Text,
};

impl Channels {
    pub(crate) fn handle_auth(
        &mut self,
        id: AuthId,
        answer: Result<AuthResponse, AuthError>,
        signer: &Signer<'_>,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        if let Some((channel, _)) = self.refreshing.remove(&id) {
            return self.handle_key(&channel, answer, outbox);
        }
        let Some(channel) = self.authorizing.remove(&id) else {
            if self.socket_id.is_none() {
                return;
            }
            return outbox.offer(Event::Diagnostic(Diagnostic::StaleAuth(id)));
        };
        self.handle_auth_of(&channel, answer, signer, now, outbox);
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
                self.blame(blamed, outbox);
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
                    roster.refresh(members);
                }
                None
            }
            // Of an earlier try that seemed to fail; this one comes after it.
            Phase::Idle
            | Phase::Queued
            | Phase::Authorizing(_)
            | Phase::RetryingAuth
            | Phase::AwaitingUser(_)
            | Phase::Authorized(_)
            | Phase::Failed(Failure::Unsent) => {
                self.unsubscribe_stray(channel, outbox);
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
                self.blame(blamed, outbox);
            }
            Phase::Subscribed | Phase::Failed(_) | Phase::Idle => {
                outbox.offer(Event::SubscriptionError { channel: name, error: SubscriptionError::Refused(error) });
            }
            Phase::Queued
            | Phase::Authorizing(_)
            | Phase::RetryingAuth
            | Phase::AwaitingUser(_)
            | Phase::Authorized(_) => {}
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
        let existing = error.message.strip_prefix(EXISTING_SUBSCRIPTION).map(str::trim);
        // An error with a channel says nothing about another one.
        let existing = existing.filter(|existing| channel.is_none_or(|channel| channel == *existing));
        if let Some(channel) = existing
            && self.table.get(channel).is_some_and(|entry| entry.phase.may_be_subscribed())
        {
            return self.handle_existing(channel, outbox);
        }
        outbox.offer(Event::ConnectionError(ConnectionError::Server(error.clone())));
        if let Some(channel) = existing {
            if !self.table.contains_key(channel) {
                self.unsubscribe_stray(channel, outbox);
            }
            return None;
        }
        if let Some(channel) = channel {
            if self.table.get(channel).is_some_and(|entry| matches!(entry.phase, Phase::Sent(_))) {
                self.handle_refused(channel, error.clone(), outbox);
            }
        } else if !matches!(error.code, Some(CLIENT_EVENT_REJECTED | WATCHLIST_TOO_LONG))
            && !error.message.contains(read::SERVER_TO_USER)
            && !self.is_about_another(&error.message)
        {
            let blamed = self.unanswered.blame(error, triggered_lately);
            self.blame(blamed.map(|asked| (asked, error.clone())), outbox);
        }
        None
    }

    /// Whether a message names a channel that no answer is awaited for, and none that one is awaited for.
    fn is_about_another(&self, message: &str) -> bool {
        let words = message.split(|c: char| c.is_whitespace() || "'\":/".contains(c));
        let named = words
            .filter_map(|word| self.table.get(word).or_else(|| self.table.get(word.trim_end_matches(PUNCTUATION))));
        let mut named = named.map(|entry| matches!(entry.phase, Phase::Sent(_))).peekable();
        named.peek().is_some() && !named.any(|is_awaited| is_awaited)
    }

    /// The sign-in was answered, which may tell what an earlier error was about.
    pub(crate) fn handle_signin_answered(&mut self, outbox: &mut Outbox) {
        let Some((order, _)) = self.signin.take() else { return };
        let blamed = self.unanswered.answered(order);
        self.blame(blamed, outbox);
    }

    /// Nobody will be waited for any more: presence channels that rely on the user go on or fail.
    pub(crate) fn handle_signin_ended(&mut self, user: UserStatus<'_>, outbox: &mut Outbox) {
        let waiting = self.table.iter().filter(|(_, entry)| matches!(entry.phase, Phase::AwaitingUser(_)));
        let mut waiting: Vec<_> = waiting.map(|(channel, entry)| (entry.order, channel.clone())).collect();
        waiting.sort_unstable();
        for (order, channel) in waiting {
            let UserStatus::SignedIn { id, .. } = user else {
                self.fail(&channel, Failure::Unsent, SubscriptionError::MissingChannelData, outbox);
                continue;
            };
            let Some(entry) = self.table.get_mut(&channel) else { continue };
            if let Phase::AwaitingUser(auth) = core::mem::replace(&mut entry.phase, Phase::Queued) {
                entry.phase = Phase::Authorized(auth);
                entry.be_user(id, self.seed);
                self.to_send.insert(order, channel);
            }
        }
    }

    fn blame(&mut self, blamed: Option<(Asked, ServerError)>, outbox: &mut Outbox) {
        match blamed {
            None => {}
            Some((Asked::Channel(channel), error)) => self.handle_refused(&channel, error, outbox),
            Some((Asked::Signin, error)) => self.refused_signin = Some(error),
        }
    }

    pub(crate) fn handle_timeout(&mut self, signer: &Signer<'_>, now: Instant, outbox: &mut Outbox) {
        self.handle_refresh_timeout(now, outbox);
        if self.signin.is_some_and(|(_, deadline)| deadline <= now) {
            self.expire_signin();
        }
        while let Some(timer) = self.timers.first_entry().filter(|timer| timer.key().0 <= now) {
            let channel = timer.remove();
            let Some(entry) = self.table.get_mut(&channel) else { continue };
            entry.timer = None;
            match entry.phase {
                Phase::Authorizing(id) => {
                    outbox.cancel_auth(id);
                    self.authorizing.remove(&id);
                    self.handle_auth_of(&channel, Err(AuthError::Timeout), signer, now, outbox);
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
                Phase::Idle
                | Phase::Queued
                | Phase::AwaitingUser(_)
                | Phase::Authorized(_)
                | Phase::Subscribed
                | Phase::Failed(_) => {}
            }
        }
    }

    fn handle_auth_of(
        &mut self,
        channel: &ChannelName,
        answer: Result<AuthResponse, AuthError>,
        signer: &Signer<'_>,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        self.disarm(channel);
        let seed = self.seed;
        let Some(entry) = self.table.get_mut(channel) else { return };
        match answer {
            Ok(auth) => {
                let signed_for = auth.auth.expose().split(':').next();
                if signed_for != Some(signer.key.as_str()) {
                    outbox.offer(Event::Diagnostic(Diagnostic::ForeignKey { channel: channel.clone() }));
                }
                if channel.kind() == ChannelKind::Presence {
                    let met = match (&auth.channel_data, signer.user) {
                        (Some(channel_data), _) => entry.meet_ourselves(channel_data, seed),
                        (None, UserStatus::SignedIn { id, .. }) if signer.presence_by_signin => {
                            entry.be_user(id, seed);
                            Ok(())
                        }
                        (None, UserStatus::Pending) if signer.presence_by_signin => {
                            entry.phase = Phase::AwaitingUser(Box::new(auth));
                            return;
                        }
                        (None, _) => Err(SubscriptionError::MissingChannelData),
                    };
                    if let Err(error) = met {
                        return self.fail(channel, Failure::Unsent, error, outbox);
                    }
                }
                if channel.kind() == ChannelKind::PrivateEncrypted
                    && let Err(error) = entry.take_key(&auth)
                {
                    return self.fail(channel, Failure::Unsent, SubscriptionError::Auth(error), outbox);
                }
                entry.phase = Phase::Authorized(Box::new(auth));
                self.to_send.insert(entry.order, channel.clone());
            }
            Err(error) if error.is_retryable() && entry.failures < self.options.auth_retries => {
                entry.failures += 1;
                entry.phase = Phase::RetryingAuth;
                let delay = self.backoff.delay(entry.failures).max(error.retry_after());
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
        entry.was_subscribed = true;
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
        let name = name.clone();
        if name.kind() != ChannelKind::Presence || !entry.wanted || core::mem::replace(&mut entry.refreshed, true) {
            return self.handle_succeeded(channel, &Data::ABSENT, outbox);
        }
        let blamed = match entry.phase {
            Phase::Sent(order) => self.unanswered.answered(order),
            _ => None,
        };
        self.disarm(&name);
        outbox.send(write::unsubscribe(&name));
        self.start(&name, outbox);
        self.blame(blamed, outbox);
        None
    }

    /// The server thinks that a channel is subscribed that nobody wants.
    fn unsubscribe_stray(&mut self, channel: &str, outbox: &mut Outbox) {
        let is_name = (1..=ChannelName::MAX_LEN).contains(&channel.len());
        if !is_name || channel.starts_with(read::SERVER_TO_USER) || self.strays.len() >= MAX_STRAYS {
            return;
        }
        if self.strays.insert(channel.into()) {
            outbox.send(write::unsubscribe(channel));
        }
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

/// What a sentence may add to a name at its end.
const PUNCTUATION: [char; 4] = ['.', ',', ';', '!'];

/// Most names a server is told to unsubscribe that we did not subscribe, per socket.
const MAX_STRAYS: usize = 1_024;
