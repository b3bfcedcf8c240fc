//! One call of the authorizer, and its answer.

use std::fmt;
use std::sync::Arc;

use pusher_proto::{AuthBody, AuthError, AuthId, AuthRequest, AuthResponse, Text};

#[cfg(feature = "async")]
use super::message::{HttpRequest, HttpResponse};
#[cfg(feature = "async")]
use super::post::Post;
use crate::sync::atomic::{AtomicBool, Ordering};

/// One call of the authorizer. [`request`](Self::request) returns what is requested, and [`answer`](Self::answer) takes
/// the answer.
///
/// A call that is dropped without an answer counts as refused.
pub struct AuthCall {
    request: AuthRequest,
    body: AuthBody,
    cancelled: Arc<AtomicBool>,
    answered: bool,
    answers: Arc<dyn Answers>,
    #[cfg(feature = "async")]
    http: Option<Arc<dyn Post>>,
}

impl AuthCall {
    pub(crate) fn new(
        request: AuthRequest,
        body: AuthBody,
        cancelled: Arc<AtomicBool>,
        answers: Arc<dyn Answers>,
    ) -> Self {
        Self {
            request,
            body,
            cancelled,
            answered: false,
            answers,
            #[cfg(feature = "async")]
            http: None,
        }
    }

    #[cfg(feature = "async")]
    pub(crate) fn set_http(&mut self, http: &Arc<dyn Post>) {
        self.http = Some(Arc::clone(http));
    }

    /// Answers the call.
    pub fn answer(mut self, answer: Result<AuthResponse, AuthError>) {
        self.answered = true;
        self.answers.answer(self.request.id, answer);
    }

    /// Returns what is requested.
    #[must_use]
    pub fn request(&self) -> &AuthRequest {
        &self.request
    }

    /// Returns the format of request bodies according to the options.
    #[must_use]
    pub fn body(&self) -> AuthBody {
        self.body
    }

    /// Whether the answer is no longer needed.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Sends a POST request through the adapter's HTTP client.
    ///
    /// # Errors
    ///
    /// If the server could not be reached, or its answer is too large.
    #[cfg(feature = "async")]
    pub async fn post(&self, request: HttpRequest) -> Result<HttpResponse, AuthError> {
        let Some(http) = &self.http else { return Err(AuthError::NotConfigured) };
        http.post(request).await
    }

    #[cfg(feature = "async")]
    pub(crate) fn cancelled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }
}

/// Takes the answers to calls.
pub(crate) trait Answers: Send + Sync {
    fn answer(&self, id: AuthId, answer: Result<AuthResponse, AuthError>);

    /// The call is on its way to this endpoint.
    fn asks(&self, id: AuthId, url: Text);
}

/// An authorizer for clients that use only public channels: every other channel, and sign-in, fails with
/// [`AuthError::NotConfigured`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoAuth;

/// Notes which endpoint is called, so that the error can name it if the answer does not come in time.
pub fn note_endpoint(call: &AuthCall, url: Text) {
    call.answers.asks(call.request.id, url);
}

impl Drop for AuthCall {
    fn drop(&mut self) {
        if !self.answered {
            let unanswered = AuthError::Handler("the authorizer did not answer".into());
            self.answers.answer(self.request.id, Err(unanswered));
        }
    }
}

impl AsRef<AuthRequest> for AuthCall {
    fn as_ref(&self) -> &AuthRequest {
        &self.request
    }
}

impl fmt::Debug for AuthCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuthCall").field(&self.request).finish()
    }
}
