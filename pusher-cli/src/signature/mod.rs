//! `pusher sign` and `pusher verify`: what a backend has to answer, and whether a signature is right.

mod pasted;
mod sign;
mod verify;

use pusher_tokio::pusher_proto::signing::App;
use pusher_tokio::{ChannelName, SocketId};

use self::pasted::Pasted;
pub(crate) use self::pasted::fields;
pub(crate) use self::sign::{SignArgs, sign};
pub(crate) use self::verify::{VerifyArgs, verify};
use crate::args::Credentials;
use crate::failure::Failure;
use crate::output::{self, DIM, printable};

/// What is signed for a channel (Pusher docs, *Authorizing users*).
fn channel_string(socket_id: &SocketId, channel: &ChannelName, channel_data: Option<&str>) -> String {
    match channel_data {
        Some(data) => format!("{socket_id}:{channel}:{data}"),
        None => format!("{socket_id}:{channel}"),
    }
}

/// What is signed for a user (Pusher docs, *Authenticating users*).
fn user_string(socket_id: &SocketId, user_data: &str) -> String {
    format!("{socket_id}::user::{user_data}")
}

/// Says on standard error what was signed, so that standard output can be used as it is.
fn explain(string: &str) {
    output::remark(format_args!("{DIM}signed string:{DIM:#} {}", printable(string)));
}

/// Names that only some servers accept are signed: a server that does not accept them refuses them.
fn app(credentials: &Credentials) -> Result<App, Failure> {
    Ok(credentials.app("")?.relaxed_channel_names(true))
}
