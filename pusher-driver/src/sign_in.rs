//! How far the sign-in has got, and who waits for it.

use std::task::Waker;

use pusher_proto::{ConnectionState, Event, SigninError};

use crate::waiters::Waiters;

/// The progress of the sign-in, as far as it was reported to the application.
#[derive(Debug, Default)]
pub(crate) struct SignIn {
    pub(crate) status: Status,
    pub(crate) waiters: Waiters,
}

#[derive(Debug, Default)]
pub(crate) enum Status {
    #[default]
    NotRequested,
    Pending,
    SignedIn,
    Failed(SigninError),
}

impl SignIn {
    pub(crate) fn request(&mut self) {
        match self.status {
            Status::NotRequested | Status::Failed(_) => self.status = Status::Pending,
            Status::Pending | Status::SignedIn => {}
        }
    }

    /// Notes what an event means for the sign-in, and adds the wakers of calls whose wait is over.
    pub(crate) fn observe(&mut self, event: &Event, wakers: &mut Vec<Waker>) {
        match (&self.status, event) {
            (Status::NotRequested, _) => {}
            (_, Event::SignedIn { .. }) => self.settle(Status::SignedIn, wakers),
            (_, Event::SigninError { error, retry_at: None }) => self.settle(Status::Failed(error.clone()), wakers),
            (Status::SignedIn, Event::StateChanged { current, .. }) if !current.is_connected() => {
                self.status = Status::Pending;
            }
            // Each connection signs in again.
            (Status::Failed(_), Event::StateChanged { current: ConnectionState::Connected { .. }, .. }) => {
                self.status = Status::Pending;
            }
            _ => {}
        }
    }

    /// No user will be signed in: waiting calls return.
    pub(crate) fn stop_waiting(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.waiters.take());
    }

    fn settle(&mut self, status: Status, wakers: &mut Vec<Waker>) {
        self.status = status;
        self.stop_waiting(wakers);
    }
}
