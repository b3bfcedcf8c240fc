#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

mod runtime;
mod stream;
#[cfg(feature = "tokio-tungstenite-0-29")]
pub mod tokio_tungstenite_0_29;

use pusher_driver::adapter::Connection;
#[doc(inline)]
pub use pusher_driver::async_exports::*;
#[doc(inline)]
pub use pusher_driver::exports::*;
pub use pusher_proto;

use crate::runtime::Tokio;

/// Starts a client whose connection runs as a task of the current tokio runtime.
///
/// It connects at once unless [`auto_connect`](Options::auto_connect) is off. The task ends when the last handle is
/// dropped or [`Client::shutdown`] is called.
///
/// # Errors
///
/// If the configuration requires TLS and this crate was built without it, or if the authorizer has a URL that cannot be
/// used.
///
/// # Panics
///
/// If called outside of a tokio runtime, or in one without IO and time.
#[track_caller]
pub fn connect(config: Config, authorizer: impl Authorizer) -> Result<Client, InvalidConfig> {
    connect_with(config, authorizer, &Options::new())
}

/// Starts a client like [`connect`], with additional options.
///
/// # Errors
///
/// As for [`connect`].
///
/// # Panics
///
/// As for [`connect`].
#[track_caller]
pub fn connect_with(config: Config, authorizer: impl Authorizer, options: &Options) -> Result<Client, InvalidConfig> {
    if cfg!(not(feature = "tls")) && config.needs_tls() {
        return Err(InvalidConfig::TlsDisabled("tls"));
    }
    let runtime = Tokio::new(&config, options);
    let (client, connection) = Connection::new(config, authorizer, runtime, options)?;
    tokio::spawn(connection);
    Ok(client)
}
