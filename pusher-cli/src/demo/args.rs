//! The flags of `pusher demo`.

use std::path::PathBuf;

use pusher_server::pusher_proto::server::Dialect;
use pusher_tokio::Secret;

use crate::args::{notes, secret};

/// Flags of `pusher demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct DemoArgs {
    /// Server to run the tour on, such as ws://127.0.0.1:6001 [default: a built-in development server]
    #[arg(long, requires_all = ["app_id", "key", "secret"])]
    pub(super) url: Option<String>,
    /// Application id
    #[arg(long, env = "PUSHER_APP_ID", hide_env_values = true)]
    pub(super) app_id: Option<String>,
    /// Application key
    #[arg(long, env = "PUSHER_KEY", hide_env_values = true)]
    pub(super) key: Option<String>,
    /// Application secret; prefer the environment variable, since other users can see command lines
    #[arg(long, env = "PUSHER_SECRET", hide_env_values = true, value_parser = secret)]
    pub(super) secret: Option<Secret>,
    /// Server that the built-in one imitates: pusher, reverb, laravel-websockets, soketi or sockudo
    #[arg(long, value_name = "NAME", default_value_t, conflicts_with = "url")]
    pub(super) dialect: Dialect,
    /// Also trust the certificates in this PEM file, such as that of a private CA
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(super) ca_file: Option<PathBuf>,
    /// Print one JSON object per step: name, status (ok, failed or unsupported), millis, detail
    #[arg(long)]
    pub(super) json: bool,
}

const NOTES: &str = notes!(
    "Without --url, the tour runs on a development server that the program starts, and the steps about missed messages on \
     another one that speaks version 2 of Sockudo's protocol. With --url, the tour takes \
     the same steps on that server, with the credentials of an application there, and reports features that the server \
     lacks as unsupported. The channels of the tour have unique names. PUSHER_URL is ignored.\n\n"
);
