//! Clients on two Sockudo nodes over one Redis.

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use pusher_driver::{Client, LocalAuth, Options, Subscription};
use pusher_proto::{Config, Data, Endpoint, Endpoints, Event};

use crate::api::app;
use crate::figures::{spread, wait_for};
use crate::ledger::{Audit, Ledger, Mark, Published};
use crate::play;
use crate::publisher::Publisher;
use crate::report::Report;
use crate::runtimes::warm_up;
use crate::servers::{Programs, Server};
use crate::{PATIENCE, SERVERS};

/// Clients that lose their node, all of them in one go.
pub(crate) const SHORT: &[usize] = &[10, 1_000];
pub(crate) const FULL: &[usize] = &[10, 1_000, 5_000];

pub(crate) fn run(programs: &Programs, sizes: &[usize]) {
    let report = Report::new("cluster");
    warm_up();
    let mut cluster = None;
    report.check("two nodes start over one Redis", || {
        cluster = Some(Cluster::start(programs));
        String::new()
    });
    let Some(cluster) = cluster else { return };
    report.check("events, presence and client events cross", || crosses(&cluster));
    play::with_all_adapters(&report, &cluster.a, &cluster.b, &FORGETTING);
    for size in sizes {
        let mut fall = None;
        report.check(&format!("{size} clients of a killed node come back"), || {
            let (end, times) = Fall::play(&cluster, *size);
            fall = Some(end);
            times
        });
        if let Some(fall) = fall {
            report.check(&format!("{size} clients: gaps are told, nothing twice"), || fall.audit());
            report.check(&format!("{size} clients: presence converges"), || fall.presence());
        }
        cluster.a.kill();
        cluster.a.start();
    }
    report.check("events cross again after a restart of Redis", || redis_restarts(&cluster));
}

/// Scenarios in which the only subscriber of a channel comes back at the moment at which its old socket is cleaned up.
/// Sockudo over Redis then may confirm the subscription and send nothing on it, whichever node publishes. It is rare with
/// the first two, and usual with the last one.
const FORGETTING: [&str; 3] = [
    "a_dropped_connection_is_replaced",
    "a_reset_connection_is_replaced",
    "a_silent_connection_is_noticed_and_replaced",
];

struct Cluster {
    redis: Server,
    a: Arc<Server>,
    b: Server,
}

impl Cluster {
    fn start(programs: &Programs) -> Self {
        let redis = Server::redis(programs);
        let (a, b) = (Server::sockudo(programs, Some(&redis)), Server::sockudo(programs, Some(&redis)));
        Self { redis, a: Arc::new(a), b }
    }
}

/// A client and its handles.
struct Guest {
    client: Client,
    room: Subscription,
    ledger: Arc<Ledger>,
    lobby: Option<Subscription>,
}

impl Guest {
    fn new(id: &str, endpoints: impl IntoIterator<Item = Endpoint>, lobby: Option<&str>) -> Self {
        let _entered = SERVERS.enter();
        let config = Config::new("app-key", Endpoints::new(endpoints)).unwrap();
        let auth = LocalAuth::new(app()).user(id, &Data::ABSENT);
        let client = pusher_tokio::connect_with(config, auth, &Options::new()).unwrap();
        let room = client.subscribe(ROOM).unwrap();
        let ledger = Ledger::of(&room);
        let lobby = lobby.map(|lobby| client.subscribe(lobby).unwrap());
        let guest = Self { client, room, ledger, lobby };
        if let Some(lobby) = &guest.lobby {
            // Nobody reads it as a stream.
            lobby.bind_all(|_| {}).unwrap();
            wait_for("a member is subscribed", PATIENCE, || lobby.is_subscribed());
        }
        guest
    }

    /// Waits until others know this member: Sockudo loses some of those who come at the same moment.
    fn is_met_by<'a>(&self, id: &str, others: &(impl Iterator<Item = &'a Self> + Clone)) {
        let knows = |other: &Self| other.members().is_none_or(|members| members.contains(id));
        wait_for("a member is known", PATIENCE, || others.clone().all(knows));
    }

    fn is_ready(&self) -> bool {
        self.room.is_subscribed() && self.lobby.as_ref().is_none_or(Subscription::is_subscribed)
    }

    fn members(&self) -> Option<BTreeSet<String>> {
        Some(self.lobby.as_ref()?.members()?.ids().map(str::to_owned).collect())
    }
}

const ROOM: &str = "private-room";
const LOBBY: &str = "presence-lobby";

