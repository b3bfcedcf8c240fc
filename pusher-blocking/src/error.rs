//! Errors when a client is started.

use std::io;

use pusher_proto::InvalidConfig;

/// Why a client was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is invalid, or requires a feature that this build does not have.
    #[error("{0}")]
    Config(#[from] InvalidConfig),
    /// The operating system could not provide a thread or a poller.
    #[error("{0}")]
    Io(#[from] io::Error),
}
