//! The answers for a channel: authorizations, successes, refusals, timeouts.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Channels, Entry, Failure, Phase, Signer};
use crate::client::authorizations::{Authorizations, Outcome};
use crate::client::outbox::Outbox;
use crate::client::recovery::Track;
use crate::client::signin::UserStatus;
use crate::client::unanswered::Unanswered;
use crate::event::{Diagnostic, Event};
use crate::members::Members;
use crate::wire::{names, presence, read, write};
use crate::{AuthResponse, ChannelKind, ChannelName, Data, Instant, Position, ServerError, SubscriptionError, Text};

/// What the success of a subscription says.
pub(crate) struct Success<'a> {
    pub(crate) data: &'a Data,
    /// The newest message of the channel.
    pub(crate) position: Option<Position>,
}

/// What a message from the server has answered.
#[derive(Default)]
pub(crate) struct Answered {
    /// The number of the subscription.
    pub(crate) number: Option<u64>,
    /// The channel that has become subscribed.
    pub(crate) subscribed: Option<ChannelName>,
}

impl Channels {
    /// A request for a channel to the application's server has ended.
    pub(crate) fn handle_auth(
        &mut self,
        channel: &ChannelName,
        outcome: Outcome,
        signer: &Signer<'_>,
        requests: &mut Authorizations,
        outbox: &mut Outbox,
    ) {
        let error = match outcome {
            Outcome::Authorized(auth) => match self.authorize(channel, auth, signer, outbox) {
                Ok(()) => return,
                Err(error) => error,
            },
            Outcome::Delayed { error, retry_at, .. } => {
                let error = SubscriptionError::Auth(error);
                let (channel, retry_at) = (channel.clone(), Some(retry_at));
                return outbox.emit(Event::SubscriptionError { channel, error, retry_at });
            }
            Outcome::Failed(error) | Outcome::TooLate(error) => SubscriptionError::Auth(error),
        };
        self.fail(channel, Failure::Unsent, error, requests, outbox);
    }

    /// The server confirmed a subscription.
    pub(crate) fn handle_succeeded(
        &mut self,
        channel: &str,
        success: Success<'_>,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) -> Answered {
        let Some((_, name, entry)) = self.table.get_full_mut(channel) else {
            self.unsubscribe_stray(channel, outbox);
            return Answered::default();
        };
        let name = name.clone();
        match entry.phase {
            Phase::Sent { number, .. } if entry.is_wanted() => {
                self.become_subscribed(&name, success, requests, now, outbox);
                Answered { number: Some(number), subscribed: Some(name) }
            }
            Phase::Sent { number, .. } => {
                outbox.send(write::unsubscribe(&name));
                self.remove(&name, requests, outbox);
                Answered { number: Some(number), subscribed: None }
            }
            // Late, or the failure was not this channel's.
            Phase::Unanswered
            | Phase::Ready { was_sent: true, .. }
            | Phase::Failed(Failure::Refused | Failure::Blamed) => {
                self.sending.remove(entry.turn());
                self.become_subscribed(&name, success, requests, now, outbox);
                Answered { number: None, subscribed: Some(name) }
            }
            // Sockudo confirms a second subscription, with the current members.
            Phase::Subscribed => {
                // The success before was that of an attempt that was given up and unsubscribed: between the two, the server
                // has sent nothing. A channel that recovers asks for that too.
                if self.strays.is_repeated(&name) && entry.is_recoverable() {
                    entry.past.lost_at.get_or_insert(now);
                    entry.close_gap(&name, outbox);
                }
                self.strays.handle_succeeded(&name, false);
                if let (Some(roster), Some(members)) = (&mut entry.roster, presence::members(success.data, self.seed)) {
                    roster.refresh(members);
                }
                Answered::default()
            }
            // The success of an earlier attempt that seemed to have failed; the next attempt follows.
            Phase::Idle
            | Phase::Authorizing
            | Phase::AwaitingUser(_)
            | Phase::Ready { was_sent: false, .. }
            | Phase::Failed(Failure::Unsent) => {
                self.strays.handle_succeeded(&name, true);
                self.unsubscribe_stray(channel, outbox);
                let event = Text::from_static(names::SUCCEEDED);
                outbox.offer(Event::Diagnostic(Diagnostic::NotSubscribed { channel: channel.into(), event }));
                Answered::default()
            }
        }
    }

