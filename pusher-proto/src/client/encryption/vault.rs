//! The keys of one encrypted channel, and the events that wait for a newer one.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use super::cipher::{self, Key};
use crate::wire::envelope::Envelope;
use crate::{AuthId, DecryptionError, Instant};

/// What an encrypted channel needs beyond others. Keys are wiped on drop.
pub(crate) struct Vault {
    key: Key,
    previous: Option<Key>,
    refresh: Refresh,
    held: VecDeque<Envelope>,
    /// Bytes of `held`.
    held_bytes: usize,
    /// When a newer key was asked for, and how long it must be until the next time.
    asked_at: Option<Instant>,
    gap: Duration,
}

/// Whether a newer key is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refresh {
    None,
    Wanted,
    Asked(AuthId),
}

/// How much may wait for one key.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// What becomes of an event.
pub(crate) enum Opened {
    Event(Envelope),
    /// It waits for a newer key; `ask` whether that must be asked for. `dropped` had to make room.
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
            refresh: Refresh::None,
            held: VecDeque::new(),
            held_bytes: 0,
            asked_at: None,
            gap: MIN_GAP,
        }
    }

    /// Takes an event. If it has to wait, there is `room` for it and for those that wait already.
    pub(crate) fn receive(&mut self, envelope: Envelope, room: Room, now: Instant) -> Opened {
        if self.refresh != Refresh::None {
            return Opened::Held { ask: false, dropped: self.hold(envelope, room) };
        }
        match self.open(envelope, None) {
            Opened::Failed(envelope, DecryptionError::WrongKey) if self.may_ask(now) => {
                if envelope.len() > room.bytes {
                    return Opened::Failed(envelope, DecryptionError::Overflow);
                }
                self.refresh = Refresh::Wanted;
                self.gap = if self.asked_at.is_some() { (self.gap * 2).min(MAX_GAP) } else { MIN_GAP };
                self.asked_at = Some(now);
                Opened::Held { ask: true, dropped: self.hold(envelope, room) }
            }
            opened => opened,
        }
    }

    /// The application's server answered with a key: opens what waited, in order. Older events may need the key before.
    ///
    /// Only another key ends the pause between requests. Events cannot: a server may repeat one that the key opens as
    /// often as it likes, between others that no key opens.
    pub(crate) fn rotate(&mut self, key: Key) -> impl Iterator<Item = Opened> {
        self.refresh = Refresh::None;
        if key != self.key {
            self.gap = MIN_GAP;
        }
        self.previous = Some(core::mem::replace(&mut self.key, key));
        let held = self.take_held();
        held.into_iter().map(|envelope| self.open(envelope, self.previous.as_ref()))
    }

    /// There is no newer key: the event that asked for it is lost, the others may be older ones.
    pub(crate) fn give_up(&mut self, error: DecryptionError) -> impl Iterator<Item = Opened> {
        self.refresh = Refresh::None;
        let mut held = self.take_held().into_iter();
        let head = held.next().map(|envelope| Opened::Failed(envelope, error));
        head.into_iter().chain(held.map(|envelope| self.open(envelope, None)))
    }

    /// A newer key is asked for under this id.
    pub(crate) fn ask(&mut self, id: AuthId) {
        self.refresh = Refresh::Asked(id);
    }

    /// Gives up what waits. Returns the request that nobody needs any more, and how many events are lost.
    pub(crate) fn stop_waiting(&mut self) -> (Option<AuthId>, usize) {
        let asked = match core::mem::replace(&mut self.refresh, Refresh::None) {
            Refresh::None | Refresh::Wanted => None,
            Refresh::Asked(id) => Some(id),
        };
        (asked, self.take_held().len())
    }

    /// Bytes of the events that wait.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Keeps an event, and gives up the oldest ones that do not fit beside it, or the event itself.
    fn hold(&mut self, envelope: Envelope, room: Room) -> Vec<Envelope> {
        let len = envelope.len();
        let mut dropped = Vec::new();
        while self.held.len() >= room.events || self.held_bytes + len > room.bytes {
            let Some(oldest) = self.held.pop_front() else { break };
            self.held_bytes -= oldest.len();
            dropped.push(oldest);
        }
        if len > room.bytes {
            dropped.push(envelope);
        } else {
            self.held_bytes += len;
            self.held.push_back(envelope.detached());
        }
        dropped
    }

    fn take_held(&mut self) -> VecDeque<Envelope> {
        self.held_bytes = 0;
        core::mem::take(&mut self.held)
    }

    fn may_ask(&self, now: Instant) -> bool {
        self.asked_at.is_none_or(|asked_at| now >= asked_at + self.gap)
    }

    fn open(&self, envelope: Envelope, previous: Option<&Key>) -> Opened {
        match cipher::open(&envelope.data, [&self.key].into_iter().chain(previous)) {
            Ok(text) => Opened::Event(envelope.with_text(&text)),
            Err(error) => Opened::Failed(envelope, error),
        }
    }
}

/// Least and most time between two requests for a newer key.
const MIN_GAP: Duration = Duration::from_secs(1);
const MAX_GAP: Duration = Duration::from_secs(30);
