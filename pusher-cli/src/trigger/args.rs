//! The flags of `pusher trigger`.

use pusher_tokio::{ChannelName, SocketId};

use crate::args::{ApiArgs, AuthArgs, channel_name, notes, socket_id};

/// Flags of `pusher trigger`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct TriggerArgs {
    /// Channels to publish to
    #[arg(long = "channel", short, required_unless_present_any = ["user", "batch"], num_args = 1.., value_name = "NAME", value_parser = channel_name)]
    pub(super) channels: Vec<ChannelName>,
    /// Send the event to all connections of a user who is signed in, instead of to channels
    #[arg(long, value_name = "ID", conflicts_with_all = ["channels", "batch", "as_client"])]
    pub(super) user: Option<String>,
    /// Publish the events in this file, one JSON object per line with channel, event and data, as listen --json prints them;
    /// - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["channels", "event", "data", "as_client", "socket_id"])]
    pub(super) batch: Option<String>,
    /// Event name
    #[arg(long, short, value_name = "NAME", required_unless_present = "batch")]
    pub(super) event: Option<String>,
    /// Payload, usually JSON; @FILE reads a file, - reads standard input, and @@ stands for an @ at the beginning of the text
    #[arg(long, short, allow_hyphen_values = true, value_name = "TEXT", required_unless_present = "batch")]
    pub(super) data: Option<String>,
    #[command(flatten)]
    pub(super) api: ApiArgs,
    /// Connection that does not receive the event, by its socket id
    #[arg(long, value_parser = socket_id)]
    pub(super) socket_id: Option<SocketId>,
    /// Send a client event over a WebSocket connection, as a web page does, instead of using the HTTP API
    #[arg(long, conflicts_with = "socket_id")]
    pub(super) as_client: bool,
    #[command(flatten)]
    pub(super) auth: AuthArgs,
    /// Print a JSON object: published (the number of events)
    #[arg(long)]
    pub(super) json: bool,
}

const NOTES: &str = notes!(
    "The HTTP API is at the same address as the WebSocket: --url accepts ws://, wss://, http:// and https://. If the server \
     does not answer, the event may still have been published. --auth-url and the flags for the user apply \
     only to --as-client.\n\n"
    "Examples:\n  \
     pusher trigger --profile local -c chat -e message -d '{\"text\":\"hi\"}'\n  \
     pusher trigger --profile local -c orders private-orders -e order.created -d @order.json\n  \
     pusher trigger --profile local --user ann -e notice -d hello\n  \
     pusher trigger --profile local -c private-chat -e client-typing -d '{}' --as-client\n  \
     pusher listen --profile live -c orders --json | pusher trigger --profile local --batch -\n\n"
);
