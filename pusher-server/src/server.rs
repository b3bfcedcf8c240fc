//! Starting and shutting down a server.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::{Listener, ListenerExt as _};
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pusher_proto::signing::App;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::{debug, info};

use crate::handle::Handle;
use crate::http;
use crate::hub::{Shared, keep_time};
use crate::options::Options;

/// A server that runs until it is shut down or dropped. Dropping it cuts all sockets.
///
/// It is for development and tests: it has one application, no persistence and no TLS.
///
/// # Examples
///
/// ```
/// use pusher_server::pusher_proto::ChannelName;
/// use pusher_server::pusher_proto::server::Publication;
/// use pusher_server::{Options, Server};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::start(Options::default()).await?;
/// assert!(server.ws_url().starts_with("ws://127.0.0.1:"));
///
/// let publication = Publication::new("message", [ChannelName::new("chat")?], "{}");
/// server.handle().trigger(&publication)?;
/// server.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a server ends when it is dropped"]
pub struct Server {
    address: SocketAddr,
    handle: Handle,
    serving: JoinHandle<()>,
}

impl Server {
    /// Starts a server in tasks of the current tokio runtime.
    ///
    /// # Errors
    ///
    /// If it cannot listen on the address.
    pub async fn start(options: impl Into<Options>) -> io::Result<Self> {
        let options = options.into();
        let listener = listen(options.address)?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%error, "cannot send small messages at once");
            }
        });
        let shared = Arc::new(Shared::new(&options));
        tokio::spawn(keep_time(&shared));
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        info!(%address, key = %shared.app.key(), dialect = %options.config.dialect(), "listening");
        Ok(Self { address, handle: Handle { shared }, serving })
    }

    /// Stops listening, closes every connection with 4200, and waits at most 5 s until the clients have closed their
    /// sides. A silence ends first, and what it held back is sent. What is delayed
    /// counts against the 5 s.
    pub async fn shutdown(mut self) {
        self.handle.shared.with_state(|state, _| state.send_at_once());
        self.handle.stop_listening();
        self.handle.refuse_connections(Some((4200, RESTART)));
        self.handle.close_all(4200, RESTART);
        let ending = async {
            self.handle.shared.drained().await;
            // It fails only if serving was aborted or panicked, and then there is nothing to wait for.
            let _ = (&mut self.serving).await;
        };
        if timeout(SHUTDOWN_TIMEOUT, ending).await.is_err() {
            debug!("some clients did not close in time");
        }
    }

    /// Returns the address that the server listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of the WebSocket, such as `ws://127.0.0.1:6001`.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Returns the base URL of the HTTP API and the auth endpoints, such as `http://127.0.0.1:6001`.
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the application with which the server was started.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.handle.shared.app
    }

    /// Returns the handle to send events and inject faults.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

/// Listens with room for many clients that connect at once, such as those of a load test.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As tokio does it: a server that restarts gets its port back. On Windows, another program could take it.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until the server stops listening and every request has been answered. axum's own loop is not used, because it
/// gives hyper no timer, so the head of a request could take forever.
async fn serve(mut listener: impl Listener<Io: Send>, shared: Arc<Shared>) {
    let service = TowerToHyperService::new(http::router(Arc::clone(&shared)));
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(http::REQUEST_TIMEOUT);
    let mut connections = JoinSet::new();
    let mut stopped = pin!(shared.stopped_listening());
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut stopped => break,
        };
        let (builder, service, stopped) = (builder.clone(), service.clone(), shared.stopped_listening());
        connections.spawn(async move {
            let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
            let result = tokio::select! {
                result = connection.as_mut() => result,
                () = stopped => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = result {
                debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.stop_listening();
        self.serving.abort();
        self.handle.cut_all();
    }
}

const RESTART: &str = "Server is shutting down";

/// Connections that may wait to be accepted. The system may allow fewer (Linux: `net.core.somaxconn`).
const BACKLOG: u32 = 8_192;

/// How long [`Server::shutdown`] waits.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
