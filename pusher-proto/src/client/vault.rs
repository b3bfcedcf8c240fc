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
        Self { key, previous: None, refresh: Refresh::None, held: VecDeque::new(), asked_at: None, gap: MIN_GAP }
    }

    /// Takes an event, at most `max_held` of which wait, and at most 16 MiB.
    pub(crate) fn receive(&mut self, envelope: Envelope, max_held: usize, now: Instant) -> Opened {
        if self.refresh != Refresh::None {
            let dropped = self.make_room(envelope.len(), max_held);
            self.held.push_back(envelope.detached());
            return Opened::Held { ask: false, dropped };
        }
        match self.open(envelope, None) {
            Opened::Failed(envelope, DecryptionError::WrongKey) if self.may_ask(now) => {
                self.refresh = Refresh::Wanted;
                self.gap = if self.asked_at.is_some() { (self.gap * 2).min(MAX_GAP) } else { MIN_GAP };
                self.asked_at = Some(now);
                self.held.push_back(envelope.detached());
                Opened::Held { ask: true, dropped: Vec::new() }
            }
            Opened::Event(envelope) => {
                self.gap = MIN_GAP;
                Opened::Event(envelope)
            }
            opened => opened,
        }
    }

    /// There is a newer key: opens what waited, in order. Older events may need the key before.
    pub(crate) fn rotate(&mut self, key: Key) -> impl Iterator<Item = Opened> {
        self.refresh = Refresh::None;
        self.previous = Some(core::mem::replace(&mut self.key, key));
        let held = core::mem::take(&mut self.held);
        held.into_iter().map(|envelope| self.open(envelope, self.previous.as_ref()))
    }

    /// There is no newer key: the event that asked for it is lost, the others may be older ones.
    pub(crate) fn give_up(&mut self, error: DecryptionError) -> impl Iterator<Item = Opened> {
        self.refresh = Refresh::None;
        let mut held = core::mem::take(&mut self.held).into_iter();
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
        (asked, core::mem::take(&mut self.held).len())
    }

    /// Gives up the oldest events that do not fit beside one of `len` bytes.
    fn make_room(&mut self, len: usize, max_held: usize) -> Vec<Envelope> {
        let mut bytes: usize = self.held.iter().map(Envelope::len).sum();
        let mut dropped = Vec::new();
        while self.held.len() >= max_held || bytes + len > MAX_HELD_BYTES {
            let Some(oldest) = self.held.pop_front() else { break };
            bytes -= oldest.len();
            dropped.push(oldest);
        }
        dropped
    }

    fn may_ask(&self, now: Instant) -> bool {
        self.asked_at.is_none_or(|asked_at| now >= asked_at + self.gap)
    }

    /// Names that begin with `pusher:` are the server's and not encrypted.
    fn open(&self, envelope: Envelope, previous: Option<&Key>) -> Opened {
        if envelope.event().starts_with("pusher:") {
            return Opened::Event(envelope);
        }
        match cipher::open(&envelope.data, [&self.key].into_iter().chain(previous)) {
            Ok(text) => Opened::Event(envelope.with_text(&text)),
            Err(error) => Opened::Failed(envelope, error),
        }
    }
}

/// The bytes of the events that wait, unless a single one is larger.
const MAX_HELD_BYTES: usize = 16 * 1_024 * 1_024;

/// Least and most time between two requests for a newer key.
const MIN_GAP: Duration = Duration::from_secs(1);
const MAX_GAP: Duration = Duration::from_secs(30);
