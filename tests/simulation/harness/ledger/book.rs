//! What is known of one channel of one client, from outside.

use std::collections::VecDeque;

use pusher_proto::{AuthId, Instant, SubscriptionError};

use super::channels::roster::Roster;

#[derive(Default)]
pub(super) struct Book {
    /// What the application has said since the last poll.
    pub(super) wish: Option<bool>,
    /// It has said so although it was so.
    pub(super) again: bool,
    pub(super) wanted: bool,
    pub(super) on_socket: OnSocket,
    pub(super) told: Told,
    /// Whether it was ever subscribed since it is wanted.
    pub(super) was_subscribed: bool,
    /// A gap that the application has not been told of, and how many losses it consists of.
    pub(super) losses: u32,
    /// The client was given these and must pass them on, in this order.
    pub(super) owed: VecDeque<u64>,
    /// Events may be told that the client was not seen to be given.
    pub(super) doubtful: bool,
    /// Events that were counted as missed while others waited for a newer key.
    pub(super) excused: u64,
    /// The members of a presence channel.
    pub(super) roster: Roster,
    /// An unanswered request, and whether it is for a newer key.
    pub(super) asked: Option<(AuthId, bool)>,
    pub(super) retry_at: Option<Instant>,
    /// How the try before this one ended, on the same socket.
    pub(super) failed_before: Option<Ending>,
    /// The latest event that was told, readable or not.
    pub(super) last_told: Option<u64>,
    /// The latest event that the application could read.
    pub(super) last_read: Option<u64>,
    /// The same among those that were published, on this socket: the server gives them in this order.
    pub(super) last_published: Option<u64>,
    /// The event that no key opened, so that a newer one was asked for.
    pub(super) sealed: Option<u64>,
}

/// What the client has said to the server on this socket, and what came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OnSocket {
    #[default]
    Nothing,
    Sent {
        at: Instant,
    },
    Confirmed,
    Ended(Ending),
    /// Cannot be known from outside.
    Unclear,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Refused,
    TimedOut,
}

/// What the application was told last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    #[default]
    Nothing,
    Subscribed,
    Failed,
}

impl Book {
    /// The application does not want it any more.
    pub(super) fn drop_wish(&mut self) {
        // Whoever wants it again starts afresh; only what is under way is remembered.
        let on_socket = match self.on_socket {
            OnSocket::Ended(_) | OnSocket::Nothing => OnSocket::Nothing,
            OnSocket::Sent { .. } | OnSocket::Confirmed | OnSocket::Unclear => self.on_socket,
        };
        *self = Self { on_socket, asked: self.asked, ..Self::default() };
    }

    /// The socket is gone. What was told, and what is owed, is settled in the order of events.
    pub(super) fn leave_socket(&mut self) {
        self.on_socket = OnSocket::Nothing;
        self.failed_before = None;
        self.retry_at = None;
    }

    pub(super) fn is_listening(&self) -> bool {
        self.wanted && matches!(self.on_socket, OnSocket::Sent { .. } | OnSocket::Confirmed)
    }

    pub(super) fn is_refreshing(&self) -> bool {
        self.asked.is_some_and(|(_, for_key)| for_key)
    }

    pub(super) fn fail(&mut self, error: &SubscriptionError) {
        self.retry_at = None;
        // A complaint about a channel that is subscribed changes nothing, nor one that the server was not asked about.
        let is_unasked = self.on_socket == OnSocket::Nothing && matches!(error, SubscriptionError::Refused(_));
        if self.told == Told::Subscribed || is_unasked {
            return;
        }
        self.told = Told::Failed;
        self.on_socket = match error {
            SubscriptionError::Refused(_) => OnSocket::Ended(Ending::Refused),
            SubscriptionError::Timeout { .. } => OnSocket::Ended(Ending::TimedOut),
            _ => OnSocket::Nothing,
        };
    }
}
