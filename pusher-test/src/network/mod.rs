//! The network between clients and a model server, and the application's auth servers.
//!
//! [`World`](crate::world::World) and the clients in memory use the same one, so that they have the same faults.

mod authority;
mod busy;
mod delivery;
mod fault;
mod link;
mod model;
mod record;

pub use authority::{Authority, Flapping};
pub use busy::{Excess, Gate, Limit, Lost};
pub(crate) use delivery::Arrival;
pub use delivery::Who;
#[cfg(feature = "simulation")]
pub(crate) use fault::NO_ROUTE;
pub use fault::{Fault, Side};
pub(crate) use model::Model;
pub(crate) use record::Record;
