//! `pusher sign` and `pusher verify`: what a backend has to answer, and whether a signature is right.

mod pasted;
mod sign;
mod verify;

use std::io::{self, Read as _};

use pusher_tokio::{ChannelName, SocketId};

pub(crate) use self::pasted::Pasted;
pub(crate) use self::sign::{SignArgs, sign};
pub(crate) use self::verify::{VerifyArgs, verify};
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

/// Reads a text: of a file with @, of standard input with -, else the text itself.
fn text(argument: &str) -> Result<String, Failure> {
    match argument.strip_prefix('@') {
        Some(path) => {
            std::fs::read_to_string(path).map_err(|error| Failure::failed(format!("cannot read {path}: {error}")))
        }
        None if argument == "-" => stdin(),
        None => Ok(argument.to_owned()),
    }
}

fn stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let read = io::stdin().read_to_string(&mut text);
    read.map_err(|error| Failure::failed(format!("cannot read standard input: {error}")))?;
    Ok(text)
}