    /// The server refused a channel by name. Returns the number of the subscription that this answers.
    pub(crate) fn handle_refused(
        &mut self,
        channel: &str,
        error: ServerError,
        requests: &mut Authorizations,
        outbox: &mut Outbox,
    ) -> Option<u64> {
        self.refuse(channel, Failure::Refused, error, requests, outbox)
    }

    /// An error that names no channel is most likely the refusal of this one. Returns the number of the subscription that it
    /// answers.
    pub(crate) fn handle_blamed(
        &mut self,
        channel: &str,
        error: ServerError,
        requests: &mut Authorizations,
        outbox: &mut Outbox,
    ) -> Option<u64> {
        self.refuse(channel, Failure::Blamed, error, requests, outbox)
    }

    fn refuse(
        &mut self,
        channel: &str,
        failure: Failure,
        error: ServerError,
        requests: &mut Authorizations,
        outbox: &mut Outbox,
    ) -> Option<u64> {
        let (_, name, entry) = self.table.get_full(channel)?;
        let (name, error) = (name.clone(), SubscriptionError::Refused(error));
        match entry.phase {
            Phase::Sent { number, .. } => {
                self.strays.forget(&name);
                self.fail(&name, failure, error, requests, outbox);
                Some(number)
            }
            // Late.
            Phase::Unanswered | Phase::Ready { was_sent: true, .. } => {
                self.fail(&name, failure, error, requests, outbox);
                None
            }
            Phase::Subscribed | Phase::Failed(_) | Phase::Idle => {
                outbox.offer(Event::SubscriptionError { channel: name, error, retry_at: None });
                None
            }
            // About an earlier attempt; this one has not been sent yet.
            Phase::Authorizing | Phase::AwaitingUser(_) | Phase::Ready { was_sent: false, .. } => None,
        }
    }

    /// Hosted Pusher answered that the channel is already subscribed. In this case, it has not sent the members.
    pub(crate) fn handle_existing(
        &mut self,
        channel: &str,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) -> Answered {
        let Some((_, name, entry)) = self.table.get_full_mut(channel) else { return Answered::default() };
        let name = name.clone();
        if name.kind() != ChannelKind::Presence
            || !entry.is_wanted()
            || core::mem::replace(&mut entry.tries.is_refreshed, true)
        {
            let success = Success { data: &Data::ABSENT, position: None };
            return self.handle_succeeded(channel, success, requests, now, outbox);
        }
        let number = entry.number();
        outbox.send(write::unsubscribe(&name));
        self.start(&name, requests, outbox);
        Answered { number, subscribed: None }
    }

    /// Whether a subscription to this channel was sent, but the channel is not known to be subscribed.
    pub(crate) fn may_be_subscribed(&self, channel: &str) -> bool {
        self.table.get(channel).is_some_and(|entry| entry.phase.may_be_subscribed())
    }

    /// Whether a subscription to this channel was sent and not answered, however long ago.
    pub(crate) fn is_unanswered(&self, channel: &str) -> bool {
        self.table.get(channel).is_some_and(|entry| entry.phase.is_unanswered())
    }

    /// Whether a message names a channel for which no answer is awaited, and none for which one is awaited.
    pub(crate) fn is_about_another(&self, message: &str) -> bool {
        let mut named = self.named_in(message).map(|(_, entry)| entry.number().is_some()).peekable();
        named.peek().is_some() && !named.any(|is_awaited| is_awaited)
    }

