//! One channel.

use alloc::boxed::Box;

use super::sending::Turn;
use crate::client::encryption::Vault;
use crate::client::outbox::Outbox;
use crate::client::presence::Roster;
use crate::event::Event;
use crate::wire::read;
use crate::{AuthResponse, ChannelName, Instant, SubscriptionError};

/// What is known of one channel.
pub(crate) struct Entry {
    /// Place in insertion order.
    pub(super) order: u64,
    pub(super) phase: Phase,
    pub(super) wish: Wish,
    /// Whether a refused second subscription has been answered with a fresh one, on this socket.
    pub(super) refreshed: bool,
    /// Subscriptions in a row that were not answered in time, or not taken.
    pub(super) failures: u32,
    pub(super) timer: Option<Instant>,
    pub(super) past: Past,
    pub(super) count: Option<u64>,
    pub(super) roster: Option<Box<Roster>>,
    pub(super) vault: Option<Box<Vault>>,
}

/// What the application wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Wanted,
    /// It asked again: a failed channel starts anew.
    Again,
    Unwanted,
}

/// What was before the present socket.
#[derive(Default)]
pub(super) struct Past {
    /// Whether the channel was subscribed since it is wanted, so that leaving a connection opens a gap.
    pub(super) was_subscribed: bool,
    /// Since when events may have been missed.
    pub(super) lost_at: Option<Instant>,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing is under way: there is no connection.
    Idle,
    /// The application's server is asked, or waits to be.
    Authorizing,
    /// Waits for the sign-in, whose user the server takes in place of `channel_data`.
    AwaitingUser(Box<AuthResponse>),
    /// Waits for a place in the window of subscriptions, for the first time or after a complaint about the pace.
    Ready {
        auth: Option<Box<AuthResponse>>,
        was_sent: bool,
    },
    /// The server has been asked, under this number. If the channel is not wanted any more, it is unsubscribed as soon as
    /// the server has answered.
    Sent {
        number: u64,
        auth: Option<Box<AuthResponse>>,
    },
    /// The server did not answer in time, and may think that we are subscribed. It is asked again when the timer fires.
    Unanswered,
    Subscribed,
    Failed(Failure),
}

impl Phase {
    /// Whether the server has been asked on this socket and the channel is not known to be subscribed.
    pub(super) fn may_be_subscribed(&self) -> bool {
        self.is_unanswered() || matches!(self, Self::Failed(Failure::Refused))
    }

    /// Whether the server has been asked on this socket and has not answered, however late it is.
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
    /// The server was not asked on this socket.
    Unsent,
    Refused,
}

impl Entry {
    pub(super) fn new(order: u64) -> Self {
        Self {
            order,
            phase: Phase::Idle,
            wish: Wish::Wanted,
            refreshed: false,
            failures: 0,
            timer: None,
            past: Past::default(),
            count: None,
            roster: None,
            vault: None,
        }
    }

    /// Whose turn it is to be sent.
    pub(super) const fn turn(&self) -> Turn {
        (self.failures, self.order)
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

    /// Some servers send events before the success.
    pub(super) fn is_listening(&self) -> bool {
        self.is_wanted()
            && matches!(self.phase, Phase::Sent { .. } | Phase::Ready { was_sent: true, .. } | Phase::Subscribed)
    }

    #[inline]
    pub(super) fn close_gap(&mut self, channel: &ChannelName, outbox: &mut Outbox) {
        if let Some(since) = self.past.lost_at.take() {
            outbox.emit(Event::ContinuityLost { channel: channel.clone(), since });
        }
    }

    /// The connection is gone. Returns how many events are lost that waited for a key.
    pub(super) fn leave(&mut self, now: Instant) -> usize {
        if self.past.was_subscribed {
            self.past.lost_at = self.past.lost_at.or(Some(now));
        }
        self.phase = Phase::Idle;
        self.refreshed = false;
        self.failures = 0;
        self.timer = None;
        self.count = None;
        self.vault.take().map_or(0, |mut vault| vault.stop_waiting())
    }

    /// The channel is not wanted any more, but the server's answer is awaited: nothing of the past counts if it is wanted
    /// again.
    pub(super) fn forget_past(&mut self) {
        self.past = Past::default();
        self.count = None;
        if let Some(roster) = &mut self.roster {
            roster.forget();
        }
    }

    /// Is on a presence channel as the signed-in user.
    pub(super) fn be_user(&mut self, id: &str, seed: u64) {
        self.roster(seed).set_me(id.into(), "null".into());
    }

    /// Learns from the authorization who we are on a presence channel.
    pub(super) fn meet_ourselves(&mut self, channel_data: &str, seed: u64) -> Result<(), SubscriptionError> {
        let (id, info) = read::member_of(channel_data).ok_or(SubscriptionError::InvalidChannelData)?;
        self.roster(seed).set_me(id, info);
        Ok(())
    }

    pub(super) fn roster(&mut self, seed: u64) -> &mut Roster {
        self.roster.get_or_insert_with(|| Box::new(Roster::new(seed)))
    }
}
