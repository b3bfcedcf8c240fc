//! A client and a subscription, as scenarios use them: every wait is limited, and says what it waits for.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pusher_driver::{Client, SubscribeError, Subscription};
use pusher_proto::{
    AuthError, ChannelName, ClientEventName, ConnectionState, Event, SocketId, SubscriptionError, with_causes,
};

use super::handles::WithHandles;
use super::runtime::{Next, Runtime};
use super::world::{PATIENCE, World, name};

/// A client.
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
        Channel { runtime: Arc::clone(&self.runtime), name, subscription, held: VecDeque::new() }
    }

    /// Returns a subscription that was confirmed and has received nothing else.
    ///
    /// # Panics
    ///
    /// If the subscription is not confirmed.
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
                        "expected that {what}, but {end}; the state is {state}, and the last events were {skipped:#?}"
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
    pub fn until_connected(&mut self) -> SocketId {
        match self.until_state("connected", ConnectionState::is_connected) {
            ConnectionState::Connected { socket_id } => socket_id,
            state => panic!("expected a connection, but the state is {state:?}"),
        }
    }

    /// Waits for the next connection attempt that fails for now, and returns why.
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
    pub(crate) fn expect_none(&mut self, what: &str, is_wrong: impl Fn(&Event) -> bool) {
        let wrong: Vec<_> = self.rest().into_iter().filter(|event| is_wrong(event)).collect();
        assert!(wrong.is_empty(), "expected {what}, but these events came: {wrong:#?}");
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

/// How many events a failure shows.
const SHOWN: usize = 10;

/// A subscription.
pub struct Channel<R: Runtime> {
    runtime: Arc<R>,
    name: ChannelName,
    pub(crate) subscription: R::Subscription,
    /// Events that came before the result of the subscription.
    held: VecDeque<Event>,
}

impl<R: Runtime> Channel<R> {
    /// Waits until the subscription is confirmed.
    ///
    /// # Panics
    ///
    /// If it is refused, or neither happens within 20 s.
    pub fn expect_confirmed(&mut self) {
        if let Err(error) = self.result() {
            panic!("expected that {} is subscribed, but it was refused: {}", self.name, with_causes(&error));
        }
    }

    /// Waits until the subscription is confirmed for the first time, which must be the first event.
    pub(crate) fn expect_success(&mut self) {
        self.expect_confirmed();
        let event = self.next_event();
        let is_success = matches!(event, Event::SubscriptionSucceeded { again: false, .. });
        assert!(
            is_success && event.is_gap(),
            "expected the first success of {} before anything else on it, but this came: {event:?}",
            self.name
        );
    }

    /// Waits until the subscription is refused, and returns why.
    ///
    /// # Panics
    ///
    /// If it is confirmed, or neither happens within 20 s.
    pub fn expect_refused(&mut self) -> SubscriptionError {
        match self.result() {
            Err(error) => error,
            Ok(()) => panic!("expected that {} is refused, but it is subscribed", self.name),
        }
    }

    /// Waits until the subscription is refused by the auth endpoint, or because of it.
    pub(crate) fn expect_refused_auth(&mut self) -> AuthError {
        match self.expect_refused() {
            SubscriptionError::Auth(error) => error,
            error => panic!("expected that the authorization of {} fails, but: {}", self.name, with_causes(&error)),
        }
    }

    /// Waits until the subscription is confirmed or refused for good.
    fn result(&mut self) -> Result<(), SubscriptionError> {
        let answer = self.runtime.subscribed(&self.subscription, PATIENCE);
        let result = loop {
            if let Some(result) = self.held_result() {
                break result;
            }
            let event = self.receive(&format!("{} is subscribed or refused", self.name));
            self.held.push_back(event);
        };
        if let Some(answer) = answer {
            assert_eq!(answer, result, "`subscribed` and the events of {} differ", self.name);
        }
        result
    }

    /// Whether the subscription is confirmed or refused for good, without waiting.
    pub(crate) fn has_result(&mut self) -> bool {
        while let Next::Event(event) = self.poll() {
            self.held.push_back(event);
        }
        self.held_result().is_some()
    }

    /// Whether the subscription is confirmed, as far as events have come.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.held_result() == Some(Ok(()))
    }

    fn held_result(&self) -> Option<Result<(), SubscriptionError>> {
        self.held.iter().find_map(|event| match event {
            Event::SubscriptionSucceeded { .. } => Some(Ok(())),
            Event::SubscriptionError { error, retry_at: None, .. } => Some(Err(error.clone())),
            _ => None,
        })
    }

    /// Returns the next event, skipping subscription counts.
    ///
    /// # Panics
    ///
    /// If nothing comes within 20 s.
    pub fn next_event(&mut self) -> Event {
        loop {
            let event = match self.held.pop_front() {
                Some(event) => event,
                None => self.receive(&format!("an event comes on {}", self.name)),
            };
            if !matches!(event, Event::SubscriptionCount { .. }) {
                return event;
            }
        }
    }

    /// Checks that the next event is one of the application's, with this text.
    ///
    /// # Panics
    ///
    /// If it is another one, or nothing comes within 20 s.
    pub fn expect_text(&mut self, text: &str) {
        let event = self.next_event();
        let found = match &event {
            Event::Channel(event) => event.data().text(),
            event => panic!("expected the event {text:?} on {}, but this came: {event:?}", self.name),
        };
        assert!(found == text, "expected the event {text:?} on {}, but its data are {found:?}", self.name);
    }

    /// Checks that the next event has this name.
    pub(crate) fn expect_event(&mut self, name: &str) {
        let event = self.next_event();
        assert!(event.name() == name, "expected the event {name} on {}, but this came: {event:?}", self.name);
    }

    /// Checks that a gap was announced, and that events come again.
    pub(crate) fn expect_recovery(&mut self, world: &World<R>) {
        let event = self.next_event();
        assert!(
            matches!(event, Event::ContinuityLost { .. }) && event.is_gap(),
            "expected ContinuityLost on {} before anything else, since the connection was lost, but this came: {event:?}",
            self.name
        );
        let event = self.next_event();
        assert!(
            matches!(event, Event::SubscriptionSucceeded { again: true, .. }) && !event.is_gap(),
            "expected that {} is subscribed again, but this came: {event:?}",
            self.name
        );
        world.publish(self.name.as_str(), "again");
        self.expect_text("again");
    }

    /// Checks that nothing has come that was not taken, except for subscription counts. `why` is a sentence.
    ///
    /// # Panics
    ///
    /// If something has come.
    pub fn expect_nothing(&mut self, why: &str) {
        while let Some(event) = self.held.pop_front().or_else(|| match self.poll() {
            Next::Event(event) => Some(event),
            Next::Nothing | Next::End => None,
        }) {
            let is_count = matches!(event, Event::SubscriptionCount { .. });
            assert!(is_count, "expected nothing on {}, since {why}, but this came: {event:?}", self.name);
        }
    }

    /// What has come, without waiting.
    pub(crate) fn poll(&mut self) -> Next {
        self.runtime.recv(&mut self.subscription, Duration::ZERO)
    }

    fn receive(&mut self, what: &str) -> Event {
        match self.runtime.recv(&mut self.subscription, PATIENCE) {
            Next::Event(event) => event,
            Next::Nothing => panic!("expected that {what}, but nothing came within 20 s; before: {:?}", self.held),
            Next::End => panic!("expected that {what}, but the events of the channel ended; before: {:?}", self.held),
        }
    }
}

