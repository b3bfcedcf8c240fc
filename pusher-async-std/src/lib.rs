#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(feature = "async-std", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "async-std"), doc = "A Pusher Channels client for smol, and for your own executor.")]

mod runtime;
#[cfg(feature = "smol")]
pub mod smol;
mod stream;

use std::future::Future;

use pusher_driver::adapter::Connection;
#[doc(inline)]
pub use pusher_driver::async_exports::*;
#[doc(inline)]
pub use pusher_driver::exports::*;
pub use pusher_proto;

use crate::runtime::FuturesIo;

/// Starts a client whose connection runs as a task of async-std.
///
/// It connects at once unless [`auto_connect`](Options::auto_connect) is off. The task ends when the last handle is
/// dropped or [`Client::shutdown`] is called.
///
/// # Errors
///
/// If the configuration requires TLS and this crate was built without it, or if the authorizer has a URL that cannot be
/// used.
#[cfg(feature = "async-std")]
pub fn connect(config: Config, authorizer: impl Authorizer) -> Result<Client, InvalidConfig> {
    connect_with(config, authorizer, &Options::new())
}

/// Starts a client like [`connect`], with additional options.
///
/// # Errors
///
/// As for [`connect`].
#[cfg(feature = "async-std")]
pub fn connect_with(config: Config, authorizer: impl Authorizer, options: &Options) -> Result<Client, InvalidConfig> {
    let (client, connection) = connection(config, authorizer, options)?;
    async_std::task::spawn(connection);
    Ok(client)
}

/// Creates a client and its connection, which is a future for your own executor. Sockets and timers are those of
/// async-io, which runs its own thread.
///
/// # Errors
///
/// If the configuration requires TLS and this crate was built without it, or if the authorizer has a URL that cannot be
/// used.
///
/// # Examples
///
/// ```
/// use pusher_async_std::{Config, Endpoint, NoAuth, Options};
///
/// let executor = async_executor::Executor::new();
/// let config = Config::new("app-key", Endpoint::host("localhost").tls(false))?;
/// let (client, connection) = pusher_async_std::connection(config, NoAuth, &Options::new())?;
/// executor.spawn(connection).detach();
/// # Ok::<(), pusher_async_std::InvalidConfig>(())
/// ```
pub fn connection(
    config: Config,
    authorizer: impl Authorizer,
    options: &Options,
) -> Result<(Client, impl Future<Output = ()> + Send + 'static), InvalidConfig> {
    if cfg!(not(feature = "tls")) && config.needs_tls() {
        return Err(InvalidConfig::TlsDisabled("tls"));
    }
    let runtime = FuturesIo::new(&config, options);
    Connection::new(config, authorizer, runtime, options)
}
