//! The `pusher` program: a tour, a development server, and tools that listen, trigger and diagnose.

mod args;
mod auth_server;
mod authorizer;
mod commands;
mod completions;
mod connect;
mod console;
mod demo;
mod doctor;
mod failure;
mod frames;
mod http_api;
mod input;
mod inspect;
mod interrupt;
mod listen;
mod load;
mod mask;
mod output;
mod profile;
mod record;
mod serve;
mod server_log;
mod signature;
mod stream;
mod tapped;
mod target;
mod trigger;
mod trust;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::commands::{Args, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    match profile::command_for(Args::command(), std::env::args_os().skip(1)).and_then(parse) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}

/// Parses the arguments and runs the command. Wrong arguments end the program here, with the exit code 2.
fn parse(command: clap::Command) -> Result<(), Failure> {
    let args = command.try_get_matches().and_then(|matches| Args::from_arg_matches(&matches));
    let Args { command, color } = args.unwrap_or_else(|error| mask::error(error).exit());
    output::colour(color);
    run(command)
}

fn run(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        match command {
            Command::Demo(args) => demo::run(args).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Listen(args) => listen::run(args).await,
            Command::Trigger(args) => trigger::run(args).await,
            Command::Load(args) => load::run(args).await,
            Command::Channels(args) => inspect::channels(args).await,
            Command::Channel(args) => inspect::channel(args).await,
            Command::Users(args) => inspect::users(args).await,
            Command::Terminate(args) => inspect::terminate(args).await,
            Command::Doctor(args) => doctor::run(args).await,
            Command::Sign(args) => signature::sign(args),
            Command::Verify(args) => signature::verify(args),
            Command::Console(args) => console::run(args).await,
            Command::AuthServer(args) => auth_server::run(args).await,
            Command::Record(args) => record::record(args).await,
            Command::Replay(args) => record::replay(args).await,
            Command::Completions(args) => completions::completions(profile::with_flag(Args::command()), &args),
            Command::Man(args) => completions::man(profile::with_flag(Args::command()), &args),
        }
    });
    // The resolver's threads may still be waiting for a name that is no longer needed.
    runtime.shutdown_background();
    result
}
