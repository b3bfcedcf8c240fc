use alloc::format;
use alloc::string::String;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::Aead;
use crypto_secretbox::{KeyInit, Nonce, XSalsa20Poly1305};

use super::*;
use crate::Text;

/// How an event is sealed: with the key of this number, or not at all.
type Seal = Option<u8>;

/// What happened to an event, by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Opened(usize),
    Failed(usize, DecryptionError),
}

fn key_of(number: u8) -> Key {
    Key::from_base64(&STANDARD.encode([number; 32])).unwrap()
}

fn sealed(number: usize, seal: Seal) -> Envelope {
    let data = match seal {
        Some(key) => {
            let cipher = XSalsa20Poly1305::new(&[key; 32].into());
            let nonce = [number as u8; 24];
            let ciphertext = cipher.encrypt(Nonce::from_slice(&nonce), format!("event {number}").as_bytes()).unwrap();
            let [nonce, ciphertext] = [nonce.to_vec(), ciphertext].map(|bytes| STANDARD.encode(bytes));
            format!(r#"{{\"nonce\":\"{nonce}\",\"ciphertext\":\"{ciphertext}\"}}"#)
        }
        None => String::from("plain"),
    };
    Envelope::read(Text::from(format!(r#"{{"event":"{number}","channel":"c","data":"{data}"}}"#))).unwrap()
}

fn number(envelope: &Envelope) -> usize {
    envelope.event().parse().unwrap()
}

/// Checks that an opened event is still the one that came.
fn fate(opened: Opened) -> Fate {
    match opened {
        Opened::Event { opened, sealed } => {
            assert_eq!(opened.data.text(), format!("event {}", number(&sealed)));
            assert_eq!(opened.event(), sealed.event());
            Fate::Opened(number(&sealed))
        }
        Opened::Failed(envelope, error) => Fate::Failed(number(&envelope), error),
        Opened::Held { .. } => panic!("an event that has waited does not wait again"),
    }
}

/// The events by their numbers, and keys by theirs.
#[derive(Debug, Default)]
struct Reference {
    key: u8,
    previous: Option<u8>,
    is_asked: bool,
    failures: u32,
    held: Vec<(usize, Seal)>,
    /// When a key was requested for the last time, in seconds, and how long the next request has to wait.
    asked_at: Option<u64>,
    gap: u64,
}

/// What happens to an event: its fate, or that it waits, whether a key is requested for it, and what is dropped for it.
#[derive(Debug, PartialEq, Eq)]
enum Received {
    Fate(Fate),
    Waits { ask: bool, dropped: Vec<usize> },
}

impl Reference {
    fn receive(&mut self, event: usize, seal: Seal, now: u64) -> Received {
        if self.is_asked {
            return Received::Waits { ask: false, dropped: self.hold(event, seal) };
        }
        let fate = self.fate(event, seal, false, DecryptionError::WrongKey);
        let is_early = self.asked_at.is_some_and(|asked_at| now < asked_at + self.gap);
        if is_early || !matches!(fate, Fate::Failed(_, DecryptionError::WrongKey)) {
            return Received::Fate(fate);
        }
        self.gap = if self.asked_at.is_some() { 30.min(2 * self.gap) } else { 1 };
        (self.asked_at, self.is_asked) = (Some(now), true);
        Received::Waits { ask: true, dropped: self.hold(event, seal) }
    }

    fn hold(&mut self, event: usize, seal: Seal) -> Vec<usize> {
        self.held.push((event, seal));
        let excess = self.held.len().saturating_sub(ROOM.events);
        self.held.drain(..excess).map(|(event, _)| event).collect()
    }

    fn rotate(&mut self, key: u8) -> Vec<Fate> {
        if key != self.key {
            self.gap = 1;
        }
        (self.is_asked, self.failures) = (false, 0);
        self.previous = Some(self.key);
        self.key = key;
        self.release(true, &DecryptionError::WrongKey)
    }

    fn give_up(&mut self, is_late: bool) -> Vec<Fate> {
        self.is_asked = false;
        if is_late {
            self.asked_at = None;
        } else {
            self.failures = 0;
        }
        self.release(false, &DecryptionError::KeyRefresh(refused().into()))
    }

    fn release(&mut self, with_previous: bool, error: &DecryptionError) -> Vec<Fate> {
        let held = core::mem::take(&mut self.held);
        held.into_iter().map(|(event, seal)| self.fate(event, seal, with_previous, error.clone())).collect()
    }

    fn fate(&self, event: usize, seal: Seal, with_previous: bool, error: DecryptionError) -> Fate {
        match seal {
            None => Fate::Failed(event, DecryptionError::NotEncrypted),
            Some(key) if key == self.key || with_previous && self.previous == Some(key) => Fate::Opened(event),
            Some(_) => Fate::Failed(event, error),
        }
    }
}

const ROOM: Room = Room { events: 3, bytes: 100_000 };

fn refused() -> AuthError {
    AuthError::Handler("no".into())
}

/// A vault and its reference after the same steps.
struct Pair {
    vault: Vault,
    reference: Reference,
    events: usize,
    now: u64,
}

const STEPS: usize = 14;

impl Pair {
    fn new() -> Self {
        Self {
            vault: Vault::new(key_of(0)),
            reference: Reference { gap: 1, ..Reference::default() },
            events: 0,
            now: 0,
        }
    }

    fn step(&mut self, step: usize) {
        match step {
            0..=3 => {
                let seal = (step < 3).then_some(step as u8);
                self.events += 1;
                let now = Instant::from_elapsed(Duration::from_secs(self.now));
                let received = match self.vault.receive(sealed(self.events, seal), ROOM, now) {
                    Opened::Held { ask, dropped } => {
                        Received::Waits { ask, dropped: dropped.iter().map(number).collect() }
                    }
                    opened => Received::Fate(fate(opened)),
                };
                assert_eq!(received, self.reference.receive(self.events, seal, self.now));
            }
            4..=6 => {
                let key = step as u8 - 4;
                let fates: Vec<_> = self.vault.rotate(key_of(key)).map(fate).collect();
                assert_eq!(fates, self.reference.rotate(key));
            }
            7 | 8 => {
                let is_late = step == 8;
                let fates: Vec<_> = self.vault.give_up(&refused(), is_late).map(fate).collect();
                assert_eq!(fates, self.reference.give_up(is_late));
            }
            9 => {
                self.reference.is_asked = false;
                assert_eq!(self.vault.stop_waiting(), self.reference.held.len());
                self.reference.held.clear();
            }
            10 => {
                self.reference.failures += 1;
                self.vault.note_failures(self.reference.failures);
            }
            _ => self.now += [1, 4, 30][step - 11],
        }
        assert_eq!(self.vault.failures(), self.reference.failures);
        let held = self.reference.held.iter().map(|(event, seal)| sealed(*event, *seal).len());
        assert_eq!(self.vault.held_bytes(), held.sum::<usize>());
    }
}

#[test]
fn every_event_has_the_fate_that_the_reference_says_in_every_order_of_steps() {
    for sequence in 0..STEPS.pow(3) {
        let mut pair = Pair::new();
        // The first event needs another key.
        pair.step(1);
        for place in 0..3 {
            pair.step(sequence / STEPS.pow(place) % STEPS);
        }
        // The next two events show the resulting state.
        for step in [2, 11, 2] {
            pair.step(step);
        }
    }
    // Unsuccessful requests become rarer, up to a bound.
    let mut pair = Pair::new();
    for _ in 0..8 {
        for step in [1, 7, 13] {
            pair.step(step);
        }
    }
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..600 {
        let mut pair = Pair::new();
        for _ in 0..16 {
            pair.step(if random.bool() { random.usize(0..4) } else { random.usize(0..STEPS) });
        }
    }
}
