//! The flags of `pusher listen`.

use std::ffi::OsString;
use std::time::Duration;

use pusher_tokio::ChannelName;
use pusher_tokio::pusher_proto::filter::Filter;
use wildmatch::WildMatch;

use super::terms::filter;
use crate::args::{AuthArgs, Credentials, Place, channel_name, notes, seconds};

/// Flags of `pusher listen`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct ListenArgs {
    /// Channels to subscribe to
    #[arg(long = "channel", short, required_unless_present = "signin", num_args = 1.., value_name = "NAME", value_parser = channel_name)]
    pub(super) channels: Vec<ChannelName>,
    /// Sign in, and print what is sent to the user
    #[arg(long)]
    pub(super) signin: bool,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) credentials: Credentials,
    #[command(flatten)]
    pub(super) auth: AuthArgs,
    /// Print only events whose name matches, where * stands for any text and ? for one character; may be repeated
    #[arg(long = "event", short, value_name = "PATTERN", value_parser = pattern)]
    pub(super) events: Vec<WildMatch>,
    /// Print one JSON object per event: time, channel, event, data (a string, as it was published), user_id
    #[arg(long)]
    pub(super) json: bool,
    /// Stop after this many published events, or after this many events that --event selects
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
    /// Stop after this time; an error if --count is not reached or a channel is not subscribed by then
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) timeout: Option<Duration>,
    /// Have the server replay what was published while the connection was lost, as Sockudo can; a gap is then reported with
    /// its reason
    #[arg(long)]
    pub(super) recover: bool,
    /// First print up to N earlier events of each channel; needs Sockudo with history, and implies --recover
    #[arg(long, value_name = "N", requires = "channels", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rewind: Option<u32>,
    /// Receive only events whose tags match KEY=VALUE, KEY!=VALUE or a filter as JSON; may be repeated, and then all must
    /// match. Needs Sockudo with tag filtering, and implies --recover
    #[arg(long = "filter", value_name = "EXPR", requires = "channels", value_parser = filter)]
    pub(super) filters: Vec<Filter>,
    /// Keep trying to reach the server; by default, the program ends after three failed attempts before the first connection
    #[arg(long)]
    pub(super) keep_trying: bool,
    /// Show frames in both directions on standard error, without signatures
    #[arg(long, short)]
    pub(super) verbose: bool,
    /// Number of --exec commands that may run at the same time; while all are busy, events wait
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub(super) exec_jobs: u64,
    /// Run a command for each published event, or for each event that --event selects. Everything that follows belongs to
    /// the command, so this must come last
    #[arg(long, num_args = 1.., allow_hyphen_values = true, value_name = "COMMAND")]
    pub(super) exec: Vec<OsString>,
}

fn pattern(text: &str) -> Result<WildMatch, std::convert::Infallible> {
    Ok(WildMatch::new(text))
}

const NOTES: &str = notes!(
    "Events, members and gaps are printed to standard output; messages about the connection go to standard error, or, \
     with --json, to standard output as well.\n\n"
    "A lost connection is reestablished, however long the server is unavailable; a notice shows where events may be missing. \
     With --recover, a server that numbers its messages (Sockudo, with connection recovery turned on) replays them, so that \
     none is missing and none is printed twice; a notice that names the reason appears only if it cannot. --rewind and --filter need Sockudo, and \
     the program ends on any other server; a Sockudo whose tag filtering is turned off ignores the filter. A filter as JSON can \
     also contain event names and an expression. Private and presence channels need --secret or --auth-url. The program ends when a channel is refused, and on \
     Ctrl-C or SIGTERM. Connections to other machines use the proxies in HTTPS_PROXY, HTTP_PROXY and ALL_PROXY.\n\n"
    "--exec runs the command directly, without a shell. The command reads the event from standard input, as --json prints \
     it, and from PUSHER_EVENT_NAME, PUSHER_EVENT_CHANNEL, PUSHER_EVENT_DATA and PUSHER_EVENT_USER_ID. If a command \
     fails, this is reported, and the exit code is 1.\n\n"
    "Examples:\n  \
     pusher listen --url ws://127.0.0.1:6001 --key app-key -c chat orders\n  \
     pusher listen --cluster eu --key KEY --secret-file FILE -c private-orders -e 'order.*'\n  \
     pusher listen --url ws://127.0.0.1:6001 --key app-key -c trades --rewind 20 --filter asset=BTC\n  \
     pusher listen --profile local -c presence-chat --user-id ann --user-info '{\"name\":\"Ann\"}'\n  \
     pusher listen --profile local -c orders --exec-jobs 4 --exec ./handle --verbose\n\n"
);
