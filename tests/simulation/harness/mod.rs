//! Clients, servers, the network between them and everything that can go wrong, in one deterministic loop.
//!
//! [`run`] takes [`Choices`]: a seed, or bytes from a fuzzer. The same choices give the same run, byte for byte.

mod actor;
mod agenda;
mod authority;
mod busy;
mod frame;
mod journal;
mod ledger;
mod mix;
mod network;
mod published;
mod reached;
mod replay;
mod settle;
mod shrink;
mod site;
mod steps;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

pub use self::journal::Violation;
pub use self::reached::Rare;
pub use self::shrink::shrink;
use self::world::World;
pub use pusher_test::Choices;

/// The result of a run.
pub struct Outcome {
    /// The first violated invariant.
    pub violation: Option<Violation>,
    /// What was reached, and how often.
    pub reached: BTreeMap<Rare, u64>,
    /// Inputs that clients were given.
    pub inputs: u64,
    /// Time that passed in the simulation.
    pub elapsed: Duration,
    /// What happened, in order; empty unless requested.
    pub trace: String,
    /// What the client that violated an invariant saw, as a transcript; empty unless requested.
    pub transcript: String,
    /// The choices, and where steps began.
    pub(crate) record: (Vec<u8>, Vec<usize>),
}

/// Runs a world to its end, or to the first violation. A panic is one, too.
#[must_use]
pub fn run(choices: Choices, with_trace: bool) -> Outcome {
    let mut world = World::new(choices, with_trace);
    let end = catch_unwind(AssertUnwindSafe(|| {
        world.run_through_troubles();
        if world.journal.violation().is_none() {
            world.settle();
        }
    }));
    if let Err(panic) = end {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned();
        world.journal.violated(0, "nothing panics", text);
    }
    let violation = world.journal.violation().cloned();
    let who = violation.as_ref().map_or(0, |violation| violation.who);
    Outcome {
        reached: world.journal.reached().clone(),
        inputs: world.inputs,
        elapsed: world.elapsed(),
        trace: world.journal.trace(),
        transcript: if with_trace { world.mix.options() + &world.journal.transcript(who) } else { String::new() },
        violation,
        record: world.choices.into_record(),
    }
}
