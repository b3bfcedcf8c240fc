//! How [`HttpAuth`] asks, where asking is asynchronous.

use std::future::Future;
use std::slice;

use pusher_proto::{AuthError, AuthRequest, AuthResponse, InvalidConfig};

use super::authorizer::{Running, run};
use super::{AuthCall, Authorizer, Credentials, HttpAuth, HttpResponse};

/// [`HttpAuth`] with credentials from an asynchronous function; made by [`HttpAuth::credentials_with`].
#[derive(Clone, Debug)]
#[must_use]
pub struct HttpAuthWith<F> {
    http: HttpAuth,
    provider: F,
}

impl HttpAuth {
    /// Asks an asynchronous function for more headers and parameters before every request, such as for a token that
    /// another server hands out. Its error is the answer to the question. A batch asks it once, with its first question.
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

/// Where a request and its credentials come from.
trait Source: Sync {
    fn http(&self) -> &HttpAuth;
    fn credentials(&self, question: &AuthRequest) -> impl Future<Output = Result<Credentials, AuthError>> + Send;
}

impl Source for HttpAuth {
    fn http(&self) -> &HttpAuth {
        self
    }

    async fn credentials(&self, _question: &AuthRequest) -> Result<Credentials, AuthError> {
        Ok(Credentials::new())
    }
}

impl<F, C> Source for HttpAuthWith<F>
where
    F: Fn(AuthRequest) -> C + Send + Sync + 'static,
    C: Future<Output = Result<Credentials, AuthError>> + Send,
{
    fn http(&self) -> &HttpAuth {
        &self.http
    }

    fn credentials(&self, question: &AuthRequest) -> impl Future<Output = Result<Credentials, AuthError>> + Send {
        (self.provider)(question.clone())
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

async fn authorize(source: &impl Source, call: &AuthCall) -> Result<AuthResponse, AuthError> {
    exchange(source, slice::from_ref(call)).await.remove(0)
}

async fn authorize_many(source: &impl Source, calls: Vec<AuthCall>) {
    let groups = source.http().grouped(calls);
    let running =
        |calls: Vec<AuthCall>| Running::new(calls.iter().map(AuthCall::cancelled).collect(), answer(source, calls));
    run(groups.into_iter().map(running).collect()).await;
}

async fn answer(source: &impl Source, calls: Vec<AuthCall>) {
    let answers = exchange(source, &calls).await;
    for (call, answer) in calls.into_iter().zip(answers) {
        call.answer(answer);
    }
}

/// One request for all calls, which are at least one; an answer for each.
async fn exchange(source: &impl Source, calls: &[AuthCall]) -> Vec<Result<AuthResponse, AuthError>> {
    let questions: Vec<&AuthRequest> = calls.iter().map(AuthCall::request).collect();
    let mut response = post(source, &questions, &calls[0]).await;
    if source.http().renews(&response, questions[0]) {
        response = post(source, &questions, &calls[0]).await;
    }
    source.http().answers(response, &questions)
}

async fn post(source: &impl Source, questions: &[&AuthRequest], call: &AuthCall) -> Result<HttpResponse, AuthError> {
    let credentials = source.credentials(questions[0]).await?;
    call.post(source.http().request(questions, call.body(), credentials)?).await
}
