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

#[cfg(test)]
mod tests {
    use pusher_proto::{ConnectionError, Data, Instant, SocketId};

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Request,
        Succeeded,
        Refused,
        /// It failed for now, and is tried again.
        Delayed,
        Connected,
        Lost,
    }

    const STEPS: [Step; 6] =
        [Step::Request, Step::Succeeded, Step::Refused, Step::Delayed, Step::Connected, Step::Lost];

    fn event(step: Step) -> Option<Event> {
        let changed = |current| Event::StateChanged { previous: ConnectionState::Disconnected, current };
        let cause = ConnectionError::PongTimeout.into();
        Some(match step {
            Step::Request => return None,
            Step::Succeeded => Event::SignedIn { id: "ann".into(), data: Data::ABSENT },
            Step::Refused => Event::SigninError { error: SigninError::InvalidUserData, retry_at: None },
            Step::Delayed => Event::SigninError { error: SigninError::InvalidUserData, retry_at: Some(Instant::ZERO) },
            Step::Connected => changed(ConnectionState::Connected { socket_id: SocketId::new("1.1").unwrap() }),
            Step::Lost => changed(ConnectionState::Waiting { attempt: 1, retry_at: Instant::ZERO, cause }),
        })
    }

    /// The status by the rules, and whether those who wait are woken.
    fn expected(status: &'static str, step: Step) -> (&'static str, bool) {
        match (status, step) {
            // A user who is signed in stays so, and a refused one is tried again.
            ("none" | "failed", Step::Request) => ("pending", false),
            ("none", _) => ("none", false),
            (_, Step::Succeeded) => ("signed in", true),
            (_, Step::Refused) => ("failed", true),
            // The next connection signs in again, whatever became of the sign-in on this one.
            ("signed in", Step::Lost) | ("failed", Step::Connected) => ("pending", false),
            (status, _) => (status, false),
        }
    }

    #[test]
    fn waits_for_the_outcome_of_every_sequence_of_steps() {
        for sequence in 0..STEPS.len().pow(5) {
            let steps: Vec<Step> = (0..5).map(|at| STEPS[sequence / STEPS.len().pow(at) % STEPS.len()]).collect();
            let (mut sign_in, mut status) = (SignIn::default(), "none");
            for &step in &steps {
                let _ = sign_in.waiters.add(None, Waker::noop());
                let mut wakers = Vec::new();
                match event(step) {
                    Some(event) => sign_in.observe(&event, &mut wakers),
                    None => sign_in.request(),
                }
                let is_woken;
                (status, is_woken) = expected(status, step);
                let found = match sign_in.status {
                    Status::NotRequested => "none",
                    Status::Pending => "pending",
                    Status::SignedIn => "signed in",
                    Status::Failed(_) => "failed",
                };
                assert_eq!((found, !wakers.is_empty()), (status, is_woken), "{step:?} of {steps:?}");
            }
        }
    }
}
