//! The handle of a channel.

mod callbacks;
mod known;
mod typed;

use std::sync::Arc;
use std::task::{Context, Poll};

use pusher_proto::{
    ChannelName, ClientEventName, Event, FailReason, HistoryError, HistoryQuery, InvalidName, SubscriptionError,
    TriggerError,
};
use serde::Serialize;
pub use typed::{Typed, poll_decoded};

use crate::history::HistoryRequest;
use crate::mailbox::{Mailbox, Taken};
use crate::routes::RouteId;
use crate::shared::{ClientEvent, Ended, Handle, Life, data_of};
use crate::waiters::WaitId;
#[cfg(feature = "async")]
use crate::waiters::wait;

/// A handle of a channel: a stream of its events, and its current state.
///
/// The stream contains everything that belongs to the channel, including confirmed and refused subscriptions, lost
/// continuity, and the failure of the connection. It ends after [`Client::unsubscribe`](crate::Client::unsubscribe),
/// and when the client ends. Events wait in a mailbox of bounded size (see [`Options`](crate::Options)); lost events
/// are reported by [`Event::Lagged`]. If the first use of a handle is `bind`, the events collected so far are passed to
/// the callback, and nothing more is collected until the stream is read.
///
/// A handle is for reading: it collects events from `subscribe` on, so that nothing is lost before the first `recv`. If
/// you hold a handle without reading it, its mailbox fills up. To keep a channel subscribed for
/// [`Client::events`](crate::Client::events), for callbacks of the client, or for its members, use
/// [`keep`](Self::keep), which needs no memory for events.
///
/// Dropping the last handle of a channel unsubscribes it, unless a callback is bound to it or it is kept.
/// [`Client::unsubscribe`](crate::Client::unsubscribe) unsubscribes it in any case.
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let mut chat = client.subscribe("private-chat")?;
/// chat.subscribed().await?;
/// while let Some(event) = chat.recv().await {
///     println!("{event:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping the last handle of a channel unsubscribes; `keep` keeps it subscribed"]
pub struct Subscription {
    channel: ChannelName,
    route: RouteId,
    mailbox: Arc<Mailbox>,
    pub(crate) handle: Arc<Handle>,
}

