//! Clients in memory for applications that use tokio: in a test with paused time, everything runs in virtual time.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ::tokio::runtime::Handle;
use ::tokio::time::Instant as TokioInstant;
use pusher_proto::Instant;
use pusher_proto::server::ServerConfig;

use crate::memory::{Network, Shared, Time, Work};

/// Starts a server and a network in the current tokio runtime, with seed 0.
///
/// The clients are [`pusher_tokio::Client`](https://docs.rs/pusher-tokio/latest/pusher_tokio/struct.Client.html)s. With
/// `#[tokio::test(start_paused = true)]`, the time of `tokio::time` passes whenever no task is ready. Without paused
/// time, everything takes real time.
///
/// # Panics
///
/// If called outside of a tokio runtime, or in one without time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pusher_test::network::Fault;
/// use pusher_test::pusher_proto::Config;
/// use pusher_test::pusher_proto::server::ServerConfig;
/// use pusher_test::pusher_proto::signing::App;
///
/// #[tokio::main(flavor = "current_thread", start_paused = true)]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let network = pusher_test::tokio::network(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
///     let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
///     client.subscribe("private-chat")?.subscribed().await?;
///
///     network.fault("alice", Fault::Unreachable);
///     network.fault("alice", Fault::Cut);
///     tokio::time::sleep(Duration::from_secs(3_600)).await;
///     assert!(!client.state().is_connected());
///     network.heal("alice");
///     tokio::time::sleep(Duration::from_secs(60)).await;
///     assert!(client.state().is_connected());
///     Ok(())
/// }
/// ```
#[must_use]
#[track_caller]
pub fn network(config: ServerConfig) -> Network {
    network_with_seed(config, 0)
}

/// Starts a server and a network like [`network`], with another seed.
///
/// # Panics
///
/// As for [`network`].
///
/// # Examples
///
/// ```
/// use pusher_test::pusher_proto::server::ServerConfig;
/// use pusher_test::pusher_proto::signing::App;
///
/// #[tokio::main(flavor = "current_thread", start_paused = true)]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     for seed in 0..10 {
///         let app = App::new("1", "app-key", "app-secret")?;
///         let network = pusher_test::tokio::network_with_seed(ServerConfig::new(app), seed);
///         assert_eq!(network.now().as_secs(), 0);
///     }
///     Ok(())
/// }
/// ```
#[must_use]
#[track_caller]
pub fn network_with_seed(config: ServerConfig, seed: u64) -> Network {
    let Ok(handle) = Handle::try_current() else {
        panic!(
            "a network was started outside of a tokio runtime: start it in an async test, such as one with #[tokio::test]"
        )
    };
    let time = Arc::new(TokioTime { handle, origin: TokioInstant::now(), pump: Arc::default() });
    let network = Network::new(config, seed, Arc::<TokioTime>::clone(&time));
    let shared = Arc::downgrade(network.shared());
    let mut pump = Pump { waker: Arc::clone(&time.pump), alarm: None };
    time.handle.spawn(poll_fn(move |context| match shared.upgrade() {
        Some(shared) => pump.poll(&shared, context),
        None => Poll::Ready(()),
    }));
    network
}

/// The clock, the timers and the tasks of a tokio runtime.
struct TokioTime {
    handle: Handle,
    origin: TokioInstant,
    pump: Arc<Mutex<Option<Waker>>>,
}

impl Time for TokioTime {
    /// Enters the runtime, because only its own threads see that its clock is paused, and handles call this on any
    /// thread.
    fn now(&self) -> Instant {
        let _entered = self.handle.enter();
        Instant::from_elapsed(self.origin.elapsed())
    }

    fn sleep(&self, duration: Duration) -> Work {
        let _entered = self.handle.enter();
        Box::pin(::tokio::time::sleep(duration))
    }

    fn spawn(&self, work: Work) {
        self.handle.spawn(work);
    }

    /// The clock is only paused for tasks.
    fn wait(&self, _limit: Option<Duration>, _poll: &mut dyn FnMut(&mut Context<'_>) -> bool) {
        panic!("a method that blocks was called in tokio's time, which would stop; use pusher_test::Threads")
    }

    fn changed(&self) {
        let waker = self.pump.lock().unwrap_or_else(PoisonError::into_inner).take();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Drop for TokioTime {
    fn drop(&mut self) {
        // The task that delivers messages ends.
        self.changed();
    }
}

/// The task that delivers messages when they are due.
struct Pump {
    waker: Arc<Mutex<Option<Waker>>>,
    alarm: Option<(Instant, Work)>,
}

impl Pump {
    fn poll(&mut self, shared: &Shared, context: &mut Context<'_>) -> Poll<()> {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        loop {
            let Some(next) = shared.pump() else { return Poll::Pending };
            let alarm = match self.alarm.take() {
                Some(alarm) if alarm.0 == next => alarm,
                Some(_) | None => (next, shared.sleep_until(next)),
            };
            let (_, sleep) = self.alarm.insert(alarm);
            if Pin::new(sleep).poll(context).is_pending() {
                return Poll::Pending;
            }
            self.alarm = None;
        }
    }
}

impl fmt::Debug for TokioTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioTime").field("origin", &self.origin).finish_non_exhaustive()
    }
}
