//! Many clients whose sockets are cut all the time, while numbered messages are published.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pusher_test::conformance::{Cut, FaultProxy, Flow};

use crate::figures::{spread, wait_for};
use crate::ledger::Audit;
use crate::publisher::Publisher;
use crate::recovery::{End, Guest, ON, SMALL, address};
use crate::report::Report;
use crate::servers::{Programs, Server};

/// With a buffer in which everything fits, and with one in which it often does not.
pub(crate) fn run(report: &Report, programs: &Programs, time: Duration) {
    let check = |count: usize, tables: &str, time: Duration, is_ample: bool| {
        let buffer = if is_ample { "" } else { ", small buffer" };
        let mut sums = None;
        report.check(&format!("{count} clients, {} s of cuts{buffer}", time.as_secs()), || {
            let (text, figures) = play(programs, count, tables, time);
            sums = Some(figures);
            text
        });
        let Some(sums) = sums else { return };
        report.check(&format!("{count} clients{buffer}: how gaps ended"), || sums.describe(is_ample));
    };
    check(CLIENTS, ON, time, true);
    check(CLIENTS / 5, SMALL, time / 2, false);
}

/// How the gaps of all clients ended.
struct Sums {
    ends: Vec<(End, Duration)>,
}

impl Sums {
    fn describe(&self, is_ample: bool) -> String {
        let closed: Vec<_> = self.ends.iter().filter(|(end, _)| is_closed(end)).map(|(_, took)| *took).collect();
        assert!(!closed.is_empty() && (closed.len() == self.ends.len() || !is_ample), "{}", self.tally());
        let share = permille(closed.len(), self.ends.len());
        format!("{share} of {} closed, {}; {}", self.ends.len(), spread(closed), self.tally())
    }

    fn tally(&self) -> String {
        tally(self.ends.iter().map(|(end, _)| end.clone()))
    }
}

const fn is_closed(end: &End) -> bool {
    matches!(end, End::Recovered { is_proven: true, .. })
}

/// A share as a percentage with one digit.
fn permille(part: usize, whole: usize) -> String {
    let permille = 1_000 * part / whole.max(1);
    format!("{}.{} %", permille / 10, permille % 10)
}

/// How often gaps ended in which way.
pub(crate) fn tally(ends: impl IntoIterator<Item = End>) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for end in ends {
        let name = match end {
            End::Recovered { replayed: 0, is_proven: true } => "nothing missed".to_owned(),
            End::Recovered { is_proven: true, .. } => "replayed".to_owned(),
            End::Recovered { is_proven: false, .. } => "replayed by one node".to_owned(),
            End::Lost { reason, .. } => format!("{reason:?}"),
        };
        *counts.entry(name).or_default() += 1;
    }
    let parts: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    parts.join(", ")
}

