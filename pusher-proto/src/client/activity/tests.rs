use super::*;
use crate::{Config, Endpoint};

/// The rules, in milliseconds: a ping after silence, an answer in time, and how long parts of a message count.
#[derive(Debug)]
struct Reference {
    interval: u64,
    /// The longest time between two pings.
    max_interval: Option<u64>,
    last_sign: u64,
    last_ping: u64,
    /// Until when an answer is awaited, and whether the machine has slept meanwhile.
    awaited: Option<(u64, bool)>,
    /// The ping whose answer is measured.
    measured: Option<u64>,
}

const PONG_TIMEOUT: u64 = 30_000;

impl Reference {
    fn deadline(&self) -> u64 {
        let pings = [Some(self.last_sign + self.interval), self.max_interval.map(|max| self.last_ping + max)];
        self.awaited.map_or_else(|| pings.into_iter().flatten().min().unwrap(), |(until, _)| until)
    }

    /// Asks for an answer. Returns whether a ping is sent for it.
    fn ask(&mut self, timeout: u64, now: u64) -> bool {
        if let Some((until, _)) = &mut self.awaited {
            *until = (*until).min(now + timeout);
            return false;
        }
        self.awaited = Some((now + timeout, false));
        (self.last_ping, self.measured) = (now, Some(now));
        true
    }
}

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

#[test]
fn a_peer_is_asked_and_given_up_when_the_rules_say_so_in_every_order_of_steps() {
    let mut random = fastrand::Rng::with_seed(1);
    for story in 0..10_000 {
        let server_timeout = [None, Some(0), Some(20), Some(500)][story % 4].map(Duration::from_secs);
        let interval = [120_000, 1_000, 20_000, 120_000][story % 4];
        let max_interval = (story % 3 == 0).then_some(45_000);
        let config = Config::builder("key", Endpoint::cluster("eu"))
            .activity_timeout(Duration::from_secs(120))
            .pong_timeout(Duration::from_millis(PONG_TIMEOUT))
            .max_ping_interval(max_interval.map(Duration::from_millis))
            .build()
            .unwrap();
        let mut now = 1_000_000;
        let mut activity = Activity::start(&config.options, server_timeout, at(now));
        let (last_sign, last_ping) = (now, now);
        let mut reference = Reference { interval, max_interval, last_sign, last_ping, awaited: None, measured: None };
        for _ in 0..40 {
            now += [0, 1, 800, 7_000][random.usize(0..4)];
            let (mut pings, mut pongs) = (false, false);
            match random.usize(0..9) {
                0 => {
                    activity.handle_seen(at(now));
                    (reference.last_sign, reference.awaited) = (now, None);
                }
                1 | 2 => {
                    activity.handle_part(at(now));
                    // For five minutes after a ping, and never to a time before the present deadline.
                    let latest = reference.last_ping + 300_000;
                    if let Some((until, _)) = &mut reference.awaited {
                        *until = (*until).max((now + PONG_TIMEOUT).min(latest));
                    }
                }
                3 => {
                    activity.handle_ping();
                    pongs = true;
                }
                4 => {
                    let round_trip = reference.measured.take().map(|from| Duration::from_millis(now - from));
                    assert_eq!(activity.handle_pong(at(now)), round_trip);
                }
                5 => {
                    activity.probe_quickly(at(now));
                    pings = reference.ask(5_000, now);
                }
                _ => {
                    let deadline = reference.deadline();
                    let late = [0, 1, 5_000, 5_001, 70_000][random.usize(0..5)];
                    now = now.max([deadline.saturating_sub(1), deadline + late][random.usize(0..2)]);
                    let liveness = activity.handle_timeout(at(now));
                    let expected = match &mut reference.awaited {
                        Some((until, _)) if now < *until => Liveness::Alive,
                        // Much too late: the machine slept, and what has arrived may still have to be read.
                        Some((until, has_slept @ false)) if now - *until > 5_000 => {
                            (*until, *has_slept) = (now + 5_000, true);
                            Liveness::Alive
                        }
                        Some(_) => Liveness::Dead,
                        None => {
                            pings = deadline <= now && reference.ask(PONG_TIMEOUT, now);
                            Liveness::Alive
                        }
                    };
                    assert_eq!(liveness, expected);
                }
            }
            assert_eq!((activity.poll_ping(), activity.poll_pong()), (pings, pongs));
            assert_eq!((activity.poll_ping(), activity.poll_pong()), (false, false));
            assert_eq!(activity.awaits_answer(), reference.awaited.is_some());
            assert_eq!(activity.deadline(), at(reference.deadline()));
        }
    }
}
