//! One channel.

use alloc::boxed::Box;

use crate::client::encryption::Vault;
use crate::client::outbox::Outbox;
use crate::client::presence::Roster;
use crate::event::Event;
use crate::wire::read;
use crate::{AuthId, AuthResponse, ChannelName, Instant, SubscriptionError};

/// What is known of one channel.
pub(crate) struct Entry {
    /// Place in insertion order.
    pub(super) order: u64,
    pub(super) phase: Phase,
    pub(super) wanted: bool,
    /// The application asked again: a failed channel starts anew.
    pub(super) retry: bool,
    /// Whether a refused second subscription has been answered with a fresh one, on this socket.
    pub(super) refreshed: bool,
    /// Failed requests for authorization in a row.
    pub(super) failures: u32,
    pub(super) timer: Option<Instant>,
    /// Whether the channel was subscribed since it is wanted, so that leaving a connection opens a gap.
    pub(super) was_subscribed: bool,
    /// Since when events may have been missed.
    pub(super) lost_at: Option<Instant>,
    pub(super) count: Option<u64>,
    pub(super) roster: Option<Box<Roster>>,
    pub(super) vault: Option<Box<Vault>>,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing is under way: there is no connection.
    Idle,
    /// Waits for a place in a window.
    Queued,
    Authorizing(AuthId),
    /// Asks for authorization again when the timer fires.
    RetryingAuth,
    /// Waits for the sign-in, whose user the server takes in place of `channel_data`.
    AwaitingUser(Box<AuthResponse>),
    /// Waits for a place in the window of subscriptions.
    Authorized(Box<AuthResponse>),
    /// The server has been asked, under this number. If the channel is not wanted any more, it is unsubscribed as soon as
    /// the server has answered.
    Sent(u64),
    Subscribed,
    Failed(Failure),
}

impl Phase {
    /// Whether the server has been asked on this socket and the channel is not known to be subscribed.
    pub(super) fn may_be_subscribed(&self) -> bool {
        match self {
            Self::Sent(_) | Self::Failed(Failure::Refused | Failure::TimedOut) => true,
            Self::Idle
            | Self::Queued
            | Self::Authorizing(_)
            | Self::RetryingAuth
            | Self::AwaitingUser(_)
            | Self::Authorized(_)
            | Self::Subscribed
            | Self::Failed(Failure::Unsent) => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server was not asked on this socket.
    Unsent,
    Refused,
    /// The server did not answer, and may think that we are subscribed.
    TimedOut,
}

impl Entry {
    pub(super) fn new(order: u64) -> Self {
        Self {
            order,
            phase: Phase::Idle,
            wanted: true,
            retry: false,
            refreshed: false,
            failures: 0,
            timer: None,
            was_subscribed: false,
            lost_at: None,
            count: None,
            roster: None,
            vault: None,
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
    pub(super) fn is_listening(&self) -> bool {
        self.wanted && matches!(self.phase, Phase::Sent(_) | Phase::Subscribed)
    }

    pub(super) fn close_gap(&mut self, channel: &ChannelName, outbox: &mut Outbox) {
        if let Some(since) = self.lost_at.take() {
            outbox.emit(Event::ContinuityLost { channel: channel.clone(), since });
        }
    }

    /// The channel is not wanted any more, but the server's answer is awaited: nothing of the past counts for whoever wants
    /// it again.
    pub(super) fn forget_past(&mut self) {
        self.was_subscribed = false;
        self.lost_at = None;
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
