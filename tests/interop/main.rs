//! The client against real servers, and in large numbers. `tests/interop/run` starts it and shows what it says: a line
//! for every check, with tabs between its status, part, name, and more.

#[expect(clippy::unwrap_used, reason = "it fails the check")]
mod api;
#[expect(clippy::unwrap_used, reason = "it fails the check")]
mod cluster;
#[expect(clippy::unwrap_used, reason = "it fails the check")]
mod features;
mod figures;
#[expect(clippy::unwrap_used, reason = "it fails the check")]
mod ledger;
#[expect(clippy::unwrap_used, reason = "it fails the check")]
mod load;
#[expect(clippy::unwrap_used, reason = "it fails the check")]
mod one_node;
#[expect(clippy::unwrap_used, reason = "it fails the check")]
mod play;
#[expect(clippy::unwrap_used, reason = "it fails the check")]
mod process;
#[expect(clippy::unwrap_used, reason = "it fails the check")]
mod publisher;
#[expect(clippy::unwrap_used, reason = "it fails the check")]
mod recovery;
#[expect(clippy::unwrap_used, reason = "it fails the check")]
mod recovery_load;
mod report;
#[path = "../adapters/runtimes.rs"]
#[expect(clippy::unwrap_used, reason = "it fails the check")]
mod runtimes;
#[expect(clippy::unwrap_used, reason = "it fails the check")]
mod servers;
#[expect(clippy::unwrap_used, reason = "it fails the check")]
mod soak;

use std::env;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::servers::{Programs, Server};

/// Longer than any operation takes on one machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs what is not a client: publishers, and requests to servers.
static SERVERS: LazyLock<Runtime> = LazyLock::new(|| {
    #[expect(clippy::unwrap_used, reason = "it fails the check")]
    Runtime::new().unwrap()
});

/// The log is not watched here.
fn check() -> Result<(), String> {
    Ok(())
}

fn main() -> ExitCode {
    let program = |variable, name: &str| env::var(variable).unwrap_or_else(|_| name.to_owned());
    let programs = Programs {
        sockudo: program("SOCKUDO", "sockudo"),
        redis: program("REDIS_SERVER", "redis-server"),
        pusher: program("PUSHER", "pusher"),
    };
    process::end_all_on_signals();
    let mut args: Vec<_> = env::args().skip(1).collect();
    let is_full = args.pop_if(|arg| arg == "--full").is_some();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match &*args {
        ["sockudo"] => one_node::run(&programs),
        ["cluster"] => cluster::run(&programs, if is_full { cluster::FULL } else { cluster::SHORT }),
        ["load", server] => {
            let count = if is_full { load::FULL } else { load::SHORT };
            match *server {
                "ours" => load::run("pusher serve", || Server::ours(&programs), count),
                _ => load::run("Sockudo", || Server::sockudo(&programs, None), count),
            }
        }
        ["recovery"] => recovery::run(&programs, if is_full { recovery::FULL } else { recovery::SHORT }),
        ["features"] => features::run(&programs),
        ["soak"] => soak::run(&programs, if is_full { soak::FULL } else { soak::SHORT }),
        ["soak", adapter, port, seconds] => soak::run_one(adapter, port, seconds),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

const USAGE: &str =
    "usage: interop sockudo | cluster | load sockudo | load ours | recovery | features | soak, and --full after it";
