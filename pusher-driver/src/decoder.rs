//! Parses events into values of the application's types.

use std::fmt;

use pusher_proto::{ChannelEvent, ChannelName, ConnectionState, Data, Event, FailReason, SubscriptionError, Text};
use serde::de::DeserializeOwned;

/// An error in a stream of typed events.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TypedError {
    /// The payload of an event does not match its type.
    #[error("cannot read {} of {}: {error}", event.event(), event.channel())]
    Decode {
        /// The event, with its channel and payload.
        event: Box<ChannelEvent>,
        /// Why.
        error: Text,
    },
    /// Events of the channel were missed, or may have been: load the state that they update again.
    #[error("events of {channel} may have been missed")]
    Gap {
        /// The channel.
        channel: ChannelName,
        /// What happened: [`Event::ContinuityLost`], an [`Event::Recovered`] that proves nothing, [`Event::Lagged`], or [`Event::DecryptionError`] of an event with a type.
        event: Box<Event>,
    },
    /// The subscription was refused. There will be no events until [`subscribe`](crate::Client::subscribe) is called
    /// again or the client reconnects.
    #[error("the subscription to {channel} failed")]
    Refused {
        /// The channel.
        channel: ChannelName,
        /// Why.
        #[source]
        error: SubscriptionError,
    },
    /// The connection failed permanently. There will be no events until [`connect`](crate::Client::connect) is called.
    #[error("the client stopped trying to connect")]
    Failed(#[source] FailReason),
}

/// Converts events of a channel into values of the application's type, as [`Typed`](crate::Typed) does. It can be tested
/// without a client.
///
/// # Examples
///
/// ```
/// use pusher_driver::exports::{ChannelEvent, ChannelName, Data, Event};
/// use pusher_driver::{Decoder, TypedError};
///
/// #[derive(Debug, PartialEq)]
/// enum Change {
///     Price(f64),
///     Halted(String),
/// }
///
/// fn changes(channel: ChannelName) -> Decoder<Change> {
///     Decoder::new(channel).on("changed", Change::Price).on("halted", Change::Halted)
/// }
///
/// let channel = ChannelName::new("prices")?;
/// let event = |name: &str, json: &str| Event::Channel(ChannelEvent::new(channel.clone(), name, Data::string(json)));
/// let decoder = changes(channel.clone());
/// assert_eq!(decoder.decode(&event("changed", "1.5")), Some(Ok(Change::Price(1.5))));
/// assert!(matches!(decoder.decode(&event("changed", "much")), Some(Err(TypedError::Decode { .. }))));
/// assert!(matches!(decoder.decode(&Event::Lagged { missed: 2 }), Some(Err(TypedError::Gap { .. }))));
/// assert_eq!(decoder.decode(&event("other", "1")), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct Decoder<T> {
    channel: ChannelName,
    readers: Vec<(Text, Box<Reader<T>>)>,
}

type Reader<T> = dyn Fn(&Data) -> Result<T, Text> + Send + Sync;

impl<T> Decoder<T> {
    /// Returns a decoder that does not parse any events yet. Errors name this channel.
    pub const fn new(channel: ChannelName) -> Self {
        Self { channel, readers: Vec::new() }
    }

