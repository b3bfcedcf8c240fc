//! Sockets, time and HTTP by tokio. Nothing here decides anything.

use std::future::{Future, poll_fn};
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pusher_driver::adapter::{Handshake, Limits, Runtime, WebSocket, connect_any};
use pusher_driver::{HttpRequest, HttpResponse, Options};
use pusher_proto::{AuthError, CloseReason, Config, ConnectRequest, TransportError};
use tokio::net::{TcpStream, lookup_host};

use crate::stream::{Stream, Transport};

/// What one client needs of tokio.
pub(crate) struct Tokio {
    limits: Limits,
    #[cfg(feature = "tls")]
    tls: pusher_driver::Tls,
    /// Made at the first use: clients of public channels never use it.
    http: Arc<OnceLock<Result<reqwest::Client, AuthError>>>,
}

impl Tokio {
    pub(crate) fn new(config: &Config, options: &Options) -> Self {
        #[cfg(not(feature = "tls"))]
        let _ = options;
        Self {
            limits: Limits::new(config),
            #[cfg(feature = "tls")]
            tls: options.trusted().clone(),
            http: Arc::default(),
        }
    }
}

impl Runtime for Tokio {
    type Socket = WebSocket<Stream>;

    fn connect(
        &self,
        request: ConnectRequest,
    ) -> impl Future<Output = Result<Self::Socket, CloseReason>> + Send + 'static {
        let limits = self.limits;
        #[cfg(feature = "tls")]
        let tls = self.tls.clone();
        async move {
            let tcp = connect_tcp(&request).await.map_err(CloseReason::Failed)?;
            #[cfg(feature = "tls")]
            let transport = if request.tls { connect_tls(tcp, &request, &tls).await? } else { Transport::Plain(tcp) };
            #[cfg(not(feature = "tls"))]
            let transport = if request.tls { return Err(CloseReason::TlsUnavailable) } else { Transport::Plain(tcp) };
            let mut handshake = Handshake::new(Stream::new(transport), &request, limits);
            poll_fn(|context| handshake.poll(context.waker())).await
        }
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(duration)
    }

    fn post(&self, request: HttpRequest) -> impl Future<Output = Result<HttpResponse, AuthError>> + Send + 'static {
        let http = Arc::clone(&self.http);
        #[cfg(feature = "tls")]
        let tls = self.tls.clone();
        async move {
            #[cfg(feature = "tls")]
            let client = http.get_or_init(|| http_client(&tls)).clone()?;
            #[cfg(not(feature = "tls"))]
            let client = http.get_or_init(http_client).clone()?;
            post(&client, &request).await
        }
    }
}

async fn connect_tcp(request: &ConnectRequest) -> Result<TcpStream, TransportError> {
    let dns = |error: io::Error| TransportError::Dns(error.to_string());
    let addresses = lookup_host((request.host.as_str(), request.port)).await.map_err(dns)?;
    let tcp = connect_any(addresses, TcpStream::connect, tokio::time::sleep).await.map_err(|error| match error {
        Some(error) => TransportError::Io(error.to_string()),
        None => TransportError::Dns("the name has no address".into()),
    })?;
    tcp.set_nodelay(true).map_err(|error| TransportError::Io(error.to_string()))?;
    Ok(tcp)
}

#[cfg(feature = "tls")]
async fn connect_tls(
    tcp: TcpStream,
    request: &ConnectRequest,
    tls: &pusher_driver::Tls,
) -> Result<Transport, CloseReason> {
    let config = tls.client_config().map_err(CloseReason::Failed)?;
    let name = rustls::pki_types::ServerName::try_from(request.host.to_string())
        .map_err(|error| CloseReason::Failed(TransportError::Tls(error.to_string())))?;
    let stream = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await;
    let stream = stream.map_err(|error| pusher_driver::adapter::handshake_error(&error))?;
    Ok(Transport::Tls(Box::new(stream)))
}

#[cfg(feature = "tls")]
fn http_client(tls: &pusher_driver::Tls) -> Result<reqwest::Client, AuthError> {
    let config = tls.client_config().map_err(|error| AuthError::Handler(error.to_string()))?;
    build(reqwest::Client::builder().tls_backend_preconfigured(rustls::ClientConfig::clone(&config)))
}

#[cfg(not(feature = "tls"))]
fn http_client() -> Result<reqwest::Client, AuthError> {
    build(reqwest::Client::builder())
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, AuthError> {
    // Proxies of the environment are used only by those who ask for them.
    let client = builder.redirect(reqwest::redirect::Policy::none()).no_proxy().build();
    client.map_err(|error| AuthError::Handler(whole(&error)))
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
    let text = whole(&error.without_url());
    if is_ours { AuthError::Handler(text) } else { AuthError::Network(text) }
}

/// The error and its causes: reqwest's own text names only the outermost.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