fn crosses(cluster: &Cluster) -> String {
    let (ann, bob) = (
        Guest::new("ann", [cluster.a.endpoint()], Some(LOBBY)),
        Guest::new("bob", [cluster.b.endpoint()], Some(LOBBY)),
    );
    wait_for("both are subscribed", PATIENCE, || ann.is_ready() && bob.is_ready());
    let both = BTreeSet::from(["ann".to_owned(), "bob".to_owned()]);
    for guest in [&ann, &bob] {
        wait_for("members of the other node", PATIENCE, || guest.members().as_ref() == Some(&both));
    }
    for (publisher, node) in [&cluster.a, &cluster.b].into_iter().enumerate() {
        let mark = Mark { publisher, number: 0 };
        SERVERS.block_on(node.api().publish(ROOM, &mark.write())).unwrap();
        wait_for("an event on both nodes", PATIENCE, || ann.ledger.has(mark) && bob.ledger.has(mark));
    }
    for (from, to) in [(&ann, &bob), (&bob, &ann)] {
        let (sender, receiver) = mpsc::channel();
        let lobby = to.lobby.as_ref().expect("a member");
        // The check may be over before the client.
        let binding = lobby.bind("client-hello", move |event| drop(sender.send(event.clone()))).unwrap();
        from.lobby.as_ref().expect("a member").trigger("client-hello", "hello").unwrap();
        match receiver.recv_timeout(PATIENCE).expect("the client event crosses") {
            Event::Channel(event) => assert_eq!(event.data().text(), "hello"),
            event => panic!("{event:?}"),
        }
        lobby.unbind(binding);
    }
    ann.client.disconnect();
    let left = BTreeSet::from(["bob".to_owned()]);
    wait_for("a member leaves the other node", PATIENCE, || bob.members().as_ref() == Some(&left));
    String::new()
}

/// What is left when node A has been killed and everybody has come back.
struct Fall {
    killed_at: Instant,
    cut: Vec<Guest>,
    spared: Vec<Guest>,
    /// On node B, and never disturbed.
    control: Guest,
    published: Published,
    /// How many events the nodes took.
    taken: usize,
}

impl Fall {
    /// As many clients are on node A as on node B. Both publish.
    fn play(cluster: &Cluster, size: usize) -> (Self, String) {
        let ring = |first: &Server, second: &Server| [first.endpoint(), second.endpoint()];
        // Each round has a channel of its own: a node may be told late that a member of the last one left.
        let lobby = format!("{LOBBY}-{size}");
        let control = Guest::new("control", [cluster.b.endpoint()], Some(&lobby));
        let guests = |side: &str, ring: [Endpoint; 2], before: &[Guest]| {
            let mut guests = Vec::<Guest>::new();
            for n in 0..size {
                let id = format!("{side}{n}");
                let guest = Guest::new(&id, ring.clone(), (n < MEMBERS).then_some(&*lobby));
                if n < MEMBERS {
                    guest.is_met_by(&id, &guests.iter().chain(before).chain([&control]));
                }
                guests.push(guest);
            }
            guests
        };
        let cut = guests("a", ring(&cluster.a, &cluster.b), &[]);
        let spared = guests("b", ring(&cluster.b, &cluster.a), &cut);
        // It stays away once its node is gone.
        let stranded = Guest::new("stranded", [cluster.a.endpoint()], Some(&lobby));
        let all = || cut.iter().chain(&spared).chain([&control]);
        wait_for("all are subscribed", LIMIT, || stranded.is_ready() && all().all(Guest::is_ready));
        let count = 2 * size.min(MEMBERS) + 2;
        wait_for("all members are known", PATIENCE, || {
            all().filter_map(Guest::members).all(|members| members.len() == count)
        });

        let interval = Duration::from_millis(20).max(Duration::from_micros(200) * u32::try_from(size).unwrap());
        let a = Publisher::start(0, cluster.a.api(), ROOM, interval);
        let b = Publisher::start(1, cluster.b.api(), ROOM, interval);
        wait_for("traffic", LIMIT, || b.latest().is_some_and(|mark| mark.number >= WARM_UP));
        let killed_at = Instant::now();
        cluster.a.kill();
        drop(stranded);
        let back = |guest: &Guest| guest.ledger.subscribed_after(killed_at);
        wait_for("all come back", LIMIT, || cut.iter().all(|guest| back(guest).is_some()));
        let seen = b.latest().expect("it published before").number;
        wait_for("traffic after it", LIMIT, || b.latest().is_some_and(|mark| mark.number >= seen + WARM_UP));
        let outcomes = [a.stop(), b.stop()];
        let last = outcomes[1].last.expect("node B lives");
        wait_for("the last event reaches all", LIMIT, || all().all(|guest| guest.ledger.has(last)));

        let times = cut.iter().filter_map(back).map(|at| at - killed_at).collect();
        let taken = outcomes.iter().map(|outcome| outcome.starts.len() - outcome.refused).sum();
        let published = outcomes.map(|outcome| outcome.starts).into();
        (Self { killed_at, cut, spared, control, published, taken }, spread(times))
    }

