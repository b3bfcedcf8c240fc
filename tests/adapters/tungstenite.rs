//! The adapter for tokio over streams that the application opens.

use std::time::Duration;

use pusher_driver::{
    Client, HttpAuth, Options, SignedInError, States, SubscribeError, Subscription, Typed, TypedError, UserInfo,
};
use pusher_proto::{Config, ConnectionState, Event, InvalidConfig, TransportError};
use pusher_tokio::tokio_tungstenite_0_29::connect_with;
use pusher_tokio::tokio_tungstenite_0_29::tokio_tungstenite::client_async_with_config;
use tokio::net::TcpStream;

use crate::adapter::{Adapter, TOKIO, in_tokio};
use crate::world::PATIENCE;

asynchronous!(Tungstenite, "tokio-tungstenite", connect, in_tokio);

fn connect(config: Config, auth: HttpAuth, options: &Options) -> Result<Client, InvalidConfig> {
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
