//! POST requests by hyper, on connections that are kept, over whatever streams an adapter opens.

mod io;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::http::uri::{Authority, PathAndQuery, Scheme, Uri};
use hyper::{Request, Response};
use pusher_proto::{AuthError, CloseReason, Text};

use self::io::Io;
use crate::auth::{HttpRequest, HttpResponse, with_causes};
use crate::polled::Duplex;

/// The HTTP client of one Pusher client. An adapter opens its connections, through a proxy and with TLS where they are
/// asked for.
#[derive(Default)]
pub struct HttpClient {
    idle: Mutex<Vec<Connection>>,
}

/// A connection to one server. Nobody polls it between two requests.
struct Connection {
    origin: Origin,
    sender: SendRequest<String>,
    driver: Driver,
}

type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A server, as it stands in a URL.
#[derive(Clone, PartialEq, Eq)]
struct Origin {
    tls: bool,
    authority: Authority,
}

impl HttpClient {
    /// Returns a client without connections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends a POST request on a connection that was kept, or on one that `open` opens to a host and a port, with TLS if
    /// the last argument says so. Redirects are not followed. Dropping the future closes the connection.
    ///
    /// # Errors
    ///
    /// When the server is not reached, or its answer is longer than [`HttpResponse::MAX_LEN`].
    pub async fn post<D, F>(
        &self,
        request: &HttpRequest,
        open: impl FnOnce(Text, u16, bool) -> F,
    ) -> Result<HttpResponse, AuthError>
    where
        D: Duplex,
        F: Future<Output = Result<D, CloseReason>>,
    {
        let url: Uri = request.url.parse().map_err(|error| handler(&error))?;
        let origin = Origin::new(&url)?;
        let path = url.path_and_query().map_or("/", PathAndQuery::as_str);
        if let Some(mut kept) = self.take_idle(&origin) {
            // The server may have closed it meanwhile, so a failure says nothing.
            if let Ok(answer) = kept.exchange(write(request, &origin, path)?).await {
                self.keep(kept);
                return answer;
            }
        }
        let mut connection = Connection::open(origin.clone(), open).await?;
        let answer = connection.exchange(write(request, &origin, path)?).await;
        let answer = answer.map_err(|error| AuthError::Network(with_causes(&error)))?;
        self.keep(connection);
        answer
    }

    fn take_idle(&self, origin: &Origin) -> Option<Connection> {
        let mut idle = self.idle();
        let at = idle.iter().position(|kept| kept.origin == *origin)?;
        Some(idle.swap_remove(at))
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        if connection.sender.is_ready() && idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    async fn open<D, F>(origin: Origin, open: impl FnOnce(Text, u16, bool) -> F) -> Result<Self, AuthError>
    where
        D: Duplex,
        F: Future<Output = Result<D, CloseReason>>,
    {
        let host = origin.authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = origin.authority.port_u16().unwrap_or(if origin.tls { 443 } else { 80 });
        let stream = open(host.into(), port, origin.tls).await.map_err(network)?;
        let opened = handshake(Io::new(stream)).await;
        let (sender, driver) = opened.map_err(|error| AuthError::Network(with_causes(&error)))?;
        // Its failure is the request's too.
        let driver = Box::pin(async move { drop(driver.await) });
        Ok(Self { origin, sender, driver })
    }

    /// Sends the request and reads the answer, while the connection runs.
    async fn exchange(&mut self, request: Request<String>) -> Result<Result<HttpResponse, AuthError>, hyper::Error> {
        let Self { sender, driver, .. } = self;
        let mut answer = pin!(async {
            sender.ready().await?;
            read(sender.send_request(request).await?).await
        });
        let mut is_over = false;
        poll_fn(|context| {
            let answer = answer.as_mut().poll(context);
            is_over = is_over || driver.as_mut().poll(context).is_ready();
            answer
        })
        .await
    }
}

impl Origin {
    fn new(url: &Uri) -> Result<Self, AuthError> {
        let unusable = || AuthError::Handler("the URL of the auth server is not http://host or https://host".into());
        let authority = url.authority().ok_or_else(unusable)?.clone();
        if authority.as_str().contains('@') {
            return Err(unusable());
        }
        let tls = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(_) | None => return Err(unusable()),
        };
        Ok(Self { tls, authority })
    }
}

fn write(request: &HttpRequest, origin: &Origin, path: &str) -> Result<Request<String>, AuthError> {
    let mut post =
        Request::post(path).header(HOST, origin.authority.as_str()).header(CONTENT_TYPE, request.content_type);
    for (name, value) in &request.headers {
        post = post.header(name.as_str(), value.expose());
    }
    post.body(request.body.expose().to_owned()).map_err(|error| handler(&error))
}

async fn read(response: Response<Incoming>) -> Result<Result<HttpResponse, AuthError>, hyper::Error> {
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut answer = HttpResponse { status: response.status().as_u16(), retry_after, body: Vec::new() };
    let mut body = response.into_body();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(piece) = frame?.into_data() else { continue };
        if let Err(error) = answer.extend(&piece) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(answer))
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

fn network(reason: CloseReason) -> AuthError {
    match reason {
        CloseReason::TlsUnavailable => AuthError::Handler("https needs the feature \"tls\"".into()),
        reason => AuthError::Network(reason.to_string()),
    }
}

/// A request that cannot be built will not be better next time.
fn handler(error: &dyn std::error::Error) -> AuthError {
    AuthError::Handler(error.to_string())
}

/// Connections that are kept: as many as requests are unanswered at a time, unless configured otherwise.
const MAX_IDLE: usize = 8;
