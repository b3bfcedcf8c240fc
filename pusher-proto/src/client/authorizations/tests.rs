use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use core::time::Duration;

use super::*;
use crate::{Config, Endpoint as ServerEndpoint};

/// The order of requests to one server: two queues, of which neither goes first twice in a row while both are waiting.
#[derive(Debug)]
struct Reference {
    channels: VecDeque<u64>,
    keys: VecDeque<u64>,
    was_key: bool,
    /// Requests in progress.
    asked: Vec<Job>,
    window: usize,
}

impl Reference {
    fn poll(&mut self) -> Option<Job> {
        if self.asked.len() >= self.window {
            return None;
        }
        let is_key = !self.keys.is_empty() && (self.channels.is_empty() || !self.was_key);
        let job =
            if is_key { self.keys.pop_front().map(Job::Key) } else { self.channels.pop_front().map(Job::Channel) }?;
        self.was_key = is_key;
        self.asked.push(job);
        Some(job)
    }

    fn cancel(&mut self, job: Job) {
        self.asked.retain(|asked| *asked != job);
        self.channels.retain(|order| Job::Channel(*order) != job);
        self.keys.retain(|order| Job::Key(*order) != job);
    }
}

struct Pair {
    machine: Authorizations,
    reference: Reference,
    outbox: Outbox,
    ids: BTreeMap<AuthId, Job>,
    last: u64,
}

const NOW: Instant = Instant::ZERO;

impl Pair {
    fn new(window: usize) -> Self {
        let config = Config::builder("key", ServerEndpoint::cluster("eu")).auth_window(window).build().unwrap();
        let mut machine = Authorizations::new(config.options, 1);
        machine.enter(SocketId::new("1.1").unwrap());
        let reference =
            Reference { channels: VecDeque::new(), keys: VecDeque::new(), was_key: false, asked: Vec::new(), window };
        Self { machine, reference, outbox: Outbox::new(100), ids: BTreeMap::new(), last: 0 }
    }

    fn step(&mut self, step: usize) {
        let channel = |order: u64| ChannelName::new(format!("private-encrypted-{order}")).unwrap();
        match step {
            0 | 1 => {
                self.last += 1;
                self.machine.ask_for_channel(self.last, &channel(self.last), AuthPurpose::Subscribe);
                self.reference.channels.push_back(self.last);
            }
            2 | 3 => {
                self.last += 1;
                self.machine.ask_for_key(self.last, &channel(self.last), 0, NOW);
                self.reference.keys.push_back(self.last);
            }
            4 => {
                let request = self.machine.poll(NOW);
                let expected = self.reference.poll();
                let found = request.as_ref().map(|request| {
                    let order: u64 = request.subject.to_string().rsplit('-').next().unwrap().parse().unwrap();
                    if request.purpose == AuthPurpose::KeyRefresh { Job::Key(order) } else { Job::Channel(order) }
                });
                assert_eq!(found, expected);
                self.ids.extend(request.map(|request| request.id).zip(found));
            }
            // The oldest or the newest request is answered, or refused.
            5..=7 => {
                let chosen = if step == 5 { self.ids.first_key_value() } else { self.ids.last_key_value() };
                let Some((&id, &job)) = chosen else { return };
                let answer = if step == 7 { Err(AuthError::NotConfigured) } else { Ok(AuthResponse::new("key:5a")) };
                let answer = self.machine.handle_answer(id, answer, NOW).unwrap();
                assert_eq!(answer.job, job);
                self.ids.remove(&id);
                self.reference.cancel(job);
                assert!(self.machine.handle_answer(id, Err(AuthError::NotConfigured), NOW).is_none());
            }
            // A request that waits or is in progress is not needed any more.
            _ => {
                let job = if step == 8 { Job::Key(self.last) } else { Job::Channel(self.last) };
                self.machine.cancel(job, &mut self.outbox);
                self.ids.retain(|_, asked| *asked != job);
                self.reference.cancel(job);
            }
        }
        let Reference { channels, keys, asked, .. } = &self.reference;
        assert_eq!(self.machine.load(), (channels.len() + keys.len() + asked.len(), channels.len() + keys.len()));
        assert!(self.machine.is_balanced());
    }
}

#[test]
fn channels_and_keys_take_turns_in_stories_of_random_steps() {
    let mut random = fastrand::Rng::with_seed(1);
    for story in 0..2_000 {
        let mut pair = Pair::new(1 + story % 3);
        for _ in 0..30 {
            pair.step(if random.bool() { 4 } else { random.usize(0..10) });
        }
        // Everything that waits gets its turn.
        while pair.reference.channels.len() + pair.reference.keys.len() + pair.reference.asked.len() > 0 {
            pair.step(4);
            pair.step(5);
        }
    }
}

