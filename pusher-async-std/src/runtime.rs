//! Sockets and timers of async-io, without any decisions.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use async_net::TcpStream;
use pusher_driver::adapter::{
    Clock, Handshake, HttpClient, Limits, OptionsExt as _, Polled, Runtime, SystemClock, WebSocket, reach, with_address,
};
use pusher_driver::{HttpRequest, HttpResponse, Options};
use pusher_proto::{AuthError, CloseReason, Config, ConnectRequest, Instant, Text};

use crate::stream::{Duplex, Stream, Tcp};

/// What one client needs from an asynchronous runtime.
#[derive(Debug)]
pub(crate) struct FuturesIo {
    clock: SystemClock,
    limits: Limits,
    options: Options,
    http: Arc<HttpClient>,
}

impl FuturesIo {
    pub(crate) fn new(config: &Config, options: &Options) -> Self {
        Self { clock: SystemClock::new(), limits: Limits::new(config), options: options.clone(), http: Arc::default() }
    }
}

impl Clock for FuturesIo {
    fn now(&self) -> Instant {
        self.clock.now()
    }
}

impl Runtime for FuturesIo {
    type Socket = WebSocket<Polled<Stream>>;

    fn connect(
        &self,
        request: ConnectRequest,
    ) -> impl Future<Output = Result<Self::Socket, CloseReason>> + Send + 'static {
        let (limits, options) = (self.limits, self.options.clone());
        async move {
            let stream = open(options, request.host.clone(), request.port, request.tls).await?;
            let mut handshake = Handshake::new(Polled::new(stream), &request, limits);
            poll_fn(|context| handshake.poll(context.waker())).await
        }
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        sleep(duration)
    }

    fn post(&self, request: HttpRequest) -> impl Future<Output = Result<HttpResponse, AuthError>> + Send + 'static {
        let (http, options) = (Arc::clone(&self.http), self.options.clone());
        async move { http.post(&request, |host, port, tls| open(options, host, port, tls)).await }
    }
}

async fn sleep(duration: Duration) {
    Timer::after(duration).await;
}

/// Connects to a server.
async fn open(options: Options, host: Text, port: u16, tls: bool) -> Result<Stream, CloseReason> {
    let hop = options.hop(&host, port, tls);
    let addresses = async_net::resolve((hop.host.to_string(), hop.port)).await;
    let tcp = reach(hop, addresses, dial, sleep, |tcp: Tcp| Stream(Box::new(tcp))).await?.0;
    if !tls {
        return Ok(Stream(tcp));
    }
    let secured = connect_tls(tcp, &host, &options).await;
    Ok(Stream(secured.map_err(|reason| with_address(reason, &host, port))?))
}

async fn dial(address: SocketAddr) -> io::Result<Tcp> {
    Tcp::new(TcpStream::connect(address).await?)
}

#[cfg(feature = "tls")]
async fn connect_tls(tcp: Box<dyn Duplex>, host: &str, options: &Options) -> Result<Box<dyn Duplex>, CloseReason> {
    let config = pusher_driver::adapter::client_config(options.trusted()).map_err(CloseReason::Failed)?;
    let name = pusher_driver::adapter::server_name(host)?;
    let stream = futures_rustls::TlsConnector::from(config).connect(name, tcp).await;
    Ok(Box::new(stream.map_err(|error| pusher_driver::adapter::handshake_error(&error))?))
}

/// TLS can be required even if it was not configured: a server may tell the client to reconnect with TLS.
#[cfg(not(feature = "tls"))]
async fn connect_tls(_: Box<dyn Duplex>, _: &str, _: &Options) -> Result<Box<dyn Duplex>, CloseReason> {
    Err(CloseReason::TlsUnavailable)
}
