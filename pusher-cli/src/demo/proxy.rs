//! A TCP proxy on this machine that can lose its connections, so that the tour can interrupt the connection to any server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pusher_driver::adapter::client_config;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::failure::Failure;
use crate::target::Target;

/// Forwards bytes until it is told to stop. Dropping it ends all connections.
pub(super) struct Proxy {
    address: SocketAddr,
    control: watch::Sender<Control>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy)]
struct Control {
    /// A connection ends when this number changes.
    generation: u64,
    /// While it is not open, new connections are accepted and wait.
    is_open: bool,
}

impl Proxy {
    /// Starts a proxy in front of a server, once that server has been reached.
    pub(super) async fn start(target: Target) -> Result<Self, Failure> {
        let url = target.ws_url();
        let unreachable = |error: io::Error| Failure::cannot_connect(format!("cannot connect to {url}: {error}"));
        // Behind the proxy, every failure would look like a lost connection to the client, so it is detected here.
        let server = connect(&target).await.map_err(unreachable)?;
        if target.is_tls() {
            drop(encrypted(server, &target).await.map_err(unreachable)?);
        }

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let control = watch::Sender::new(Control { generation: 0, is_open: true });
        let accepting = tokio::spawn(accept(listener, Arc::new(target), control.clone()));
        Ok(Self { address, control, accepting })
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Ends all connections without a close frame, and lets new ones wait.
    pub(super) fn cut(&self) {
        self.control.send_modify(|control| {
            control.generation += 1;
            control.is_open = false;
        });
    }

    /// Forwards again, also for connections that waited.
    pub(super) fn mend(&self) {
        self.control.send_modify(|control| control.is_open = true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, target: Arc<Target>, control: watch::Sender<Control>) {
    // This fails only if the system has no more sockets, and then the tour cannot go on anyway.
    while let Ok((client, _)) = listener.accept().await {
        let (target, mut control) = (Arc::clone(&target), control.subscribe());
        tokio::spawn(async move {
            let Ok(generation) = control.wait_for(|control| control.is_open).await.map(|control| control.generation)
            else {
                return;
            };
            tokio::select! {
                // In any case both sockets are dropped, which each side notices.
                _ = pass(client, &target) => {}
                _ = control.wait_for(|control| control.generation != generation) => {}
            }
        });
    }
}

async fn pass(mut client: TcpStream, target: &Target) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut server = connect(target).await?;
    if !target.is_tls() {
        copy_bidirectional(&mut client, &mut server).await?;
        return Ok(());
    }
    let mut server = encrypted(server, target).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn connect(target: &Target) -> io::Result<TcpStream> {
    let connecting = TcpStream::connect((target.host_name(), target.port()));
    let server = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
    let server = server.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")))?;
    server.set_nodelay(true)?;
    Ok(server)
}

/// The client connects to this proxy without TLS, on this machine; the proxy adds it.
async fn encrypted(server: TcpStream, target: &Target) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + use<>> {
    let config = client_config(&target.tls()).map_err(io::Error::other)?;
    let name = ServerName::try_from(target.host_name().to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(config).connect(name, server).await
}

/// How long a server may take to answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
