//! What all commands that connect have in common.

use pusher_tokio::{Config, ConfigBuilder, Endpoint};

/// Starts a configuration that gives up after [`TRIES`] failures in a row: a person waits for the answer.
pub(crate) fn config(key: &str, endpoint: Endpoint) -> ConfigBuilder {
    Config::builder(key, endpoint)
        .client_name("pusher-cli")
        .client_version(env!("CARGO_PKG_VERSION"))
        // The number that the client tolerates; the next failure is the last.
        .max_attempts(TRIES - 1)
}

/// How many attempts fail before the user should be told.
pub(crate) const TRIES: u32 = 3;
