//! The client against real servers, and in large numbers. `tests/interop/run` starts it and shows what it says: a line
//! for every check, with tabs between its status, part, name, and more.

#[path = "../adapters/adapter.rs"]
mod adapter;
mod api;
mod cluster;
#[path = "../adapters/faults.rs"]
mod faults;
mod figures;
mod ledger;
#[path = "../adapters/leftovers.rs"]
mod leftovers;
mod load;
mod one_node;
mod process;
mod publisher;
mod report;
#[path = "../adapters/scenarios/mod.rs"]
mod scenarios;
mod servers;
mod soak;
#[path = "../adapters/world.rs"]
mod world;

use std::env;
use std::process::ExitCode;

use crate::servers::{Programs, Server};
use crate::world::World;

/// A situation, and what must come of it.
type Scenario<A> = (&'static str, fn(&mut World<A>));

fn main() -> ExitCode {
    let program = |variable, name: &str| env::var(variable).unwrap_or_else(|_| name.to_owned());
    let programs = Programs {
        sockudo: program("SOCKUDO", "sockudo"),
        redis: program("REDIS_SERVER", "redis-server"),
        pusher: program("PUSHER", "pusher"),
    };
    process::end_all_on_signals();
    world::silence_wanted_panics();
    let args: Vec<_> = env::args().skip(1).collect();
    match &*args.iter().map(String::as_str).collect::<Vec<_>>() {
        ["sockudo"] => one_node::run(&programs),
        ["cluster"] => cluster::run(&programs, cluster::SHORT),
        ["cluster", "--full"] => cluster::run(&programs, cluster::FULL),
        ["load", rest @ ..] => {
            let count = if rest == ["--full"] { load::FULL } else { load::SHORT };
            load::run("Sockudo", || Server::sockudo(&programs, None), count);
        }
        ["load-ours", rest @ ..] => {
            let count = if rest == ["--full"] { load::FULL } else { load::SHORT };
            load::run("pusher serve", || Server::ours(&programs), count);
        }
        ["soak"] => soak::run(&programs, soak::SHORT),
        ["soak", "--full"] => soak::run(&programs, soak::FULL),
        ["soak", adapter, port, seconds] => soak::run_one(adapter, port, seconds),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

const USAGE: &str = "usage: interop sockudo";
