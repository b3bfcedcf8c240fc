use alloc::string::ToString;
use alloc::vec::Vec;

use super::*;
use crate::client::authorizations::Job;
use crate::{AuthError, AuthResponse, Config, Endpoint, Recovery};

/// What is under way for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Requested,
    Answered { lifetime: Option<u64> },
    Sent { at: u64, lifetime: Option<u64> },
}

/// The rules, in milliseconds: what is under way, when another token is due, and what the server said last.
#[derive(Debug, Default)]
struct Reference {
    way: Option<Way>,
    /// When the present token is to be replaced.
    due: Option<u64>,
    requested_at: u64,
    channels_wait: bool,
    said_expired: bool,
}

impl Reference {
    fn request(&mut self, now: u64) -> bool {
        (self.way, self.due, self.requested_at) = (Some(Way::Requested), None, now);
        true
    }

    /// Asks for a token that is due, a second after the last request at the earliest.
    fn request_if_due(&mut self, now: u64) -> bool {
        let is_due = self.way.is_none() && self.due.is_some_and(|due| due.max(self.requested_at + 1_000) <= now);
        is_due && self.request(now)
    }

    /// There will be no token, and channels do not wait for one.
    fn give_up(&mut self) {
        (self.way, self.channels_wait) = (None, false);
    }

    fn deadline(&self) -> Option<u64> {
        match self.way {
            Some(Way::Sent { at, .. }) => Some(at + TIMEOUT),
            Some(Way::Requested | Way::Answered { .. }) => None,
            None => self.due.map(|due| due.max(self.requested_at + 1_000)),
        }
    }
}

const TIMEOUT: u64 = 10_000;

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

/// The machine and the reference, and the time.
struct Pair {
    token: Token,
    requests: Authorizations,
    outbox: Outbox,
    reference: Reference,
    now: u64,
}

impl Pair {
    fn new() -> Self {
        let config = Config::builder("key", Endpoint::sockudo("localhost"))
            .signin_timeout(Duration::from_millis(TIMEOUT))
            .recovery(Recovery::default().tokens(true))
            .build()
            .unwrap();
        let token = Token::new(&config.options);
        let requests = Authorizations::new(config.options, 1);
        Self { token, requests, outbox: Outbox::new(100), reference: Reference::default(), now: 1_000_000 }
    }

    /// Takes a step in both, and compares everything that can be seen.
    fn step(&mut self, step: usize, random: &mut fastrand::Rng) {
        let Self { token, requests, outbox, reference, now } = self;
        let time = at(*now);
        let (mut requested, mut emitted) = (false, None);
        match step {
            0 => {
                token.leave();
                *reference = Reference { requested_at: reference.requested_at, ..Reference::default() };
                token.enter(Protocol::V2, requests, time);
                reference.channels_wait = true;
                requested = reference.request(*now);
            }
            1 | 2 if reference.way == Some(Way::Requested) => {
                let lifetime = [None, Some(1), Some(90), Some(600)][random.usize(0..4)].map(|secs: u64| secs * 1_000);
                let answer = AuthResponse::new("secret");
                let answer = AuthResponse { expires_in: lifetime.map(Duration::from_millis), ..answer };
                token.handle_auth(Outcome::Authorized(answer), outbox);
                reference.way = Some(Way::Answered { lifetime });
            }
            3 if reference.way == Some(Way::Requested) => {
                let (error, failures) = (AuthError::NotConfigured, 1);
                token.handle_auth(Outcome::Delayed { error, retry_at: at(7), failures }, outbox);
                emitted = Some((TokenError::Auth(AuthError::NotConfigured), Some(at(7))));
            }
            4 if reference.way == Some(Way::Requested) => {
                let outcome = if random.bool() { Outcome::Failed } else { Outcome::TooLate };
                token.handle_auth(outcome(AuthError::NotConfigured), outbox);
                emitted = Some((TokenError::Auth(AuthError::NotConfigured), None));
                reference.give_up();
            }
            5 | 6 => {
                let sent = token.poll_send(time).map(|text| text.to_string());
                let expected = matches!(reference.way, Some(Way::Answered { .. }));
                assert_eq!(sent, expected.then(|| r#"{"event":"pusher:auth","data":{"token":"secret"}}"#.to_string()));
                if let Some(Way::Answered { lifetime }) = reference.way {
                    reference.way = Some(Way::Sent { at: *now, lifetime });
                }
            }
            7 | 8 => {
                token.handle_success();
                if let Some(Way::Sent { at, lifetime }) = reference.way {
                    // A minute before its end, or after half of its time if that is later.
                    let due = lifetime.map(|lifetime| at + lifetime.saturating_sub(60_000).max(lifetime / 2));
                    *reference = Reference { requested_at: reference.requested_at, due, ..Reference::default() };
                }
            }
            9 => {
                let is_named = random.bool();
                let message = if is_named { "the capability token is malformed" } else { "slow down" };
                let error = ServerError { code: Some(4009), message: message.into() };
                let is_refused = token.handle_error(&error, outbox);
                assert_eq!(is_refused, is_named && matches!(reference.way, Some(Way::Sent { .. })));
                if is_refused {
                    emitted = Some((TokenError::Refused(error), None));
                    reference.give_up();
                }
            }
            10 => {
                token.handle_expired(requests, time);
                reference.said_expired = true;
                if reference.way.is_none() {
                    reference.due = Some(*now);
                    requested = reference.request_if_due(*now);
                }
            }
            _ => {
                // To just before, just at or long after the deadline, or a little further.
                let deadline = reference.deadline().unwrap_or(*now).max(*now);
                *now =
                    [deadline.saturating_sub(1).max(*now), deadline, deadline + 40_000, *now + 300][random.usize(0..4)];
                token.handle_timeout(requests, at(*now), outbox);
                requested = match reference.way {
                    Some(Way::Sent { at, .. }) if at + TIMEOUT <= *now => {
                        emitted = Some((TokenError::Timeout, None));
                        reference.give_up();
                        false
                    }
                    _ => reference.request_if_due(*now),
                };
            }
        }
        let events: Vec<_> = core::iter::from_fn(|| outbox.poll_event()).collect();
        let emitted: Vec<_> =
            emitted.into_iter().map(|(error, retry_at)| Event::TokenError { error, retry_at }).collect();
        assert_eq!(events, emitted);
        assert_eq!(requests.load().0, usize::from(requested));
        requests.cancel(Job::Token, outbox);
        assert_eq!(token.is_first(), reference.channels_wait);
        assert_eq!(token.has_expired(), reference.said_expired);
        assert_eq!(token.deadline(), reference.deadline().map(at));
    }
}

#[test]
fn tokens_do_what_the_rules_say_in_every_order_of_steps() {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..20_000 {
        let mut pair = Pair::new();
        pair.step(0, &mut random);
        for _ in 0..24 {
            let step = random.usize(0..13);
            pair.step(step, &mut random);
        }
    }
}

#[test]
fn clients_without_tokens_neither_ask_for_one_nor_notice_that_one_expires() {
    let config = Config::builder("key", Endpoint::sockudo("localhost")).build().unwrap();
    let mut token = Token::new(&config.options);
    let mut requests = Authorizations::new(config.options, 1);
    token.enter(Protocol::V2, &mut requests, at(0));
    token.handle_expired(&mut requests, at(5_000));
    assert_eq!((token.is_first(), token.has_expired(), token.deadline()), (false, false, None));
    assert_eq!(requests.load(), (0, 0));
}
