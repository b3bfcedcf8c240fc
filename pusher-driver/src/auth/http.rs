//! Authorization by an HTTP endpoint of the application.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use pusher_proto::{AuthBody, AuthError, AuthRequest, AuthResponse, AuthSubject, Secret, Text};

use super::Credentials;

/// Asks an HTTP endpoint of the application (Pusher docs, *Authorizing users*).
///
/// The body is a form unless [`auth_body`](pusher_proto::ConfigBuilder::auth_body) says JSON. Redirects are not
/// followed: they would carry the headers elsewhere.
///
/// # Examples
///
/// ```
/// use pusher_driver::HttpAuth;
///
/// # fn session_token() -> String { String::new() }
/// let auth = HttpAuth::new("https://example.com/broadcasting/auth")
///     .param("tenant", "7")
///     .headers_with(|_| vec![("Authorization".into(), format!("Bearer {}", session_token()).into())]);
/// ```
#[derive(Clone)]
#[must_use]
pub struct HttpAuth {
    url: Text,
    user_url: Option<Text>,
    batch_url: Option<Text>,
    always: Credentials,
    more_headers: Vec<Provider>,
    more_params: Vec<Provider>,
    renew: Option<Renew>,
}

type Renew = Arc<dyn Fn(&AuthRequest) + Send + Sync>;

type Provider = Arc<dyn Fn(&AuthRequest) -> Vec<(Text, Secret)> + Send + Sync>;

impl HttpAuth {
    /// Asks the endpoint at this URL about channels.
    pub fn new(url: impl Into<Text>) -> Self {
        Self {
            url: url.into(),
            user_url: None,
            batch_url: None,
            always: Credentials::new(),
            more_headers: Vec::new(),
            more_params: Vec::new(),
            renew: None,
        }
    }

    /// Asks the endpoint at this URL about the user who signs in. Without it, sign-in fails with
    /// [`AuthError::NotConfigured`].
    pub fn user_endpoint(mut self, url: impl Into<Text>) -> Self {
        self.user_url = Some(url.into());
        self
    }

    /// Asks the endpoint at this URL about channels instead, about all that are to be authorized at once: as many as
    /// [`auth_window`](pusher_proto::ConfigBuilder::auth_window) in one request, in the form of
    /// [`AuthRequest::batch_body`] and [`AuthResponse::batch_from_http`]. Laravel users know it from `pusher-js-auth`.
    ///
    /// A batch counts as one request for [`headers_with`](Self::headers_with) and the other functions, which get its first
    /// question. [`on_unauthorized`](Self::on_unauthorized) is for an answer whose own status is 401; an entry with 401 refuses
    /// its channel.
    pub fn batch_endpoint(mut self, url: impl Into<Text>) -> Self {
        self.batch_url = Some(url.into());
        self
    }

    /// Adds a header to every request.
    pub fn header(mut self, name: impl Into<Text>, value: impl Into<Secret>) -> Self {
        self.always = self.always.header(name, value);
        self
    }

    /// Adds a parameter to the body of every request.
    pub fn param(mut self, name: impl Into<Text>, value: impl Into<Secret>) -> Self {
        self.always = self.always.param(name, value);
        self
    }

    /// Adds headers that are made anew for every request, such as a token that expires.
    pub fn headers_with(
        mut self,
        provider: impl Fn(&AuthRequest) -> Vec<(Text, Secret)> + Send + Sync + 'static,
    ) -> Self {
        self.more_headers.push(Arc::new(provider));
        self
    }

    /// Adds parameters that are made anew for every request.
    pub fn params_with(
        mut self,
        provider: impl Fn(&AuthRequest) -> Vec<(Text, Secret)> + Send + Sync + 'static,
    ) -> Self {
        self.more_params.push(Arc::new(provider));
        self
    }

    /// Calls a function after an answer of 401, such as one that forgets a token which has expired. The question is then
    /// asked once more, with headers and parameters made anew. Without it, 401 is final.
    pub fn on_unauthorized(mut self, renew: impl Fn(&AuthRequest) + Send + Sync + 'static) -> Self {
        self.renew = Some(Arc::new(renew));
        self
    }

    /// Puts together what one request can ask; for adapters.
    #[doc(hidden)]
    #[must_use]
    pub fn grouped<C: Deref<Target = AuthRequest>>(&self, calls: Vec<C>) -> Vec<Vec<C>> {
        let mut groups: Vec<Vec<C>> = Vec::new();
        for call in calls {
            let batch = groups.iter_mut().find(|group| self.is_batched(&call) && self.is_batched(&group[0]));
            match batch.filter(|group| group[0].socket_id == call.socket_id) {
                Some(group) => group.push(call),
                None => groups.push(vec![call]),
            }
        }
        groups
    }

    /// Whether a request must be made once more; for adapters.
    #[doc(hidden)]
    #[must_use]
    pub fn renews(&self, response: &Result<HttpResponse, AuthError>, question: &AuthRequest) -> bool {
        let is_unauthorized = response.as_ref().is_ok_and(|response| response.status == UNAUTHORIZED);
        let Some(renew) = self.renew.as_ref().filter(|_| is_unauthorized) else { return false };
        renew(question);
        true
    }

