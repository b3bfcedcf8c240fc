//! What is known about the sign-in.

use pusher_proto::{Event, SigninError};

use super::retry_at;

#[derive(Default)]
pub(crate) struct User {
    /// What the application has called since the last drain.
    pub(crate) wish: Option<Wish>,
    pub(crate) wanted: bool,
    pub(crate) signed_in: bool,
    failed: bool,
    /// Whether a sign-in was sent on this socket, which keeps its user.
    pub(crate) attached: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    In,
    Out,
    /// Sign out and then in, perhaps as another user.
    Change,
}

impl User {
    /// Whether a sign-in is wanted and has not ended.
    pub(crate) fn is_pending(&self) -> bool {
        self.wanted && !self.signed_in && !self.failed
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.wanted && self.failed
    }

    pub(super) fn signin(&mut self) {
        self.wish = match self.wish {
            None | Some(Wish::In) => Some(Wish::In),
            Some(Wish::Out | Wish::Change) => Some(Wish::Change),
        };
    }

    pub(super) fn signout(&mut self) {
        self.wish = Some(Wish::Out);
    }

    pub(super) fn take_wish(&mut self) {
        let Some(wish) = self.wish.take() else { return };
        if matches!(wish, Wish::Out | Wish::Change) {
            self.signed_in = false;
        }
        self.wanted = matches!(wish, Wish::In | Wish::Change);
        self.failed = false;
    }

    pub(super) fn emitted(&mut self, event: &Event) {
        match event {
            Event::SignedIn { .. } => (self.signed_in, self.failed) = (true, false),
            Event::SigninError { error, .. } => {
                if matches!(error, SigninError::Timeout { .. }) {
                    self.attached = false;
                }
                (self.signed_in, self.failed) = (false, retry_at(event).is_none());
            }
            _ => {}
        }
    }

    /// The loss of the connection was reported.
    pub(super) fn disconnected(&mut self) {
        (self.signed_in, self.failed) = (false, false);
    }
}
