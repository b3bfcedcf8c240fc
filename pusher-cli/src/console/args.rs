//! The flags of `pusher console`.

use pusher_tokio::ChannelName;

use crate::args::{ApiArgs, AuthArgs, channel_name, notes};

/// Flags of `pusher console`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct ConsoleArgs {
    /// Channels whose events and members to show
    #[arg(long = "channel", short, num_args = 1.., value_name = "NAME", value_parser = channel_name)]
    pub(super) channels: Vec<ChannelName>,
    #[command(flatten)]
    pub(super) api: ApiArgs,
    #[command(flatten)]
    pub(super) auth: AuthArgs,
    /// Port of the page on this machine; 0 for a free one
    #[arg(long, value_name = "PORT", default_value_t = 6003)]
    pub(super) page_port: u16,
}

const NOTES: &str = notes!(
    "The page is for this machine only. It shows what a client that is subscribed to the channels of -c sees; this client \
     counts as a subscriber, and on presence channels as a member. With --app-id and a secret, the page can also publish \
     events and, while it is open, lists the channels that have subscribers. `pusher serve` has a console of its own, which \
     shows all connections.\n\n"
    "Examples:\n  \
     pusher console --profile live -c orders presence-staff\n  \
     pusher console --cluster eu --app-id ID --key KEY --secret-file FILE\n\n"
);
