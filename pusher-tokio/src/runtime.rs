//! Sockets and timers of tokio, without any decisions.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pusher_driver::adapter::{
    Clock, Handshake, HttpClient, Limits, OptionsExt as _, Polled, Runtime, WebSocket, reach, with_address,
};
use pusher_driver::{HttpRequest, HttpResponse, Options};
use pusher_proto::{AuthError, CloseReason, Config, ConnectRequest, Instant, Text};
use tokio::net::{TcpStream, lookup_host};
use tokio::runtime::Handle;

use crate::stream::{Duplex, Stream, Tcp};

/// What one client needs from tokio.
#[derive(Debug)]
pub(crate) struct Tokio {
    handle: Handle,
    origin: tokio::time::Instant,
    limits: Limits,
    options: Options,
    http: Arc<HttpClient>,
}

impl Tokio {
    /// Uses the runtime in which it is called.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[track_caller]
    pub(crate) fn new(config: &Config, options: &Options) -> Self {
        let Ok(handle) = Handle::try_current() else {
            panic!(
                "a client of pusher-tokio was started outside of a tokio runtime: connect in an async function, such as one with \
                 #[tokio::main], or after `let _entered = runtime.enter();`"
            );
        };
        Self {
            handle,
            origin: tokio::time::Instant::now(),
            limits: Limits::new(config),
            options: options.clone(),
            http: Arc::default(),
        }
    }
}

impl Clock for Tokio {
    /// Enters the runtime, because a test may have paused its clock. Only the runtime's own threads see that, but
    /// handles call this on any thread.
    fn now(&self) -> Instant {
        let _entered = self.handle.enter();
        self.now_in_loop()
    }

    fn now_in_loop(&self) -> Instant {
        Instant::from_elapsed(self.origin.elapsed())
    }
}

impl Runtime for Tokio {
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
        tokio::time::sleep(duration)
    }

    fn post(&self, request: HttpRequest) -> impl Future<Output = Result<HttpResponse, AuthError>> + Send + 'static {
        let (http, options) = (Arc::clone(&self.http), self.options.clone());
        async move { http.post(&request, |host, port, tls| open(options, host, port, tls)).await }
    }
}

/// Connects to a server.
async fn open(options: Options, host: Text, port: u16, tls: bool) -> Result<Stream, CloseReason> {
    let hop = options.hop(&host, port, tls);
    let addresses = lookup_host((hop.host.to_string(), hop.port)).await;
    let tcp = reach(hop, addresses, dial, tokio::time::sleep, |tcp: Tcp| Stream(Box::new(tcp))).await?.0;
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
    let stream = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await;
    Ok(Box::new(stream.map_err(|error| pusher_driver::adapter::handshake_error(&error))?))
}

/// TLS can be required even if it was not configured: a server may tell the client to reconnect with TLS.
#[cfg(not(feature = "tls"))]
async fn connect_tls(_: Box<dyn Duplex>, _: &str, _: &Options) -> Result<Box<dyn Duplex>, CloseReason> {
    Err(CloseReason::TlsUnavailable)
}
