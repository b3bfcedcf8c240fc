//! All clients: how they start, the storm, and the sum of their observations.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pusher_tokio::pusher_proto::signing::App;
use pusher_tokio::{Authorizer as _, BoxedAuthorizer, Client, Config, Data, LocalAuth, NoAuth, Options};
use rangemap::RangeSet;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, sleep_until};

use super::args::Kind;
use super::board::{Board, lock};
use super::plan::Plan;
use super::seat::{Counts, Seat, Times, Trouble};
use super::tracker::Missing;
use crate::connect;
use crate::failure::Failure;

/// All clients, on threads of their own.
pub(super) struct Fleet {
    /// `None` after the end.
    runtime: Option<Runtime>,
    board: Arc<Board>,
    config: Config,
    options: Options,
    app: App,
    members: Mutex<Vec<Member>>,
}

struct Member {
    client: Client,
    seat: Arc<Mutex<Seat>>,
}

/// How many clients there are of each sort.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Headcount {
    pub(super) started: usize,
    pub(super) connected: usize,
    pub(super) subscribed: usize,
    pub(super) counts: Counts,
}

/// How the storm went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storm {
    /// When the connections were cut.
    pub(super) at: Instant,
    /// How many there were.
    pub(super) cut: usize,
}

impl Fleet {
    pub(super) fn new(plan: &Plan, board: Arc<Board>) -> Result<Self, Failure> {
        let mut threads = Builder::new_multi_thread();
        let runtime = threads.worker_threads(plan.threads).thread_name("clients").enable_all().build()?;
        let app = plan.api.app().clone();
        // Clients that cannot connect are part of the result, so they keep trying.
        let config = connect::config(app.key().as_str(), plan.target.endpoint()).max_attempts(None).build()?;
        let options = plan.target.options()?.auto_connect(false);
        Ok(Self { runtime: Some(runtime), board, config, options, app, members: Mutex::default() })
    }

    /// Starts the clients at even intervals over the ramp.
    pub(super) async fn start(&self, plan: &Plan) -> Result<(), Failure> {
        let began = Instant::now();
        for number in 0..plan.clients {
            sleep_until((began + plan.ramp.mul_f64(number as f64 / plan.clients as f64)).into()).await;
            let member = self.member(plan, number)?;
            member.client.connect();
            lock(&self.members).push(member);
        }
        Ok(())
    }

    fn member(&self, plan: &Plan, number: usize) -> Result<Member, Failure> {
        // The connection becomes a task of this runtime.
        let _entered = self.runtime.as_ref().map(Runtime::enter);
        let client =
            pusher_tokio::connect_with(self.config.clone(), self.authorizer(plan.kind, number), &self.options)?;
        let first = (number * plan.channels_per_client) % plan.channels;
        let seat = Seat::new(Arc::clone(&self.board), number, first, plan.channels_per_client);
        let seat = Arc::new(Mutex::new(seat));
        let watching = Arc::clone(&seat);
        client.bind_all(move |event| lock(&watching).handle(event));
        for place in 0..plan.channels_per_client {
            client.subscribe(&self.board.channels[(first + place) % plan.channels].name)?.keep();
        }
        Ok(Member { client, seat })
    }

    fn authorizer(&self, kind: Kind, number: usize) -> BoxedAuthorizer {
        match kind {
            Kind::Public => NoAuth.boxed(),
            Kind::Private | Kind::Presence | Kind::Encrypted => {
                LocalAuth::new(self.app.clone()).user(&format!("load-{number}"), &Data::ABSENT).boxed()
            }
        }
    }

    /// Waits until all clients are subscribed.
    pub(super) async fn subscribed(&self) {
        while self.headcount().subscribed < lock(&self.members).len() {
            sleep(PAUSE).await;
        }
    }

    /// Closes all connections at once and reconnects over this time. `begun` is called first, in case this is interrupted.
    pub(super) async fn storm(&self, spread: Duration, begun: impl FnOnce(Storm)) {
        let at = Instant::now();
        let members: Vec<_> =
            lock(&self.members).iter().map(|Member { client, seat }| (client.clone(), Arc::clone(seat))).collect();
        let cut = members.iter().filter(|(_, seat)| lock(seat).is_connected()).count();
        begun(Storm { at, cut });
        for (client, seat) in &members {
            lock(seat).cut();
            client.disconnect();
        }
        // A call of connect before the client has disconnected would cancel the disconnect.
        while members.iter().any(|(_, seat)| lock(seat).is_connected()) {
            sleep(SHORT_PAUSE).await;
        }
        let total = members.len().max(1) as f64;
        for (number, (client, seat)) in members.into_iter().enumerate() {
            sleep_until((at + spread.mul_f64(number as f64 / total)).into()).await;
            lock(&seat).begin_again();
            client.connect();
        }
    }

    /// Tells all clients to connect that are not connected.
    pub(super) fn reconnect(&self) {
        for Member { client, seat } in &*lock(&self.members) {
            if !lock(seat).is_connected() {
                lock(seat).begin_again();
                client.connect();
            }
        }
    }

    /// Waits until all expected events before `ends` have arrived.
    pub(super) async fn received(&self, ends: &[u64], failed: &[RangeSet<u64>]) {
        while self.seats(|seat| seat.is_waiting(ends, failed)).contains(&true) {
            sleep(PAUSE).await;
        }
    }

    /// Stops waiting for events before `ends`, which has an entry for each channel, and returns how many are missing.
    pub(super) fn settle(&self, ends: &[u64], failed: &[RangeSet<u64>]) -> Missing {
        let mut missing = Missing::default();
        for member in &*lock(&self.members) {
            missing.add(lock(&member.seat).settle(ends, failed));
        }
        missing
    }

    pub(super) fn headcount(&self) -> Headcount {
        let mut headcount = Headcount::default();
        for member in &*lock(&self.members) {
            let seat = lock(&member.seat);
            headcount.started += 1;
            headcount.connected += usize::from(seat.is_connected());
            headcount.subscribed += usize::from(seat.is_subscribed());
            headcount.counts.add(seat.counts());
        }
        headcount
    }

    pub(super) fn times(&self) -> Vec<Times> {
        self.seats(Seat::times)
    }

    /// Returns why a client is not subscribed, if there is one.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        lock(&self.members).iter().find_map(|member| lock(&member.seat).trouble().cloned())
    }

    /// Closes all connections. Take the figures before.
    pub(super) async fn stop(&mut self) {
        for member in &*lock(&self.members) {
            member.client.disconnect();
        }
        let closed = async {
            while self.headcount().connected > 0 {
                sleep(PAUSE).await;
            }
        };
        // Other connections end with the program.
        let _ = tokio::time::timeout(GOODBYE, closed).await;
    }

    fn seats<T>(&self, read: impl Fn(&Seat) -> T) -> Vec<T> {
        lock(&self.members).iter().map(|member| read(&lock(&member.seat))).collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // Dropping a runtime blocks, which is not allowed in an asynchronous function.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Intervals at which the clients are checked.
const PAUSE: Duration = Duration::from_millis(50);
const SHORT_PAUSE: Duration = Duration::from_millis(2);

/// How long the end may take.
const GOODBYE: Duration = Duration::from_secs(2);
