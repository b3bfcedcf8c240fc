//! The keys of one encrypted channel, and the events that wait for a newer one.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::cipher::{self, Key};
use crate::client::room::Room;
use crate::wire::envelope::Envelope;
use crate::{AuthError, DecryptionError, Instant};

/// The additional state of an encrypted channel. Keys are wiped on drop.
pub(crate) struct Vault {
    key: Key,
    previous: Option<Key>,
    /// Whether a newer key has been requested.
    is_asked: bool,
    /// Requests in a row that failed and may succeed later.
    failures: u32,
    held: VecDeque<Envelope>,
    /// Bytes of `held`.
    held_bytes: usize,
    /// When a newer key was requested, and how long to wait before the next request.
    asked_at: Option<Instant>,
    gap: Duration,
}

/// What happens to an event.
pub(crate) enum Opened {
    Event {
        opened: Envelope,
        /// The frame that it came in.
        sealed: Envelope,
    },
    /// It waits for a newer key; `ask` is whether one must be requested. `dropped` had to make room.
    Held {
        ask: bool,
        dropped: Vec<Envelope>,
    },
    Failed(Envelope, DecryptionError),
}

impl Vault {
    pub(crate) fn new(key: Key) -> Self {
        Self {
            key,
            previous: None,
            is_asked: false,
            failures: 0,
            held: VecDeque::new(),
            held_bytes: 0,
            asked_at: None,
            gap: MIN_GAP,
        }
    }

    /// Takes an event. If it has to wait, `room` limits how much may wait.
    pub(crate) fn receive(&mut self, envelope: Envelope, room: Room, now: Instant) -> Opened {
        if self.is_asked {
            return Opened::Held { ask: false, dropped: self.hold(envelope, room) };
        }
        match self.open(envelope, None) {
            Opened::Failed(envelope, DecryptionError::WrongKey) if self.may_ask(now) => {
                if envelope.len() > room.bytes {
                    return Opened::Failed(envelope, DecryptionError::Overflow);
                }
                self.is_asked = true;
                self.gap = if self.asked_at.is_some() { (self.gap * 2).min(MAX_GAP) } else { MIN_GAP };
                self.asked_at = Some(now);
                Opened::Held { ask: true, dropped: self.hold(envelope, room) }
            }
            opened => opened,
        }
    }

    /// The application's server answered with a key: opens the waiting events in order. Older events may need the
    /// previous key.
    ///
    /// Only a different key ends the pause between requests. Events do not, because a server may repeat one that the
    /// key opens as often as it likes, between others that no key opens.
    pub(crate) fn rotate(&mut self, key: Key) -> impl Iterator<Item = Opened> {
        self.is_asked = false;
        self.failures = 0;
        if key != self.key {
            self.gap = MIN_GAP;
        }
        self.previous = Some(core::mem::replace(&mut self.key, key));
        let held = self.take_held();
        held.into_iter().map(|envelope| self.open(envelope, self.previous.as_ref()))
    }

    /// There is no newer key: events that the current one does not open are lost. If it `is_late`, the next such event
    /// requests a key again.
    pub(crate) fn give_up(&mut self, error: &AuthError, is_late: bool) -> impl Iterator<Item = Opened> {
        self.is_asked = false;
        if is_late {
            self.asked_at = None;
        } else {
            self.failures = 0;
        }
        let held = self.take_held();
        held.into_iter().map(move |envelope| match self.open(envelope, None) {
            Opened::Failed(envelope, DecryptionError::WrongKey) => {
                Opened::Failed(envelope, DecryptionError::KeyRefresh(error.clone().into()))
            }
            opened => opened,
        })
    }

    /// A request failed and is repeated; this many have failed in a row.
    pub(crate) fn note_failures(&mut self, failures: u32) {
        self.failures = failures;
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Drops the waiting events. Returns how many are lost.
    pub(crate) fn stop_waiting(&mut self) -> usize {
        self.is_asked = false;
        self.take_held().len()
    }

    /// Bytes of the events that wait.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Keeps an event, and drops the oldest ones to make room for it, or the event itself if it does not fit.
    fn hold(&mut self, envelope: Envelope, room: Room) -> Vec<Envelope> {
        let len = envelope.len();
        if len > room.bytes {
            return vec![envelope];
        }
        let mut dropped = Vec::new();
        while self.held.len() >= room.events || self.held_bytes + len > room.bytes {
            let Some(oldest) = self.held.pop_front() else { break };
            self.held_bytes -= oldest.len();
            dropped.push(oldest);
        }
        self.held_bytes += len;
        self.held.push_back(envelope.detached());
        dropped
    }

    fn take_held(&mut self) -> VecDeque<Envelope> {
        self.held_bytes = 0;
        core::mem::take(&mut self.held)
    }

    fn may_ask(&self, now: Instant) -> bool {
        self.asked_at.is_none_or(|asked_at| now >= asked_at + self.gap)
    }

    /// Opens an event of the past, for which no newer key is requested.
    pub(crate) fn read(&self, envelope: Envelope) -> Result<Envelope, DecryptionError> {
        match self.open(envelope, self.previous.as_ref()) {
            Opened::Event { opened, .. } => Ok(opened),
            Opened::Failed(_, error) => Err(error),
            Opened::Held { .. } => Err(DecryptionError::WrongKey),
        }
    }

    fn open(&self, envelope: Envelope, previous: Option<&Key>) -> Opened {
        match cipher::open(&envelope.data, [&self.key].into_iter().chain(previous)) {
            Ok(text) => Opened::Event { opened: envelope.with_text(&text), sealed: envelope },
            Err(error) => Opened::Failed(envelope, error),
        }
    }
}

/// Shortest and longest time between two requests for a newer key.
const MIN_GAP: Duration = Duration::from_secs(1);
const MAX_GAP: Duration = Duration::from_secs(30);

#[cfg(test)]
#[cfg(feature = "encryption")]
mod tests;