    /// Returns the HTTP request for one group of questions; for adapters.
    ///
    /// # Errors
    ///
    /// When there is no endpoint for it.
    #[doc(hidden)]
    pub fn request(
        &self,
        questions: &[&AuthRequest],
        body: AuthBody,
        credentials: Credentials,
    ) -> Result<HttpRequest, AuthError> {
        let first = questions[0];
        let made = |providers: &[Provider]| -> Vec<_> { providers.iter().flat_map(|make| make(first)).collect() };
        let params = [self.always.params.clone(), made(&self.more_params), credentials.params].concat();
        let params: Vec<_> = params.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        let (url, text) = match (&first.subject, &self.batch_url) {
            (AuthSubject::Channel(_), Some(url)) => (url, AuthRequest::batch_body(questions, body, &params)),
            (AuthSubject::Channel(_), None) => (&self.url, first.body(body, &params)),
            (AuthSubject::User, _) => {
                (self.user_url.as_ref().ok_or(AuthError::NotConfigured)?, first.body(body, &params))
            }
        };
        Ok(HttpRequest {
            url: url.clone(),
            headers: [self.always.headers.clone(), made(&self.more_headers), credentials.headers].concat(),
            content_type: body.content_type(),
            body: Secret::from(text),
        })
    }

    /// Reads what came of [`request`](Self::request): an answer for each question; for adapters.
    #[doc(hidden)]
    #[must_use]
    pub fn answers(
        &self,
        response: Result<HttpResponse, AuthError>,
        questions: &[&AuthRequest],
    ) -> Vec<Result<AuthResponse, AuthError>> {
        match response {
            Ok(HttpResponse { status, retry_after, body }) if self.is_batched(questions[0]) => {
                AuthResponse::batch_from_http(status, &body, retry_after.as_deref(), questions)
            }
            Ok(response) => vec![response.authorization()],
            Err(error) => questions.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    fn is_batched(&self, question: &AuthRequest) -> bool {
        self.batch_url.is_some() && question.subject.channel().is_some()
    }
}

impl fmt::Debug for HttpAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAuth")
            .field("url", &self.url)
            .field("user_url", &self.user_url)
            .field("batch_url", &self.batch_url)
            .field("always", &self.always)
            .finish_non_exhaustive()
    }
}

/// A POST request for the adapter's HTTP client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The whole URL, `http` or `https`.
    pub url: Text,
    /// Headers beside `Content-Type`.
    pub headers: Vec<(Text, Secret)>,
    /// Value of `Content-Type`.
    pub content_type: &'static str,
    /// The body; it may hold the application's tokens.
    pub body: Secret,
}

/// The answer to an [`HttpRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status, such as 200.
    pub status: u16,
    /// Value of `Retry-After`.
    pub retry_after: Option<String>,
    /// The body, at most [`HttpResponse::MAX_LEN`] bytes.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// Largest body in bytes that an adapter reads; an authorization has some hundred.
    pub const MAX_LEN: usize = 1_024 * 1_024;

    /// Reads the answer.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn authorization(&self) -> Result<AuthResponse, AuthError> {
        AuthResponse::from_http(self.status, &self.body, self.retry_after.as_deref())
    }

    /// Adds a piece of the body.
    ///
    /// # Errors
    ///
    /// When the body would pass [`HttpResponse::MAX_LEN`].
    pub fn extend(&mut self, piece: &[u8]) -> Result<(), AuthError> {
        if self.body.len() + piece.len() > Self::MAX_LEN {
            let max = Self::MAX_LEN;
            return Err(AuthError::Handler(format!("the answer of the auth server is longer than {max} bytes")));
        }
        self.body.extend_from_slice(piece);
        Ok(())
    }
}

/// Returns an error and its causes, as `request: connection: refused`: libraries of HTTP name only the outermost.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// The status that says that the caller is not known, or not any more (RFC 9110, section 15.5.2).
const UNAUTHORIZED: u16 = 401;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_up_to_its_limit_and_no_further() {
        let mut response = HttpResponse { status: 200, retry_after: None, body: Vec::new() };
        // A channel's data may be large.
        response.extend(&[0; 100_000]).unwrap();
        response.extend(&vec![0; HttpResponse::MAX_LEN - response.body.len() - 1]).unwrap();
        response.extend(&[0]).unwrap();
        assert!(matches!(response.extend(&[0]), Err(AuthError::Handler(_))));
        assert_eq!(response.body.len(), HttpResponse::MAX_LEN);
    }

    #[test]
    fn an_error_is_told_with_all_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Layer(&'static str, #[source] Option<Box<Layer>>);
        let error = Layer("request", Some(Box::new(Layer("connection", Some(Box::new(Layer("refused", None)))))));
        assert_eq!(with_causes(&error), "request: connection: refused");
    }
}
