//! Sockets, servers and nodes that are lost, with a Sockudo that numbers its messages.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pusher_driver::{Client, LocalAuth, Options, Subscription};
use pusher_proto::{
    ChannelName, Config, ConnectionState, Data, Endpoint, Endpoints, Event, LossReason, Position, Recovery,
};
use pusher_test::conformance::{Cut, FaultProxy};

use crate::api::{Api, app};
use crate::figures::wait_for;
use crate::ledger::{Audit, Ledger, Mark};
use crate::publisher::Publisher;
use crate::report::Report;
use crate::runtimes::warm_up;
use crate::servers::{Programs, Server};
use crate::{PATIENCE, SERVERS, recovery_load};

/// How long the load lasts.
pub(crate) const SHORT: Duration = Duration::from_secs(20);
pub(crate) const FULL: Duration = Duration::from_secs(5 * 60);

/// A server that keeps as many messages of each channel as it does by default.
pub(crate) const ON: &str = "\n[connection_recovery]\nenabled = true\n";
/// A server that keeps five messages of each channel, for two seconds.
pub(crate) const SMALL: &str = "\n[connection_recovery]\nenabled = true\nmax_buffer_size = 5\nbuffer_ttl_seconds = 2\n";
/// A server with a history in memory, which is the only one without a database.
const HISTORY: &str = "\n[connection_recovery]\nenabled = true\nmax_buffer_size = 50\nbuffer_ttl_seconds = 1\n\
    [history]\nenabled = true\nbackend = \"memory\"\nretention_window_seconds = 60\n";

pub(crate) fn run(programs: &Programs, time: Duration) {
    let report = Report::new("recovery");
    warm_up();
    let mut nodes = None;
    report.check("nodes start", || {
        let start = |tables| Server::sockudo_with(programs, None, tables);
        nodes = Some((start(ON), start(SMALL), start(HISTORY), start("")));
        String::new()
    });
    let Some((node, small, history, off)) = nodes else { return };
    report.check("cut sockets: all once, in order", || cuts(&node));
    report.check("another client continues", || continues(&node));
    report.check("a killed server counts anew", || restarts(&node));
    report.check("a history in memory ends with its server", || restarts(&history));
    report.check("a history replays what memory forgot", || remembers(&history));
    report.check("more than the server keeps", || expires(&small, 20, Duration::ZERO));
    report.check("longer than the server keeps it", || expires(&small, 2, Duration::from_secs(4)));
    report.check("recovery is off", || is_off(&off));
    report.check("a node of two is killed", || falls(programs));
    recovery_load::run(&report, programs, time);
}

/// How a gap of a channel ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    Recovered { replayed: u64, is_proven: bool },
    Lost { reason: LossReason, missed: Option<u64> },
}

impl End {
    pub(crate) const fn replayed(&self) -> u64 {
        match self {
            Self::Recovered { replayed, .. } => *replayed,
            Self::Lost { .. } => 0,
        }
    }
}

/// A client, what it got on its channels, and how its gaps ended.
pub(crate) struct Guest {
    pub(crate) client: Client,
    pub(crate) rooms: Vec<Subscription>,
    pub(crate) ledgers: Vec<Arc<Ledger>>,
    pub(crate) gaps: Arc<Mutex<Gaps>>,
}

#[derive(Default)]
pub(crate) struct Gaps {
    lost_at: Vec<(ChannelName, Instant)>,
    /// The end of each gap, and how long after the loss of the socket it came.
    pub(crate) ended: Vec<(End, Duration)>,
}

