//! A list of scenarios that run with every adapter: real sockets on this machine, the development server, and a proxy
//! between them that injects faults. After each scenario, no resources may be left over.

#[macro_use]
#[expect(clippy::unwrap_used, reason = "it fails the scenario")]
mod adapter;
#[path = "../../pusher-test/src/conformance/backend.rs"]
#[expect(clippy::unwrap_used, reason = "it fails the scenario")]
mod backend;
#[path = "../../pusher-test/src/conformance/backends.rs"]
#[expect(clippy::unwrap_used, reason = "it fails the scenario")]
mod backends;
#[path = "../../pusher-test/src/conformance/faults.rs"]
#[expect(clippy::unwrap_used, reason = "it fails the scenario")]
mod faults;
#[path = "../../pusher-test/src/conformance/leftovers.rs"]
mod leftovers;
mod log;
#[expect(clippy::unwrap_used, reason = "it fails the scenario")]
mod proxies;
#[path = "../../pusher-test/src/conformance/scenarios/mod.rs"]
#[expect(clippy::unwrap_used, reason = "it fails the scenario")]
mod scenarios;
#[expect(clippy::unwrap_used, reason = "it fails the scenario")]
mod tls;
mod tungstenite;
#[path = "../../pusher-test/src/conformance/world.rs"]
#[expect(clippy::unwrap_used, reason = "it fails the scenario")]
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::adapter::{Adapter, AsyncStd, Blocking, Smol, Tokio};
use crate::tungstenite::Tungstenite;
use crate::world::World;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Leftover resources are counted for the whole process.
    arguments.test_threads = Some(1);
    world::silence_wanted_panics();
    log::watch();
    let mut trials = Vec::new();
    trials.extend(trials_of::<Tokio>());
    trials.extend(trials_of::<AsyncStd>());
    trials.extend(trials_of::<Smol>());
    trials.extend(trials_of::<Blocking>());
    // The WebSocket belongs to a library that accepts any number of frames. Authorization, TLS and proxies are those of
    // `Tokio`, or up to the application.
    let scenarios = scenarios::all::<Tungstenite>().into_iter();
    let supported = scenarios.filter(|(name, _)| *name != "a_message_that_never_ends_is_given_up");
    trials.extend(supported.map(|scenario| trial(scenario, false)));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A situation, and what must result from it.
type Scenario<A> = (&'static str, fn(&mut World<A>));

fn trials_of<A: Adapter>() -> Vec<Trial> {
    let scenarios = scenarios::all::<A>().into_iter().chain(tls::all()).chain(backends::all());
    let mut trials: Vec<_> = scenarios.map(|scenario| trial(scenario, false)).collect();
    for (program, scenario) in proxies::all::<A>() {
        trials.push(trial(scenario, !proxies::is_installed(program)));
    }
    trials
}

fn trial<A: Adapter>((name, play): Scenario<A>, is_skipped: bool) -> Trial {
    let title = format!("{}: {}", A::NAME, name.replace('_', " "));
    let trial = Trial::test(title, move || {
        adapter::warm_up();
        let before = leftovers::Count::now();
        let mut world = World::new(None);
        play(&mut world);
        world.end();
        before.expect_nothing_more();
        log::expect_no_strays();
        Ok(())
    });
    trial.with_ignored_flag(is_skipped)
}
