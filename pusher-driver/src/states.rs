//! The stream of connection states.

use std::sync::Arc;
use std::task::{Context, Poll};

use pusher_proto::ConnectionState;

use crate::shared::{Handle, Life};
use crate::waiters::WaitId;

/// A stream of the connection's states, for an indicator or a health check.
///
/// It begins with the current state and then waits for a different one. States are not collected: a slow reader gets
/// only the latest one, so the stream needs no memory, and what it returns is always current. To see every change, read
/// [`Event::StateChanged`](pusher_proto::Event::StateChanged) from [`Client::events`](crate::Client::events).
///
/// The current state is also returned again when the client becomes [unavailable](crate::Client::is_unavailable), which
/// is not a separate state. The stream ends when the client ends, after a last [`ConnectionState::Disconnected`].
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: pusher_driver::Client) {
/// let mut states = client.states();
/// while let Some(state) = states.recv().await {
///     println!("{}", state.name());
/// }
/// # }
/// ```
#[derive(Debug)]
#[must_use = "states come when they are asked for"]
pub struct States {
    pub(crate) handle: Arc<Handle>,
    id: WaitId,
    /// The last state that was returned, and whether the client was unavailable.
    last: Option<(ConnectionState, bool)>,
}

impl States {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        let id = WaitId(handle.0.next_id());
        Self { handle, id, last: None }
    }

    /// Returns the next state, or `None` at the end.
    ///
    /// Cancel-safe: no state is lost when the future is dropped.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) {
    /// let mut states = client.states();
    /// while let Some(state) = states.recv().await {
    ///     if state.is_connected() {
    ///         break;
    ///     }
    /// }
    /// # }
    /// ```
    #[cfg(feature = "async")]
    pub async fn recv(&mut self) -> Option<ConnectionState> {
        std::future::poll_fn(|context| self.poll_recv(context)).await
    }

    /// Returns the next state, if there is one, like `recv`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: pusher_driver::Client) {
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let mut states = client.states();
    /// let first = states.poll_recv(&mut Context::from_waker(Waker::noop()));
    /// assert!(matches!(first, Poll::Ready(Some(_))));
    /// # }
    /// ```
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<ConnectionState>> {
        // Outlives the lock: a waker may own the last handle.
        let _replaced;
        let mut state = self.handle.0.lock();
        let current = (state.core.state(), state.core.is_unavailable());
        if self.last.as_ref().is_none_or(|(state, is_unavailable)| (state, *is_unavailable) != current) {
            let (current, is_unavailable) = (current.0.clone(), current.1);
            drop(state);
            self.last = Some((current.clone(), is_unavailable));
            return Poll::Ready(Some(current));
        }
        match state.life {
            Life::Ended => return Poll::Ready(None),
            Life::Running | Life::Leaving(_) => {}
        }
        _replaced = state.routes.state_waiters.add(Some(self.id), context.waker());
        Poll::Pending
    }
}

#[cfg(feature = "async")]
impl futures_core::Stream for States {
    type Item = ConnectionState;

    fn poll_next(self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ConnectionState>> {
        self.get_mut().poll_recv(context)
    }
}

impl Drop for States {
    fn drop(&mut self) {
        // Outlives the lock, which the statement holds.
        let _waker = self.handle.0.lock().routes.state_waiters.remove(self.id);
    }
}
