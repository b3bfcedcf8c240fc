//! The client-wide stream.

use std::sync::Arc;
use std::task::{Context, Poll};

use pusher_proto::Event;

use crate::mailbox::{Mailbox, Taken};
use crate::shared::{Handle, Life};

/// A stream of everything that happens to a client: events of all channels, changes of state, errors.
///
/// It ends when the client ends. Events wait in a mailbox of bounded size (see [`Options`](crate::Options)); lost
/// events are reported by [`Event::Lagged`].
#[derive(Debug)]
#[must_use = "events are collected as long as this value lives"]
pub struct Events {
    mailbox: Arc<Mailbox>,
    pub(crate) handle: Arc<Handle>,
}

impl Events {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        let mailbox = Mailbox::new(&handle.0.budget);
        let mut state = handle.0.lock();
        match state.life {
            Life::Running | Life::Leaving(_) => state.routes.add_stream(Arc::clone(&mailbox)),
            // The mailbox is new, so there is no waiting task.
            Life::Ended => drop(mailbox.end()),
        }
        drop(state);
        Self { mailbox, handle }
    }

    /// Returns the next event, or `None` at the end.
    ///
    /// Cancel-safe: no event is lost when the future is dropped.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) {
    /// let mut events = client.events();
    /// while let Some(event) = events.recv().await {
    ///     println!("{event:?}");
    /// }
    /// # }
    /// ```
    #[cfg(feature = "async")]
    pub async fn recv(&mut self) -> Option<Event> {
        std::future::poll_fn(|context| self.poll_recv(context)).await
    }

    /// Returns the next event, if there is one, like `recv`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) {
    /// let mut events = client.events();
    /// while let Some(event) = std::future::poll_fn(|context| events.poll_recv(context)).await {
    ///     println!("{event:?}");
    /// }
    /// # }
    /// ```
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        match self.mailbox.take(context) {
            Taken::Event(event) => Poll::Ready(Some(event)),
            Taken::Ended => Poll::Ready(None),
            // A client-wide mailbox is never paused.
            Taken::Nothing | Taken::Paused => Poll::Pending,
        }
    }
}

#[cfg(feature = "async")]
impl futures_core::Stream for Events {
    type Item = Event;

    fn poll_next(self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.get_mut().poll_recv(context)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.handle.0.lock().routes.remove_stream(&self.mailbox);
    }
}