/// One server of the application: how many requests it gets, and when.
struct Server {
    max: usize,
    window: usize,
    paused_until: Option<Instant>,
    /// Whether it has asked for the pause.
    must_pause: bool,
    failures_in_a_row: usize,
    pauses_in_a_row: u32,
    successes: usize,
    requests: Vec<Wanted>,
    backoff: Backoff,
}

struct Wanted {
    job: Job,
    failures: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// With its place among those that are ready.
    Ready(usize),
    Asked {
        id: AuthId,
        until: Instant,
    },
    Delayed(Instant),
}

impl Server {
    fn asked(&self) -> Vec<AuthId> {
        let ids = self.requests.iter().filter_map(|wanted| match wanted.state {
            State::Asked { id, .. } => Some(id),
            _ => None,
        });
        ids.collect()
    }

    /// The one that is asked next.
    fn next(&mut self, now: Instant) -> Option<&mut Wanted> {
        let is_open = self.paused_until.is_none_or(|until| until <= now);
        if !is_open || self.asked().len() >= self.window {
            return None;
        }
        let ready = self.requests.iter_mut().filter(|wanted| matches!(wanted.state, State::Ready(_)));
        ready.min_by_key(|wanted| match wanted.state {
            State::Ready(place) => place,
            _ => usize::MAX,
        })
    }

    fn make_ready(&mut self, at: usize) {
        let places = self.requests.iter().filter_map(|wanted| match wanted.state {
            State::Ready(place) => Some(place),
            _ => None,
        });
        self.requests[at].state = State::Ready(places.max().map_or(0, |last| last + 1));
    }

    /// Nothing before this time, and then one request at a time.
    fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
        (self.window, self.successes) = (1, 0);
    }

    /// Returns when the request is repeated, if it is.
    fn fail(&mut self, at: usize, error: &AuthError, now: Instant) -> Option<Instant> {
        let wait = error.retry_after();
        if error.asks_for_a_pause() {
            let until = now + wait + self.backoff.spread();
            self.must_pause = true;
            self.pause(until);
            self.requests[at].state = State::Delayed(self.paused_until?);
            return self.paused_until;
        }
        if *error != AuthError::Timeout {
            self.failures_in_a_row += 1;
            let is_open = self.paused_until.is_none_or(|until| until <= now);
            if self.failures_in_a_row >= 2 * self.max && is_open {
                self.pauses_in_a_row += 1;
                let until = now + self.backoff.delay(self.pauses_in_a_row);
                self.pause(until);
            }
        }
        let wanted = &mut self.requests[at];
        if wanted.failures == RETRIES {
            self.requests.remove(at);
            return None;
        }
        wanted.failures += 1;
        let retry_at = now + self.backoff.delay(wanted.failures).max(wait);
        let retry_at = self.paused_until.map_or(retry_at, |until| until.max(retry_at));
        wanted.state = State::Delayed(retry_at);
        Some(retry_at)
    }

    fn succeed(&mut self) {
        (self.failures_in_a_row, self.pauses_in_a_row) = (0, 0);
        if !self.must_pause {
            self.paused_until = None;
        }
        self.successes += 1;
        if self.successes >= self.window && self.window < self.max {
            (self.window, self.successes) = (self.window + 1, 0);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let is_waiting = self.requests.iter().any(|wanted| matches!(wanted.state, State::Ready(_)));
        let timers = self.requests.iter().filter_map(|wanted| match wanted.state {
            State::Asked { until, .. } | State::Delayed(until) => Some(until),
            State::Ready(_) => None,
        });
        timers.chain(self.paused_until.filter(|_| is_waiting)).min()
    }

    /// The next deadline that has passed, with the place of its request.
    fn due(&self, now: Instant) -> Option<usize> {
        let due = self.requests.iter().enumerate().filter_map(|(at, wanted)| match wanted.state {
            State::Asked { until, .. } | State::Delayed(until) if until <= now => Some((until, wanted.job, at)),
            _ => None,
        });
        due.min().map(|(_, _, at)| at)
    }
}

const RETRIES: u32 = 3;
const AUTH_TIMEOUT: Duration = Duration::from_secs(12);

/// What became of a request: when it is repeated, or whether it is granted.
fn outcome(answer: &Answer) -> Result<bool, Instant> {
    match &answer.outcome {
        Outcome::Authorized(_) => Ok(true),
        Outcome::Failed(_) | Outcome::TooLate(_) => Ok(false),
        Outcome::Delayed { retry_at, .. } => Err(*retry_at),
    }
}

