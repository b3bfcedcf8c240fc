//! An application and its clients in virtual time, on one thread, without sockets.

mod clock;
mod tasks;

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pusher_proto::Instant;
use pusher_proto::server::ServerConfig;

use crate::memory::{Network, Time as _};
pub(crate) use clock::VirtualTime;
pub use tasks::Task;
use tasks::{LocalWork, MAIN, Tasks};

/// An executor in virtual time, with a [`Network`] of clients in memory.
///
/// Whenever nothing is ready, [`run`](Self::run) sets the clock to the time when something is due next. Everything runs
/// on one thread and in a fixed order, so two runs with the same seed are identical.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pusher_test::Simulation;
/// use pusher_test::pusher_proto::server::ServerConfig;
/// use pusher_test::pusher_proto::signing::App;
///
/// let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
/// let answer = simulation.run(async {
///     let hours = simulation.spawn(async { 7 });
///     simulation.sleep(Duration::from_secs(24 * 60 * 60)).await;
///     hours.await * 6
/// });
/// assert_eq!((answer, simulation.network().now()), (42, Duration::from_secs(24 * 60 * 60)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Simulation {
    network: Network,
    time: Arc<VirtualTime>,
    tasks: RefCell<Tasks>,
    /// Tasks that were spawned and that `tasks` does not have yet.
    spawned: RefCell<Vec<LocalWork>>,
    limit: Duration,
}

impl Simulation {
    /// Starts a server, with seed 0.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let config = ServerConfig::new(App::new("1", "app-key", "app-secret")?);
    /// let simulation = Simulation::new(config);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self::with_seed(config, 0)
    }

    /// Starts a server. The seed determines all random delays, ids and keys.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let config = ServerConfig::new(App::new("1", "app-key", "app-secret")?);
    /// for seed in 0..10 {
    ///     let simulation = Simulation::with_seed(config.clone(), seed);
    ///     simulation.run(simulation.sleep(Duration::from_secs(1)));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_seed(config: ServerConfig, seed: u64) -> Self {
        let time = Arc::new(VirtualTime::default());
        Self::over(Network::new(config, seed, Arc::<VirtualTime>::clone(&time)), time)
    }

    /// Runs the clients of a network whose time is, in the end, this time.
    pub(crate) fn over(network: Network, time: Arc<VirtualTime>) -> Self {
        let tasks = RefCell::new(Tasks::new(Arc::clone(time.ready())));
        Self { network, time, tasks, spawned: RefCell::default(), limit: DEFAULT_LIMIT }
    }

    /// Sets how much virtual time one [`run`](Self::run) may take before it panics. Default 30 days.
    ///
    /// A connected client sends pings again and again, so a future that waits for something that never happens would never end.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let config = ServerConfig::new(App::new("1", "app-key", "app-secret")?);
    /// let simulation = Simulation::new(config).limit(Duration::from_secs(60));
    /// simulation.run(simulation.sleep(Duration::from_secs(59)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Returns the network, to start clients and to cause faults.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let config = ServerConfig::new(App::new("1", "app-key", "app-secret")?);
    /// let simulation = Simulation::new(config);
    /// assert_eq!(simulation.network().now(), Duration::ZERO);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// Completes after this time.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let config = ServerConfig::new(App::new("1", "app-key", "app-secret")?);
    /// let simulation = Simulation::new(config);
    /// simulation.run(simulation.sleep(Duration::from_secs(60 * 60)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.time.sleep(duration)
    }

    /// Runs a future beside the others. Dropping the [`Task`] does not stop it.
    ///
    /// # Panics
    ///
    /// [`run`](Self::run) panics if the future does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let config = ServerConfig::new(App::new("1", "app-key", "app-secret")?);
    /// let simulation = Simulation::new(config);
    /// let sleep = simulation.sleep(Duration::from_secs(2));
    /// let task = simulation.spawn(async {
    ///     sleep.await;
    ///     "done"
    /// });
    /// assert_eq!(simulation.run(task), "done");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Task<T> {
        let (task, work) = Task::new(future);
        self.spawned.borrow_mut().push(work);
        task
    }

    /// Runs a future and everything that was spawned, and returns the future's result. What else runs continues in the
    /// next call.
    ///
    /// # Panics
    ///
    /// If nothing is ready and no timer is set, so that the future can never end; if it does not end within the
    /// [`limit`](Self::limit); if a task wakes itself a million times without time passing; or if called by itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Simulation;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let config = ServerConfig::new(App::new("1", "app-key", "app-secret")?);
    /// let simulation = Simulation::new(config);
    /// assert_eq!(simulation.run(async { 42 }), 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let Ok(mut tasks) = self.tasks.try_borrow_mut() else {
            panic!("Simulation::run was called within a future that it runs")
        };
        let mut main = pin!(future);
        let waker = tasks.main();
        let start = self.time.now();
        let mut polls = Polls { at: start, count: 0 };
        loop {
            tasks.adopt(self.spawned.take());
            tasks.adopt(self.time.spawned());
            match tasks.next_ready() {
                Some(MAIN) => {
                    if let Poll::Ready(output) = main.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return output;
                    }
                }
                Some(task) => tasks.poll(task),
                None => self.pass_time(start),
            }
            polls.count(self.time.now());
        }
    }

    /// Runs what is ready. If nothing was, lets time pass until something is due, but not for longer than the limit since
    /// `start`.
    pub(crate) fn advance(&self, start: Instant) {
        let mut tasks = self.tasks.borrow_mut();
        tasks.adopt(self.time.spawned());
        let mut polls = Polls { at: self.time.now(), count: 0 };
        while let Some(task) = tasks.next_ready() {
            tasks.poll(task);
            tasks.adopt(self.time.spawned());
            polls.count(self.time.now());
        }
        if polls.count == 0 {
            self.pass_time(start);
        }
    }

    /// Sets the clock to the time when something is due next, and does it.
    fn pass_time(&self, start: Instant) {
        let next = self.network.shared().pump();
        if !self.time.ready().is_empty() {
            return;
        }
        let next = next.into_iter().chain(self.time.next_timer()).min();
        let Some(at) = next else {
            panic!(
                "nothing is ready and no timer is set at {:?}: the future waits for something that cannot happen",
                self.network.now()
            )
        };
        let limit = self.limit;
        assert!(
            at.since(start) <= limit,
            "the future did not end within {limit:?} of virtual time; see Simulation::limit"
        );
        self.time.advance(at);
        // What has arrived comes before the deadlines that wait for it.
        self.network.shared().pump();
        self.time.ring();
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        // Clients that never ran hold the clock, which holds them.
        drop(self.time.spawned());
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("now", &self.network.now()).finish_non_exhaustive()
    }
}

/// Polls without time passing.
struct Polls {
    at: Instant,
    count: u32,
}

impl Polls {
    /// Counts one.
    ///
    /// # Panics
    ///
    /// If there are too many.
    fn count(&mut self, now: Instant) {
        self.count = if now == self.at { self.count + 1 } else { 0 };
        self.at = now;
        assert!(
            self.count < MAX_POLLS,
            "{MAX_POLLS} polls at {:?}: a task wakes itself again and again",
            now.elapsed()
        );
    }
}

const DEFAULT_LIMIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Polls without time passing after which a run has no prospect of ending.
const MAX_POLLS: u32 = 1_000_000;
