//! Checks that a runtime of your own does what the adapters of this project do.
//!
//! TODO

mod backend;
mod faults;
mod futures;
mod handles;
mod leftovers;
mod runtime;
mod scenario;
mod scenarios;
mod server;
mod suite;
mod user;
mod world;

pub use faults::{Cut, FaultProxy, Flow};
pub use futures::WithFutures;
pub use handles::{Logged, WithHandles};
pub use leftovers::Leftovers;
pub use pusher_driver;
pub use runtime::{About, Alive, Next, Runtime, Setup};
pub use scenario::{Needs, Scenario};
pub use server::Server;
pub use suite::{Outcome, Suite, Verdict, run, run_with_handles};
pub use user::{Channel, User};
pub use world::{World, options, quick};

/// Returns all scenarios, in the order in which they run.
///
/// # Examples
///
/// ```
/// for scenario in pusher_test::conformance::scenarios() {
///     println!("{}: {} ({})", scenario.name(), scenario.rule(), scenario.source());
/// }
/// ```
pub fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    scenarios::all()
}