#[test]
fn servers_get_requests_when_the_rules_allow_it_in_every_order_of_answers() {
    let mut random = fastrand::Rng::with_seed(1);
    for story in 0..3_000_u64 {
        let max = 1 + random.usize(0..3);
        let config = Config::builder("key", ServerEndpoint::cluster("eu"))
            .auth_window(max)
            .auth_timeout(AUTH_TIMEOUT)
            .auth_retries(Some(RETRIES))
            .build()
            .unwrap();
        let mut server = Server {
            max,
            window: max,
            paused_until: None,
            must_pause: false,
            failures_in_a_row: 0,
            pauses_in_a_row: 0,
            successes: 0,
            requests: Vec::new(),
            backoff: Backoff::new(&config.options, story),
        };
        let mut machine = Authorizations::new(config.options, story);
        machine.enter(SocketId::new("1.1").unwrap());
        let (mut outbox, mut now, mut last) = (Outbox::new(100), NOW, 0);
        // Rare sequences need servers that behave alike for a while.
        let mut mood = 2;
        for step in 0..100 {
            if step % 10 == 0 {
                mood = random.usize(2..8);
            }
            let asked = server.asked();
            let step = random.usize(0..13);
            match if (2..=7).contains(&step) && random.usize(0..4) > 0 { mood } else { step } {
                // Another connection: what is known about the server stays.
                12 if random.usize(0..4) == 0 => {
                    machine.leave(&mut outbox);
                    machine.enter(SocketId::new("1.2").unwrap());
                    server.requests.clear();
                }
                0 | 1 => {
                    last += 1;
                    let channel = ChannelName::new(format!("private-{last}")).unwrap();
                    machine.ask_for_channel(last, &channel, AuthPurpose::Subscribe);
                    server.requests.push(Wanted { job: Job::Channel(last), failures: 0, state: State::Delayed(now) });
                    server.make_ready(server.requests.len() - 1);
                }
                step @ 2..=7 if !asked.is_empty() => {
                    let id = asked[random.usize(0..asked.len())];
                    let is_it = |wanted: &Wanted| matches!(wanted.state, State::Asked { id: other, .. } if other == id);
                    let at = server.requests.iter().position(is_it).unwrap();
                    let http = |status, wait: Option<u64>| {
                        Err(AuthError::Http {
                            status,
                            excerpt: "no".into(),
                            retry_after: wait.map(Duration::from_secs),
                        })
                    };
                    let answer = match step {
                        2 => Ok(AuthResponse::new("key:5a")),
                        3 => http(403, None),
                        4 => http([429, 503][random.usize(0..2)], Some(random.u64(1..20))),
                        5 => http(429, [None, Some(0)][random.usize(0..2)]),
                        6 => http(500, Some(4)),
                        _ => Err(AuthError::Network("gone".into())),
                    };
                    let expected = match &answer {
                        Err(error) if error.is_retryable() => server.fail(at, error, now).map_or(Ok(false), Err),
                        answer => {
                            server.requests.remove(at);
                            server.succeed();
                            Ok(answer.is_ok())
                        }
                    };
                    let answer = machine.handle_answer(id, answer, now).unwrap();
                    assert_eq!(outcome(&answer), expected);
                }
                8 | 9 => {
                    let deadline = machine.deadline().unwrap_or(now);
                    now = [deadline.max(now), now + Duration::from_millis(700)][random.usize(0..2)];
                    if server.paused_until.is_some_and(|until| until <= now) {
                        (server.paused_until, server.must_pause) = (None, false);
                    }
                    let mut expected = Vec::new();
                    while let Some(at) = server.due(now) {
                        let wanted = &server.requests[at];
                        if matches!(wanted.state, State::Delayed(_)) {
                            server.make_ready(at);
                        } else {
                            expected
                                .push((wanted.job, server.fail(at, &AuthError::Timeout, now).map_or(Ok(false), Err)));
                        }
                    }
                    let answers = core::iter::from_fn(|| machine.handle_timeout(now, &mut outbox));
                    let answers: Vec<_> = answers.map(|answer| (answer.job, outcome(&answer))).collect();
                    assert_eq!(answers, expected);
                }
                _ => {
                    let request = machine.poll(now);
                    let expected = server.next(now).map(|wanted| {
                        if let Some(request) = &request {
                            wanted.state = State::Asked { id: request.id, until: now + AUTH_TIMEOUT };
                        }
                        format!("{:?}", wanted.job)
                    });
                    let found = request.map(|request| request.subject.to_string().replace("private-", "Channel("));
                    assert_eq!(found.map(|found| found + ")"), expected);
                }
            }
            assert_eq!(machine.deadline(), server.deadline());
        }
    }
}
