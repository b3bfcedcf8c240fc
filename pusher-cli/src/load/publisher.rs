//! Publishes events at a rate.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use pusher_tokio::pusher_proto::signing::Publish;
use tokio::time::sleep_until;

use super::board::Board;
use super::payload::Stamp;
use super::seat::EVENT;
use crate::http_api::HttpApi;

pub(super) struct Publisher<'a> {
    pub(super) api: &'a HttpApi,
    pub(super) board: &'a Board,
    /// Events per second.
    pub(super) rate: f64,
    /// How long.
    pub(super) duration: Duration,
    /// Bytes of a payload.
    pub(super) size: usize,
    /// Calls at the same time.
    pub(super) in_flight: usize,
}

/// One event whose call is not answered yet.
struct Sent {
    channel: usize,
    number: u64,
    payload: String,
}

impl Publisher<'_> {
    /// Sends every event when it is due, or as soon as a call is free. Returns when the time is over and all calls are
    /// answered.
    pub(super) async fn run(&self) {
        let began = Instant::now();
        let total = due(self.rate, self.duration);
        let end = began + self.duration;
        let mut next = 0;
        let mut calls = FuturesUnordered::new();
        loop {
            let due_at = self.due_at(began, next);
            tokio::select! {
                biased;
                Some(()) = calls.next(), if !calls.is_empty() => {}
                () = sleep_until((end + GRACE).into()), if next < total => next = total,
                () = sleep_until(due_at.into()), if next < total && calls.len() < self.in_flight => {
                    let now = Instant::now();
                    let mut batch = Vec::new();
                    while next < total && batch.len() < MAX_BATCH_LEN && self.due_at(began, next) <= now {
                        batch.push(self.begin(next, self.due_at(began, next)));
                        next += 1;
                    }
                    if !batch.is_empty() {
                        calls.push(self.call(batch));
                    }
                }
                // Without events, the clients stay connected for the same time.
                () = sleep_until(end.into()), if next == total && Instant::now() < end => {}
                else => return,
            }
        }
    }

    fn due_at(&self, began: Instant, event: u64) -> Instant {
        if self.rate == 0.0 {
            return began;
        }
        // An f64 holds the number of events of a day exactly.
        began + Duration::from_secs_f64(event as f64 / self.rate)
    }

    fn begin(&self, event: u64, due_at: Instant) -> Sent {
        let channels = &self.board.channels;
        let channel = usize::try_from(event % channels.len() as u64).unwrap_or_default();
        let number = channels[channel].begin();
        self.board.published().sent += 1;
        let payload = Stamp { number, micros: self.board.micros(due_at) }.payload(self.size);
        Sent { channel, number, payload }
    }

    async fn call(&self, batch: Vec<Sent>) {
        let result = match &self.events(&batch)[..] {
            [event] => self.api.publish(event).await.map(drop),
            events => self.api.publish_batch(events).await.map(drop),
        };
        let is_accepted = result.is_ok();
        if let Err(failure) = result {
            self.board.errors().count(failure.message());
        }
        for sent in &batch {
            self.board.channels[sent.channel].end(sent.number, is_accepted);
        }
        let mut published = self.board.published();
        match is_accepted {
            true => published.accepted += batch.len() as u64,
            false => published.failed += batch.len() as u64,
        }
    }

    fn events(&self, batch: &[Sent]) -> Vec<Publish<'_>> {
        let name = |sent: &Sent| &self.board.channels[sent.channel].name;
        batch.iter().map(|sent| self.api.app().publish([name(sent)], EVENT, &sent.payload)).collect()
    }
}

/// Returns how many events are due within this time.
pub(super) fn due(rate: f64, time: Duration) -> u64 {
    // The first one is due at once. The product of a round rate and a round time may not be round.
    (rate * time.as_secs_f64() - 1e-6).ceil() as u64
}

/// Events in one call (Pusher docs, *HTTP API reference, POST batch events*).
const MAX_BATCH_LEN: usize = 10;

/// Events that are due in the last moment are still sent.
pub(super) const GRACE: Duration = Duration::from_millis(100);
