//! Steady traffic for a long time, while sockets break at random.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pusher_driver::{HttpAuth, Options};
use pusher_proto::{ChannelName, Config, Endpoint};

use pusher_test::conformance::{Cut, FaultProxy, Flow, Leftovers, WithHandles};

use crate::api::Api;
use crate::figures::{mebibytes, wait_for};
use crate::ledger::{Audit, Ledger, Mark};
use crate::process::{Running, own_memory};
use crate::publisher::Publisher;
use crate::report::Report;
use crate::runtimes::{AsyncStd, Blocking, Smol, Tokio, warm_up};
use crate::servers::{Programs, Scratch, Server};
use crate::{PATIENCE, SERVERS};

/// How long it takes.
pub(crate) const SHORT: Duration = Duration::from_secs(60);
pub(crate) const FULL: Duration = Duration::from_secs(20 * 60);

/// Runs all adapters at the same time, each in a process of its own, against one Sockudo node.
pub(crate) fn run(programs: &Programs, time: Duration) {
    let mut node = None;
    let report = Report::new("soak");
    report.check("Sockudo starts", || {
        node = Some(Server::sockudo(programs, None));
        String::new()
    });
    let Some(node) = node else { return };
    let (port, seconds, scratch) = (node.port().to_string(), time.as_secs().to_string(), Scratch::new());
    let this = std::env::current_exe().unwrap();
    let start =
        |name: &str| Running::start(Command::new(&this).args(["soak", name, &port, &seconds]), &scratch.path(name));
    let names = [Tokio::NAME, AsyncStd::NAME, Smol::NAME, Blocking::NAME];
    for (name, running) in names.iter().zip(names.map(start)) {
        let output = running.finish();
        let (reports, rest): (Vec<_>, Vec<_>) = output.lines().partition(|line| line.contains('\t'));
        for line in rest {
            eprintln!("{line}");
        }
        match *reports {
            [line] => println!("{line}"),
            _ => report.check(name, || panic!("it ended without a result: {output}")),
        }
    }
}

/// Runs one adapter against the node on this port.
pub(crate) fn run_one(adapter: &str, port: &str, seconds: &str) {
    let (Ok(port), Ok(seconds)) = (port.parse(), seconds.parse()) else { panic!("a port and seconds") };
    let time = Duration::from_secs(seconds);
    let report = Report::new("soak");
    report.check(&format!("{adapter}: {seconds} s of random cuts"), || match adapter {
        Tokio::NAME => soak(&Tokio, port, time),
        AsyncStd::NAME => soak(&AsyncStd, port, time),
        Smol::NAME => soak(&Smol, port, time),
        Blocking::NAME => soak(&Blocking, port, time),
        _ => panic!("there is no such adapter"),
    });
}

/// A client and what it got.
struct Guest<H: WithHandles> {
    client: H::Client,
    room: H::Subscription,
    ledger: Arc<Ledger>,
}

impl<H: WithHandles> Guest<H> {
    fn new(runtime: &H, address: SocketAddr, auth: &str) -> Self {
        let endpoint = Endpoint::host(address.ip().to_string()).ws_port(address.port()).tls(false);
        let config = Config::builder("app-key", endpoint)
            .reconnect_base(Duration::from_millis(50))
            .reconnect_cap(Duration::from_millis(500))
            .activity_timeout(Duration::from_secs(1))
            .pong_timeout(Duration::from_millis(500));
        let client = runtime.start(config.build().unwrap(), HttpAuth::new(auth), &Options::new()).unwrap();
        let room = runtime.subscribe(&client, &room(runtime));
        let ledger = Ledger::of(runtime.subscription(&room));
        Self { client, room, ledger }
    }
}

/// Adapters that run at the same time do not hear each other.
fn room<H: WithHandles>(runtime: &H) -> ChannelName {
    ChannelName::new(format!("private-{}", runtime.about().name())).unwrap()
}

