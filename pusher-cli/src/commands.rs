//! The command line as a whole.

use clap::{Parser, Subcommand};

use crate::args::notes;
use crate::auth_server::AuthServerArgs;
use crate::completions::{CompletionsArgs, ManArgs};
use crate::console::ConsoleArgs;
use crate::demo::DemoArgs;
use crate::doctor::DoctorArgs;
use crate::inspect::{ChannelArgs, ChannelsArgs, TerminateArgs, UsersArgs};
use crate::listen::ListenArgs;
use crate::load::LoadArgs;
use crate::output::Color;
use crate::record::{RecordArgs, ReplayArgs};
use crate::serve::ServeArgs;
use crate::signature::{SignArgs, VerifyArgs};
use crate::trigger::TriggerArgs;

/// Pusher Channels on the command line: tour the protocol, run a development server, listen to channels, publish events.
#[derive(Debug, Parser)]
#[command(name = "pusher", version, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// When to colour the output; auto colours it in terminals, unless NO_COLOR is set
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", global = true)]
    pub(crate) color: Color,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tour the protocol step by step, on a built-in development server or on yours
    Demo(DemoArgs),
    /// Run a development server
    Serve(ServeArgs),
    /// Print the events of channels as they arrive
    Listen(ListenArgs),
    /// Publish events through the HTTP API, or send client events
    Trigger(TriggerArgs),
    /// Put load on a server: many clients, events at a rate, a reconnect storm
    Load(LoadArgs),
    /// List the channels that have subscribers
    Channels(ChannelsArgs),
    /// Show whether a channel has subscribers, and how many
    Channel(ChannelArgs),
    /// List the users of a presence channel
    Users(UsersArgs),
    /// End all connections of a user
    Terminate(TerminateArgs),
    /// Find out what is wrong with a server, an auth endpoint or a network
    Doctor(DoctorArgs),
    /// Print the answer that a backend must give, and the string that it signs
    Sign(SignArgs),
    /// Check a signature, and show the string that has to be signed
    Verify(VerifyArgs),
    /// Serve a page that shows what a client sees on a server, and can publish events
    Console(ConsoleArgs),
    /// Run an auth endpoint for development, with users and rules from a file
    AuthServer(AuthServerArgs),
    /// Record a live session in a file, without secrets
    Record(RecordArgs),
    /// Replay a recorded session, and report where the client differs
    Replay(ReplayArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write the pages of all commands
    Man(ManArgs),
}

const EXIT_CODES: &str = notes!();

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn secrets_do_not_print() {
        let args = "pusher listen -c a --url ws://h --key k --secret tofu --auth-url u --auth-header A=tofu";
        let args = Args::try_parse_from(args.split(' ')).unwrap();
        assert!(!format!("{args:?}").contains("tofu"));
    }
}
