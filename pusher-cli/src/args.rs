//! The command line.

use std::convert::Infallible;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Parser, Subcommand};
use pusher_server::pusher_proto::server::Dialect;
use pusher_tokio::pusher_proto::signing::{InvalidMasterKey, MasterKey};
use pusher_tokio::{ChannelName, Data, InvalidName, Secret, SocketId, Text};

use crate::failure::Failure;
use crate::target::Target;

/// Pusher Channels on the command line: take a tour, run a development server, listen, and trigger events.
#[derive(Debug, Parser)]
#[command(name = "pusher", version, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the protocol at work, step by step, on a server of its own or on yours
    Demo(DemoArgs),
    /// Run a development server
    Serve(ServeArgs),
    /// Print the events of channels as they come
    Listen(ListenArgs),
    /// Publish an event over the HTTP API
    Trigger(TriggerArgs),
}

/// Flags of `pusher demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = DEMO_NOTES)]
pub(crate) struct DemoArgs {
    /// Take the tour on this server, such as ws://127.0.0.1:6001
    #[arg(long, requires_all = ["app_id", "key", "secret"])]
    pub(crate) url: Option<String>,
    /// Id of the application
    #[arg(long, env = "PUSHER_APP_ID", hide_env_values = true)]
    pub(crate) app_id: Option<String>,
    /// Key of the application
    #[arg(long, env = "PUSHER_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    /// Secret of the application; better given by its environment variable, where nobody sees it
    #[arg(long, env = "PUSHER_SECRET", hide_env_values = true, value_parser = secret)]
    pub(crate) secret: Option<Secret>,
    /// Let the development server speak like another: pusher, reverb, laravel-websockets, soketi or sockudo
    #[arg(long, value_name = "NAME", default_value_t, conflicts_with = "url")]
    pub(crate) dialect: Dialect,
    /// Print one JSON object per step: name, status (ok, failed or unsupported), millis, detail
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `pusher serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = SERVE_NOTES)]
pub(crate) struct ServeArgs {
    /// Port to listen on; 0 for a free one
    #[arg(long, default_value_t = 6001)]
    pub(crate) port: u16,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// Id of the application
    #[arg(long, env = "PUSHER_APP_ID", hide_env_values = true, default_value = "app-id")]
    pub(crate) app_id: String,
    /// Key of the application
    #[arg(long, env = "PUSHER_KEY", hide_env_values = true, default_value = "app-key")]
    pub(crate) key: String,
    /// Secret of the application
    #[arg(long, env = "PUSHER_SECRET", hide_env_values = true, default_value = "app-secret", value_parser = secret)]
    pub(crate) secret: Secret,
    /// Encryption master key of the application [default: 32 bytes of value 7]
    #[arg(long, env = "PUSHER_ENCRYPTION_MASTER_KEY", hide_env_values = true, value_name = "BASE64", value_parser = master_key)]
    pub(crate) master_key: Option<MasterKey>,
    /// Server to speak like: pusher, reverb, laravel-websockets, soketi or sockudo
    #[arg(long, value_name = "NAME", default_value_t)]
    pub(crate) dialect: Dialect,
}

/// Flags of `pusher listen`.
#[derive(Debug, clap::Args)]
#[command(after_help = LISTEN_NOTES)]
pub(crate) struct ListenArgs {
    /// Channels to subscribe to
    #[arg(long = "channel", short, required = true, num_args = 1.., value_name = "NAME", value_parser = channel)]
    pub(crate) channels: Vec<ChannelName>,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Key of the application
    #[arg(long, env = "PUSHER_KEY", hide_env_values = true)]
    pub(crate) key: String,
    /// Secret of the application, to sign authorizations without an auth endpoint; better given by its environment
    /// variable, where nobody sees it
    #[arg(long, env = "PUSHER_SECRET", hide_env_values = true, value_parser = secret)]
    pub(crate) secret: Option<Secret>,
    /// Master key of encrypted channels, 32 bytes in base64, to sign for them too; better given by its environment variable
    #[arg(long, env = "PUSHER_ENCRYPTION_MASTER_KEY", hide_env_values = true, value_name = "BASE64", value_parser = master_key)]
    pub(crate) master_key: Option<MasterKey>,
    /// Auth endpoint to ask instead of signing
    #[arg(long, value_name = "URL")]
    pub(crate) auth_url: Option<String>,
    /// Header for the auth endpoint
    #[arg(long = "auth-header", requires = "auth_url", value_name = "NAME=VALUE", value_parser = header)]
    pub(crate) auth_headers: Vec<(Text, Secret)>,
    /// Who to be on presence channels [default when signing: pusher-cli]
    #[arg(long, value_name = "ID")]
    pub(crate) user_id: Option<String>,
    /// What others learn of that user
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub(crate) user_info: Option<Data>,
    /// Print only events of this name; may be repeated
    #[arg(long = "event", short, value_name = "NAME")]
    pub(crate) events: Vec<String>,
    /// Print one JSON object per event: time, channel, event, data (a string, as it was published), user_id
    #[arg(long)]
    pub(crate) json: bool,
    /// End after this many published events, or after this many that --event lets through
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End after this time; a failure if --count is not reached by then
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Never give up; without it, three failures in a row end the program
    #[arg(long)]
    pub(crate) keep_trying: bool,
}

/// Flags of `pusher trigger`.
#[derive(Debug, clap::Args)]
#[command(after_help = TRIGGER_NOTES)]
pub(crate) struct TriggerArgs {
    /// Channels to publish on
    #[arg(long = "channel", short, required = true, num_args = 1.., value_name = "NAME", value_parser = channel)]
    pub(crate) channels: Vec<ChannelName>,
    /// Name of the event
    #[arg(long, short, value_name = "NAME")]
    pub(crate) event: String,
    /// Payload, usually JSON; @FILE reads a file, - reads standard input
    #[arg(long, short, allow_hyphen_values = true, value_name = "TEXT")]
    pub(crate) data: String,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Id of the application
    #[arg(long, env = "PUSHER_APP_ID", hide_env_values = true)]
    pub(crate) app_id: String,
    /// Key of the application
    #[arg(long, env = "PUSHER_KEY", hide_env_values = true)]
    pub(crate) key: String,
    /// Secret of the application; better given by its environment variable, where nobody sees it
    #[arg(long, env = "PUSHER_SECRET", hide_env_values = true, value_parser = secret)]
    pub(crate) secret: Secret,
    /// Master key of encrypted channels, 32 bytes in base64; better given by its environment variable
    #[arg(long, env = "PUSHER_ENCRYPTION_MASTER_KEY", hide_env_values = true, value_name = "BASE64", value_parser = master_key)]
    pub(crate) master_key: Option<MasterKey>,
    /// Connection that does not get the event
    #[arg(long, value_parser = socket_id)]
    pub(crate) socket_id: Option<SocketId>,
}

/// Where the server is.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("server").args(["url", "cluster", "host"]))]
pub(crate) struct Place {
    /// Server, such as ws://127.0.0.1:6001 or wss://example.com/prefix [env: PUSHER_URL, if no server is named]
    #[arg(long)]
    url: Option<String>,
    /// Cluster of hosted Pusher, such as eu
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Host of a server, in place of a URL
    #[arg(long)]
    host: Option<String>,
    /// Port of that host [default: 80, or 443 with --tls]
    #[arg(long, requires = "host")]
    port: Option<u16>,
    /// Use TLS with that host
    #[arg(long, requires = "host")]
    tls: bool,
}

impl Place {
    pub(crate) fn target(&self) -> Result<Target, Failure> {
        match self {
            Self { url: Some(url), .. } => Target::from_url(url),
            Self { cluster: Some(name), .. } => Target::cluster(name),
            Self { host: Some(host), port, tls, .. } => Target::host(host, *port, *tls),
            // By hand: clap would take a URL of the environment as a conflict with --cluster.
            Self { url: None, cluster: None, host: None, .. } => match std::env::var("PUSHER_URL") {
                Ok(url) if !url.is_empty() => Target::from_url(&url),
                _ => Err(Failure::usage("no server is named: use --url, --cluster, --host or PUSHER_URL")),
            },
        }
    }
}

/// Where the payload of `trigger` comes from.
pub(crate) enum Payload {
    Text(String),
    File(PathBuf),
    Stdin,
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        match text.strip_prefix('@') {
            Some(path) => Self::File(PathBuf::from(path)),
            None if text == "-" => Self::Stdin,
            None => Self::Text(text),
        }
    }
}

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::from(text))
}

fn master_key(text: &str) -> Result<MasterKey, InvalidMasterKey> {
    MasterKey::from_base64(text)
}

fn channel(text: &str) -> Result<ChannelName, InvalidName> {
    ChannelName::new(text)
}

fn socket_id(text: &str) -> Result<SocketId, InvalidName> {
    SocketId::new(text)
}

fn json(text: &str) -> Result<Data, serde_json::Error> {
    Data::from_json(text)
}

/// Its error does not repeat the value, which may be a token.
fn header(text: &str) -> Result<(Text, Secret), &'static str> {
    let (name, value) = text.split_once('=').ok_or("it must have the form NAME=VALUE")?;
    Ok((name.into(), value.into()))
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|duration| !duration.is_zero()).ok_or("it must be a number of seconds greater than 0")
}

/// What stands below the flags: remarks, and the exit codes.
macro_rules! notes {
    ($($text:literal)*) => {
        concat!($($text,)* "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 cannot connect, 4 refused by the server.")
    };
}

const EXIT_CODES: &str = notes!();

const DEMO_NOTES: &str = notes!(
    "Without --url the tour starts a development server of its own. With --url it takes the same steps on that \
     server, as an application whose secret it holds, and shows as unsupported what that server does not have. Its \
     channels have names that nobody else uses. The environment's PUSHER_URL has no effect here.\n\n"
);

const SERVE_NOTES: &str = notes!(
    "The server has a WebSocket, the HTTP API, and endpoints that sign every user, and every channel whose name does \
     not contain \"forbidden\". It has one application, keeps nothing and is not made for production. Ctrl-C ends it.\n\n"
);

const LISTEN_NOTES: &str = notes!(
    "A lost connection comes back by itself; a notice says that events may be missing. Private and presence channels \
     need --secret or --auth-url. A channel that is refused ends the program, and so does Ctrl-C.\n\n"
);

const TRIGGER_NOTES: &str =
    notes!("The HTTP API is where the WebSocket is: --url takes ws://, wss://, http:// and https://.\n\n");

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
