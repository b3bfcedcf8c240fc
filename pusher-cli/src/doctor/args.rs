//! Flags of `pusher doctor`.

use std::time::Duration;

use pusher_tokio::ChannelName;

use crate::args::{AuthArgs, Credentials, Place, channel_name, notes, seconds};

/// Flags of `pusher doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) credentials: Credentials,
    /// Application id, to check the HTTP API
    #[arg(long, env = "PUSHER_APP_ID", hide_env_values = true)]
    pub(super) app_id: Option<String>,
    #[command(flatten)]
    pub(super) auth: AuthArgs,
    /// Channels that the endpoint allows, one of each kind; for the other kinds, a unique name is used
    #[arg(long = "channel", short, num_args = 1.., value_name = "NAME", value_parser = channel_name)]
    pub(super) channels: Vec<ChannelName>,
    /// Time limit for each check
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    pub(super) timeout: Duration,
    /// Print one JSON object per check: check, outcome (ok, warning, failed or skipped), millis, seen, means, fix; and at the
    /// end one with healthy, check, fix
    #[arg(long)]
    pub(super) json: bool,
}

const NOTES: &str = notes!(
    "The checks go from the name of the host up to a client event. Each reports what it saw and, if \
     something is wrong, what that means and how to fix it; the last line names the first thing to fix. Warnings do not \
     count as failures. Checks that depend on a failed one are left out. The exit code is 3 if the server cannot be \
     reached, and 4 if the server or the endpoint refused something.\n\n"
    "Only --key and a server are needed. --app-id and --secret add checks of the HTTP API and of \
     signatures; --auth-url adds checks of an application's endpoint. Channels have unique names unless you name them \
     with -c. The only event that is sent is a client event on the private channel.\n\n"
    "Examples:\n  \
     pusher doctor --url ws://127.0.0.1:6001 --key app-key\n  \
     pusher doctor --cluster eu --key KEY --app-id ID --secret-file FILE\n  \
     pusher doctor --url wss://example.com --key KEY --auth-url https://example.com/broadcasting/auth -c private-orders\n\n"
);
