//! What the client sends, as far as the ledger understands it.

use crate::simulation::authority::{Authority, Signed};
use crate::simulation::frame::{SERVER_TO_USER, Seen};

/// A message to the server.
pub(crate) struct Message<'a> {
    pub(crate) text: &'a str,
    pub(crate) kind: Outgoing<'a>,
    /// What its signature is for, if it comes from the application's server.
    pub(crate) signed: Option<&'a Signed>,
}

pub(crate) enum Outgoing<'a> {
    Subscribe {
        channel: &'a str,
    },
    /// A subscription to a user's own channel, which needs no authorization and has no state of its own.
    SubscribeUser,
    Unsubscribe {
        channel: &'a str,
    },
    /// A delta of this channel does not fit.
    DeltaError {
        channel: &'a str,
    },
    Signin,
    Ping,
    Pong,
    ClientEvent {
        channel: Option<&'a str>,
        event: &'a str,
    },
    Other,
}

impl<'a> Message<'a> {
    pub(crate) fn read(text: &'a str, seen: &'a Seen, signatures: &'a Authority) -> Self {
        let channel = seen.target();
        let kind = match seen.event.as_str() {
            "pusher:subscribe" if channel.starts_with(SERVER_TO_USER) => Outgoing::SubscribeUser,
            "pusher:subscribe" => Outgoing::Subscribe { channel },
            "pusher:unsubscribe" => Outgoing::Unsubscribe { channel },
            "pusher:delta_sync_error" => Outgoing::DeltaError { channel },
            "pusher:signin" => Outgoing::Signin,
            "pusher:ping" => Outgoing::Ping,
            "pusher:pong" => Outgoing::Pong,
            event if event.starts_with("client-") => Outgoing::ClientEvent { channel: seen.channel.as_deref(), event },
            _ => Outgoing::Other,
        };
        let signed = seen.field("auth").and_then(|auth| signatures.signed(auth));
        Self { text, kind, signed }
    }
}
