//! Clients on smol, whose connections run as tasks of its global executor.

use crate::{Authorizer, Client, Config, InvalidConfig, Options, connection};

/// Starts a client whose connection runs as a task of smol's global executor.
///
/// It connects at once unless [`auto_connect`](Options::auto_connect) is off. The task ends when the last
/// handle is dropped or [`Client::shutdown`] is called. For another executor, see [`connection`](crate::connection()).
///
/// # Errors
///
/// If the configuration requires TLS and this crate was built without it, or if the authorizer has a URL that cannot be
/// used.
///
/// # Examples
///
/// ```no_run
/// use pusher_async_std::{Config, Endpoint, NoAuth};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// smol::block_on(async {
///     let client = pusher_async_std::smol::connect(Config::new("app-key", Endpoint::cluster("eu"))?, NoAuth)?;
///     let mut news = client.subscribe("news")?;
///     while let Some(event) = news.recv().await {
///         println!("{event:?}");
///     }
///     Ok(())
/// })
/// # }
/// ```
pub fn connect(config: Config, authorizer: impl Authorizer) -> Result<Client, InvalidConfig> {
    connect_with(config, authorizer, &Options::new())
}

/// Starts a client like [`connect`], with additional options.
///
/// # Errors
///
/// As for [`connect`].
pub fn connect_with(config: Config, authorizer: impl Authorizer, options: &Options) -> Result<Client, InvalidConfig> {
    let (client, connection) = connection(config, authorizer, options)?;
    ::smol::spawn(connection).detach();
    Ok(client)
}
