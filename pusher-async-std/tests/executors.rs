//! Different executors: that of smol, and one of the application's own.
#![cfg(test)]

use std::time::Duration;

use pusher_async_std::{ChannelName, Client, Config, ConnectionState, Endpoint, Event, HttpAuth, Options, connection};
use pusher_server::Server;
use pusher_server::pusher_proto::server::Publication;
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server, and the runtime that it needs.
struct World {
    server: Server,
    _runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::start(pusher_server::Options::default())).unwrap();
        Self { server, _runtime: runtime }
    }

    fn config(&self) -> Config {
        let endpoint = Endpoint::host("localhost").ws_port(self.server.address().port()).tls(false);
        Config::new("app-key", endpoint).unwrap()
    }

    fn auth(&self) -> HttpAuth {
        HttpAuth::new(format!("{}/pusher/auth", self.server.http_url()))
    }

    async fn talk(&self, client: Client) {
        let mut orders = client.subscribe("private-orders").unwrap();
        orders.subscribed().await.unwrap();
        let publication = Publication::new("message", [ChannelName::new("private-orders").unwrap()], "hi");
        self.server.handle().trigger(&publication).unwrap();
        loop {
            if let Event::Channel(event) = orders.recv().await.unwrap() {
                assert_eq!(event.data().text(), "hi");
                break;
            }
        }
        client.shutdown(PATIENCE).await;
        assert_eq!(client.state(), ConnectionState::Disconnected);
        while orders.recv().await.is_some() {}
    }
}

#[cfg(feature = "smol")]
#[test]
fn connections_run_on_smol() {
    let world = World::new();
    let client = pusher_async_std::smol::connect(world.config(), world.auth()).unwrap();
    async_io::block_on(world.talk(client));
}

#[cfg(feature = "async-std")]
#[test]
fn connections_run_on_async_std() {
    let world = World::new();
    let client = pusher_async_std::connect(world.config(), world.auth()).unwrap();
    async_io::block_on(world.talk(client));
}

#[test]
fn connections_run_on_any_executor() {
    let world = World::new();
    let executor = async_executor::Executor::new();
    let (client, connection) = connection(world.config(), world.auth(), &Options::new()).unwrap();
    executor.spawn(connection).detach();
    async_io::block_on(executor.run(world.talk(client)));
    assert!(executor.is_empty(), "the connection has ended");
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_without_its_feature_is_an_error_of_the_configuration() {
    let config = Config::new("app-key", Endpoint::cluster("eu")).unwrap();
    let refused = connection(config, pusher_async_std::NoAuth, &Options::new()).map(drop);
    assert_eq!(refused.unwrap_err(), pusher_async_std::InvalidConfig::TlsDisabled("tls"));
}
