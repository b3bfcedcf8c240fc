use alloc::collections::BTreeSet;
use alloc::format;
use core::time::Duration;

use super::*;

fn name(text: &str) -> Asked {
    Asked::Channel(ChannelName::new(text).unwrap())
}

fn error(message: &str) -> ServerError {
    ServerError { code: Some(4009), message: message.into() }
}

fn unanswered(channels: &[&str]) -> Unanswered {
    let mut unanswered = Unanswered::default();
    for channel in channels {
        unanswered.push(name(channel));
    }
    unanswered
}

#[test]
fn an_error_that_names_one_channel_is_about_it() {
    let mut both = unanswered(&["private-a", "private-a-b"]);
    assert_eq!(both.blame(&error("no access to private-a-b."), true), Some(name("private-a-b")));
    assert_eq!(both.blame(&error("no access to private-a."), true), Some(name("private-a")));
    assert_eq!(both.blame(&error("neither private-a nor private-a-b"), true), None);
}

#[test]
fn an_error_is_about_the_channel_that_it_names_and_not_about_one_with_a_part_of_its_name() {
    let names =
        ["a", "a-b", "b", "private-a", "private-a-b", "private-a_b", "private-ab", "presence-private-a", "xprivate-a"];
    let sentences =
        ["@", "no @", "no @.", "@ is full", "'@' is full", "(@)", "for [@]: no", "#@", "private @", "@, not that one"];
    for asked in names {
        for other in names.into_iter().filter(|other| *other != asked) {
            let mut both = unanswered(&[asked, other]);
            for sentence in sentences {
                let message = sentence.replace('@', asked);
                assert_eq!(both.blame(&error(&message), true), Some(name(asked)), "{message}, with {other}");
            }
        }
    }
}

#[test]
fn the_only_one_unanswered_is_meant_unless_a_client_event_may_be() {
    let mut one = unanswered(&["private-a"]);
    assert_eq!(one.blame(&error("no"), true), None);
    assert_eq!(one.blame(&error("no"), false), Some(name("private-a")));
    assert_eq!(unanswered(&[]).blame(&error("no"), false), None);
}

#[test]
fn a_held_error_falls_on_the_only_earlier_one_when_a_later_is_answered() {
    let mut three = unanswered(&["a", "b", "c"]);
    assert_eq!(three.blame(&error("no"), false), None);
    assert_eq!(three.answered(1), None);
    assert_eq!(three.answered(3), Some((name("b"), error("no"))));
}

#[test]
fn a_held_error_is_not_about_what_was_sent_after_it() {
    let mut two = unanswered(&["a", "b"]);
    assert_eq!(two.blame(&error("no"), false), None);
    let (c, d) = (two.push(name("c")), two.push(name("d")));
    assert_eq!((two.answered(1), two.answered(2)), (None, None));
    assert_eq!(two.answered(d), None);
    assert_eq!(two.expired(c), None);
}

#[test]
fn a_held_error_is_the_probable_cause_at_the_deadline() {
    let mut two = unanswered(&["a", "b"]);
    assert_eq!(two.blame(&error("no"), false), None);
    assert_eq!(two.expired(1), Some(error("no")));
}

/// What the rules in `docs/protocol.md` say, with the set of those that each error can be about instead of numbers.
#[derive(Clone, Debug, Default)]
struct Reference {
    /// What was sent, in order; answered and abandoned ones are `None`.
    sent: Vec<Option<Asked>>,
    held: Option<HeldError>,
}

#[derive(Clone, Debug)]
struct HeldError {
    error: ServerError,
    /// The places of those that it can be about; `None` for everything, even what is sent later.
    about: Option<BTreeSet<usize>>,
}

impl Reference {
    fn waiting(&self) -> impl Iterator<Item = (usize, &Asked)> {
        self.sent.iter().enumerate().filter_map(|(at, asked)| Some((at, asked.as_ref()?)))
    }

    fn hold(&mut self, error: &ServerError, about: Option<BTreeSet<usize>>) {
        if self.waiting().next().is_some() {
            self.held = Some(HeldError { error: error.clone(), about });
        }
    }

    fn blame(&mut self, error: &ServerError, named: &[&str], triggered_lately: bool) -> Option<Asked> {
        let is_named = |asked: &Asked| matches!(asked, Asked::Channel(channel) if named.contains(&channel.as_str()));
        let named: Vec<_> = self.waiting().filter(|(_, asked)| is_named(asked)).collect();
        let all: Vec<_> = self.waiting().collect();
        match (&named[..], &all[..]) {
            ([(_, asked)], _) => Some((*asked).clone()),
            (_, [(_, asked)]) if !triggered_lately => Some((*asked).clone()),
            _ => {
                self.hold(error, Some((0..self.sent.len()).collect()));
                None
            }
        }
    }

    fn answered(&mut self, at: usize) -> Option<(Asked, ServerError)> {
        self.sent[at].take()?;
        self.forget_if_quiet();
        let held = self.held.as_ref()?;
        let about = held.about.as_ref()?;
        let earlier: Vec<_> = self.waiting().filter(|(other, _)| *other < at && about.contains(other)).collect();
        let [(_, asked)] = earlier[..] else { return None };
        let blamed = (asked.clone(), held.error.clone());
        self.held = None;
        Some(blamed)
    }

