//! The last event of each cache channel.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::{ChannelName, Instant, Text};

#[derive(Debug)]
pub(super) struct Cache {
    events: BTreeMap<ChannelName, Cached>,
    max_events: usize,
    ttl: Duration,
}

#[derive(Debug)]
struct Cached {
    event: Event,
    until: Instant,
}

/// An event, as it is repeated to new subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// In version 1.
    pub(super) frame: Text,
    /// The id of the message in version 2, if it has one. There, a repeated event has an id but no position.
    pub(super) message_id: Option<Text>,
}

impl Cache {
    pub(super) fn new(max_events: usize, ttl: Duration) -> Self {
        Self { events: BTreeMap::new(), max_events, ttl }
    }

    /// Keeps the last event of a channel. If there are too many, it replaces the oldest one of all channels.
    pub(super) fn put(&mut self, channel: &ChannelName, event: Event, now: Instant) {
        let cached = Cached { event, until: now + self.ttl };
        if let Some(place) = self.events.get_mut(channel) {
            *place = cached;
            return;
        }
        if self.events.len() >= self.max_events {
            self.make_room(now);
        }
        if self.events.len() < self.max_events {
            self.events.insert(channel.clone(), cached);
        }
    }

    pub(super) fn get(&self, channel: &ChannelName, now: Instant) -> Option<&Event> {
        self.events.get(channel).filter(|cached| now < cached.until).map(|cached| &cached.event)
    }

    pub(super) fn remove(&mut self, channel: &ChannelName) {
        self.events.remove(channel);
    }

    fn make_room(&mut self, now: Instant) {
        self.events.retain(|_, cached| now < cached.until);
        if self.events.len() < self.max_events {
            return;
        }
        let oldest = self.events.iter().min_by_key(|(_, cached)| cached.until).map(|(channel, _)| channel.clone());
        if let Some(oldest) = oldest {
            self.events.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(frame: &str) -> Event {
        Event { frame: frame.into(), message_id: None }
    }

    fn secs(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    #[test]
    fn forgets_the_oldest_event_when_full_and_each_after_its_time() {
        let [a, b, c] = ["cache-a", "cache-b", "cache-c"].map(|name| ChannelName::new(name).unwrap());
        let mut cache = Cache::new(2, Duration::from_secs(10));
        cache.put(&b, event("b"), secs(0));
        cache.put(&a, event("a"), secs(1));
        cache.put(&c, event("c"), secs(2));
        assert_eq!(cache.get(&b, secs(2)), None);
        assert_eq!(cache.get(&a, secs(10)), Some(&event("a")));
        assert_eq!(cache.get(&a, secs(11)), None);
        cache.put(&c, event("c2"), secs(3));
        assert_eq!(cache.get(&c, secs(12)), Some(&event("c2")));
    }

    #[test]
    fn an_event_whose_time_is_over_makes_room_for_another() {
        let [a, b, c] = ["cache-a", "cache-b", "cache-c"].map(|name| ChannelName::new(name).unwrap());
        let mut cache = Cache::new(2, Duration::from_secs(10));
        cache.put(&a, event("a"), secs(0));
        cache.put(&b, event("b"), secs(5));
        cache.put(&c, event("c"), secs(10));
        assert_eq!(
            [&a, &b, &c].map(|channel| cache.get(channel, secs(10)).map(|event| event.frame.as_str())),
            [None, Some("b"), Some("c")]
        );
    }

    #[test]
    fn a_cache_without_room_keeps_nothing() {
        let channel = ChannelName::new("cache-a").unwrap();
        let mut cache = Cache::new(0, Duration::from_secs(10));
        cache.put(&channel, event("a"), secs(0));
        assert_eq!(cache.get(&channel, secs(0)), None);
    }
}
