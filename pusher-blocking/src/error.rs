//! Errors when a client is started.

use std::io;

use pusher_proto::InvalidConfig;

/// Why a client was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is invalid, or requires a feature that this build does not have.
    #[error("the configuration cannot be used")]
    Config(#[from] InvalidConfig),
    /// The operating system could not provide a thread or a poller.
    #[error("the operating system could not provide a thread or a poller")]
    Io(#[from] io::Error),
}
