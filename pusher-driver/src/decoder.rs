//! Parses events into values of the application's types.

use std::fmt;
use std::task::Poll;

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
        /// What happened: [`Event::ContinuityLost`], [`Event::Lagged`], or [`Event::DecryptionError`] of an event with a type.
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

/// Converts events of a channel into values.
pub struct Decoder<T> {
    channel: ChannelName,
    readers: Vec<(Text, Box<Reader<T>>)>,
}

type Reader<T> = dyn Fn(&Data) -> Result<T, Text> + Send + Sync;

impl<T> Decoder<T> {
    /// Returns a decoder that does not parse any events yet.
    #[must_use]
    pub const fn new(channel: ChannelName) -> Self {
        Self { channel, readers: Vec::new() }
    }

    /// Adds a kind of event.
    pub fn add<U: DeserializeOwned + 'static>(&mut self, event: &str, map: impl Fn(U) -> T + Send + Sync + 'static) {
        let read = move |data: &Data| data.json().map(&map).map_err(|error| error.to_string().into());
        self.readers.push((event.into(), Box::new(read)));
    }

    /// Returns the next value or error from the events of a channel, if there is one.
    pub fn poll(&self, mut next: impl FnMut() -> Poll<Option<Event>>) -> Poll<Option<Result<T, TypedError>>> {
        loop {
            let event = match next() {
                Poll::Ready(Some(event)) => event,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            };
            if let Some(result) = self.read(event) {
                return Poll::Ready(Some(result));
            }
        }
    }

    fn read(&self, event: Event) -> Option<Result<T, TypedError>> {
        let error = match event {
            Event::Channel(event) => {
                let value = self.reader(event.event())?(event.data());
                return Some(value.map_err(|error| TypedError::Decode { event: Box::new(event), error }));
            }
            // Losing an event without a type is not a gap.
            Event::DecryptionError { event: ref name, .. } if self.reader(name).is_none() => return None,
            Event::ContinuityLost { .. } | Event::Lagged { .. } | Event::DecryptionError { .. } => {
                TypedError::Gap { channel: self.channel.clone(), event: Box::new(event) }
            }
            Event::SubscriptionError { channel, error, retry_at: None } => TypedError::Refused { channel, error },
            Event::StateChanged { current: ConnectionState::Failed { reason }, .. } => TypedError::Failed(reason),
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
    use pusher_proto::DecryptionError;

    use super::*;

    #[test]
    fn an_unreadable_encrypted_event_is_a_gap_for_readers_of_its_kind_alone() {
        let channel = ChannelName::new("private-encrypted-orders").unwrap();
        let lost = |event: &str| Event::DecryptionError {
            channel: channel.clone(),
            event: event.into(),
            error: DecryptionError::NotEncrypted,
        };
        let mut events = [lost("other"), lost("order.created")].into_iter();
        let mut decoder = Decoder::new(channel.clone());
        decoder.add("order.created", |id: u64| id);
        let expected = TypedError::Gap { channel: channel.clone(), event: Box::new(lost("order.created")) };
        assert_eq!(decoder.poll(|| Poll::Ready(events.next())), Poll::Ready(Some(Err(expected))));
        assert_eq!(decoder.poll(|| Poll::Ready(events.next())), Poll::Ready(None));
    }
}
