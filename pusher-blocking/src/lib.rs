#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

mod auth;
mod bounded;
mod client;
mod connection;
mod dial;
mod error;
mod helpers;
mod http;
mod opening;
mod stream;
#[cfg(feature = "tls")]
mod tls;

use std::sync::Arc;
use std::thread;

#[doc(inline)]
pub use pusher_driver::exports::*;
pub use pusher_proto;

pub use crate::auth::{AuthCall, Authorizer, BoxedAuthorizer};
pub use crate::client::{Client, Events, States, Subscription, Typed, WeakClient};
use crate::connection::Connection;
pub use crate::error::StartError;

/// Starts a client whose connection runs in its own thread.
///
/// It connects at once unless [`auto_connect`](Options::auto_connect) is off. The thread ends when the last handle is
/// dropped or [`Client::shutdown`] is called.
///
/// # Errors
///
/// If the configuration requires TLS and this crate was built without it, if the authorizer has a URL that cannot be
/// used, or if the operating system cannot provide a thread.
pub fn connect(config: Config, authorizer: impl Authorizer) -> Result<Client, StartError> {
    connect_with(config, authorizer, &Options::new())
}

/// Starts a client like [`connect`], with additional options.
///
/// # Errors
///
/// As for [`connect`].
pub fn connect_with(config: Config, authorizer: impl Authorizer, options: &Options) -> Result<Client, StartError> {
    if cfg!(not(feature = "tls")) && config.needs_tls() {
        return Err(InvalidConfig::TlsDisabled("tls").into());
    }
    let (client, connection) = Connection::new(config, Arc::new(authorizer), options)?;
    thread::Builder::new().name("pusher".into()).spawn(move || connection.run())?;
    Ok(client)
}
