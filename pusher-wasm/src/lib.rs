#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

mod browser;
#[cfg(feature = "js")]
mod js;
mod page;
mod socket;

use pusher_driver::adapter::{Connection, OptionsExt as _};
#[doc(inline)]
pub use pusher_driver::async_exports::*;
#[doc(inline)]
pub use pusher_driver::exports::*;
pub use pusher_proto;

use crate::browser::Browser;
use crate::page::Page;

/// Starts a client whose connection runs as a task of the page's, or worker's, event loop.
///
/// It connects at once unless [`auto_connect`](Options::auto_connect) is off. The task ends when the last handle is
/// dropped or [`Client::shutdown`] is called. Handles work only on the thread that called this function.
///
/// # Errors
///
/// If the configuration is invalid, or if the authorizer has a URL that cannot be used.
///
/// # Examples
///
/// ```no_run
/// use pusher_wasm::{Config, Endpoint, Event, HttpAuth};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::new("app-key", Endpoint::cluster("eu"))?;
/// let client = pusher_wasm::connect(config, HttpAuth::new("https://example.com/broadcasting/auth"))?;
/// let mut orders = client.subscribe("private-orders")?;
/// while let Some(event) = orders.recv().await {
///     if let Event::Channel(event) = event {
///         println!("{}: {}", event.event(), event.data().text());
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub fn connect(config: Config, authorizer: impl Authorizer) -> Result<Client, InvalidConfig> {
    connect_with(config, authorizer, &Options::new())
}

/// Starts a client like [`connect`], with additional options. Proxies have no effect: browsers have their own.
///
/// # Errors
///
/// As for [`connect`].
///
/// # Examples
///
/// ```no_run
/// use pusher_wasm::{Config, Endpoint, NoAuth, Options};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::new("app-key", Endpoint::cluster("eu"))?;
/// let client = pusher_wasm::connect_with(config, NoAuth, &Options::new().auto_connect(false))?;
/// # Ok(())
/// # }
/// ```
pub fn connect_with(config: Config, authorizer: impl Authorizer, options: &Options) -> Result<Client, InvalidConfig> {
    let browser = Browser { max_frame_len: config.max_frame_len() };
    let options = options.clone().or_seed(js_sys::Math::random().to_bits());
    let (client, connection) = Connection::new(config, authorizer, browser, &options)?;
    let page = Page::listen(client.downgrade());
    wasm_bindgen_futures::spawn_local(async move {
        connection.await;
        drop(page);
    });
    Ok(client)
}
