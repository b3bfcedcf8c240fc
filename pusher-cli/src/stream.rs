//! The way to a host, for the commands that open their own connections.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pusher_driver::adapter::{
    Duplex, Handshake, HttpClient, Limits, OptionsExt as _, Polled, WebSocket, client_config, handshake_error, reach,
    server_name, with_address,
};
use pusher_tokio::pusher_proto::ConnectRequest;
use pusher_tokio::{AuthError, CloseReason, HttpRequest, HttpResponse, Options, Text};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

/// A TCP or TLS stream.
pub(crate) struct Stream(Box<dyn Io>);

pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// Opens the way to a host, through the proxy if there is one, and with TLS if it is asked for.
pub(crate) async fn open(options: Options, host: Text, port: u16, tls: bool) -> Result<Stream, CloseReason> {
    let stream = open_tcp(&options, &host, port, tls).await?;
    if !tls {
        return Ok(stream);
    }
    let config = client_config(options.trusted()).map_err(CloseReason::Failed)?;
    let secured = TlsConnector::from(config).connect(server_name(&host)?, stream.0).await;
    let secured = secured.map_err(|error| with_address(handshake_error(&error), &host, port))?;
    Ok(Stream(Box::new(secured)))
}

/// Opens a WebSocket as the client does.
pub(crate) async fn open_websocket(
    options: Options,
    request: ConnectRequest,
    limits: Limits,
) -> Result<WebSocket<Polled<Stream>>, CloseReason> {
    let stream = open(options, request.host.clone(), request.port, request.tls).await?;
    let mut handshake = Handshake::new(Polled::new(stream), &request, limits);
    poll_fn(|context| handshake.poll(context.waker())).await
}

/// Asks an auth endpoint as the client does.
pub(crate) async fn post(
    http: &HttpClient,
    options: &Options,
    request: &HttpRequest,
) -> Result<HttpResponse, AuthError> {
    http.post(request, |host, port, tls| open(options.clone(), host, port, tls)).await
}

/// The same as [`open`] without TLS, which `tls` says will follow.
pub(crate) async fn open_tcp(options: &Options, host: &Text, port: u16, tls: bool) -> Result<Stream, CloseReason> {
    let hop = options.hop(host, port, tls);
    let addresses = lookup_host((hop.host.to_string(), hop.port)).await;
    reach(hop, addresses, dial, tokio::time::sleep, |tcp: TcpStream| Stream(Box::new(tcp))).await
}

async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

impl Duplex for Stream {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.0).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }
}

impl Stream {
    /// For TLS on top of it.
    pub(crate) fn into_io(self) -> Box<dyn Io> {
        self.0
    }
}
