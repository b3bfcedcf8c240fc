//! The state of one channel.

use alloc::boxed::Box;

use super::Terms;
use super::sending::Turn;
use crate::client::encryption::Vault;
use crate::client::outbox::Outbox;
use crate::client::presence::Roster;
use crate::client::recovery::Track;
use crate::event::LossReason;
use crate::wire::read;
use crate::{AuthResponse, ChannelName, Instant, SubscriptionError};

/// What is known about one channel.
pub(crate) struct Entry {
    /// Position in insertion order.
    pub(super) order: u64,
    pub(super) phase: Phase,
    pub(super) wish: Wish,
    /// Whether events are emitted as they come: the channel is neither encrypted nor tracked. This never changes.
    pub(super) is_plain: bool,
    pub(super) tries: Tries,
    pub(super) timer: Option<Instant>,
    pub(super) past: Past,
    pub(super) count: Option<u64>,
    pub(super) roster: Option<Box<Roster>>,
    pub(super) vault: Option<Box<Vault>>,
    /// What it asks for beside events, if version 2 is asked for.
    pub(super) terms: Option<Box<Terms>>,
}

/// The attempts to subscribe on the current socket.
#[derive(Default)]
pub(super) struct Tries {
    /// Subscriptions in a row that were not answered in time, or not accepted.
    pub(super) failures: u32,
    /// Whether the channel was already subscribed again because the server refused a second subscription.
    pub(super) is_refreshed: bool,
}

/// What the application wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Wanted,
    /// The application has subscribed again: a failed channel starts over.
    Again,
    Unwanted,
}

/// What happened before the current socket.
#[derive(Default)]
pub(super) struct Past {
    /// Whether the channel has been subscribed since the application asked for it, so that losing a connection causes a
    /// gap.
    pub(super) was_subscribed: bool,
    /// Since when events may have been missed.
    pub(super) lost_at: Option<Instant>,
    /// How far the channel got, if recovery is configured.
    pub(super) track: Option<Box<Track>>,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// There is no connection, so nothing is in progress.
    Idle,
    /// A request to the application's server is in progress, or waits to be sent.
    Authorizing,
    /// Waits for the sign-in, whose user the server uses instead of `channel_data`.
    AwaitingUser(Box<AuthResponse>),
    /// Waits for a place in the window of subscriptions, for the first time or after a complaint about the pace.
    Ready {
        auth: Option<Box<AuthResponse>>,
        was_sent: bool,
    },
    /// The subscription was sent, with this number. If the channel is no longer wanted, it is unsubscribed as soon as
    /// the server has answered.
    Sent {
        number: u64,
        auth: Option<Box<AuthResponse>>,
    },
    /// The server did not answer in time, and may consider the channel subscribed. The subscription is sent again when
    /// the timer fires.
    Unanswered,
    Subscribed,
    Failed(Failure),
}

impl Phase {
    /// The authorization with which the subscription was sent.
    pub(super) fn take_auth(&mut self) -> Option<Box<AuthResponse>> {
        match self {
            Self::Sent { auth, .. } | Self::Ready { auth, .. } => auth.take(),
            Self::Idle
            | Self::Authorizing
            | Self::AwaitingUser(_)
            | Self::Unanswered
            | Self::Subscribed
            | Self::Failed(_) => None,
        }
    }

    /// Whether a subscription was sent on this socket, but the channel is not known to be subscribed.
    pub(super) fn may_be_subscribed(&self) -> bool {
        self.is_unanswered() || matches!(self, Self::Failed(Failure::Refused | Failure::Blamed))
    }

