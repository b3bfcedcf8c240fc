use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::*;
use crate::{Config, Endpoint};

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
        let config = Config::builder("key", Endpoint::cluster("eu")).auth_window(window).build().unwrap();
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
