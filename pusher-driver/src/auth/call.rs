//! One question, which takes its own answer.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use pusher_proto::{AuthBody, AuthError, AuthRequest, AuthResponse};

#[cfg(feature = "async")]
use super::authorizer::Post;
#[cfg(feature = "async")]
use super::message::{HttpRequest, HttpResponse};
use crate::shared::Shared;
use crate::sync::atomic::{AtomicBool, Ordering};

/// One question to the application's server, which takes its own answer. It derefs to its [`AuthRequest`].
///
/// A call that is dropped without an answer counts as refused.
pub struct AuthCall {
    request: AuthRequest,
    cancelled: Arc<AtomicBool>,
    answered: bool,
    shared: Arc<Shared>,
    #[cfg(feature = "async")]
    http: Option<Arc<dyn Post>>,
}

impl AuthCall {
    pub(crate) fn new(request: AuthRequest, cancelled: Arc<AtomicBool>, shared: &Arc<Shared>) -> Self {
        Self {
            request,
            cancelled,
            answered: false,
            shared: Arc::clone(shared),
            #[cfg(feature = "async")]
            http: None,
        }
    }

    #[cfg(feature = "async")]
    pub(crate) fn set_http(&mut self, http: &Arc<dyn Post>) {
        self.http = Some(Arc::clone(http));
    }

    /// Gives the answer.
    pub fn answer(mut self, answer: Result<AuthResponse, AuthError>) {
        self.answered = true;
        self.shared.answer(self.request.id, answer);
    }

    /// Returns the question.
    #[must_use]
    pub fn request(&self) -> &AuthRequest {
        &self.request
    }

    /// Returns how the configuration wants a request's body to be written.
    #[must_use]
    pub fn body(&self) -> AuthBody {
        self.shared.auth_body
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Sends a POST request through the adapter's HTTP client.
    ///
    /// # Errors
    ///
    /// When the server was not reached, or its answer is unreasonably large.
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

/// For clients of public channels: every other channel, and sign-in, fails with [`AuthError::NotConfigured`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoAuth;

impl Deref for AuthCall {
    type Target = AuthRequest;

    fn deref(&self) -> &AuthRequest {
        &self.request
    }
}

impl Drop for AuthCall {
    fn drop(&mut self) {
        if !self.answered {
            let unanswered = AuthError::Handler("the authorizer gave no answer".into());
            self.shared.answer(self.request.id, Err(unanswered));
        }
    }
}

impl fmt::Debug for AuthCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuthCall").field(&self.request).finish()
    }
}
