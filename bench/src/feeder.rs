//! The server that the measured clients talk to. It speaks just enough of the protocol.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use pusher_tests::hot_path::frame;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::Result;

/// The thread of this process in which servers run.
pub(crate) struct Host {
    runtime: Runtime,
    acceptor: TlsAcceptor,
    /// The certificate of the servers with TLS, in Base64.
    root: String,
}

/// One server. It confirms every subscription and sends every client event back to its sender.
pub(crate) struct Feeder {
    pub(crate) url: String,
    /// The certificate to trust, in Base64.
    pub(crate) root: String,
    go: Arc<Notify>,
}

/// What a server does beyond that.
#[derive(Clone)]
pub(crate) enum Plan {
    Answer,
    /// Sends this many events of this frame length after the first subscription, once [`go`](Feeder::go) is called.
    Events {
        frame_len: usize,
        count: usize,
    },
    /// Confirms subscriptions with a list of this many members.
    Presence {
        members: usize,
    },
}

impl Host {
    pub(crate) fn new() -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let key = PrivateKeyDer::Pkcs8(issued.signing_key.serialize_der().into());
        let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.der().clone()], key)?;
        Ok(Self { runtime, acceptor: TlsAcceptor::from(Arc::new(tls)), root: STANDARD.encode(issued.cert.der()) })
    }

    /// Starts a server on its own port, so that closed connections do not use up ports for the next measurement.
    pub(crate) fn serve(&self, plan: Plan, with_tls: bool) -> Result<Feeder> {
        let listener = self.runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let scheme = if with_tls { "wss" } else { "ws" };
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let go = Arc::new(Notify::new());
        let feeder = Feeder { url, root: self.root.clone(), go: Arc::clone(&go) };
        let acceptor = with_tls.then(|| self.acceptor.clone());
        self.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (plan, go, acceptor) = (plan.clone(), Arc::clone(&go), acceptor.clone());
                // Usually, the client ends the connection, so errors mean nothing.
                tokio::spawn(async move {
                    stream.set_nodelay(true)?;
                    match acceptor {
                        None => serve(stream, plan, &go).await,
                        Some(acceptor) => serve(acceptor.accept(stream).await?, plan, &go).await,
                    }
                });
            }
        });
        Ok(feeder)
    }
}

impl Feeder {
    /// Starts sending events to the subscribed client.
    pub(crate) fn go(&self) {
        self.go.notify_one();
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, plan: Plan, go: &Notify) -> Result<()> {
    // Ten thousand clients would need a gigabyte with the default.
    let config = WebSocketConfig::default().read_buffer_size(1_024);
    let mut socket = accept_async_with_config(stream, Some(config)).await?;
    socket.send(Message::text(GREETING)).await?;
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        let sent: Sent<'_> = serde_json::from_str(&text)?;
        if sent.event != "pusher:subscribe" {
            socket.send(Message::Text(text)).await?;
            continue;
        }
        let subscribe: Subscribe<'_> = serde_json::from_str(sent.data.get())?;
        let data = if let Plan::Presence { members } = plan { roster(members) } else { "{}".into() };
        socket.send(Message::text(confirmation(subscribe.channel, &data)?)).await?;
        if let Plan::Events { frame_len, count } = plan {
            go.notified().await;
            return feed(socket.into_inner(), frame_len, count).await;
        }
    }
    Ok(())
}

async fn feed<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, frame_len: usize, count: usize) -> Result<()> {
    let text = frame(frame_len);
    let header = match text.len() {
        len @ 0..=125 => vec![0x81, u8::try_from(len)?],
        len => [&[0x81, 126][..], &u16::try_from(len)?.to_be_bytes()].concat(),
    };
    let frame = [header.as_slice(), text.as_bytes()].concat();
    let per_block = BLOCK_LEN.div_ceil(frame.len());
    let block = frame.repeat(per_block);
    let mut rest = count;
    while rest > 0 {
        let now = rest.min(per_block);
        stream.write_all(&block[..now * frame.len()]).await?;
        rest -= now;
    }
    stream.flush().await?;
    // Until the client leaves.
    stream.read_to_end(&mut Vec::new()).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Sent<'a> {
    event: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Subscribe<'a> {
    channel: &'a str,
}

fn confirmation(channel: &str, data: &str) -> Result<String> {
    let data = serde_json::to_string(data)?;
    Ok(format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{channel}","data":{data}}}"#))
}

fn roster(members: usize) -> String {
    let ids: Vec<_> = (0..members).map(|n| format!(r#""user-{n}""#)).collect();
    let hash: Vec<_> = ids.iter().map(|id| format!(r#"{id}:{{"name":"A member"}}"#)).collect();
    format!(r#"{{"presence":{{"ids":[{}],"hash":{{{}}},"count":{members}}}}}"#, ids.join(","), hash.join(","))
}

const GREETING: &str =
    r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.1\",\"activity_timeout\":120}"}"#;

/// How many bytes are written at a time, at least.
const BLOCK_LEN: usize = 256 * 1_024;
