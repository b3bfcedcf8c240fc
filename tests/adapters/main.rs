//! The adapters pass the scenarios of `pusher_test::conformance`, which are for runtimes of all kinds. What only ours have
//! is here: TLS and proxies. Every line that they log is in their client's span.

mod log;
#[expect(clippy::unwrap_used, reason = "it fails the scenario")]
mod proxies;
#[expect(clippy::unwrap_used, reason = "it fails the scenario")]
mod runtimes;
#[expect(clippy::unwrap_used, reason = "it fails the scenario")]
mod tls;
mod tungstenite;

use std::process::ExitCode;
use std::time::Duration;

use pusher_test::conformance::{Stage, Suite, WithHandles};

use crate::log::check;
use crate::runtimes::{AsyncStd, Blocking, Smol, Tokio};
use crate::tungstenite::Tungstenite;

fn main() -> ExitCode {
    log::watch();
    let suite = Suite::new();
    let suite = add(suite, || Tokio);
    let suite = add(suite, || AsyncStd);
    let suite = add(suite, || Smol);
    let suite = add(suite, || Blocking);
    // TLS and proxies are those of `Tokio`, or up to the application.
    suite.handles(Tungstenite).run()
}

/// A delay before the second attempt that no scenario waits for.
const MINUTE: Duration = Duration::from_secs(60);

/// A situation, and what must result from it.
type Scenario<H> = (&'static str, fn(&mut Stage<H>));

fn add<H: WithHandles>(suite: Suite, runtime: fn() -> H) -> Suite {
    let mut suite = suite.handles(runtime());
    for (name, play) in tls::all() {
        suite = suite.scenario(runtime(), name, None, play);
    }
    for (program, (name, play)) in proxies::all() {
        let missing = program.filter(|program| !proxies::is_installed(program));
        suite = suite.scenario(runtime(), name, missing.map(|program| format!("{program} is not installed")), play);
    }
    suite
}