impl Guest {
    /// Takes over positions of another client, if there are any.
    pub(crate) fn new(
        endpoints: impl IntoIterator<Item = Endpoint>,
        rooms: &[&str],
        positions: Vec<(ChannelName, Position)>,
    ) -> Self {
        let _entered = SERVERS.enter();
        let config = Config::builder("app-key", Endpoints::new(endpoints))
            .recovery(Recovery::default())
            .reconnect_base(Duration::from_millis(50))
            .reconnect_cap(Duration::from_millis(500))
            .activity_timeout(Duration::from_secs(2))
            .pong_timeout(Duration::from_secs(1));
        let auth = LocalAuth::new(app()).user("guest", &Data::ABSENT);
        let client = pusher_tokio::connect_with(config.build().unwrap(), auth, &Options::new()).unwrap();
        client.resume_from(positions);
        let gaps = Arc::<Mutex<Gaps>>::default();
        let writer = Arc::clone(&gaps);
        let names: Vec<_> = rooms.iter().map(|room| ChannelName::new(*room).unwrap()).collect();
        client.bind_all(move |event| writer.lock().unwrap().write(event, &names));
        let rooms: Vec<_> = rooms.iter().map(|room| client.subscribe(*room).unwrap()).collect();
        let ledgers = rooms.iter().map(Ledger::of).collect();
        Self { client, rooms, ledgers, gaps }
    }

    pub(crate) fn at(address: SocketAddr, rooms: &[&str]) -> Self {
        Self::new([endpoint(address)], rooms, Vec::new())
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.rooms.iter().all(Subscription::is_subscribed)
    }

    /// Whether no gap is open.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_ready() && self.gaps.lock().unwrap().lost_at.is_empty()
    }

    pub(crate) fn await_ready(&self) {
        wait_for("a client is subscribed", PATIENCE, || self.is_ready());
    }

    /// What is known about a client whose events do not come.
    pub(crate) fn describe(&self) -> String {
        let (state, positions, stats) = (self.client.state(), self.client.positions(), self.client.stats());
        let (is_ready, ends) = (self.is_ready(), self.ends());
        let last = ends.last();
        format!("{state:?}, subscribed: {is_ready}, at {positions:?}, last gap {last:?}, {stats:?}")
    }

    /// The ends of all gaps so far.
    fn ends(&self) -> Vec<End> {
        self.gaps.lock().unwrap().ended.iter().map(|(end, _)| end.clone()).collect()
    }

    /// The end of the gap that comes next.
    fn next_end(&self, before: usize) -> End {
        wait_for("the end of a gap", PATIENCE, || self.ends().len() > before);
        self.ends().swap_remove(before)
    }
}

impl Gaps {
    fn write(&mut self, event: &Event, rooms: &[ChannelName]) {
        let end = match event {
            Event::StateChanged { previous: ConnectionState::Connected { .. }, .. } => {
                for room in rooms {
                    if !self.lost_at.iter().any(|(lost, _)| lost == room) {
                        self.lost_at.push((room.clone(), Instant::now()));
                    }
                }
                return;
            }
            Event::Recovered { replayed, is_proven, .. } => {
                End::Recovered { replayed: *replayed, is_proven: *is_proven }
            }
            Event::ContinuityLost { reason, missed, .. } => End::Lost { reason: *reason, missed: *missed },
            _ => return,
        };
        let room = event.channel().expect("gaps belong to channels");
        let place = self.lost_at.iter().position(|(lost, _)| lost == room);
        // The gap of a client that takes over positions began before it.
        let took = place.map_or(Duration::ZERO, |place| self.lost_at.swap_remove(place).1.elapsed());
        self.ended.push((end, took));
    }
}

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::host(address.ip().to_string()).ws_port(address.port()).tls(false)
}

pub(crate) fn address(node: &Server) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], node.port()))
}

const ROOMS: [&str; 3] = ["room", "private-room", "presence-room"];

/// Publishes events of publisher 0 with these numbers, one after the other.
fn publish(api: &Api, room: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        SERVERS.block_on(api.publish(room, &Mark { publisher: 0, number }.write())).unwrap();
    }
}

