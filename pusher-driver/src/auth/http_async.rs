//! Asynchronous requests of [`HttpAuth`].

use std::future::Future;
use std::slice;

use pusher_proto::{AuthError, AuthRequest, AuthResponse, InvalidConfig};

use super::authorizer::{Authorizer, Batch, run};
use super::call::{AuthCall, note_endpoint};
use super::credentials::Credentials;
use super::http::{HttpAuth, HttpAuthExt as _};
use super::message::HttpResponse;

/// [`HttpAuth`] with credentials from an asynchronous function; returned by [`HttpAuth::credentials_with`].
#[derive(Clone, Debug)]
#[must_use]
pub struct HttpAuthWith<F> {
    http: HttpAuth,
    provider: F,
}

impl HttpAuth {
    /// Calls an asynchronous function before every request for additional headers and parameters, such as a token from
    /// another server. If it returns an error, that is the answer to the call. For a batch, it is called once, with the
    /// first request.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_driver::{Authorizer, Credentials, HttpAuth};
    /// use pusher_proto::AuthError;
    ///
    /// async fn token() -> Result<String, AuthError> {
    ///     Ok("from the identity provider".into())
    /// }
    ///
    /// fn takes(authorizer: impl Authorizer) {}
    /// takes(HttpAuth::new("https://example.com/broadcasting/auth").credentials_with(|_| async {
    ///     Ok(Credentials::new().header("Authorization", format!("Bearer {}", token().await?)))
    /// }));
    /// ```
    pub fn credentials_with<F, C>(self, provider: F) -> HttpAuthWith<F>
    where
        F: Fn(AuthRequest) -> C + Send + Sync + 'static,
        C: Future<Output = Result<Credentials, AuthError>> + Send,
    {
        HttpAuthWith { http: self, provider }
    }
}

/// An [`HttpAuth`], and the source of the credentials for its requests.
trait Credentialed: Sync {
    fn http(&self) -> &HttpAuth;
    fn credentials(&self, request: &AuthRequest) -> impl Future<Output = Result<Credentials, AuthError>> + Send;
}

impl Credentialed for HttpAuth {
    fn http(&self) -> &HttpAuth {
        self
    }

    async fn credentials(&self, _request: &AuthRequest) -> Result<Credentials, AuthError> {
        Ok(Credentials::new())
    }
}

impl<F, C> Credentialed for HttpAuthWith<F>
where
    F: Fn(AuthRequest) -> C + Send + Sync + 'static,
    C: Future<Output = Result<Credentials, AuthError>> + Send,
{
    fn http(&self) -> &HttpAuth {
        &self.http
    }

    fn credentials(&self, request: &AuthRequest) -> impl Future<Output = Result<Credentials, AuthError>> + Send {
        (self.provider)(request.clone())
    }
}

impl Authorizer for HttpAuth {
    async fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        authorize(self, call).await
    }

    async fn authorize_many(&self, calls: Vec<AuthCall>) {
        authorize_many(self, calls).await;
    }

    fn validate(&self) -> Result<(), InvalidConfig> {
        HttpAuth::validate(self)
    }
}

impl<F, C> Authorizer for HttpAuthWith<F>
where
    F: Fn(AuthRequest) -> C + Send + Sync + 'static,
    C: Future<Output = Result<Credentials, AuthError>> + Send,
{
    async fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        authorize(self, call).await
    }

    async fn authorize_many(&self, calls: Vec<AuthCall>) {
        authorize_many(self, calls).await;
    }

    fn validate(&self) -> Result<(), InvalidConfig> {
        self.http.validate()
    }
}

async fn authorize(auth: &impl Credentialed, call: &AuthCall) -> Result<AuthResponse, AuthError> {
    answers_to(auth, slice::from_ref(call)).await.remove(0)
}

async fn authorize_many(auth: &impl Credentialed, calls: Vec<AuthCall>) {
    let batches = auth.http().batches(calls);
    let batch = |calls: Vec<AuthCall>| Batch::new(calls.iter().map(AuthCall::cancelled).collect(), answer(auth, calls));
    run(batches.into_iter().map(batch).collect()).await;
}

async fn answer(auth: &impl Credentialed, calls: Vec<AuthCall>) {
    let answers = answers_to(auth, &calls).await;
    for (call, answer) in calls.into_iter().zip(answers) {
        call.answer(answer);
    }
}

/// Sends one request for all calls, of which there is at least one, and returns an answer for each.
async fn answers_to(auth: &impl Credentialed, calls: &[AuthCall]) -> Vec<Result<AuthResponse, AuthError>> {
    let requests: Vec<&AuthRequest> = calls.iter().map(AuthCall::request).collect();
    if let Some(url) = auth.http().url(requests[0]) {
        calls.iter().for_each(|call| note_endpoint(call, url.clone()));
    }
    let mut response = post(auth, &requests, &calls[0]).await;
    if auth.http().renews(&response, requests[0]) {
        response = post(auth, &requests, &calls[0]).await;
    }
    auth.http().answers(response, &requests)
}

async fn post(auth: &impl Credentialed, requests: &[&AuthRequest], call: &AuthCall) -> Result<HttpResponse, AuthError> {
    let credentials = auth.credentials(requests[0]).await?;
    let request = auth.http().request(requests, call.body(), credentials)?;
    call.post(request).await.map_err(|error| match auth.http().url(requests[0]) {
        Some(url) => error.at(url),
        None => error,
    })
}