fn play(programs: &Programs, count: usize, tables: &str, time: Duration) -> (String, Sums) {
    let node = Server::sockudo_with(programs, None, tables);
    let proxies: Vec<_> = (0..count / CLIENTS_OF_A_PROXY).map(|_| FaultProxy::new(address(&node))).collect();
    let guest = |number: usize| {
        let room = ROOMS[number % ROOMS.len()];
        Guest::at(proxies[number / CLIENTS_OF_A_PROXY].address(), &[room])
    };
    let guests: Vec<_> = (0..count).map(guest).collect();
    let control = Guest::at(address(&node), &ROOMS);
    wait_for("all are subscribed", LIMIT, || guests.iter().chain([&control]).all(Guest::is_ready));
    let start = |(number, room): (usize, &&str)| Publisher::start(number, node.api(), room, INTERVAL);
    let publishers: Vec<_> = ROOMS.iter().enumerate().map(start).collect();

    let cuts = disturb(&proxies, time);
    wait_for("all gaps end", LIMIT, || guests.iter().all(Guest::is_settled));
    let ended = |guest: &Guest| guest.gaps.lock().unwrap().ended.len();
    let ended_before: Vec<_> = guests.iter().map(ended).collect();
    let outcomes: Vec<_> = publishers.into_iter().map(Publisher::stop).collect();
    let lasts: Vec<_> = outcomes.iter().map(|outcome| outcome.last.expect("the node took events")).collect();
    // A client that notices only now that its socket is dead may have lost them, and says so.
    let has_lost = |(number, guest): (usize, &Guest)| {
        let ends = &guest.gaps.lock().unwrap().ended[ended_before[number]..];
        ends.iter().any(|(end, _)| matches!(end, End::Lost { .. }))
    };
    let has_last = |(number, guest): (usize, &Guest)| {
        guest.ledgers[0].has(lasts[number % ROOMS.len()]) || has_lost((number, guest))
    };
    let missing = || guests.iter().enumerate().filter(|guest| !has_last(*guest));
    let begin = Instant::now();
    while begin.elapsed() < LIMIT && missing().next().is_some() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let unreached: Vec<_> = missing().map(|(_, guest)| guest.describe()).collect();
    assert!(unreached.is_empty(), "the last events {lasts:?} have not reached {unreached:?}");
    wait_for("the last events reach the control", LIMIT, || {
        control.ledgers.iter().zip(&lasts).all(|(ledger, last)| ledger.has(*last))
    });

    let published: Vec<_> = outcomes.into_iter().map(|outcome| outcome.starts).collect();
    let expected: Vec<_> = control.ledgers.iter().map(|ledger| ledger.marks()).collect();
    assert!(control.ledgers.iter().all(|ledger| ledger.gaps() == 0));
    let (mut sum, mut disorder) = (Audit::default(), 0);
    for (number, guest) in guests.iter().enumerate() {
        sum += guest.ledgers[0].audit(&published, &expected[number % ROOMS.len()]);
        // Behind a gap, events are emitted as they arrive.
        disorder += usize::from(guest.ledgers[0].gaps() == 0 && !guest.ledgers[0].is_ordered());
    }
    let ends: Vec<_> = guests.iter().flat_map(|guest| std::mem::take(&mut guest.gaps.lock().unwrap().ended)).collect();
    let replayed: u64 = ends.iter().map(|(end, _)| end.replayed()).sum();
    assert_eq!((sum.untold, sum.repeated, disorder), (0, 0, 0), "{sum:?}");
    let text = format!(
        "{cuts} cuts of {CLIENTS_OF_A_PROXY} sockets, {} events, {replayed} of them replayed, {} in told gaps, 0 untold, 0 twice",
        sum.received, sum.in_gaps
    );
    (text, Sums { ends })
}

/// Makes faults for a while, and returns how many.
fn disturb(proxies: &[FaultProxy], time: Duration) -> usize {
    let (start, mut cuts, mut silent) = (Instant::now(), 0, Vec::<(usize, Instant)>::new());
    while start.elapsed() < time {
        std::thread::sleep(Duration::from_millis(fastrand::u64(50..350)));
        silent.retain(|(place, since)| {
            let is_silent = since.elapsed() < SILENCE;
            if !is_silent {
                proxies[*place].set(Flow::Pass);
            }
            is_silent
        });
        let place = fastrand::usize(..proxies.len());
        match fastrand::u8(..10) {
            // Clients notice it, and reach the server when it is over.
            0 if silent.iter().all(|(other, _)| *other != place) => {
                proxies[place].set(Flow::Silence);
                silent.push((place, Instant::now()));
            }
            0..=4 => proxies[place].cut(Cut::Reset),
            _ => proxies[place].cut(Cut::Drop),
        }
        cuts += 1;
    }
    for proxy in proxies {
        proxy.set(Flow::Pass);
    }
    cuts
}

const ROOMS: [&str; 2] = ["room", "private-room"];

const CLIENTS: usize = 1_000;
const CLIENTS_OF_A_PROXY: usize = 20;

/// Between two events on a channel.
const INTERVAL: Duration = Duration::from_millis(200);

/// Longer than clients wait for the answer to a ping.
const SILENCE: Duration = Duration::from_secs(4);

/// How long all of them together may take.
const LIMIT: Duration = Duration::from_secs(60);
