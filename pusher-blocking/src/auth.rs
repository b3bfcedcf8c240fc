//! Authorization. It runs in helper threads, so it may block.

use std::fmt;
use std::slice;
use std::sync::Arc;
use std::thread;

use pusher_driver::adapter::{HttpAuthExt as _, note_endpoint};
use pusher_driver::{Credentials, HttpAuth, HttpRequest, HttpResponse, NoAuth};
use pusher_proto::{AuthBody, AuthError, AuthRequest, AuthResponse, InvalidConfig};
use tracing::Span;

use crate::http::Http;

/// Decides whether a socket may subscribe to a private, encrypted or presence channel, and which user it belongs to,
/// usually by calling the application's server. It may block, because it runs in a helper thread.
///
/// It is called again for every new socket; [`AuthRequest::purpose`] distinguishes the first time from later ones. An
/// answer after [`auth_timeout`](pusher_proto::ConfigBuilder::auth_timeout), or for an earlier socket, is ignored; see
/// [`AuthCall::is_cancelled`].
///
/// Calls do not wait for each other. A call that never returns occupies at most two threads, and has no other effect.
/// If three calls for a channel have not returned, the next one fails with [`AuthError::Network`]. A client has at most
/// 64 of these threads.
///
/// It is implemented by [`HttpAuth`], by [`NoAuth`] for clients that use only public channels, and by functions:
///
/// ```
/// use pusher_blocking::{AuthError, AuthRequest, AuthResponse, Authorizer};
///
/// fn ask_the_user(request: &AuthRequest) -> Result<AuthResponse, AuthError> {
///     Err(AuthError::Handler(format!("{} is for members only", request.subject)))
/// }
///
/// fn takes(authorizer: impl Authorizer) {}
/// takes(ask_the_user);
/// ```
///
/// A program that chooses at run time can use a [`BoxedAuthorizer`], which [`boxed`](Self::boxed) returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot authorize channels",
    label = "not an authorizer",
    note = "take `HttpAuth` to ask an endpoint, `NoAuth` for public channels only, or `LocalAuth` (feature `signing`)",
    note = "a function must be a `fn(&AuthRequest) -> Result<AuthResponse, AuthError>`; a `Box<dyn …>` is written `.boxed()`"
)]
pub trait Authorizer: Send + Sync + 'static {
    /// Answers one call.
    ///
    /// # Errors
    ///
    /// If there is no authorization.
    fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError>;

    /// Answers several calls that were made at the same time, so that one request to the application's server can be
    /// for many channels.
    ///
    /// By default, this runs [`authorize`](Self::authorize) for all of them at the same time, each in its own thread.
    /// There are never more than [`auth_window`](pusher_proto::ConfigBuilder::auth_window).
    fn authorize_many(&self, calls: Vec<AuthCall>) {
        in_threads(calls, |call| {
            let answer = self.authorize(&call);
            call.answer(answer);
        });
    }

    /// Checks what can be checked before the first request. Creating a client fails if this check does.
    ///
    /// # Errors
    ///
    /// If the authorizer was configured with something that cannot work, such as an invalid URL. By default, never.
    fn validate(&self) -> Result<(), InvalidConfig> {
        Ok(())
    }

    /// Wraps this authorizer in a type that can hold any authorizer.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_blocking::{Authorizer, BoxedAuthorizer, HttpAuth, NoAuth};
    ///
    /// fn authorizer(endpoint: Option<&str>) -> BoxedAuthorizer {
    ///     match endpoint {
    ///         Some(url) => HttpAuth::new(url).boxed(),
    ///         None => NoAuth.boxed(),
    ///     }
    /// }
    /// # authorizer(None);
    /// ```
    fn boxed(self) -> BoxedAuthorizer
    where
        Self: Sized,
    {
        BoxedAuthorizer(Box::new(self))
    }
}

/// An [`Authorizer`] of any type, returned by [`Authorizer::boxed`]. It has the same name in every adapter.
pub struct BoxedAuthorizer(Box<dyn Authorizer>);

impl Authorizer for BoxedAuthorizer {
    fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        self.0.authorize(call)
    }

    fn authorize_many(&self, calls: Vec<AuthCall>) {
        self.0.authorize_many(calls);
    }

    fn validate(&self) -> Result<(), InvalidConfig> {
        self.0.validate()
    }

    fn boxed(self) -> Self {
        self
    }
}