    /// Adds a kind of event, as [`Typed::on`](crate::Typed::on) does.
    pub fn on<U: DeserializeOwned + 'static>(
        mut self,
        event: impl AsRef<str>,
        map: impl Fn(U) -> T + Send + Sync + 'static,
    ) -> Self {
        let read = move |data: &Data| data.json().map(&map).map_err(|error| error.to_string().into());
        self.readers.push((event.as_ref().into(), Box::new(read)));
        self
    }

    /// Returns what [`Typed`](crate::Typed) returns for this event: a value, an error, or `None` if it skips the event.
    pub fn decode(&self, event: &Event) -> Option<Result<T, TypedError>> {
        let error = match event {
            Event::Channel(event) => {
                let value = self.reader(event.event())?(event.data());
                return Some(value.map_err(|error| TypedError::Decode { event: Box::new(event.clone()), error }));
            }
            // Losing an event without a type is not a gap.
            Event::DecryptionError { event: name, .. } if self.reader(name).is_none() => return None,
            Event::ContinuityLost { .. }
            | Event::Recovered { is_proven: false, .. }
            | Event::Lagged { .. }
            | Event::DecryptionError { .. } => {
                TypedError::Gap { channel: self.channel.clone(), event: Box::new(event.clone()) }
            }
            Event::SubscriptionError { channel, error, retry_at: None } => {
                TypedError::Refused { channel: channel.clone(), error: error.clone() }
            }
            Event::StateChanged { current: ConnectionState::Failed { reason }, .. } => {
                TypedError::Failed(reason.clone())
            }
            _ => return None,
        };
        Some(Err(error))
    }

    fn reader(&self, event: &str) -> Option<&Reader<T>> {
        self.readers.iter().find(|(name, _)| name == event).map(|(_, reader)| &**reader)
    }
}

impl<T> fmt::Debug for Decoder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.readers.iter().map(|(event, _)| event)).finish()
    }
}

#[cfg(test)]
mod tests {
    use pusher_proto::{DecryptionError, Instant, LossReason, RecoverySource};

    use super::*;

    #[test]
    fn an_unreadable_encrypted_event_is_a_gap_for_readers_of_its_kind_alone() {
        let channel = ChannelName::new("private-encrypted-orders").unwrap();
        let lost = |event: &str| Event::DecryptionError {
            channel: channel.clone(),
            event: event.into(),
            error: DecryptionError::NotEncrypted,
        };
        let decoder = Decoder::new(channel.clone()).on("order.created", |id: u64| id);
        let expected = TypedError::Gap { channel: channel.clone(), event: Box::new(lost("order.created")) };
        assert_eq!(decoder.decode(&lost("order.created")), Some(Err(expected)));
        assert_eq!(decoder.decode(&lost("other")), None);
    }

    #[test]
    fn whatever_is_a_gap_of_the_channel_is_an_error_and_nothing_else_is() {
        let channel = ChannelName::new("orders").unwrap();
        let decoder = Decoder::new(channel.clone()).on("order.created", |id: u64| id);
        let mut events = vec![
            Event::Lagged { missed: 1 },
            Event::Unavailable,
            Event::CacheMiss { channel: channel.clone() },
            Event::SubscriptionSucceeded { channel: channel.clone(), again: true, presence: None },
            Event::RewindComplete { channel: channel.clone(), replayed: 1, is_complete: false },
        ];
        for (replayed, is_proven) in [(0, true), (3, true), (0, false), (3, false)] {
            let source = RecoverySource::Equal;
            events.push(Event::Recovered { channel: channel.clone(), replayed, source, is_proven });
        }
        for reason in [LossReason::NotRequested, LossReason::StreamReset, LossReason::Timeout] {
            for missed in [None, Some(0), Some(1)] {
                let (channel, since) = (channel.clone(), Instant::ZERO);
                events.push(Event::ContinuityLost { channel, since, reason, missed });
            }
        }
        for event in events {
            let gap = TypedError::Gap { channel: channel.clone(), event: Box::new(event.clone()) };
            assert_eq!(decoder.decode(&event), event.is_gap().then_some(Err(gap)), "{event:?}");
        }
    }

    #[test]
    fn the_first_success_is_left_out_since_every_reader_begins_with_it() {
        let channel = ChannelName::new("orders").unwrap();
        let decoder = Decoder::new(channel.clone()).on("order.created", |id: u64| id);
        let first = Event::SubscriptionSucceeded { channel, again: false, presence: None };
        assert!(first.is_gap());
        assert_eq!(decoder.decode(&first), None);
    }
}
