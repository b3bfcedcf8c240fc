//! The keys of one encrypted channel, and the events that wait for a newer one.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::cipher::{self, Key};
use crate::wire::envelope::Envelope;
use crate::{DecryptionError, Instant};

/// What an encrypted channel needs beyond others. Keys are wiped on drop.
pub(crate) struct Vault {
    key: Key,
    previous: Option<Key>,
    refreshing: bool,
    held: VecDeque<Envelope>,
    /// When a newer key was asked for, and how long it must be until the next time.
    asked_at: Option<Instant>,
    gap: Duration,
}

/// What becomes of an event.
pub(crate) enum Opened {
    Event(Envelope),
    /// It waits for a newer key; `ask` whether that must be asked for. `dropped` had to make room.
    Held {
        ask: bool,
        dropped: Option<Envelope>,
    },
    Failed(Envelope, DecryptionError),
}

impl Vault {
    pub(crate) fn new(key: Key) -> Self {
        Self { key, previous: None, refreshing: false, held: VecDeque::new(), asked_at: None, gap: MIN_GAP }
    }

    /// Takes an event, at most `max_held` of which wait.
    pub(crate) fn receive(&mut self, envelope: Envelope, max_held: usize, now: Instant) -> Opened {
        if self.refreshing {
            let dropped = if self.held.len() >= max_held { self.held.pop_front() } else { None };
            self.held.push_back(envelope);
            return Opened::Held { ask: false, dropped };
        }
        match self.open(envelope, &[&self.key]) {
            Opened::Failed(envelope, DecryptionError::WrongKey) if self.may_ask(now) => {
                self.refreshing = true;
                self.gap = if self.asked_at.is_some() { (self.gap * 2).min(MAX_GAP) } else { MIN_GAP };
                self.asked_at = Some(now);
                self.held.push_back(envelope);
                Opened::Held { ask: true, dropped: None }
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
        self.refreshing = false;
        self.previous = Some(core::mem::replace(&mut self.key, key));
        let held = core::mem::take(&mut self.held);
        held.into_iter().map(|envelope| {
            let keys = [Some(&self.key), self.previous.as_ref()];
            self.open(envelope, &keys.into_iter().flatten().collect::<alloc::vec::Vec<_>>())
        })
    }

    /// There is no newer key: the event that asked for it is lost, the others may be older ones.
    pub(crate) fn give_up(&mut self, error: DecryptionError) -> impl Iterator<Item = Opened> {
        self.refreshing = false;
        let mut held = core::mem::take(&mut self.held).into_iter();
        let head = held.next().map(|envelope| Opened::Failed(envelope, error));
        head.into_iter().chain(held.map(|envelope| self.open(envelope, &[&self.key])))
    }

    /// How many events wait.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    fn may_ask(&self, now: Instant) -> bool {
        self.asked_at.is_none_or(|asked_at| now >= asked_at + self.gap)
    }

    /// Names that begin with `pusher:` are the server's and not encrypted.
    fn open(&self, envelope: Envelope, keys: &[&Key]) -> Opened {
        if envelope.event().starts_with("pusher:") {
            return Opened::Event(envelope);
        }
        match cipher::open(&envelope.data, keys.iter().copied()) {
            Ok(text) => Opened::Event(envelope.with_text(&text)),
            Err(error) => Opened::Failed(envelope, error),
        }
    }
}

/// Least and most time between two requests for a newer key.
const MIN_GAP: Duration = Duration::from_secs(1);
const MAX_GAP: Duration = Duration::from_secs(30);
