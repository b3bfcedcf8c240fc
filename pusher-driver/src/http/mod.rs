//! POST requests with hyper, on connections that are kept alive, over the streams that an adapter opens.

mod io;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HeaderName, LOCATION, RETRY_AFTER};
use hyper::{Request, Response};
use pusher_proto::{AuthError, CloseReason, Text, with_causes};
use pusher_session::adapter::is_end;

use self::io::{Io, MAX_HEADS_LEN, Meter};
use crate::auth::{AuthUrl, HttpRequest, HttpResponse, UNANSWERED, head};
use crate::polled::Duplex;

/// The HTTP client of one Pusher client. An adapter opens its connections, through a proxy and with TLS if required.
#[derive(Default)]
pub struct HttpClient {
    idle: Mutex<Vec<Connection>>,
}

/// A connection to one server. It is not polled between two requests.
struct Connection {
    url: AuthUrl,
    sender: SendRequest<String>,
    driver: Driver,
    meter: Meter,
}

type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How an exchange failed.
enum Failure {
    /// The connection ended before the server answered anything.
    Unanswered(String),
    Failed(AuthError),
}

impl HttpClient {
    /// Returns a client without connections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends a POST request on a connection that was kept alive, or on one that `open` opens to a host and a port, with
    /// TLS if its last argument is true. Redirects are not followed. Dropping the future closes the connection.
    ///
    /// Each poll reads at most 16 KiB, whatever the server sends.
    ///
    /// # Errors
    ///
    /// If the request cannot be sent, if the server cannot be reached, if its answer is longer than
    /// [`HttpResponse::MAX_LEN`], or if the head with all interim responses is longer than 64 KiB.
    pub async fn post<D, F>(
        &self,
        request: &HttpRequest,
        open: impl FnOnce(Text, u16, bool) -> F,
    ) -> Result<HttpResponse, AuthError>
    where
        D: Duplex,
        F: Future<Output = Result<D, CloseReason>>,
    {
        let url = AuthUrl::parse(&request.url)
            .map_err(|error| AuthError::Handler(format!("the URL of the auth endpoint {error}")))?;
        while let Some(mut kept) = self.take_idle(&url) {
            if !kept.is_alive() {
                continue;
            }
            match kept.exchange(write(request, &url)?).await {
                Ok(answer) => {
                    self.keep(kept);
                    return Ok(answer);
                }
                // The server closed the connection while the request was on its way, which says nothing about the
                // request.
                Err(Failure::Unanswered(_)) => break,
                Err(Failure::Failed(error)) => return Err(error.at(url.to_string())),
            }
        }
        let mut connection = Connection::open(&url, open).await.map_err(|error| error.at(url.to_string()))?;
        match connection.exchange(write(request, &url)?).await {
            Ok(answer) => {
                self.keep(connection);
                Ok(answer)
            }
            Err(Failure::Unanswered(text)) => Err(AuthError::Network(text).at(url.to_string())),
            Err(Failure::Failed(error)) => Err(error.at(url.to_string())),
        }
    }

    fn take_idle(&self, url: &AuthUrl) -> Option<Connection> {
        let mut idle = self.idle();
        let place = idle.iter().position(|kept| kept.url.is_same_origin(url))?;
        Some(idle.swap_remove(place))
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
    async fn open<D, F>(url: &AuthUrl, open: impl FnOnce(Text, u16, bool) -> F) -> Result<Self, AuthError>
    where
        D: Duplex,
        F: Future<Output = Result<D, CloseReason>>,
    {
        let stream = open(url.host().clone(), url.port(), url.tls()).await.map_err(|reason| match reason {
            CloseReason::TlsUnavailable => AuthError::Handler("https needs the feature \"tls\"".into()),
            // The socket is the request's own, and the reader knows that it failed.
            CloseReason::Failed(error) => AuthError::Network(error.to_string()),
            reason => AuthError::Network(reason.to_string()),
        })?;
        let meter = Meter::default();
        let opened = handshake(Io::new(stream, meter.clone())).await;
        let (sender, driver) = opened.map_err(|error| AuthError::Network(with_causes(&error).to_string()))?;
        // If it fails, the request fails too.
        let driver = Box::pin(async move { drop(driver.await) });
        Ok(Self { url: url.clone(), sender, driver, meter })
    }

    /// Whether the server has neither closed the connection nor sent anything since the last answer, such as a timeout.
    fn is_alive(&mut self) -> bool {
        self.meter.expect_head();
        self.driver.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Sends the request and reads the answer, while the connection runs.
    async fn exchange(&mut self, request: Request<String>) -> Result<HttpResponse, Failure> {
        let Self { sender, driver, meter, .. } = self;
        meter.expect_head();
        let answer = async {
            sender.ready().await.map_err(Broken::Connection)?;
            let response = sender.send_request(request).await.map_err(Broken::Connection)?;
            meter.expect_body(MAX_BODY_ON_WIRE);
            read(response).await
        };
        let mut answer = pin!(answer);
        let mut is_over = false;
        let answer = poll_fn(|context| {
            meter.begin_turn();
            let answer = answer.as_mut().poll(context);
            is_over = is_over || driver.as_mut().poll(context).is_ready();
            answer
        });
        answer.await.map_err(|broken| match broken {
            Broken::Answer(error) => Failure::Failed(error),
            Broken::Connection(_) if meter.is_exceeded() => Failure::Failed(AuthError::Handler(format!(
                "the auth endpoint's answer is too long: at most {MAX_HEADS_LEN} bytes of headers and {} of body",
                HttpResponse::MAX_LEN
            ))),
            Broken::Connection(error) if meter.has_received() => Failure::Failed(AuthError::Network(lost(&error))),
            Broken::Connection(error) => Failure::Unanswered(lost(&error)),
        })
    }
}

/// What a lost connection means, in the words of all adapters.
fn lost(error: &hyper::Error) -> String {
    let cause = error.source().and_then(<dyn Error>::downcast_ref::<std::io::Error>);
    if error.is_incomplete_message() || cause.is_some_and(is_end) {
        return UNANSWERED.into();
    }
    with_causes(error).to_string()
}

/// What is wrong with an answer.
enum Broken {
    Connection(hyper::Error),
    Answer(AuthError),
}

fn write(request: &HttpRequest, url: &AuthUrl) -> Result<Request<String>, AuthError> {
    let mut post = Request::post(url.target());
    for (name, value) in head(request, url)? {
        post = post.header(name.as_str(), value.expose());
    }
    // A request that cannot be built would fail again.
    post.body(request.body.expose().to_owned()).map_err(|error| AuthError::Handler(error.to_string()))
}

async fn read(response: Response<Incoming>) -> Result<HttpResponse, Broken> {
    let header =
        |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut answer = HttpResponse::new(response.status().as_u16());
    (answer.retry_after, answer.location) = (header(RETRY_AFTER), header(LOCATION));
    let mut body = response.into_body();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(piece) = frame.map_err(Broken::Connection)?.into_data() else { continue };
        answer.extend(&piece).map_err(Broken::Answer)?;
    }
    Ok(answer)
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

/// Connections that are kept alive: by default, as many as there can be unanswered requests.
const MAX_IDLE: usize = 8;

/// The most bytes that a body may take on the wire, including the headers of chunks.
const MAX_BODY_ON_WIRE: usize = 2 * HttpResponse::MAX_LEN;