    /// Whether a subscription was sent on this socket and not answered, however long ago.
    pub(super) fn is_unanswered(&self) -> bool {
        match self {
            Self::Sent { .. } | Self::Ready { was_sent: true, .. } | Self::Unanswered => true,
            Self::Idle
            | Self::Authorizing
            | Self::AwaitingUser(_)
            | Self::Ready { was_sent: false, .. }
            | Self::Subscribed
            | Self::Failed(_) => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No subscription was sent on this socket.
    Unsent,
    /// The server has refused the channel by name.
    Refused,
    /// An error that names no channel was taken for a refusal, so the server may have accepted the subscription.
    Blamed,
}

impl Entry {
    pub(super) fn new(order: u64, is_plain: bool) -> Self {
        Self {
            order,
            is_plain,
            phase: Phase::Idle,
            wish: Wish::Wanted,
            tries: Tries::default(),
            timer: None,
            past: Past::default(),
            count: None,
            roster: None,
            vault: None,
            terms: None,
        }
    }

    /// The position in the order of sending.
    pub(super) const fn turn(&self) -> Turn {
        (self.tries.failures, self.order)
    }

    pub(crate) fn is_subscribed(&self) -> bool {
        matches!(self.phase, Phase::Subscribed) && self.is_wanted()
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wish != Wish::Unwanted
    }

    pub(crate) fn count(&self) -> Option<u64> {
        self.count
    }

    pub(crate) fn presence(&self) -> Option<&Roster> {
        self.roster.as_deref()
    }

    /// Whether events are accepted: some servers send them before the success.
    pub(super) fn is_listening(&self) -> bool {
        self.is_wanted()
            && matches!(self.phase, Phase::Sent { .. } | Phase::Ready { was_sent: true, .. } | Phase::Subscribed)
    }

    #[inline]
    pub(super) fn close_gap(&mut self, channel: &ChannelName, outbox: &mut Outbox) {
        if self.past.lost_at.is_some() {
            self.report_gap(channel, outbox);
        }
    }

    /// Something happens on a channel that was lost, unless it is still unknown whether anything was missed.
    #[cold]
    fn report_gap(&mut self, channel: &ChannelName, outbox: &mut Outbox) {
        let reason = match &mut self.past.track {
            None => Some(LossReason::NotRequested),
            Some(track) => track.loss(),
        };
        if let Some(reason) = reason {
            self.report_loss(channel, reason, None, outbox);
        }
    }

    /// The connection is lost. Returns how many events that waited for a key are lost.
    pub(super) fn leave(&mut self, now: Instant) -> usize {
        if self.past.was_subscribed {
            self.past.lost_at = self.past.lost_at.or(Some(now));
        }
        if let Some(track) = &mut self.past.track {
            track.leave();
        }
        if let Some(terms) = &mut self.terms {
            terms.leave();
        }
        self.phase = Phase::Idle;
        self.tries = Tries::default();
        self.timer = None;
        self.count = None;
        self.vault.take().map_or(0, |mut vault| vault.stop_waiting())
    }

    /// The channel is no longer wanted, but the server's answer is still awaited: if it is wanted again, the past does
    /// not count.
    pub(super) fn forget_past(&mut self) {
        self.past = Past { track: self.past.track.take(), ..Past::default() };
        if let Some(track) = &mut self.past.track {
            track.forget();
        }
        self.count = None;
        if let Some(terms) = &mut self.terms {
            terms.forget();
        }
        if let Some(roster) = &mut self.roster {
            roster.forget();
        }
    }

    /// Makes the signed-in user this client's member of a presence channel.
    pub(super) fn be_user(&mut self, id: &str, seed: u64) {
        self.roster(seed).set_me(id.into(), "null".into());
    }

    /// Reads this client's member of a presence channel from the authorization.
    pub(super) fn meet_ourselves(&mut self, channel_data: &str, seed: u64) -> Result<(), SubscriptionError> {
        let (id, info) = read::member_of(channel_data).ok_or(SubscriptionError::InvalidChannelData)?;
        self.roster(seed).set_me(id, info);
        Ok(())
    }

    pub(super) fn roster(&mut self, seed: u64) -> &mut Roster {
        self.roster.get_or_insert_with(|| Box::new(Roster::new(seed)))
    }
}
