//! An application with threads, and its clients, in virtual time without sockets.

mod clock;
#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pusher_proto::server::ServerConfig;

use self::clock::{ThreadTime, Waits, adopt, join_in};
use crate::memory::{Network, Time as _};
use crate::simulation::{Simulation, VirtualTime};

/// Virtual time for an application that uses threads, with a [`Network`] of clients in memory.
///
/// Time passes whenever all threads wait: in a method of a client that blocks, in [`sleep`](Self::sleep), in
/// [`wait_until`](Self::wait_until), or for a thread in [`JoinHandle::join`]. The limits of these methods are virtual too.
/// The thread that has started it counts, those that [`spawn`](Self::spawn) starts, and any other from its first wait.
///
/// A thread that waits for anything else, such as a channel of `std::sync::mpsc`, stops the time for the others. If it
/// does for 30 s of real time, they panic and say so.
///
/// The handles are those of [`pusher-blocking`](https://docs.rs/pusher-blocking): convert the client that
/// [`Network::connect`] returns.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pusher_blocking::Event;
/// use pusher_test::Threads;
/// use pusher_test::network::Fault;
/// use pusher_test::pusher_proto::Config;
/// use pusher_test::pusher_proto::server::ServerConfig;
/// use pusher_test::pusher_proto::signing::App;
///
/// let threads = Threads::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
/// let network = threads.network();
/// let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
/// let client = pusher_blocking::Client::from(client);
/// let mut chat = client.subscribe("private-chat")?;
/// chat.subscribed(Duration::from_secs(10))?;
///
/// let reader = threads.spawn(move || chat.find(|event| matches!(event, Event::ContinuityLost { .. })).is_some());
/// threads.sleep(Duration::from_secs(24 * 60 * 60));
/// network.fault("alice", Fault::Cut);
/// assert!(reader.join().expect("the reader does not panic"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Threads(Arc<Shared>);

struct Shared {
    network: Network,
    clock: Arc<VirtualTime>,
    waits: Arc<Waits>,
}

impl Threads {
    /// Starts a server, with seed 0. This thread counts.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Threads;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// let threads = Threads::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// assert_eq!(threads.network().now(), Duration::ZERO);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self::with_seed(config, 0)
    }

    /// Starts a server. The seed determines all random delays, ids and keys; the order in which threads run is that of the
    /// operating system.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Threads;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let config = ServerConfig::new(App::new("1", "app-key", "app-secret")?);
    /// for seed in 0..10 {
    ///     Threads::with_seed(config.clone(), seed).sleep(Duration::from_secs(1));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_seed(config: ServerConfig, seed: u64) -> Self {
        let (time, clock, waits) = ThreadTime::new();
        let network = Network::new(config, seed, Arc::new(time));
        join_in(&waits);
        let shared =
            Arc::new(Shared { network: network.clone(), clock: Arc::clone(&clock), waits: Arc::clone(&waits) });
        thread::spawn(move || waits.run(&Simulation::over(network, clock)));
        Self(shared)
    }

    /// Returns the network, to start clients and to cause faults.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pusher_test::Threads;
    /// # use pusher_test::pusher_proto::Config;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let threads = Threads::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// let network = threads.network();
    /// let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.0.network
    }

    /// Lets time pass for the other threads and the clients.
    ///
    /// # Panics
    ///
    /// If time cannot pass, because a thread waits for something else or a client panicked.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Threads;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let threads = Threads::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// threads.sleep(Duration::from_secs(60 * 60));
    /// assert_eq!(threads.network().now(), Duration::from_secs(60 * 60));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sleep(&self, duration: Duration) {
        self.0.waits.wait(Some(self.0.clock.sleep(duration)), false, &mut |_| false);
    }

    /// Waits until `condition` returns something: the way to wait for what other threads do without a client, such as to
    /// send something through a channel. It is called whenever another thread or a client may have done something, and
    /// before time passes.
    ///
    /// # Panics
    ///
    /// If time cannot pass; if 30 days pass, or nothing is left that could happen, and the condition is not true.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Threads;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// use std::sync::mpsc;
    ///
    /// # let threads = Threads::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// let (sender, receiver) = mpsc::channel();
    /// let time = threads.clone();
    /// threads.spawn(move || {
    ///     time.sleep(Duration::from_secs(5));
    ///     sender.send("done").ok();
    /// });
    /// assert_eq!(threads.wait_until(|| receiver.try_recv().ok()), "done");
    /// assert_eq!(threads.network().now(), Duration::from_secs(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_until<T>(&self, mut condition: impl FnMut() -> Option<T>) -> T {
        let mut result = None;
        self.0.waits.wait(None, true, &mut |_| {
            result = condition();
            result.is_some()
        });
        result.expect("the wait ends with a result")
    }

    /// Starts a thread that counts from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pusher_test::Threads;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let threads = Threads::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// let time = threads.clone();
    /// let thread = threads.spawn(move || time.sleep(Duration::from_secs(5)));
    /// thread.join().expect("it does not panic");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let waits = Arc::clone(&self.0.waits);
        let result = Arc::new(Mutex::new(None));
        let handle = JoinHandle { threads: self.clone(), result: Arc::clone(&result) };
        waits.enter();
        thread::spawn(move || {
            adopt(&waits);
            let ended = catch_unwind(AssertUnwindSafe(work));
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        });
        handle
    }
}

/// A thread that [`Threads::spawn`] has started.
///
/// # Examples
///
/// ```
/// use pusher_test::Threads;
/// use pusher_test::pusher_proto::server::ServerConfig;
/// use pusher_test::pusher_proto::signing::App;
///
/// let threads = Threads::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
/// let thread = threads.spawn(|| 6 * 7);
/// assert_eq!(thread.join().ok(), Some(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JoinHandle<T> {
    threads: Threads,
    result: Arc<Mutex<Option<thread::Result<T>>>>,
}

impl<T> JoinHandle<T> {
    /// Waits in virtual time until the thread ends, and returns its result.
    ///
    /// # Errors
    ///
    /// If the thread panicked.
    ///
    /// # Panics
    ///
    /// As for [`Threads::wait_until`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use pusher_test::Threads;
    /// # use pusher_test::pusher_proto::server::ServerConfig;
    /// # use pusher_test::pusher_proto::signing::App;
    /// # let threads = Threads::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    /// let thread = threads.spawn(|| "done");
    /// assert_eq!(thread.join().ok(), Some("done"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(self) -> thread::Result<T> {
        self.threads.wait_until(|| self.result.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.waits.end("the Threads that this client's time belongs to were dropped");
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").field("now", &self.network().now()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").finish_non_exhaustive()
    }
}