    fn audit(&self) -> String {
        let control = self.control.ledger.marks();
        let sum = |guests: &[Guest]| {
            let mut sum = Audit::default();
            for guest in guests {
                sum += guest.ledger.audit(&self.published, &control);
            }
            sum
        };
        let (cut, spared) = (sum(&self.cut), sum(&self.spared));
        assert_eq!((cut.untold, cut.repeated, spared.repeated), (0, 0, 0), "cut {cut:?}, spared {spared:?}");
        for guest in &self.cut {
            assert_eq!(guest.ledger.gaps(), 1, "one notice each");
        }
        assert!(cut.received > 0 && self.spared.iter().all(|guest| guest.ledger.gaps() == 0));
        format!(
            "{} events, {} in told gaps, 0 untold; lost between the servers: {} for clients that were not cut, {} for all",
            cut.received,
            cut.in_gaps,
            spared.untold,
            self.taken.saturating_sub(control.len()),
        )
    }

    /// Everybody who is there knows everybody who is there, and not who is gone.
    fn presence(&self) -> String {
        let all = || self.cut.iter().chain(&self.spared).chain([&self.control]);
        let names = |side: &'static str| (0..self.cut.len().min(MEMBERS)).map(move |n| format!("{side}{n}"));
        let expected: BTreeSet<_> = names("a").chain(names("b")).chain(["control".to_owned()]).collect();
        let differs = |guest: &Guest| guest.members().is_some_and(|members| members != expected);
        let start = Instant::now();
        while all().any(differs) {
            if start.elapsed() > PRESENCE_LIMIT {
                let found: Vec<_> = all().filter(|guest| differs(guest)).filter_map(Guest::members).collect();
                let extra: BTreeSet<_> = found.iter().flatten().filter(|id| !expected.contains(*id)).collect();
                let missing: BTreeSet<_> =
                    found.iter().flat_map(|members| expected.iter().filter(|id| !members.contains(*id))).collect();
                panic!("{} rosters differ: too many {extra:?}, missing {missing:?}", found.len());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        format!("{:.1} s after the kill", self.killed_at.elapsed().as_secs_f64())
    }
}

/// How many clients of each node are members of the presence channel.
const MEMBERS: usize = 20;

/// Events before a node is killed, and after all have come back.
const WARM_UP: usize = 20;

/// How long thousands of clients may take to come.
const LIMIT: Duration = Duration::from_secs(120);

const PRESENCE_LIMIT: Duration = Duration::from_secs(60);

/// Clients keep their sockets. What is published while Redis is away may be lost between the nodes.
fn redis_restarts(cluster: &Cluster) -> String {
    let guests = [
        Guest::new("ann", [cluster.a.endpoint()], Some(LOBBY)),
        Guest::new("bob", [cluster.b.endpoint()], Some(LOBBY)),
    ];
    wait_for("both are subscribed", PATIENCE, || guests.iter().all(Guest::is_ready));
    let interval = Duration::from_millis(20);
    let a = Publisher::start(0, cluster.a.api(), ROOM, interval);
    let b = Publisher::start(1, cluster.b.api(), ROOM, interval);
    let reach = |publisher: &Publisher, from: usize| {
        publisher.latest().is_some_and(|mark| {
            guests.iter().all(|guest| (from..=mark.number).any(|number| guest.ledger.has(Mark { number, ..mark })))
        })
    };
    wait_for("events cross", PATIENCE, || reach(&a, 0) && reach(&b, 0));
    cluster.redis.kill();
    std::thread::sleep(Duration::from_secs(2));
    cluster.redis.start();
    let back_at = Instant::now();
    let number = |publisher: &Publisher| publisher.latest().map_or(0, |mark| mark.number + 1);
    let (from_a, from_b) = (number(&a), number(&b));
    wait_for("events cross again", LIMIT, || reach(&a, from_a) && reach(&b, from_b));
    let healed = back_at.elapsed();
    let outcomes = [a.stop(), b.stop()];
    let refused: usize = outcomes.iter().map(|outcome| outcome.refused).sum();
    let published: Vec<_> = outcomes.map(|outcome| outcome.starts).into();
    let total: usize = published.iter().map(Vec::len).sum();
    let lost: usize = guests.iter().map(|guest| total - guest.ledger.marks().len()).max().unwrap_or_default();
    let gaps: usize = guests.iter().map(|guest| guest.ledger.gaps()).sum();
    let repeated: usize = guests.iter().map(|guest| guest.ledger.audit(&published, &BTreeSet::new()).repeated).sum();
    assert_eq!(repeated, 0, "an event came twice");
    format!(
        "{:.1} s after it answers; {total} events, {refused} refused, at most {lost} lost between the servers, {gaps} sockets cut",
        healed.as_secs_f64(),
    )
}
