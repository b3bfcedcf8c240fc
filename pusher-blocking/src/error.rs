//! What can go wrong at the start.

use std::io;

use pusher_proto::InvalidConfig;

/// Why a client was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration asks for what this build does not have.
    #[error("{0}")]
    Config(#[from] InvalidConfig),
    /// The operating system gave no thread or no poller.
    #[error("{0}")]
    Io(#[from] io::Error),
}