/// Why a channel is not subscribed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The application's server or the Pusher server refused, or a temporary failure lasted for as many attempts as the
    /// options allow.
    #[error("not subscribed")]
    Channel(#[source] SubscriptionError),
    /// The client was disconnected by the application.
    #[error("the client is disconnected")]
    Disconnected,
    /// The connection failed permanently.
    #[error("the client stopped trying to connect")]
    Failed(#[source] FailReason),
    /// The channel was unsubscribed in the meantime.
    #[error("the channel was unsubscribed")]
    Unsubscribed,
    /// The time limit has passed; the subscription may still succeed. Only for methods with a time limit.
    #[error("the subscription was not confirmed in time")]
    Elapsed,
}

impl Subscription {
    /// Joins a channel, to which `subscribe` subscribes unless the client has ended.
    pub(crate) fn new<E>(
        handle: &Arc<Handle>,
        channel: ChannelName,
        subscribe: impl FnOnce(&mut pusher_proto::Client, ChannelName) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mailbox = Mailbox::new(&handle.0.budget);
        let new_id = RouteId(handle.0.next_id());
        let route = handle.0.change(|state| {
            if state.life == Life::Ended {
                // The mailbox is new, so there is no waiting task.
                drop(mailbox.end());
                return Ok(new_id);
            }
            subscribe(&mut state.core, channel.clone())?;
            let id = state.routes.join(&channel, new_id, &mailbox);
            if let Some(route) = state.routes.get_mut(&channel, id) {
                route.failure = None;
            }
            Ok(id)
        })?;
        Ok(Self { channel, route, mailbox, handle: Arc::clone(handle) })
    }

    /// Returns the channel's name.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_driver::Subscription) {
    /// println!("this is {}", chat.name());
    /// # }
    /// ```
    #[must_use]
    pub fn name(&self) -> &ChannelName {
        &self.channel
    }

    /// Keeps the channel subscribed without this handle and its mailbox, until
    /// [`Client::unsubscribe`](crate::Client::unsubscribe) is called or the client ends. Events still reach
    /// [`Client::events`](crate::Client::events), callbacks, and other handles of the channel.
    ///
    /// Events that this handle has collected but not returned are dropped. You can create and drop further handles of
    /// the channel; dropping the last one no longer unsubscribes it. A kept channel does not keep the connection open;
    /// for that, you need a handle of any kind.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut events = client.events();
    /// for channel in ["orders", "invoices", "news"] {
    ///     client.subscribe(channel)?.keep();
    /// }
    /// while let Some(event) = events.recv().await {
    ///     println!("{event:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn keep(self) {
        self.handle.0.change(|state| {
            if let Some(route) = state.routes.get_mut(&self.channel, self.route) {
                route.is_kept = true;
            }
        });
    }

    /// Waits until the channel is subscribed or definitely refused; returns at once if it already is.
    ///
    /// Temporary failures do not end the wait: a backend that is down or busy, or a server that does not answer. Each
    /// failure is an [`Event::SubscriptionError`] with the time of the next attempt.
    ///
    /// Without a connection, this waits for one without a time limit, so use a timeout, and read
    /// [`Client::events`](crate::Client::events) to find out why there is none. A lost connection does not end the
    /// wait, since the channel will be subscribed again. Cancel-safe.
    ///
    /// # Errors
    ///
    /// If the subscription was refused, or cannot succeed because the client is disconnected or has failed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: pusher_driver::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use pusher_proto::with_causes;
    ///
    /// let chat = client.subscribe("private-chat")?;
    /// if let Err(error) = chat.subscribed().await {
    ///     eprintln!("no chat: {}", with_causes(&error));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "async")]
    pub async fn subscribed(&self) -> Result<(), SubscribeError> {
        let Self { handle, channel, route, .. } = self;
        let poll = |id, context: &Context<'_>| self.poll_wait(Some(id), context);
        let forget = |id| handle.0.lock().routes.get_mut(channel, *route).and_then(|route| route.waiters.remove(id));
        wait(WaitId(handle.0.next_id()), poll, forget).await
    }

    /// Checks whether the current attempt has succeeded or failed, like `subscribed`.
    ///
    /// # Errors
    ///
    /// The same.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(chat: pusher_driver::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// std::future::poll_fn(|context| chat.poll_subscribed(context)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_subscribed(&self, context: &mut Context<'_>) -> Poll<Result<(), SubscribeError>> {
        self.poll_wait(None, context)
    }

    fn poll_wait(&self, id: Option<WaitId>, context: &Context<'_>) -> Poll<Result<(), SubscribeError>> {
        // Outlives the lock: a waker may own the last handle.
        let _replaced;
        let mut state = self.handle.0.lock();
        let is_subscribed = state.core.channel(&self.channel).is_some_and(|channel| channel.is_subscribed());
        let (life, ended) = (state.life, state.ended.clone());
        let Some(route) = state.routes.get_mut(&self.channel, self.route) else {
            let unsubscribed = SubscribeError::Unsubscribed;
            let error = if life == Life::Running { unsubscribed } else { SubscribeError::Disconnected };
            return Poll::Ready(Err(error));
        };
        if is_subscribed {
            return Poll::Ready(Ok(()));
        }
        match ended {
            Some(Ended::Disconnected) => return Poll::Ready(Err(SubscribeError::Disconnected)),
            Some(Ended::Failed(reason)) => return Poll::Ready(Err(SubscribeError::Failed(reason))),
            None => {}
        }
        if let Some(error) = &route.failure {
            return Poll::Ready(Err(SubscribeError::Channel((**error).clone())));
        }
        _replaced = route.waiters.add(id, context.waker());
        Poll::Pending
    }

    /// Returns the next event of the channel, or `None` at the end.
    ///
    /// Cancel-safe: no event is lost when the future is dropped.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(mut chat: pusher_driver::Subscription) {
    /// use pusher_proto::Event;
    ///
    /// while let Some(event) = chat.recv().await {
    ///     match event {
    ///         Event::Channel(event) => println!("{}: {}", event.event(), event.data().text()),
    ///         Event::ContinuityLost { .. } => println!("load the state again"),
    ///         _ => {}
    ///     }
    /// }
    /// # }
    /// ```
    #[cfg(feature = "async")]
    pub async fn recv(&mut self) -> Option<Event> {
        std::future::poll_fn(|context| self.poll_recv(context)).await
    }

    /// Returns the next event of the channel, if there is one, like `recv`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(mut chat: pusher_driver::Subscription) {
    /// while let Some(event) = std::future::poll_fn(|context| chat.poll_recv(context)).await {
    ///     println!("{event:?}");
    /// }
    /// # }
    /// ```
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            match self.mailbox.take(context) {
                Taken::Event(event) => return Poll::Ready(Some(event)),
                Taken::Nothing => return Poll::Pending,
                Taken::Ended => return Poll::Ready(None),
                Taken::Paused => self.resume(),
            }
        }
    }

    /// Sends a client event to all other subscribers of this private or presence channel, with any data that implements
    /// `Serialize`. A [`Data`](pusher_proto::Data) is sent unchanged.
    /// # Errors
    ///
    /// If the event cannot be sent on this channel now, or the name or the data is invalid. The event is not queued in
    /// this case.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(chat: pusher_driver::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// chat.trigger("client-typing", "…")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn trigger<E, D>(&self, event: E, data: &D) -> Result<(), TriggerError>
    where
        E: TryInto<ClientEventName>,
        InvalidName: From<E::Error>,
        D: Serialize + ?Sized,
    {
        let event = ClientEvent::new(event, data)?;
        let now = self.handle.0.now();
        self.handle.0.change(|state| {
            if state.routes.get(&self.channel, self.route).is_none() {
                return Err(TriggerError::NotSubscribed);
            }
            state.trigger(&self.channel, &event, now)
        })
    }

    /// Changes the info of this client's own member of this presence channel, with any data that implements `Serialize` and
    /// has at most 1,024 bytes of JSON. All subscribers get an [`Event::MemberUpdated`], this client too.
    ///
    /// Only Sockudo can do this, in version 2 of the protocol, for which [`Recovery`](pusher_proto::Recovery) asks. The info
    /// lasts until the subscription ends: after a lost connection, it is again that of the authorization.
    ///
    /// # Errors
    ///
    /// If the info cannot be changed now, on this channel or on this server, or is too large. Then nothing is sent.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(room: pusher_driver::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::collections::BTreeMap;
    ///
    /// room.update_presence(&BTreeMap::from([("name", "Ada"), ("status", "busy")]))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_presence<D: Serialize + ?Sized>(&self, info: &D) -> Result<(), TriggerError> {
        let info = data_of(info)?;
        self.handle.0.change(|state| match state.routes.get(&self.channel, self.route) {
            Some(_) if state.life == Life::Running => state.core.update_presence(&self.channel, &info),
            Some(_) => Err(TriggerError::NotConnected),
            None => Err(TriggerError::NotSubscribed),
        })
    }

    /// Asks the server for a page of the messages that it remembers of this channel: the newest ones, or those that the
    /// query says. The request is sent at once and answered within 10 s, or later if it has to wait for others of this
    /// client. Cancel-safe: dropping the future discards the answer.
    ///
    /// Sockudo has history if it is turned on there, and the client needs
    /// [`recovery`](pusher_proto::ConfigBuilder::recovery). The messages of a page may be ones that the stream has
    /// returned as events; compare their [positions](pusher_proto::HistoryItem::position).
    ///
    /// # Errors
    ///
    /// If the channel is not subscribed, if the server does not have history or refuses, if it does not answer in time, or
    /// if the connection is lost. The request is not repeated.
    ///
    /// # Examples
    ///
    /// The last 200 messages, the newest first:
    ///
    /// ```no_run
    /// # async fn example(chat: pusher_driver::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// use pusher_proto::HistoryQuery;
    ///
    /// chat.subscribed().await?;
    /// let mut query = Some(HistoryQuery::default().limit(50));
    /// let mut items = Vec::new();
    /// while let Some(next) = query.filter(|_| items.len() < 200) {
    ///     let page = chat.history(next).await?;
    ///     query = page.next();
    ///     items.extend(page.into_items());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn history(&self, query: HistoryQuery) -> HistoryRequest {
        let result = self.handle.0.change(|state| {
            // The end of the client ends all routes.
            if state.life == Life::Running && state.routes.get(&self.channel, self.route).is_none() {
                return Err(HistoryError::NotSubscribed);
            }
            state.request_history(&self.channel, query)
        });
        HistoryRequest::new(&self.handle, result)
    }

    fn resume(&self) {
        self.handle.0.change(|state| {
            self.mailbox.resume();
            match state.routes.get_mut(&self.channel, self.route) {
                Some(route) => route.add_stream(Arc::clone(&self.mailbox)),
                // Only this handle waits on the mailbox, and it will look again.
                None => drop(self.mailbox.end()),
            }
        });
    }
}

#[cfg(feature = "async")]
impl futures_core::Stream for Subscription {
    type Item = Event;

    fn poll_next(self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.get_mut().poll_recv(context)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let route = self.handle.0.change(|state| {
            let route = state.routes.leave(&self.channel, self.route, &self.mailbox);
            if route.is_some() {
                state.core.unsubscribe(&self.channel);
            }
            route
        });
        // Its wakers may own handles, so they are dropped without the lock.
        drop(route);
    }
}
