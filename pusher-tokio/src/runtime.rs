//! Sockets, time and HTTP by tokio. Nothing here decides anything.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pusher_driver::adapter::{Handshake, Hop, Limits, Polled, Runtime, WebSocket, connect_any, with_causes};
use pusher_driver::{HttpRequest, HttpResponse, Options};
use pusher_proto::{AuthError, CloseReason, Config, ConnectRequest, TransportError};
use tokio::net::{TcpStream, lookup_host};

use crate::stream::{Duplex, Stream};

/// What one client needs of tokio.
pub(crate) struct Tokio {
    limits: Limits,
    options: Options,
    /// Made at the first use: clients of public channels never use it.
    http: Arc<OnceLock<Result<reqwest::Client, AuthError>>>,
}

impl Tokio {
    pub(crate) fn new(config: &Config, options: &Options) -> Self {
        Self { limits: Limits::new(config), options: options.clone(), http: Arc::default() }
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
            let tcp = connect_tcp(options.hop(&request.host, request.port, request.tls)).await?;
            let duplex = if request.tls { connect_tls(tcp, &request, &options).await? } else { tcp };
            let mut handshake = Handshake::new(Polled::new(Stream(duplex)), &request, limits);
            poll_fn(|context| handshake.poll(context.waker())).await
        }
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(duration)
    }

    fn post(&self, request: HttpRequest) -> impl Future<Output = Result<HttpResponse, AuthError>> + Send + 'static {
        let (http, options) = (Arc::clone(&self.http), self.options.clone());
        async move {
            let client = http.get_or_init(|| http_client(&options)).clone()?;
            post(&client, &request).await
        }
    }
}

async fn connect_tcp(hop: Hop) -> Result<Box<dyn Duplex>, CloseReason> {
    let dns = |error: io::Error| CloseReason::Failed(TransportError::Dns(error.to_string()));
    let addresses: Vec<_> = lookup_host((hop.host.as_str(), hop.port)).await.map_err(dns)?.collect();
    let tcp = connect_any(addresses, dial, tokio::time::sleep).await?;
    let mut stream = Stream(Box::new(tcp));
    if let Some(tunnel) = hop.tunnel {
        stream = tunnel.pass(stream).await?;
    }
    Ok(stream.0)
}

async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

#[cfg(feature = "tls")]
async fn connect_tls(
    tcp: Box<dyn Duplex>,
    request: &ConnectRequest,
    options: &Options,
) -> Result<Box<dyn Duplex>, CloseReason> {
    let config = options.trusted().client_config().map_err(CloseReason::Failed)?;
    let name = rustls::pki_types::ServerName::try_from(request.host.to_string())
        .map_err(|error| CloseReason::Failed(TransportError::Tls(error.to_string())))?;
    let stream = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await;
    Ok(Box::new(stream.map_err(|error| pusher_driver::adapter::handshake_error(&error))?))
}

/// A server may ask a plain connection to come back with TLS.
#[cfg(not(feature = "tls"))]
async fn connect_tls(_: Box<dyn Duplex>, _: &ConnectRequest, _: &Options) -> Result<Box<dyn Duplex>, CloseReason> {
    Err(CloseReason::TlsUnavailable)
}

fn http_client(options: &Options) -> Result<reqwest::Client, AuthError> {
    let options_of_proxy = options.clone();
    let proxy = reqwest::Proxy::custom(move |url| {
        let (host, port) = (url.host_str()?, url.port_or_known_default()?);
        Some(options_of_proxy.proxy_to(host, port, url.scheme() == "https")?.url().expose().to_owned())
    });
    // Proxies of the environment are used only by those who ask for them.
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().proxy(proxy);
    #[cfg(feature = "tls")]
    let builder = {
        let config = options.trusted().client_config().map_err(|error| AuthError::Handler(error.to_string()))?;
        builder.tls_backend_preconfigured(rustls::ClientConfig::clone(&config))
    };
    builder.build().map_err(|error| AuthError::Handler(with_causes(&error)))
}

async fn post(client: &reqwest::Client, request: &HttpRequest) -> Result<HttpResponse, AuthError> {
    let mut post = client.post(request.url.as_str()).header("Content-Type", request.content_type);
    for (name, value) in &request.headers {
        post = post.header(name.as_str(), value.expose());
    }
    let mut response = post.body(request.body.expose().to_owned()).send().await.map_err(failure)?;
    let retry_after = response.headers().get("Retry-After").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut answer = HttpResponse { status: response.status().as_u16(), retry_after, body: Vec::new() };
    while let Some(piece) = response.chunk().await.map_err(failure)? {
        answer.extend(&piece)?;
    }
    Ok(answer)
}

/// A request that cannot be built will not be better next time.
fn failure(error: reqwest::Error) -> AuthError {
    let is_ours = error.is_builder();
    // The URL may carry what only the application should know.
    let text = with_causes(&error.without_url());
    if is_ours { AuthError::Handler(text) } else { AuthError::Network(text) }
}
