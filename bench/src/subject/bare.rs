//! The reader that everything is compared with: tokio-tungstenite, dropping what it reads.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::trust;
use crate::Result;

/// The traits that an open stream needs.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection with a subscribed channel.
pub(super) struct Bare(pub(super) WebSocketStream<Box<dyn Stream>>);

impl Bare {
    /// Opens a connection and subscribes to a channel.
    pub(super) async fn subscribed(url: &str, channel: &str, config: Option<WebSocketConfig>) -> Result<Self> {
        let mut bare = Self::connected(url, config).await?;
        bare.subscribe(channel).await?;
        Ok(bare)
    }

    pub(super) async fn connected(url: &str, config: Option<WebSocketConfig>) -> Result<Self> {
        let (scheme, address) = url.split_once("://").ok_or("not a URL")?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = if scheme == "wss" {
            let name = ServerName::try_from("127.0.0.1")?;
            Box::new(TlsConnector::from(Arc::clone(&trust()?)).connect(name, stream).await?)
        } else {
            Box::new(stream)
        };
        let request = format!("ws://{address}/app/key?protocol=7&client=bare&version=1.0.0");
        let (socket, _) = client_async_with_config(request, stream, config).await?;
        let mut bare = Self(socket);
        bare.expect("pusher:connection_established").await?;
        Ok(bare)
    }

    pub(super) async fn subscribe(&mut self, channel: &str) -> Result<()> {
        let subscribe = format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}"}}}}"#);
        self.0.send(Message::text(subscribe)).await?;
        self.expect("pusher_internal:subscription_succeeded").await
    }

    async fn expect(&mut self, event: &str) -> Result<()> {
        let Message::Text(text) = self.0.next().await.ok_or("the connection has ended")?? else {
            return Err("not a text message".into());
        };
        if text.as_str().contains(event) { Ok(()) } else { Err(format!("no {event}").into()) }
    }
}
