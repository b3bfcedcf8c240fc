//! A client, as scenarios use it: every wait is limited, and says what it waits for.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pusher_driver::Client;
use pusher_proto::{ClientEventName, ConnectionState, Event, SocketId};

use super::channel::Channel;
use super::handles::WithHandles;
use super::runtime::{Next, Runtime};
use super::short::Short;
use super::stage::{PATIENCE, name};

/// A client. Every wait is limited to 20 s and fails with what was expected and what came.
///
/// # Examples
///
/// ```
/// use pusher_test::conformance::{Runtime, Stage};
/// use pusher_test::pusher_proto::Event;
///
/// fn reports_a_loss<R: Runtime>(stage: &mut Stage<R>) {
///     let mut user = stage.user();
///     user.until_connected();
///     stage.handle().close_all(4200, "restart");
///     user.until("the loss is reported", |event| matches!(event, Event::ConnectionError(_)));
///     user.until_connected();
/// }
/// ```
pub struct User<R: Runtime> {
    runtime: Arc<R>,
    pub(crate) client: R::Client,
    /// The state that was reported last.
    state: ConnectionState,
}

impl<R: Runtime> User<R> {
    pub(crate) fn new(runtime: &Arc<R>, client: R::Client) -> Self {
        Self { runtime: Arc::clone(runtime), client, state: ConnectionState::Initialized }
    }

    /// Connects.
    pub fn connect(&mut self) {
        self.runtime.connect(&mut self.client);
    }

    /// Disconnects.
    pub fn disconnect(&mut self) {
        self.runtime.disconnect(&mut self.client);
    }

    /// Signs the user in.
    pub fn signin(&mut self) {
        self.runtime.signin(&mut self.client);
    }

    /// Sends a client event.
    pub(crate) fn trigger(&mut self, channel: &str, event: &str, text: &str) {
        let event = ClientEventName::new(event)
            .unwrap_or_else(|error| panic!("the scenario's client event {event} has no valid name: {error}"));
        self.runtime.trigger(&mut self.client, &name(channel), &event, text);
    }

    /// Unsubscribes from a channel.
    pub(crate) fn unsubscribe(&mut self, channel: &str) {
        self.runtime.unsubscribe(&mut self.client, &name(channel));
    }

    /// Shuts down, and checks that this does not take much longer than `limit`.
    pub(crate) fn shut_down(&mut self, limit: Duration) {
        let start = Instant::now();
        self.runtime.shut_down(&mut self.client, limit);
        let (took, most) = (start.elapsed(), limit.saturating_add(PATIENCE / 4));
        assert!(took < most, "shut_down was expected to return within {limit:?}, but it took {took:?}");
        self.until_state("disconnected", |state| *state == ConnectionState::Disconnected);
    }

    /// Subscribes to a channel.
    pub fn subscribe(&mut self, channel: &str) -> Channel<R> {
        let name = name(channel);
        let subscription = self.runtime.subscribe(&mut self.client, &name);
        Channel::new(Arc::clone(&self.runtime), name, subscription)
    }

    /// Returns a subscription that was confirmed and has received nothing else.
    ///
    /// # Panics
    ///
    /// If the subscription is not confirmed.
    #[track_caller]
    pub fn subscribed(&mut self, channel: &str) -> Channel<R> {
        let mut channel = self.subscribe(channel);
        channel.expect_success();
        channel
    }

    /// Returns the next event of the client that fits, and forgets those before it.
    ///
    /// # Panics
    ///
    /// If no such event comes within 20 s.
    #[track_caller]
    pub fn until(&mut self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        let start = Instant::now();
        let mut skipped = VecDeque::new();
        loop {
            match self.take(PATIENCE.saturating_sub(start.elapsed())) {
                Next::Event(event) if fits(&event) => return event,
                Next::Event(event) => {
                    if skipped.len() == SHOWN {
                        skipped.pop_front();
                    }
                    skipped.push_back(event);
                }
                end => {
                    let end = if end == Next::End { "the events ended" } else { "nothing came within 20 s" };
                    let state = self.state.name();
                    panic!(
                        "expected that {what}, but {end}; the state is {state}, and the last events:{}",
                        listed(&skipped)
                    )
                }
            }
        }
    }

    /// Returns the next state that fits.
    ///
    /// # Panics
    ///
    /// If no such state comes within 20 s.
    #[track_caller]
    pub fn until_state(&mut self, what: &str, fits: impl Fn(&ConnectionState) -> bool) -> ConnectionState {
        let what = format!("the client is {what}");
        self.until(&what, |event| matches!(event, Event::StateChanged { current, .. } if fits(current)));
        self.state.clone()
    }

    /// Waits for the next connection, and returns its id.
    ///
    /// # Panics
    ///
    /// If there is no connection within 20 s.
    #[track_caller]
    pub fn until_connected(&mut self) -> SocketId {
        match self.until_state("connected", ConnectionState::is_connected) {
            ConnectionState::Connected { socket_id } => socket_id,
            state => panic!("expected a connection, but the state is {state:?}"),
        }
    }

    /// Waits for the next connection attempt that fails for now, and returns why.
    #[track_caller]
    pub(crate) fn until_waiting(&mut self) -> pusher_proto::ConnectionError {
        match self.until_state("waiting", |state| matches!(state, ConnectionState::Waiting { .. })) {
            ConnectionState::Waiting { cause, .. } => *cause,
            state => panic!("expected a delay before the next attempt, but the state is {state:?}"),
        }
    }

    /// Returns the events of the client that have arrived and were not taken.
    pub fn rest(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| match self.take(Duration::ZERO) {
            Next::Event(event) => Some(event),
            Next::Nothing | Next::End => None,
        })
        .collect()
    }

    /// Checks that no event that has arrived and was not taken is one of these.
    #[track_caller]
    pub(crate) fn expect_none(&mut self, what: &str, is_wrong: impl Fn(&Event) -> bool) {
        let wrong: Vec<_> = self.rest().into_iter().filter(|event| is_wrong(event)).collect();
        assert!(wrong.is_empty(), "expected {what}, but these events came:{}", listed(&wrong));
    }

    fn take(&mut self, limit: Duration) -> Next {
        let next = self.runtime.next_event(&mut self.client, limit);
        if let Next::Event(Event::StateChanged { current, .. }) = &next {
            self.state = current.clone();
        }
        next
    }
}

impl<H: WithHandles> User<H> {
    /// Returns the handle of the driver.
    #[must_use]
    pub fn handle(&self) -> &Client {
        self.runtime.client(&self.client.handle)
    }

    /// The client as the runtime has it.
    pub(crate) const fn logged(&self) -> &H::Client {
        &self.client.handle
    }
}

impl<R: Runtime<Client: fmt::Debug>> fmt::Debug for User<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("client", &self.client).field("state", &self.state).finish_non_exhaustive()
    }
}

/// Each event in a line of its own.
fn listed<'a>(events: impl IntoIterator<Item = &'a Event>) -> String {
    let listed: String = events.into_iter().map(|event| format!("\n  {}", Short(event))).collect();
    if listed.is_empty() { " none".into() } else { listed }
}

/// How many events a failure shows.
const SHOWN: usize = 10;
