//! Waiting for a sign-in.

use std::task::{Context, Poll};

use pusher_proto::{FailReason, SigninError};

use super::{Client, UserInfo};
use crate::shared::{Ended, Life};
use crate::sign_in::Status;
use crate::waiters::WaitId;
#[cfg(feature = "async")]
use crate::waiters::wait;

/// Why no user is signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignedInError {
    /// The application's server or the Pusher server refused the sign-in.
    #[error("not signed in")]
    Signin(#[source] SigninError),
    /// [`Client::signin`] was not called, or [`Client::signout`] was called after it.
    #[error("no sign-in was requested")]
    NotRequested,
    /// The client was disconnected by the application.
    #[error("the client is disconnected")]
    Disconnected,
    /// The connection failed permanently.
    #[error("the client stopped trying to connect")]
    Failed(#[source] FailReason),
    /// The time limit has passed; the sign-in may still succeed. Only for methods with a time limit.
    #[error("the user was not signed in within the limit")]
    Elapsed,
}

/// Signing in.
impl Client {
    /// Signs in, on this connection and on all later ones, as the user that the application's server determines. The
    /// result is [`Event::SignedIn`](pusher_proto::Event::SignedIn) or
    /// [`Event::SigninError`](pusher_proto::Event::SigninError). If the sign-in has failed, it is tried again.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.signin();
    /// println!("signed in as {}", client.signed_in().await?.id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn signin(&self) {
        self.handle.0.change(|state| {
            state.core.signin();
            state.routes.sign_in.request();
        });
    }

    /// Signs out. The server forgets the user when the connection ends; until then, events for the user are ignored.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// client.signout();
    /// // Perhaps as another user: the application's server decides.
    /// client.signin();
    /// # }
    /// ```
    pub fn signout(&self) {
        let wakers = self.handle.0.change(|state| {
            state.core.signout();
            state.routes.sign_in.status = Status::NotRequested;
            state.routes.sign_in.waiters.take()
        });
        for waker in wakers {
            waker.wake();
        }
    }

    /// Waits until a user is signed in or definitely refused, and returns the user; returns at once if one is signed in.
    ///
    /// Temporary failures do not end the wait: a backend that is down or busy, a server that does not answer, or a lost
    /// connection. Each failure is an [`Event::SigninError`](pusher_proto::Event::SigninError) with the time of the next
    /// attempt. Without a connection, this waits for one without a time limit, so use a timeout. Cancel-safe.
    ///
    /// # Errors
    ///
    /// If the sign-in was not requested or was refused, or cannot succeed because the client is disconnected or has
    /// failed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.signin();
    /// let user = client.signed_in().await?;
    /// println!("signed in as {}", user.id);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "async")]
    pub async fn signed_in(&self) -> Result<UserInfo, SignedInError> {
        let poll = |id, context: &Context<'_>| self.poll_sign_in(Some(id), context);
        wait(WaitId(self.handle.0.next_id()), poll, |id| self.handle.0.lock().routes.sign_in.waiters.remove(id)).await
    }

    /// Checks whether a user is signed in or refused, like `signed_in`.
    ///
    /// # Errors
    ///
    /// The same.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// use std::task::{Context, Waker};
    ///
    /// client.signin();
    /// let user = client.poll_signed_in(&mut Context::from_waker(Waker::noop()));
    /// assert!(user.is_pending());
    /// # }
    /// ```
    pub fn poll_signed_in(&self, context: &mut Context<'_>) -> Poll<Result<UserInfo, SignedInError>> {
        self.poll_sign_in(None, context)
    }

    fn poll_sign_in(&self, id: Option<WaitId>, context: &Context<'_>) -> Poll<Result<UserInfo, SignedInError>> {
        // Outlives the lock: a waker may own the last handle.
        let _replaced;
        let mut state = self.handle.0.lock();
        if state.life == Life::Ended {
            return Poll::Ready(Err(SignedInError::Disconnected));
        }
        match &state.routes.sign_in.status {
            Status::NotRequested => return Poll::Ready(Err(SignedInError::NotRequested)),
            Status::Pending => {}
            Status::SignedIn => {
                if let Some(user) = state.core.user() {
                    return Poll::Ready(Ok(user.into()));
                }
            }
            Status::Failed(error) => return Poll::Ready(Err(SignedInError::Signin(error.clone()))),
        }
        match &state.ended {
            Some(Ended::Disconnected) => return Poll::Ready(Err(SignedInError::Disconnected)),
            Some(Ended::Failed(reason)) => return Poll::Ready(Err(SignedInError::Failed(reason.clone()))),
            None => {}
        }
        _replaced = state.routes.sign_in.waiters.add(id, context.waker());
        Poll::Pending
    }
}
