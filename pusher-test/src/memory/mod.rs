//! Clients in memory: a runtime of the driver whose sockets, time and HTTP are the model's.

mod backend;
mod hub;
mod network;
mod runtime;
mod socket;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use pusher_proto::Instant;

pub(crate) use hub::Shared;
pub use network::Network;

/// A future that a runtime runs.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The clock, the timers and the tasks of the clients.
pub(crate) trait Time: fmt::Debug + Send + Sync {
    fn now(&self) -> Instant;

    fn sleep(&self, duration: Duration) -> Work;

    fn spawn(&self, work: Work);

    /// The model may have something to do earlier than before.
    fn changed(&self);
}
