//! What all commands that connect have in common.

use pusher_tokio::{ChannelName, Config, ConfigBuilder, ConnectionState, Endpoint, Event};

use crate::failure::Failure;

/// Starts a configuration that gives up after [`TRIES`] failures in a row: a person waits for the answer.
pub(crate) fn config(key: &str, endpoint: Endpoint) -> ConfigBuilder {
    Config::builder(key, endpoint)
        .client_name("pusher-cli")
        .client_version(env!("CARGO_PKG_VERSION"))
        // The number that the client tolerates; the next failure is the last.
        .max_attempts(TRIES - 1)
}

/// Returns why a command ends, if this event ends it. A patient one waits for a server, however long it is away.
pub(crate) fn failure(
    event: &Event,
    url: &str,
    is_patient: bool,
    is_subscribed: impl Fn(&ChannelName) -> bool,
) -> Option<Failure> {
    match event {
        Event::StateChanged { current: ConnectionState::Failed { reason }, .. } => Some(Failure::given_up(reason, url)),
        Event::StateChanged { current: ConnectionState::Waiting { attempt, cause, .. }, .. }
            if !is_patient && *attempt >= TRIES =>
        {
            Some(Failure::no_connection(cause, url))
        }
        // The server may complain about a channel and still serve it. The client itself retries what may be temporary.
        Event::SubscriptionError { channel, error, retry_at: None } if !is_subscribed(channel) => {
            Some(Failure::subscription(channel, error))
        }
        Event::SigninError { error, retry_at: None } => Some(Failure::signin(error)),
        _ => None,
    }
}

/// How many attempts fail before the user should be told.
pub(crate) const TRIES: u32 = 3;