fn soak<H: WithHandles>(runtime: &H, port: u16, time: Duration) -> String {
    warm_up();
    let node = SocketAddr::from(([127, 0, 0, 1], port));
    let auth_server = SERVERS
        .block_on(pusher_server::Server::start(pusher_server::Options::default().sign_for_unknown_sockets(true)))
        .unwrap();
    let auth = format!("{}/pusher/auth", auth_server.http_url());
    let proxies: Vec<_> = (0..PROXIES).map(|_| FaultProxy::new(node)).collect();
    let guests: Vec<_> =
        proxies.iter().flat_map(|proxy| [proxy; 2]).map(|proxy| Guest::new(runtime, proxy.address(), &auth)).collect();
    let control = Guest::new(runtime, node, &auth);
    wait_for("all are subscribed", PATIENCE, || {
        guests.iter().chain([&control]).all(|guest| runtime.subscription(&guest.room).is_subscribed())
    });
    let publisher = Publisher::start(0, Api::new(port), room(runtime).as_str(), INTERVAL);

    let rounds = (time.as_secs() / ROUND.as_secs()).max(2);
    let (mut cuts, mut first) = (0, None);
    for _ in 0..rounds {
        cuts += disturb(&proxies, time / u32::try_from(rounds).unwrap());
        // One that is published when the last cut has taken effect.
        let Mark { publisher: number, number: latest } = publisher.latest().expect("it publishes");
        let later = Mark { publisher: number, number: latest + SETTLED };
        wait_for("events reach all", PATIENCE, || {
            guests.iter().chain([&control]).all(|guest| guest.ledger.is_past(later))
        });
        match &first {
            None => first = Some((Leftovers::now(&runtime.about()), own_memory())),
            Some((count, _)) => count.expect_nothing_more(),
        }
    }
    let (_, before) = first.expect("there are rounds");
    let after = own_memory();
    let outcome = publisher.stop();
    let last = outcome.last.expect("the node took events");
    wait_for("the last event reaches all", PATIENCE, || {
        guests.iter().chain([&control]).all(|guest| guest.ledger.is_past(last))
    });
    for guest in guests.iter().chain([&control]) {
        runtime.shut_down(&guest.client, PATIENCE);
    }

    let expected = control.ledger.marks();
    let published = vec![outcome.starts];
    let (mut sum, mut gaps) = (Audit::default(), 0);
    for guest in &guests {
        sum += guest.ledger.audit(&published, &expected);
        gaps += guest.ledger.gaps();
    }
    assert_eq!((sum.untold, sum.repeated), (0, 0), "{sum:?}");
    assert!(gaps >= cuts && control.ledger.gaps() == 0, "{gaps} gaps after {cuts} cuts");
    assert!(after <= before + MAX_GROWTH, "memory grew from {:.1} to {:.1} MiB", mebibytes(before), mebibytes(after));
    let unpublished = published[0].len() - outcome.refused - expected.len();
    format!(
        "{cuts} cuts, {} events, {} in {gaps} told gaps, 0 untold, {unpublished} lost in the server; {:.1} MiB, then {:.1}",
        sum.received,
        sum.in_gaps,
        mebibytes(before),
        mebibytes(after),
    )
}

/// Makes faults for a while, and returns how many.
fn disturb(proxies: &[FaultProxy], time: Duration) -> usize {
    let (start, mut cuts) = (Instant::now(), 0);
    while start.elapsed() < time {
        std::thread::sleep(Duration::from_millis(fastrand::u64(100..600)));
        let proxy = &proxies[fastrand::usize(..proxies.len())];
        match fastrand::u8(..10) {
            0 => {
                proxy.set(Flow::Silence);
                std::thread::sleep(SILENCE);
                proxy.set(Flow::Pass);
            }
            1..=4 => proxy.cut(Cut::Reset),
            _ => proxy.cut(Cut::Drop),
        }
        cuts += 1;
    }
    cuts
}

const PROXIES: usize = 4;

/// Between two events.
const INTERVAL: Duration = Duration::from_millis(20);

/// Events that are published while a cut takes effect, and more.
const SETTLED: usize = 50;

/// Between two looks at what is left over.
const ROUND: Duration = Duration::from_secs(15);

/// Longer than clients wait for the answer to a ping.
const SILENCE: Duration = Duration::from_secs(2);

/// Bytes of memory that may be more at the end: what is written down here, and what an allocator keeps.
const MAX_GROWTH: u64 = 4 << 20;