impl fmt::Debug for BoxedAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxedAuthorizer")
    }
}

/// Does all jobs at the same time, each in its own thread, and waits for them.
fn in_threads<J: Send>(mut jobs: Vec<J>, work: impl Fn(J) + Sync) {
    let (last, span) = (jobs.pop(), &Span::current());
    let work = &|job| span.in_scope(|| work(job));
    thread::scope(|scope| {
        for job in jobs {
            // A call without a thread is dropped, and thereby answered.
            let _ = thread::Builder::new().name("pusher-auth".into()).spawn_scoped(scope, move || work(job));
        }
        last.map(work);
    });
}

impl Authorizer for NoAuth {
    fn authorize(&self, _call: &AuthCall) -> Result<AuthResponse, AuthError> {
        Err(AuthError::NotConfigured)
    }
}

impl Authorizer for HttpAuth {
    fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        answers_to(self, slice::from_ref(call)).remove(0)
    }

    fn authorize_many(&self, calls: Vec<AuthCall>) {
        in_threads(self.batches(calls), |calls| {
            let answers = answers_to(self, &calls);
            for (call, answer) in calls.into_iter().zip(answers) {
                call.answer(answer);
            }
        });
    }

    fn validate(&self) -> Result<(), InvalidConfig> {
        HttpAuth::validate(self)
    }
}

/// Sends one request for all calls, of which there is at least one, and returns an answer for each.
fn answers_to(http: &HttpAuth, calls: &[AuthCall]) -> Vec<Result<AuthResponse, AuthError>> {
    let requests: Vec<&AuthRequest> = calls.iter().map(AuthCall::request).collect();
    if let Some(url) = http.url(requests[0]) {
        calls.iter().for_each(|call| note_endpoint(&call.call, url.clone()));
    }
    let post = || calls[0].post(&http.request(&requests, calls[0].body(), Credentials::new())?);
    let mut response = post();
    let is_cancelled = calls.iter().all(AuthCall::is_cancelled);
    if !is_cancelled && http.renews(&response, requests[0]) {
        response = post();
    }
    http.answers(response, &requests)
}

#[cfg(feature = "signing")]
impl Authorizer for pusher_driver::LocalAuth {
    fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        self.sign(call.request())
    }
}

/// A function, or a closure.
impl<F> Authorizer for F
where
    F: Fn(&AuthRequest) -> Result<AuthResponse, AuthError> + Send + Sync + 'static,
{
    fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        self(call.request())
    }
}

/// One call of the authorizer. [`request`](Self::request) returns what is requested, and [`answer`](Self::answer) takes
/// the answer.
///
/// A call that is dropped without an answer counts as refused.
pub struct AuthCall {
    call: pusher_driver::AuthCall,
    http: Arc<Http>,
    /// The entry in the count of calls that have not returned.
    _place: Box<dyn Send + Sync>,
}

impl AuthCall {
    pub(crate) fn new(call: pusher_driver::AuthCall, http: Arc<Http>, place: Box<dyn Send + Sync>) -> Self {
        Self { call, http, _place: place }
    }

    /// Answers the call.
    pub fn answer(self, answer: Result<AuthResponse, AuthError>) {
        self.call.answer(answer);
    }

    /// Returns what is requested.
    #[must_use]
    pub fn request(&self) -> &AuthRequest {
        self.call.request()
    }

    /// Returns the format of request bodies according to the options.
    #[must_use]
    pub fn body(&self) -> AuthBody {
        self.call.body()
    }

    /// Whether the answer is no longer needed.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.call.is_cancelled()
    }

    /// Sends a POST request through the client's connections, and waits for the answer.
    ///
    /// # Errors
    ///
    /// If the server could not be reached, or its answer is too large.
    pub fn post(&self, request: &HttpRequest) -> Result<HttpResponse, AuthError> {
        self.http.post(request)
    }
}

impl AsRef<AuthRequest> for AuthCall {
    fn as_ref(&self) -> &AuthRequest {
        self.request()
    }
}

impl fmt::Debug for AuthCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.call, f)
    }
}
