//! Thousands of clients in one process, and the server in another.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pusher_driver::{AuthCall, Authorizer, Client, LocalAuth, Options, Subscription};
use pusher_proto::{AuthError, AuthResponse, Config};

use crate::SERVERS;
use crate::api::app;
use crate::figures::{kibibytes, spread, wait_for};
use crate::ledger::{Ledger, Mark};
use crate::process::own_memory;
use crate::report::Report;
use crate::servers::Server;

/// How many clients.
pub(crate) const SHORT: usize = 500;
pub(crate) const FULL: usize = 10_000;

/// `name` is that of the server.
pub(crate) fn run(name: &str, start: impl FnOnce() -> Server, count: usize) {
    let report = Report::new("load");
    let mut started = None;
    report.check(&format!("{name}: starts"), || {
        let limit = max_open_files();
        assert!(limit > count + SPARE_FILES, "{count} clients need more open files than {limit} (ulimit -n)");
        started = Some(start());
        String::new()
    });
    let Some(server) = started else { return };
    let (own_before, server_before) = (own_memory(), server.memory());
    let mut crowd = None;
    report.check(&format!("{name}: {count} subscribe at once"), || {
        let start = Instant::now();
        let crowd = crowd.insert(Crowd::new(&server, count));
        crowd.await_subscribed(start)
    });
    let Some(crowd) = crowd else { return };
    report.check(&format!("{name}: a broadcast reaches all"), || crowd.broadcast(&server, 0));
    report.check(&format!("{name}: an idle client is small"), || {
        let per_client = |after: u64, before: u64| after.saturating_sub(before) / u64::try_from(count).unwrap();
        let own = per_client(own_memory(), own_before);
        assert!(own <= MAX_CLIENT_MEMORY, "{own} bytes");
        let other = per_client(server.memory(), server_before);
        format!("{:.1} KiB each, and {:.1} KiB in the server", kibibytes(own), kibibytes(other))
    });
    report.check(&format!("{name}: all come back, spread out"), || {
        let ended_at = Instant::now();
        server.interrupt();
        server.start();
        let up = ended_at.elapsed();
        let times = crowd.await_subscribed(ended_at);
        format!("{times}; {}; server up after {:.2} s", crowd.histogram(ended_at), up.as_secs_f64())
    });
    report.check(&format!("{name}: each is told of the gap once"), || {
        for (_, _, ledger) in &crowd.clients {
            assert_eq!(ledger.gaps(), 1);
        }
        String::new()
    });
    report.check(&format!("{name}: one authorization a connection"), || {
        let asked = crowd.asked.load(Ordering::SeqCst);
        let connections: u64 = crowd.clients.iter().map(|(client, ..)| client.stats().connections).sum();
        assert!(asked >= 2 * count && asked as u64 <= connections, "{asked} for {connections}");
        format!("{asked} for {connections}")
    });
    report.check(&format!("{name}: and one after the restart"), || crowd.broadcast(&server, 1));
}

struct Crowd {
    clients: Vec<(Client, Subscription, Arc<Ledger>)>,
    /// Requests for authorization.
    asked: Arc<AtomicUsize>,
}

/// Signs here, and counts.
struct CountedAuth {
    auth: LocalAuth,
    asked: Arc<AtomicUsize>,
}

impl Authorizer for CountedAuth {
    async fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.auth.authorize(call).await
    }
}

impl Crowd {
    fn new(server: &Server, count: usize) -> Self {
        let _entered = SERVERS.enter();
        let asked = Arc::new(AtomicUsize::new(0));
        let clients = (0..count).map(|_| {
            let config = Config::new("app-key", server.endpoint()).unwrap();
            let auth = CountedAuth { auth: LocalAuth::new(app()), asked: Arc::clone(&asked) };
            let client = pusher_tokio::connect_with(config, auth, &Options::new()).unwrap();
            let room = client.subscribe(ROOM).unwrap();
            let ledger = Ledger::of(&room);
            (client, room, ledger)
        });
        Self { clients: clients.collect(), asked }
    }

    /// Waits until all were subscribed after this moment.
    fn await_subscribed(&self, since: Instant) -> String {
        let is_back = |ledger: &Ledger| ledger.subscribed_after(since).is_some();
        wait_for("all are subscribed", LIMIT, || self.clients.iter().all(|(_, _, ledger)| is_back(ledger)));
        spread(self.times(since).collect())
    }

    fn times(&self, since: Instant) -> impl Iterator<Item = Duration> {
        self.clients.iter().filter_map(move |(_, _, ledger)| Some(ledger.subscribed_after(since)? - since))
    }

    /// How many came in each quarter of a second. The most crowded one has no more than half of all.
    fn histogram(&self, since: Instant) -> String {
        let mut buckets = BTreeMap::<u128, usize>::new();
        for time in self.times(since) {
            *buckets.entry(time.as_millis() / BUCKET_MILLIS).or_default() += 1;
        }
        let bars = buckets.iter().map(|(place, count)| format!("{:.2} s {count}", *place as f64 / 4.0));
        let text = bars.collect::<Vec<_>>().join(", ");
        let most = buckets.values().max().copied().unwrap_or_default();
        assert!(2 * most <= self.clients.len(), "half of them come at once: {text}");
        text
    }

    fn broadcast(&self, server: &Server, number: usize) -> String {
        let mark = Mark { publisher: 0, number };
        let start = Instant::now();
        SERVERS.block_on(server.api().publish(ROOM, &mark.write())).unwrap();
        wait_for("the event reaches all", LIMIT, || self.clients.iter().all(|(_, _, ledger)| ledger.has(mark)));
        format!("within {:.2} s", start.elapsed().as_secs_f64())
    }
}

const ROOM: &str = "private-room";

/// How long all of them together may take.
const LIMIT: Duration = Duration::from_secs(120);

const BUCKET_MILLIS: u128 = 250;

/// Bytes of memory that a client which waits for events may take, with its task and its socket's buffers.
const MAX_CLIENT_MEMORY: u64 = 32 * 1_024;

/// Open files besides the sockets of clients.
const SPARE_FILES: usize = 100;

fn max_open_files() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(usize::MAX)
}
