//! `pusher auth-server`: a backend for development, from a file.

mod answer;
mod config;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Method};
use pusher_server::origin::is_local;
use tokio::net::TcpListener;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use self::answer::{Backend, answer};
use self::config::Config;
use crate::args::{Credentials, notes};
use crate::failure::Failure;
use crate::interrupt::interrupted;
use crate::output::{self, BOLD, WARNING};

/// Flags of `pusher auth-server`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct AuthServerArgs {
    /// File with users and rules; without it, users are whoever they claim to be and may subscribe to every channel
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    credentials: Credentials,
    /// Port to listen on; 0 for a free one
    #[arg(long, default_value_t = 6002)]
    port: u16,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Origin of pages that may send requests, in addition to the pages of this machine, such as `https://app.example`;
    /// may be repeated
    #[arg(long, value_name = "URL")]
    allow_origin: Vec<String>,
    /// Print one JSON object per request: time, subject (the channel, or #signin), user, status, reason
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: AuthServerArgs) -> Result<(), Failure> {
    let interrupted = interrupted()?;
    let config = args.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    let app = args.credentials.app("")?.relaxed_channel_names(true);
    let address = SocketAddr::new(args.host, args.port);
    let cannot_listen = |error| Failure::failed(format!("cannot listen on {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
    let address = listener.local_addr()?;
    // On standard error, so that a pipe receives requests alone.
    output::remark(format_args!("{BOLD}auth server for development{BOLD:#} with the key {}", app.key()));
    output::remark(format_args!("listening on http://{address}/"));
    if !address.ip().is_loopback() {
        output::remark(format_args!(
            "{WARNING}{address} is reachable from other machines, for which it signs{WARNING:#}"
        ));
    }
    let backend = Backend { config, app, json: args.json, allowed: args.allow_origin.clone() };
    let router = Router::new().fallback(answer).with_state(Arc::new(backend)).layer(cors(args.allow_origin));
    Ok(axum::serve(listener, router).with_graceful_shutdown(interrupted).await?)
}

/// Pages of this machine may ask, with cookies and headers of their own, and those of the flags.
fn cors(allowed: Vec<String>) -> CorsLayer {
    let is_allowed = move |origin: &HeaderValue| {
        let origin = origin.to_str().unwrap_or_default();
        let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
        is_local(authority) || allowed.iter().any(|allowed| allowed.trim_end_matches('/') == origin)
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| is_allowed(origin)))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
}

const NOTES: &str = notes!(
    "The server answers on every path, to forms and JSON. A request with channel_name is for a channel, and one without it \
     for a sign-in. The server is not made for production.\n\n"
    "A user is identified by the token in Authorization: Bearer TOKEN or, if the user has no token, by user_id in the \
     request. The first rule whose pattern matches the channel decides; #signin stands for sign-ins. Without rules, \
     everything is allowed. An example of a file:\n\n  \
     delay = 0.2                    # seconds before each answer\n\n  \
     [[users]]\n  \
     id = \"ann\"\n  \
     token = \"ann-token\"\n  \
     info = { name = \"Ann\" }\n  \
     watchlist = [\"bob\"]\n\n  \
     [[rules]]\n  \
     channels = \"private-admin-*\"\n  \
     users = [\"ann\"]                # everyone, if it is left out\n\n  \
     [[rules]]\n  \
     channels = \"presence-*\"\n  \
     status = 503                   # fails,\n  \
     every = 3                      # every third time\n  \
     delay = 2\n\n  \
     [[rules]]\n  \
     channels = \"private-old-*\"\n  \
     allow = false\n\n"
    "Example:\n  pusher auth-server --config auth.toml --key app-key --secret-file secret.txt\n\n"
);
