//! Measures what the clients cost, compared with a reader that only drops what it reads.
//!
//! `cargo run --release -p pusher-bench` measures everything in one run, prints tables and draws plots. Each
//! measurement runs in its own child process, which is this program again. The server that feeds it is part of the
//! parent process, so the CPU time of the child is that of the client alone.

mod clock;
mod counted;
mod feeder;
mod measured;
mod plots;
mod reconnects;
mod runner;
mod subject;
mod suite;
mod table;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::subject::Subject;
use crate::suite::Suite;

/// Measures what the clients cost, compared with a reader that only drops what it reads.
///
/// Prints tables of CPU time, memory, latency and, where valgrind is installed, counted instructions, and draws plots.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many clients share a process when memory and connecting are measured.
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// The directory that the plots are written to.
    #[arg(long, default_value = "target/pusher-bench")]
    plots: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Counts instructions, allocations and bytes with valgrind, and fails if one is above its limit.
    Counted,
    /// Runs one measurement; used internally.
    #[command(subcommand, hide = true)]
    Subject(Subject),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        None => Suite::new(arguments.clients, arguments.plots).and_then(|suite| suite.run()),
        Some(Command::Counted) => counted::gate(),
        Some(Command::Subject(subject)) => subject.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
