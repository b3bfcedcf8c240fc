//! The client's inputs, as far as the ledger understands them.

use pusher_proto::{ChannelName, ClientEventName, NetworkHint};

use crate::simulation::frame::{SUCCEEDED, Seen, number_of};

/// A call of the application.
#[derive(Clone, Copy)]
pub(crate) enum AppCall<'a> {
    Connect,
    Disconnect,
    Switch,
    Hint(NetworkHint),
    Subscribe(&'a ChannelName),
    Unsubscribe(&'a ChannelName),
    Signin,
    Signout,
    /// A client event is about to be triggered.
    Trigger,
    /// The client has accepted it.
    Triggered(&'a ChannelName, &'a ClientEventName),
}

/// A frame from the server.
pub(crate) enum Incoming<'a> {
    Greeting {
        activity_timeout: Option<u64>,
    },
    /// A greeting on a socket that is already connected.
    SecondGreeting,
    Success {
        channel: &'a str,
        /// The newest message of the channel, in version 2.
        position: Option<&'a (String, u64)>,
    },
    Error {
        code: Option<u64>,
    },
    SigninSuccess,
    Watchlist,
    /// An event that the harness has numbered.
    Event {
        channel: &'a str,
        number: u64,
        /// The stream and the number in it, in version 2.
        position: Option<&'a (String, u64)>,
    },
    /// An event in a form that the client cannot read.
    UnfitDelta {
        channel: &'a str,
        number: Option<u64>,
    },
    /// Anything from which the ledger draws no conclusions.
    Other,
}

impl<'a> Incoming<'a> {
    pub(crate) fn read(seen: Option<&'a Seen>, is_connected: bool) -> Self {
        let Some(seen) = seen else { return Self::Other };
        let channel = seen.channel.as_deref().unwrap_or_default();
        let position = seen.position.as_ref();
        let number = |name: &str| seen.data.get(name).and_then(serde_json::Value::as_u64);
        match seen.event.as_str() {
            "pusher:connection_established" if is_connected => Self::SecondGreeting,
            "pusher:connection_established" => Self::Greeting { activity_timeout: number("activity_timeout") },
            SUCCEEDED if is_connected => Self::Success { channel, position },
            "pusher:error" | "pusher:subscription_error" => Self::Error { code: number("code") },
            "pusher:delta" => {
                let event = seen.data.get("event").and_then(serde_json::Value::as_str);
                Self::UnfitDelta { channel, number: event.and_then(number_of) }
            }
            "pusher:signin_success" => Self::SigninSuccess,
            "pusher_internal:watchlist_events" => Self::Watchlist,
            event => number_of(event).map_or(Self::Other, |number| Self::Event { channel, number, position }),
        }
    }
}

/// The last input, as far as it explains outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Input {
    #[default]
    Other,
    Success,
    Error,
}

impl From<&Incoming<'_>> for Input {
    fn from(frame: &Incoming<'_>) -> Self {
        match frame {
            Incoming::Success { .. } => Self::Success,
            Incoming::Error { .. } => Self::Error,
            Incoming::Greeting { .. }
            | Incoming::SecondGreeting
            | Incoming::SigninSuccess
            | Incoming::Watchlist
            | Incoming::Event { .. }
            | Incoming::UnfitDelta { .. }
            | Incoming::Other => Self::Other,
        }
    }
}
