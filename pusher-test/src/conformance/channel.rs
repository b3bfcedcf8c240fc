//! A subscription, as scenarios use it: every wait is limited, and says what it waits for.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pusher_driver::{SubscribeError, Subscription};
use pusher_proto::{AuthError, ChannelName, Event, SubscriptionError, with_causes};

use super::handles::WithHandles;
use super::runtime::{Next, Runtime};
use super::short::Short;
use super::stage::{PATIENCE, Stage};

/// A subscription, with its events.
///
/// # Examples
///
/// ```
/// use pusher_test::conformance::{Runtime, Stage};
///
/// fn keeps_the_order<R: Runtime>(stage: &mut Stage<R>) {
///     let mut user = stage.user();
///     let mut chat = user.subscribed("chat");
///     for number in ["1", "2", "3"] {
///         stage.publish("chat", number);
///     }
///     for number in ["1", "2", "3"] {
///         chat.expect_text(number);
///     }
///     chat.expect_nothing("everything was received");
/// }
/// ```
pub struct Channel<R: Runtime> {
    runtime: Arc<R>,
    name: ChannelName,
    subscription: R::Subscription,
    /// Events that came before the result of the subscription.
    held: VecDeque<Event>,
}

impl<R: Runtime> Channel<R> {
    pub(crate) const fn new(runtime: Arc<R>, name: ChannelName, subscription: R::Subscription) -> Self {
        Self { runtime, name, subscription, held: VecDeque::new() }
    }

    /// Waits until the subscription is confirmed.
    ///
    /// # Panics
    ///
    /// If it is refused, or neither happens within 20 s.
    #[track_caller]
    pub fn expect_confirmed(&mut self) {
        if let Err(error) = self.result() {
            panic!("expected that {} is subscribed, but it was refused: {}", self.name, with_causes(&error));
        }
    }

    /// Waits until the subscription is confirmed for the first time, which must be the first event.
    #[track_caller]
    pub(crate) fn expect_success(&mut self) {
        self.expect_confirmed();
        let event = self.next_event();
        let is_success = matches!(event, Event::SubscriptionSucceeded { again: false, .. });
        assert!(
            is_success && event.is_gap(),
            "expected the first success of {} before anything else on it, but this came: {}",
            self.name,
            Short(&event)
        );
    }

    /// Waits until the subscription is refused, and returns why.
    ///
    /// # Panics
    ///
    /// If it is confirmed, or neither happens within 20 s.
    #[track_caller]
    pub fn expect_refused(&mut self) -> SubscriptionError {
        match self.result() {
            Err(error) => error,
            Ok(()) => panic!("expected that {} is refused, but it is subscribed", self.name),
        }
    }

    /// Waits until the subscription is refused by the auth endpoint, or because of it.
    #[track_caller]
    pub(crate) fn expect_refused_auth(&mut self) -> AuthError {
        match self.expect_refused() {
            SubscriptionError::Auth(error) => error,
            error => panic!("expected that the authorization of {} fails, but: {}", self.name, with_causes(&error)),
        }
    }

    /// Waits until the subscription is confirmed or refused for good.
    #[track_caller]
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
    #[track_caller]
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
    #[track_caller]
    pub fn expect_text(&mut self, text: &str) {
        let event = self.next_event();
        let found = match &event {
            Event::Channel(event) => event.data().text(),
            event => panic!("expected the event {} on {}, but this came: {}", Short(&text), self.name, Short(event)),
        };
        assert!(
            found == text,
            "expected the event {} on {}, but its data are {}",
            Short(&text),
            self.name,
            Short(&found)
        );
    }

    /// Checks that the next event has this name.
    #[track_caller]
    pub(crate) fn expect_event(&mut self, name: &str) {
        let event = self.next_event();
        assert!(event.name() == name, "expected the event {name} on {}, but this came: {}", self.name, Short(&event));
    }

    /// Checks that a gap was announced, and that events come again.
    #[track_caller]
    pub(crate) fn expect_recovery(&mut self, stage: &Stage<R>) {
        let event = self.next_event();
        assert!(
            matches!(event, Event::ContinuityLost { .. }) && event.is_gap(),
            "expected ContinuityLost on {} before anything else, since the connection was lost, but this came: {}",
            self.name,
            Short(&event)
        );
        let event = self.next_event();
        assert!(
            matches!(event, Event::SubscriptionSucceeded { again: true, .. }) && !event.is_gap(),
            "expected that {} is subscribed again, but this came: {}",
            self.name,
            Short(&event)
        );
        stage.publish(self.name.as_str(), "again");
        self.expect_text("again");
    }

    /// Checks that nothing has come that was not taken, except for subscription counts. `why` is a sentence.
    ///
    /// # Panics
    ///
    /// If something has come.
    #[track_caller]
    pub fn expect_nothing(&mut self, why: &str) {
        while let Some(event) = self.held.pop_front().or_else(|| match self.poll() {
            Next::Event(event) => Some(event),
            Next::Nothing | Next::End => None,
        }) {
            let is_count = matches!(event, Event::SubscriptionCount { .. });
            assert!(is_count, "expected nothing on {}, since {why}, but this came: {}", self.name, Short(&event));
        }
    }

    /// What has come, without waiting.
    pub(crate) fn poll(&mut self) -> Next {
        self.runtime.recv(&mut self.subscription, Duration::ZERO)
    }

    #[track_caller]
    fn receive(&mut self, what: &str) -> Event {
        match self.runtime.recv(&mut self.subscription, PATIENCE) {
            Next::Event(event) => event,
            Next::Nothing => {
                panic!("expected that {what}, but nothing came within 20 s; before: {}", Short(&self.held))
            }
            Next::End => {
                panic!("expected that {what}, but the events of the channel ended; before: {}", Short(&self.held))
            }
        }
    }
}

impl<H: WithHandles> Channel<H> {
    /// Returns the handle of the driver.
    pub fn handle(&self) -> &Subscription {
        self.runtime.subscription(&self.subscription)
    }

    /// Waits until the subscription is confirmed, without taking events.
    #[track_caller]
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
    #[track_caller]
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
