//! The `pusher` program: a tour, a development server, and tools that listen, trigger and diagnose.

mod args;
mod authorizer;
mod connect;
mod demo;
mod doctor;
mod failure;
mod http_api;
mod inspect;
mod interrupt;
mod listen;
mod mask;
mod output;
mod serve;
mod server_log;
mod target;
mod trigger;
mod trust;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    // Wrong flags end here, with the code 2.
    let Args { command, color } = Args::try_parse().unwrap_or_else(|error| mask::error(error).exit());
    output::colour(color);
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        match command {
            Command::Demo(args) => demo::run(args).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Listen(args) => listen::run(args).await,
            Command::Trigger(args) => trigger::run(args).await,
            Command::Channels(args) => inspect::channels(args).await,
            Command::Channel(args) => inspect::channel(args).await,
            Command::Users(args) => inspect::users(args).await,
            Command::Terminate(args) => inspect::terminate(args).await,
            Command::Doctor(args) => doctor::run(args).await,
        }
    });
    // The resolver's threads may still wait for a name that nobody needs any more.
    runtime.shutdown_background();
    result
}