/// Steady traffic on each channel, and a socket that never lives long.
fn cuts(node: &Server) -> String {
    let proxy = FaultProxy::new(address(node));
    let guest = Guest::at(proxy.address(), &ROOMS);
    guest.await_ready();
    let start = |(number, room): (usize, &&str)| Publisher::start(number, node.api(), room, Duration::from_millis(20));
    let publishers: Vec<_> = ROOMS.iter().enumerate().map(start).collect();
    for cut in 0..CUTS {
        std::thread::sleep(Duration::from_millis(fastrand::u64(50..300)));
        proxy.cut(if cut % 2 == 0 { Cut::Drop } else { Cut::Reset });
        wait_for("the gaps end", PATIENCE, || guest.ends().len() >= (cut + 1) * ROOMS.len() && guest.is_settled());
    }
    let outcomes: Vec<_> = publishers.into_iter().map(Publisher::stop).collect();
    wait_for("the last events", PATIENCE, || {
        let last = |outcome: &crate::publisher::Outcome| outcome.last.expect("the node took events");
        outcomes.iter().zip(&guest.ledgers).all(|(outcome, ledger)| ledger.has(last(outcome))) && guest.is_settled()
    });
    let mut total = 0;
    for (publisher, (outcome, ledger)) in outcomes.iter().zip(&guest.ledgers).enumerate() {
        let published: Vec<_> = (0..outcome.starts.len()).map(|number| Mark { publisher, number }).collect();
        assert_eq!((outcome.refused, ledger.gaps()), (0, 0));
        let received = ledger.marks();
        assert!(published.iter().all(|mark| received.contains(mark)), "an event is missing");
        let audit = ledger.audit(&Vec::new(), &received);
        assert!(audit.repeated == 0 && ledger.is_ordered(), "{audit:?}");
        total += received.len();
    }
    let ends = guest.ends();
    let replayed: u64 = ends.iter().map(End::replayed).sum();
    assert!(replayed > 0 && ends.len() >= CUTS, "{ends:?}");
    format!("{CUTS} cuts, {} gaps closed, {total} events, {replayed} of them replayed", ends.len())
}

const CUTS: usize = 20;

/// What is published between two clients reaches the second one.
fn continues(node: &Server) -> String {
    let rooms = ["continued"];
    let first = Guest::at(address(node), &rooms);
    first.await_ready();
    publish(&node.api(), rooms[0], 0..5);
    wait_for("events", PATIENCE, || first.ledgers[0].has(Mark { publisher: 0, number: 4 }));
    let positions = first.client.positions();
    first.client.disconnect();
    publish(&node.api(), rooms[0], 5..12);
    let second = Guest::new([node.endpoint()], &rooms, positions);
    assert_eq!(second.next_end(0), End::Recovered { replayed: 7, is_proven: true });
    let expected = (5..12).map(|number| Mark { publisher: 0, number }).collect();
    wait_for("events", PATIENCE, || second.ledgers[0].marks() == expected);
    "7 events between the two".to_owned()
}

/// The server is killed, with what it has in memory.
fn restarts(node: &Server) -> String {
    let rooms = ["restarted"];
    let guest = Guest::at(address(node), &rooms);
    guest.await_ready();
    publish(&node.api(), rooms[0], 0..5);
    wait_for("events", PATIENCE, || guest.ledgers[0].has(Mark { publisher: 0, number: 4 }));
    node.kill();
    node.start();
    let end = guest.next_end(0);
    assert_eq!(end, End::Lost { reason: LossReason::StreamReset, missed: None });
    publish(&node.api(), rooms[0], 5..6);
    wait_for("the next event", PATIENCE, || guest.ledgers[0].has(Mark { publisher: 0, number: 5 }));
    format!("{end:?}")
}

/// Messages leave the buffer, and are replayed from the history.
fn remembers(node: &Server) -> String {
    let (rooms, count) = (["remembered"], 20);
    let guest = Guest::at(address(node), &rooms);
    guest.await_ready();
    publish(&node.api(), rooms[0], 0..1);
    wait_for("an event", PATIENCE, || guest.ledgers[0].has(Mark { publisher: 0, number: 0 }));
    guest.client.disconnect();
    publish(&node.api(), rooms[0], 1..count);
    std::thread::sleep(Duration::from_secs(3));
    guest.client.connect();
    let end = guest.next_end(0);
    assert_eq!(end, End::Recovered { replayed: count as u64 - 1, is_proven: true });
    wait_for("all events", PATIENCE, || guest.ledgers[0].marks().len() == count);
    assert!(guest.ledgers[0].is_ordered());
    format!("{} events after 3 s", count - 1)
}

