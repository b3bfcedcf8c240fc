//! The flags of `pusher serve`.

use std::net::IpAddr;

use pusher_server::pusher_proto::server::Dialect;
use pusher_tokio::Secret;
use pusher_tokio::pusher_proto::signing::MasterKey;

use crate::args::{master_key, notes, secret};

/// Flags of `pusher serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct ServeArgs {
    /// Port to listen on; 0 for a free one
    #[arg(long, default_value_t = 6001)]
    pub(super) port: u16,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub(super) host: IpAddr,
    /// Id of the application
    #[arg(long, env = "PUSHER_SERVE_APP_ID", hide_env_values = true, default_value = "1")]
    pub(super) app_id: String,
    /// Key of the application
    #[arg(long, env = "PUSHER_SERVE_KEY", hide_env_values = true, default_value = "app-key")]
    pub(super) key: String,
    /// Secret of the application
    #[arg(long, env = "PUSHER_SERVE_SECRET", hide_env_values = true, default_value = "app-secret", value_parser = secret)]
    pub(super) secret: Secret,
    /// Encryption master key of the application [default: 32 bytes of value 7]
    #[arg(long, env = "PUSHER_SERVE_ENCRYPTION_MASTER_KEY", hide_env_values = true, value_name = "BASE64", value_parser = master_key)]
    pub(super) master_key: Option<MasterKey>,
    /// Server to imitate: pusher, reverb, laravel-websockets, soketi, sockudo or sockudo-v2
    #[arg(long, value_name = "NAME", default_value_t)]
    pub(super) dialect: Dialect,
    /// Also serve the console's page on an address that other machines can reach
    #[arg(long)]
    pub(super) console: bool,
    /// Accept requests with any host name and from pages of any origin, not only those of this machine
    #[arg(long)]
    pub(super) allow_any_origin: bool,
}

const NOTES: &str = notes!(
    "The server has a WebSocket, the HTTP API, and endpoints that sign every user, and every channel whose name does \
     not contain \"forbidden\", for sockets that are connected to it. It has one application, stores nothing and is not \
     made for production: do not give it the credentials of another server. PUSHER_KEY and PUSHER_SECRET have no \
     effect here. Ctrl-C stops the server.\n\n"
);
