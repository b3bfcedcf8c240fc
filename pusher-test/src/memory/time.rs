//! What the runtimes of clients in memory differ in.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use pusher_proto::Instant;

/// A future that a runtime runs.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The clock, the timers and the tasks of the clients.
pub(crate) trait Time: fmt::Debug + Send + Sync {
    fn now(&self) -> Instant;

    fn sleep(&self, duration: Duration) -> Work;

    fn spawn(&self, work: Work);

    /// Blocks this thread until `poll` returns true or `limit` has passed; see `Clock::wait` of the driver.
    fn wait(&self, limit: Option<Duration>, poll: &mut dyn FnMut(&mut Context<'_>) -> bool);

    /// The model may have something to do earlier than before.
    fn changed(&self);
}