/// More messages are missed than the buffer holds, or it has forgotten them. What is missed is counted.
fn expires(node: &Server, count: usize, wait: Duration) -> String {
    let rooms = [format!("expired-{count}")];
    let rooms = rooms.each_ref().map(String::as_str);
    let guest = Guest::at(address(node), &rooms);
    guest.await_ready();
    publish(&node.api(), rooms[0], 0..1);
    wait_for("an event", PATIENCE, || guest.ledgers[0].has(Mark { publisher: 0, number: 0 }));
    guest.client.disconnect();
    publish(&node.api(), rooms[0], 1..1 + count);
    std::thread::sleep(wait);
    guest.client.connect();
    let end = guest.next_end(0);
    publish(&node.api(), rooms[0], 1 + count..2 + count);
    wait_for("the next event", PATIENCE, || guest.ledgers[0].has(Mark { publisher: 0, number: 1 + count }));
    let End::Lost { reason, missed } = &end else { panic!("{end:?}") };
    assert!(missed.is_none_or(|missed| missed == count as u64), "{end:?}");
    format!("{reason:?}, missed {missed:?} of {count}")
}

fn is_off(node: &Server) -> String {
    let proxy = FaultProxy::new(address(node));
    let guest = Guest::at(proxy.address(), &ROOMS);
    guest.await_ready();
    proxy.cut(Cut::Drop);
    for room in 0..ROOMS.len() {
        assert_eq!(guest.next_end(room), End::Lost { reason: LossReason::NotEnabled, missed: None });
    }
    "NotEnabled on each channel".to_owned()
}

/// Each node has a buffer of its own, so nothing is proven about what the killed one sent last.
fn falls(programs: &Programs) -> String {
    let redis = Server::redis(programs);
    let node = || Server::sockudo_with(programs, Some(&redis), ON);
    let (a, b) = (node(), node());
    let cut: Vec<_> = (0..GUESTS).map(|_| Guest::new([a.endpoint(), b.endpoint()], &ROOMS[..2], Vec::new())).collect();
    let control = Guest::at(address(&b), &ROOMS[..2]);
    let all = || cut.iter().chain([&control]);
    wait_for("all are subscribed", PATIENCE, || all().all(Guest::is_ready));
    let interval = Duration::from_millis(20);
    // Each channel has a publisher on each node.
    let publishers = [(&a, ROOMS[0]), (&b, ROOMS[0]), (&a, ROOMS[1]), (&b, ROOMS[1])];
    let start = |(number, (node, room)): (usize, (&Server, &str))| Publisher::start(number, node.api(), room, interval);
    let publishers: Vec<_> = publishers.into_iter().enumerate().map(start).collect();
    std::thread::sleep(Duration::from_secs(1));
    a.kill();
    wait_for("all come back", LIMIT, || cut.iter().all(|guest| guest.is_settled() && guest.ends().len() >= 2));
    std::thread::sleep(Duration::from_secs(1));
    let outcomes: Vec<_> = publishers.into_iter().map(Publisher::stop).collect();
    let last = [&outcomes[1], &outcomes[3]].map(|outcome| outcome.last.expect("node B lives"));
    wait_for("the last events reach all", PATIENCE, || {
        all().all(|guest| guest.ledgers.iter().zip(last).all(|(ledger, last)| ledger.has(last)))
    });
    let published: Vec<_> = outcomes.into_iter().map(|outcome| outcome.starts).collect();
    let mut sum = Audit::default();
    for (room, expected) in control.ledgers.iter().map(|ledger| ledger.marks()).enumerate() {
        for guest in &cut {
            sum += guest.ledgers[room].audit(&published, &expected);
        }
    }
    let ends = recovery_load::tally(cut.iter().flat_map(Guest::ends));
    assert_eq!((sum.untold, sum.repeated), (0, 0), "{sum:?}, {ends}");
    format!("{} events, {} in told gaps, 0 untold; {ends}", sum.received, sum.in_gaps)
}

const GUESTS: usize = 20;
const LIMIT: Duration = Duration::from_secs(60);