impl<H: WithHandles> Channel<H> {
    /// Returns the handle of the driver.
    pub fn handle(&self) -> &Subscription {
        self.runtime.subscription(&self.subscription)
    }

    /// Waits until the subscription is confirmed, without taking events.
    pub(crate) fn expect_outcome(&self) {
        if let Err(error) = self.outcome() {
            panic!("expected that {} is subscribed, but `subscribed` returned: {}", self.name, with_causes(&error));
        }
    }

    /// The driver's result, without taking events.
    pub(crate) fn outcome(&self) -> Result<(), SubscribeError> {
        WithHandles::subscribed(&*self.runtime, &self.subscription, PATIENCE)
    }

    /// Takes events until the stream ends.
    pub(crate) fn expect_end(&mut self) {
        loop {
            match WithHandles::recv(&*self.runtime, &mut self.subscription, PATIENCE) {
                Next::Event(_) => {}
                Next::End => return,
                Next::Nothing => panic!("expected that the stream of {} ends, but it goes on", self.name),
            }
        }
    }

    /// The driver's handle alone.
    pub(crate) fn into_handle(self) -> H::Subscription {
        self.subscription
    }
}

impl<R: Runtime<Subscription: fmt::Debug>> fmt::Debug for Channel<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("name", &self.name)
            .field("subscription", &self.subscription)
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}