    fn named_in<'a>(&'a self, message: &'a str) -> impl Iterator<Item = (&'a ChannelName, &'a Entry)> {
        let words = message.split(|c: char| c.is_whitespace() || "'\":/".contains(c));
        let find = |word: &str| self.table.get_key_value(word);
        words.filter_map(move |word| find(word).or_else(|| find(word.trim_end_matches(PUNCTUATION))))
    }

    /// An error may refuse the latest attempt for a channel that was confirmed by the success of an earlier attempt.
    /// Every channel that it may be about is subscribed again, which ends the doubt whatever the error was about.
    /// Returns whether there was such a channel.
    pub(crate) fn handle_doubt(
        &mut self,
        channel: Option<&str>,
        message: &str,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) -> bool {
        let mut doubtful = self.strays.doubtful(now);
        if let Some(channel) = channel {
            doubtful.retain(|name| name.as_str() == channel);
        } else if self.named_in(message).next().is_some() {
            doubtful.retain(|name| self.named_in(message).any(|(named, _)| named == name));
        }
        for channel in &doubtful {
            self.strays.forget(channel);
            self.cancel_refresh(channel, requests, outbox);
            let Some(entry) = self.table.get_mut(channel) else { continue };
            entry.past.lost_at.get_or_insert(now);
            self.start_anew(channel, requests, outbox);
        }
        !doubtful.is_empty()
    }

    /// The server considers a channel subscribed: either it is, or it is not wanted.
    pub(crate) fn handle_subscribed_already(&mut self, channel: &str, outbox: &mut Outbox) {
        self.strays.forget(channel);
        if !self.table.contains_key(channel) {
            self.unsubscribe_stray(channel, outbox);
        }
    }

    /// The client sends too much: it pauses for a while, and then repeats what the server has not answered until then,
    /// at half the pace.
    pub(crate) fn handle_pace_complaint(&mut self, now: Instant) {
        self.sending.handle_complaint(now);
    }

    /// Everything that was sent has been answered.
    pub(crate) fn handle_all_answered(&mut self) {
        self.sending.handle_all_answered();
        // An empty tree keeps half a kilobyte until it is cleared.
        if self.timers.is_empty() {
            self.timers.clear();
        }
    }

    /// The sign-in has ended: presence channels that rely on the user continue or fail.
    pub(crate) fn handle_signin_ended(
        &mut self,
        user: UserStatus<'_>,
        requests: &mut Authorizations,
        outbox: &mut Outbox,
    ) {
        let waiting = self.table.iter().filter(|(_, entry)| matches!(entry.phase, Phase::AwaitingUser(_)));
        let mut waiting: Vec<_> = waiting.map(|(channel, entry)| (entry.order, channel.clone())).collect();
        waiting.sort_unstable();
        for (_, channel) in waiting {
            let UserStatus::SignedIn { id, .. } = user else {
                self.fail(&channel, Failure::Unsent, SubscriptionError::MissingChannelData, requests, outbox);
                continue;
            };
            let Some(entry) = self.table.get_mut(&channel) else { continue };
            if let Phase::AwaitingUser(auth) = core::mem::replace(&mut entry.phase, Phase::Idle) {
                entry.phase = Phase::Ready { auth: Some(auth), was_sent: false };
                entry.be_user(id, self.seed);
                self.sending.insert(entry.turn(), channel);
            }
        }
    }

    pub(crate) fn handle_timeout(
        &mut self,
        requests: &mut Authorizations,
        unanswered: &mut Unanswered,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        if self.sending.handle_timeout(now) {
            self.send_again(requests, unanswered, outbox);
        }
        while let Some(timer) = self.timers.first_entry().filter(|timer| timer.key().0 <= now) {
            let channel = timer.remove();
            let Some(entry) = self.table.get_mut(&channel) else { continue };
            entry.timer = None;
            match entry.phase {
                Phase::Sent { number, .. } => {
                    let probable_cause = unanswered.expired(number);
                    if entry.is_wanted() {
                        self.handle_silence(&channel, probable_cause, requests, now, outbox);
                    } else {
                        outbox.send(write::unsubscribe(&channel));
                        self.remove(&channel, requests, outbox);
                    }
                }
                // Sent before a pause, and not repeated yet.
                Phase::Ready { was_sent: true, .. } => {
                    self.sending.remove(entry.turn());
                    let probable_cause = unanswered.cause();
                    self.handle_silence(&channel, probable_cause, requests, now, outbox);
                }
                Phase::Unanswered => self.start_anew(&channel, requests, outbox),
                Phase::Idle
                | Phase::Authorizing
                | Phase::AwaitingUser(_)
                | Phase::Ready { was_sent: false, .. }
                | Phase::Failed(_) => {}
                Phase::Subscribed => self.handle_resume_timeout(&channel, requests, now, outbox),
            }
        }
    }

    /// The server did not answer a subscription in time. It may be overloaded, so each attempt waits longer.
    fn handle_silence(
        &mut self,
        channel: &ChannelName,
        probable_cause: Option<ServerError>,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        self.cancel_refresh(channel, requests, outbox);
        self.free_held(channel, Track::give_up);
        let Some(entry) = self.table.get_mut(channel) else { return };
        entry.phase = Phase::Unanswered;
        entry.tries.failures = entry.tries.failures.saturating_add(1);
        let retry_at = now + self.sending.delay(entry.tries.failures);
        self.arm(channel, retry_at);
        let error = SubscriptionError::Timeout { probable_cause };
        outbox.emit(Event::SubscriptionError { channel: channel.clone(), error, retry_at: Some(retry_at) });
    }

    /// The pause that the server asked for is over: what it has not answered, it has not accepted.
    fn send_again(&mut self, requests: &mut Authorizations, unanswered: &mut Unanswered, outbox: &mut Outbox) {
        for channel in unanswered.take_channels() {
            let Some(entry) = self.table.get_mut(&channel) else { continue };
            if !entry.is_wanted() {
                // The server may have accepted it after all.
                outbox.send(write::unsubscribe(&channel));
                self.remove(&channel, requests, outbox);
                continue;
            }
            if let Phase::Sent { auth, .. } = &mut entry.phase {
                entry.phase = Phase::Ready { auth: auth.take(), was_sent: true };
                entry.tries.failures = entry.tries.failures.saturating_add(1);
                self.sending.insert(entry.turn(), channel);
            }
        }
    }

    /// Takes the answer of the application's server.
    fn authorize(
        &mut self,
        channel: &ChannelName,
        auth: AuthResponse,
        signer: &Signer<'_>,
        outbox: &mut Outbox,
    ) -> Result<(), SubscriptionError> {
        let seed = self.seed;
        let Some(entry) = self.table.get_mut(channel) else { return Ok(()) };
        let signed_for = auth.auth.expose().split(':').next();
        if signed_for != Some(signer.key.as_str()) {
            outbox.offer(Event::Diagnostic(Diagnostic::ForeignKey { channel: channel.clone() }));
        }
        if channel.kind() == ChannelKind::Presence {
            match (&auth.channel_data, signer.user) {
                (Some(channel_data), _) => entry.meet_ourselves(channel_data, seed)?,
                (None, UserStatus::SignedIn { id, .. }) if signer.presence_by_signin => entry.be_user(id, seed),
                (None, UserStatus::Pending) if signer.presence_by_signin => {
                    entry.phase = Phase::AwaitingUser(Box::new(auth));
                    return Ok(());
                }
                (None, _) => return Err(SubscriptionError::MissingChannelData),
            }
        }
        if channel.kind() == ChannelKind::PrivateEncrypted {
            entry.take_key(&auth).map_err(SubscriptionError::Auth)?;
        }
        entry.phase = Phase::Ready { auth: Some(Box::new(auth)), was_sent: false };
        self.sending.insert(entry.turn(), channel.clone());
        Ok(())
    }

    fn become_subscribed(
        &mut self,
        channel: &ChannelName,
        success: Success<'_>,
        requests: &mut Authorizations,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        self.disarm(channel);
        self.strays.handle_succeeded(channel, false);
        let seed = self.seed;
        let Some(entry) = self.table.get_mut(channel) else { return };
        let auth = entry.phase.take_auth();
        let is_rewinding = entry.agree(success.position.as_ref(), auth);
        entry.phase = Phase::Subscribed;
        entry.tries.failures = 0;
        let again = core::mem::replace(&mut entry.past.was_subscribed, true);
        if !entry.is_recoverable() {
            entry.close_gap(channel, outbox);
        }
        let presence = (channel.kind() == ChannelKind::Presence).then(|| {
            let members = presence::members(success.data, seed).unwrap_or_else(|| {
                outbox.offer(Event::Diagnostic(Diagnostic::NoMembers { channel: channel.clone() }));
                Members::new(seed)
            });
            entry.roster(seed).replace(members)
        });
        let is_recoverable = entry.is_recoverable();
        outbox.emit(Event::SubscriptionSucceeded { channel: channel.clone(), again, presence });
        if is_recoverable {
            self.settle_gap(channel, (success.position, is_rewinding), requests, now, outbox);
            self.amend(channel, outbox);
        }
    }

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

impl Entry {
    /// The number of the unanswered subscription.
    fn number(&self) -> Option<u64> {
        match self.phase {
            Phase::Sent { number, .. } => Some(number),
            Phase::Idle
            | Phase::Authorizing
            | Phase::AwaitingUser(_)
            | Phase::Ready { .. }
            | Phase::Unanswered
            | Phase::Subscribed
            | Phase::Failed(_) => None,
        }
    }
}

/// Characters that may follow a name at the end of a sentence.
const PUNCTUATION: [char; 4] = ['.', ',', ';', '!'];

/// How many names per socket are unsubscribed although this client did not subscribe to them.
const MAX_STRAYS: usize = 1_024;
