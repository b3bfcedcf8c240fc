//! A client over a Unix socket. It starts a development server with a Unix socket in front of it, and shows an event:
//!
//! ```sh
//! cargo run -p pusher-tokio --example unix-socket --features tokio-tungstenite-0-29
//! ```

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    #[cfg(unix)]
    return unix::run();
    #[cfg(not(unix))]
    Err("this system has no Unix sockets".into())
}

#[cfg(unix)]
mod unix {
    use std::error::Error;
    use std::path::PathBuf;
    use std::time::Duration;
    use std::{env, fs, process};

    use pusher_server::Server;
    use pusher_server::pusher_proto::server::Publication;
    use pusher_tokio::tokio_tungstenite_0_29::tokio_tungstenite::{WebSocketStream, client_async_with_config};
    use pusher_tokio::tokio_tungstenite_0_29::{OpenError, Upgrade, connect_with};
    use pusher_tokio::{ChannelName, Config, Endpoint, Event, NoAuth, Options};
    use tokio::io::copy_bidirectional;
    use tokio::net::{TcpStream, UnixListener, UnixStream};

    #[tokio::main(flavor = "current_thread")]
    pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
        let server = Server::start(pusher_server::Options::default()).await?;
        let path = env::temp_dir().join(format!("pusher-{}.sock", process::id()));
        tokio::spawn(forward(UnixListener::bind(&path)?, server.address().to_string()));

        // Host and port appear only in the request: `open` decides where to connect.
        let config = Config::new("app-key", Endpoint::host("localhost").tls(false))?;
        let socket = path.clone();
        let client = connect_with(config, NoAuth, &Options::new(), move |upgrade| open(upgrade, socket.clone()))?;
        let mut chat = client.subscribe("chat")?;
        chat.subscribed().await?;
        server.handle().trigger(&Publication::new("message", [ChannelName::new("chat")?], "hello"))?;
        while let Some(event) = chat.recv().await {
            if let Event::Channel(event) = event {
                println!("{}: {}", event.event(), event.data().text());
                break;
            }
        }
        client.shutdown(Duration::from_secs(5)).await;
        fs::remove_file(path)?;
        Ok(())
    }

    /// Opens a WebSocket, for the first attempt and for each reconnect.
    async fn open(upgrade: Upgrade, path: PathBuf) -> Result<WebSocketStream<UnixStream>, OpenError> {
        let stream = UnixStream::connect(path).await?;
        let limits = Some(upgrade.config());
        let (socket, _response) = client_async_with_config(upgrade, stream, limits).await?;
        Ok(socket)
    }

    /// Takes the place of a server, or a reverse proxy, that listens on a Unix socket.
    async fn forward(listener: UnixListener, server: String) {
        while let Ok((mut client, _)) = listener.accept().await {
            let server = server.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    }

    #[test]
    fn the_example_shows_its_event_and_ends() {
        run().unwrap();
    }
}