    fn expired(&mut self, at: usize) -> Option<ServerError> {
        self.sent[at] = None;
        let held = self.held.clone();
        self.forget_if_quiet();
        held.filter(|held| held.about.as_ref().is_none_or(|about| about.contains(&at))).map(|held| held.error)
    }

    fn cause(&self) -> Option<ServerError> {
        self.held.as_ref().filter(|held| held.about.is_none()).map(|held| held.error.clone())
    }

    fn take_channels(&mut self) -> Vec<ChannelName> {
        let channels = self.sent.iter_mut().filter_map(|asked| match asked.take() {
            Some(Asked::Channel(channel)) => Some(channel),
            other => {
                *asked = other;
                None
            }
        });
        channels.collect()
    }

    fn forget_if_quiet(&mut self) {
        if self.waiting().next().is_none() {
            self.held = None;
        }
    }
}

/// The machine and its reference after the same steps.
struct Pair {
    machine: Unanswered,
    reference: Reference,
    /// The place of the sign-in that is awaited.
    signin: Option<usize>,
}

/// How many steps there are to choose from.
const STEPS: usize = 14;

impl Pair {
    fn new() -> Self {
        Self { machine: Unanswered::default(), reference: Reference::default(), signin: None }
    }

    /// Takes a step, if it is possible now.
    fn step(&mut self, step: usize) -> bool {
        let Self { machine, reference, signin } = self;
        let count = reference.sent.len();
        match step {
            0 => {
                let channel = ChannelName::new(format!("c{count}")).unwrap();
                assert_eq!(machine.push_channel(channel.clone()), count as u64 + 1);
                reference.sent.push(Some(Asked::Channel(channel)));
            }
            1 if signin.is_none() => {
                machine.push_signin(DEADLINE);
                *signin = Some(count);
                reference.sent.push(Some(Asked::Signin));
            }
            2 | 3 => {
                let lately = step == 3;
                let error = error(&format!("no, {count}"));
                assert_eq!(machine.blame(&error, lately), reference.blame(&error, &[], lately));
            }
            // The message names the first, or the first two.
            4 | 5 => {
                let named: Vec<_> = (0..step - 3).map(|at| format!("c{at}")).collect();
                let error = error(&format!("no, {}", named.join(" ")));
                let named: Vec<_> = named.iter().map(|name| &name[..]).collect();
                assert_eq!(machine.blame(&error, true), reference.blame(&error, &named, true));
            }
            6 => {
                let error = error(&format!("slower, {count}"));
                machine.hold_cause(&error);
                reference.hold(&error, None);
            }
            7 => assert_eq!(machine.take_channels(), reference.take_channels()),
            8..=10 => {
                // The first, the second, or the last that waits.
                let waiting: Vec<_> = reference.waiting().map(|(at, _)| at).collect();
                let chosen = if step == 10 { waiting.last() } else { waiting.get(step - 8) };
                let Some(&at) = chosen else { return false };
                if *signin == Some(at) {
                    *signin = None;
                    assert_eq!(machine.signin_answered(), reference.answered(at));
                } else {
                    assert_eq!(machine.answered(at as u64 + 1), reference.answered(at));
                }
            }
            11 | 12 => {
                let waiting: Vec<_> = reference.waiting().map(|(at, _)| at).collect();
                let chosen = if step == 12 { waiting.last() } else { waiting.first() };
                let Some(&at) = chosen.filter(|at| *signin != Some(**at)) else { return false };
                assert_eq!(machine.expired(at as u64 + 1), reference.expired(at));
            }
            13 => {
                assert_eq!(machine.expire_signin(Instant::ZERO), None);
                let expired = signin.take().map(|at| reference.expired(at));
                assert_eq!(machine.expire_signin(DEADLINE), expired);
            }
            _ => return false,
        }
        assert_eq!(machine.cause(), reference.cause());
        assert_eq!(machine.deadline(), signin.map(|_| DEADLINE));
        let channels = reference.waiting().filter(|(_, asked)| **asked != Asked::Signin);
        assert_eq!(machine.channels(), channels.count());
        true
    }
}

const DEADLINE: Instant = Instant::from_elapsed(Duration::from_secs(10));

#[test]
fn errors_are_about_what_the_reference_says_in_every_order_of_steps() {
    // Every possible sequence of up to four steps after a start with two channels, or with a channel and a sign-in.
    for start in [[0, 0], [0, 1], [1, 0]] {
        for sequence in 0..STEPS.pow(4) {
            let mut pair = Pair::new();
            let steps = (0..4).map(|place| sequence / STEPS.pow(place) % STEPS);
            let _ = start.into_iter().chain(steps).all(|step| pair.step(step));
        }
    }
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..3_000 {
        let mut pair = Pair::new();
        for _ in 0..20 {
            let step = if random.bool() { random.usize(0..4) } else { random.usize(0..STEPS) };
            pair.step(step);
        }
    }
}
