//! The flags of `pusher record` and `pusher replay`.

use std::path::PathBuf;
use std::time::Duration;

use pusher_tokio::ChannelName;

use crate::args::{AuthArgs, Credentials, Place, channel_name, notes, seconds};

/// Flags of `pusher record`.
#[derive(Debug, clap::Args)]
#[command(after_help = RECORD_NOTES)]
pub(crate) struct RecordArgs {
    /// File for the recording; an existing one is replaced
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Channels to subscribe to
    #[arg(long = "channel", short, num_args = 1.., value_name = "NAME", value_parser = channel_name)]
    pub(super) channels: Vec<ChannelName>,
    /// Sign in
    #[arg(long)]
    pub(super) signin: bool,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) credentials: Credentials,
    #[command(flatten)]
    pub(super) auth: AuthArgs,
    /// Do what the application does in this recording, at the same times, and list the kinds of events that come more or less
    /// often than there
    #[arg(long, value_name = "RECORDING", conflicts_with_all = ["channels", "signin", "count"])]
    pub(super) repeat: Option<PathBuf>,
    /// Replace payloads by texts of the same length, and users by numbers
    #[arg(long)]
    pub(super) redact_data: bool,
    /// Stop after this many published events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
    /// Stop after this time
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) timeout: Option<Duration>,
    /// Stop before the file becomes larger than this
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub(super) max_size: u64,
    /// Show frames in both directions on standard error, as they are recorded
    #[arg(long, short)]
    pub(super) verbose: bool,
}

/// Flags of `pusher replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = REPLAY_NOTES)]
pub(crate) struct ReplayArgs {
    /// Recording to replay
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Print the events, as `pusher listen` does, with the times of the recording
    #[arg(long)]
    pub(super) print: bool,
    /// Be the server: send what the recorded one sent to every client that connects
    #[arg(long, conflicts_with = "print")]
    pub(super) serve: bool,
    /// Port of --serve on this machine; 0 for a free one
    #[arg(long, default_value_t = 6001, requires = "serve")]
    pub(super) port: u16,
    /// Speed of --serve: 2 is twice as fast
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, requires = "serve", value_parser = speed)]
    pub(super) speed: f64,
}

fn speed(text: &str) -> Result<f64, &'static str> {
    let speed = text.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed > 0.0);
    speed.ok_or("expected a number greater than 0")
}

const RECORD_NOTES: &str = notes!(
    "The file is text: each input of the client with its time, and all that the client did then. Each step is written \
     at once, so the file of a program that was killed is of use. The events are printed as `pusher listen` prints them.\n\n"
    "Application keys, secrets, signatures, shared secrets and headers are never in the file: the recorded client does \
     not see them, only texts that stand for them. What a server repeats of them is replaced if it has at least 6 characters. Payloads of encrypted channels are replaced by others of the same \
     length, sealed with keys that are not secret. The URL of the server, names of channels and events, the ids and \
     infos of users and other payloads stay; --redact-data replaces payloads, ids and infos as well, and what the \
     application's server says when it refuses.\n\n"
    "Examples:\n  \
     pusher record --url ws://127.0.0.1:6001 --key app-key -c chat -o session.txt --timeout 60\n  \
     pusher record --profile local -c private-orders presence-chat --redact-data -o session.txt\n  \
     pusher record --profile staging --repeat session.txt -o staging.txt\n\n"
);

const REPLAY_NOTES: &str = notes!(
    "Gives the inputs of a recording to a new client, in virtual time, and compares what it does with what is recorded, \
     byte for byte. The first difference is an error, with the number of its line; another version of the program may \
     differ on purpose. A recording that is cut off is replayed as far as it goes.\n\n"
    "--serve replays the server's side for any client and any key: the first connection receives what the first \
     recorded socket received, and so on, and each frame waits for as many messages of the client as it waited for in \
     the recording. After the last socket, the first follows again.\n\n"
    "Examples:\n  \
     pusher replay session.txt\n  \
     pusher replay session.txt --serve --port 0 --speed 10\n\n"
);
