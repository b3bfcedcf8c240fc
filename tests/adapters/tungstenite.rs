//! The adapter for tokio over streams that the application opens.

use std::time::Duration;

use pusher_driver::{Client, HttpAuth, Options};
use pusher_proto::{Config, InvalidConfig, TransportError};
use pusher_test::conformance::{About, WithFutures};
use pusher_tokio::tokio_tungstenite_0_29::connect_with;
use pusher_tokio::tokio_tungstenite_0_29::tokio_tungstenite::client_async_with_config;
use tokio::net::TcpStream;

use crate::runtimes::{TOKIO, about, in_tokio};

pub(crate) struct Tungstenite;

impl WithFutures for Tungstenite {
    fn about(&self) -> About {
        about("tokio-tungstenite")
            .lacks("a_message_that_never_ends_is_given_up", "the library accepts any number of frames")
    }

    fn start(&self, config: Config, auth: HttpAuth, options: &Options) -> Result<Client, InvalidConfig> {
        let _entered = TOKIO.enter();
        connect_with(config, auth, options, |upgrade| async {
            let address = upgrade.request().authority();
            let stream = TcpStream::connect(&address).await;
            let stream = stream.map_err(|error| TransportError::Io(format!("{address}: {error}")))?;
            stream.set_nodelay(true)?;
            let limits = Some(upgrade.config());
            let (socket, _) = client_async_with_config(upgrade, stream, limits).await?;
            Ok(socket)
        })
    }

    fn within<T>(&self, future: impl Future<Output = T>, limit: Duration) -> Option<T> {
        in_tokio(future, limit)
    }
}
