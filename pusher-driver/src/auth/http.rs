//! Authorization by an HTTP endpoint of the application.

use std::fmt;
use std::sync::Arc;

use pusher_proto::{AuthBody, AuthError, AuthRequest, AuthResponse, AuthSubject, InvalidConfig, Secret, Text};

use super::credentials::Credentials;
use super::message::{HttpRequest, HttpResponse};
use super::url::{AuthUrl, Printable};

/// Requests authorizations from an HTTP endpoint of the application (Pusher docs, *Authorizing users*).
///
/// The body is a form unless [`auth_body`](crate::Options::auth_body) or a `Content-Type` header of the application
/// selects JSON. Redirects are not followed, because they would send the headers elsewhere.
///
/// A URL must not contain a user name or a password; credentials belong in a header. Creating a client fails if the URL
/// of an endpoint cannot be used. `Debug` shows neither queries nor values of headers and parameters.
///
/// # Examples
///
/// ```
/// use pusher_driver::HttpAuth;
///
/// # fn session_token() -> String { String::new() }
/// let auth = HttpAuth::new("https://example.com/broadcasting/auth")
///     .param("tenant", "7")
///     .headers_with(|_request| [("Authorization", format!("Bearer {}", session_token()))]);
/// ```
#[derive(Clone)]
#[must_use]
pub struct HttpAuth {
    channel_url: Text,
    user_url: Option<Text>,
    token_url: Option<Text>,
    batch_url: Option<Text>,
    always: Credentials,
    more_headers: Vec<Provider>,
    more_params: Vec<Provider>,
    renew: Option<Renew>,
    unauthorized: Option<Vec<u16>>,
}

type Renew = Arc<dyn Fn(&AuthRequest) + Send + Sync>;

type Provider = Arc<dyn Fn(&AuthRequest) -> Vec<(Text, Secret)> + Send + Sync>;

impl HttpAuth {
    /// Uses the endpoint at this URL for channels.
    pub fn new(url: impl Into<Text>) -> Self {
        Self {
            channel_url: url.into(),
            user_url: None,
            token_url: None,
            batch_url: None,
            always: Credentials::new(),
            more_headers: Vec::new(),
            more_params: Vec::new(),
            renew: None,
            unauthorized: None,
        }
    }

    /// Uses the endpoint at this URL for sign-in. Without it, sign-in fails with [`AuthError::NotConfigured`].
    pub fn user_endpoint(mut self, url: impl Into<Text>) -> Self {
        self.user_url = Some(url.into());
        self
    }

    /// Uses the endpoint at this URL for capability tokens ([`Recovery::tokens`](pusher_proto::Recovery::tokens)). It answers
    /// `{"auth": TOKEN, "expires_in": SECONDS}`. Without this
    /// endpoint, each request for a token ends with a [`TokenError`](pusher_proto::Event::TokenError) that says
    /// [`AuthError::NotConfigured`].
    pub fn token_endpoint(mut self, url: impl Into<Text>) -> Self {
        self.token_url = Some(url.into());
        self
    }

    /// Uses the endpoint at this URL for channels instead, with one request for all channels that are to be authorized
    /// at the same time, up to [`auth_window`](pusher_proto::ConfigBuilder::auth_window). The format is that of
    /// [`AuthRequest::batch_body`] and [`AuthResponse::batch_from_http`], which Laravel users know from
    /// `pusher-js-auth`.
    ///
    /// A batch counts as one request for [`headers_with`](Self::headers_with) and the other functions, which receive
    /// the first request in it. [`on_unauthorized`](Self::on_unauthorized) considers the status of the whole answer; an
    /// entry with 401 refuses its channel.
    pub fn batch_endpoint(mut self, url: impl Into<Text>) -> Self {
        self.batch_url = Some(url.into());
        self
    }

    /// Sets a header for every request. Its value can contain visible ASCII characters, spaces and tabs; encode other
    /// text, such as names of users. It replaces an earlier header of the same name, regardless of case, and the
    /// client's own: `Host`, `User-Agent`, `Accept`, `Accept-Encoding` and `Content-Type`. A `Content-Type` of JSON or
    /// of a form also determines the format of the body. Headers that frame the message, such as `Content-Length`,
    /// cannot be set and are left out.
    pub fn header(mut self, name: impl Into<Text>, value: impl Into<Secret>) -> Self {
        self.always = self.always.header(name, value);
        self
    }

    /// Adds a parameter to the body of every request. `socket_id` and `channel_name` are the protocol's own and cannot be
    /// replaced.
    pub fn param(mut self, name: impl Into<Text>, value: impl Into<Secret>) -> Self {
        self.always = self.always.param(name, value);
        self
    }

    /// Adds a function that returns headers for each request, such as a token that expires. They replace those of
    /// [`header`](Self::header). See the example of [`HttpAuth`].
    pub fn headers_with<P, N, V>(mut self, provider: impl Fn(&AuthRequest) -> P + Send + Sync + 'static) -> Self
    where
        P: IntoIterator<Item = (N, V)>,
        N: Into<Text>,
        V: Into<Secret>,
    {
        self.more_headers.push(Arc::new(move |request| pairs(provider(request))));
        self
    }

    /// Adds a function that returns parameters for each request, like [`headers_with`](Self::headers_with) for headers.
    pub fn params_with<P, N, V>(mut self, provider: impl Fn(&AuthRequest) -> P + Send + Sync + 'static) -> Self
    where
        P: IntoIterator<Item = (N, V)>,
        N: Into<Text>,
        V: Into<Secret>,
    {
        self.more_params.push(Arc::new(move |request| pairs(provider(request))));
        self
    }

    /// Calls a function after an answer that means that the credentials are no longer valid; the function may, for
    /// example, discard an expired token. The request is then sent once more, with new headers and parameters. Without
    /// such a function, the answer is final.
    ///
    /// These answers are 401, 419, with which Laravel refuses an expired session, and redirects, which usually lead to
    /// a login page; see [`unauthorized_statuses`](Self::unauthorized_statuses).
    pub fn on_unauthorized(mut self, renew: impl Fn(&AuthRequest) + Send + Sync + 'static) -> Self {
        self.renew = Some(Arc::new(renew));
        self
    }

    /// Sets the statuses after which the function of [`on_unauthorized`](Self::on_unauthorized) is called. Default:
    /// 401, 419 and 300 to 399.
    pub fn unauthorized_statuses(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.unauthorized = Some(statuses.into_iter().collect());
        self
    }

    /// Checks the URLs.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig::AuthUrl`] for the first URL that cannot be used.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let urls = [
            ("auth", Some(&self.channel_url)),
            ("user", self.user_url.as_ref()),
            ("token", self.token_url.as_ref()),
            ("batch", self.batch_url.as_ref()),
        ];
        for (endpoint, url) in urls {
            let Some(Err(error)) = url.map(|url| AuthUrl::parse(url)) else { continue };
            return Err(InvalidConfig::AuthUrl { endpoint, reason: error.to_string() });
        }
        Ok(())
    }

    fn endpoint(&self, request: &AuthRequest) -> Result<&Text, AuthError> {
        match (&request.subject, &self.batch_url) {
            (AuthSubject::Channel(_), Some(url)) => Ok(url),
            (AuthSubject::Channel(_), None) => Ok(&self.channel_url),
            (AuthSubject::User, _) => self.user_url.as_ref().ok_or(AuthError::NotConfigured),
            (AuthSubject::Token, _) => self.token_url.as_ref().ok_or(AuthError::NotConfigured),
        }
    }

    fn is_batched(&self, request: &AuthRequest) -> bool {
        self.batch_url.is_some() && request.subject.channel().is_some()
    }
}

/// What an adapter's loop needs of [`HttpAuth`]: the requests to send, and what their answers mean.
pub trait HttpAuthExt: sealed::Sealed {
    /// Sorts calls into batches, each for one HTTP request.
    #[must_use]
    fn batches<C: AsRef<AuthRequest>>(&self, calls: Vec<C>) -> Vec<Vec<C>>;

    /// Whether the request must be sent once more.
    #[must_use]
    fn renews(&self, response: &Result<HttpResponse, AuthError>, request: &AuthRequest) -> bool;

    /// Returns the HTTP request for the requests of one batch.
    ///
    /// # Errors
    ///
    /// If there is no endpoint for it.
    fn request(
        &self,
        requests: &[&AuthRequest],
        body: AuthBody,
        credentials: Credentials,
    ) -> Result<HttpRequest, AuthError>;

    /// Reads the response to [`request`](HttpAuthExt::request), and returns an answer for each request of the batch.
    #[must_use]
    fn answers(
        &self,
        response: Result<HttpResponse, AuthError>,
        requests: &[&AuthRequest],
    ) -> Vec<Result<AuthResponse, AuthError>>;

    /// Returns the endpoint that is called, without its query.
    #[must_use]
    fn url(&self, request: &AuthRequest) -> Option<Text>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::HttpAuth {}
}

impl HttpAuthExt for HttpAuth {
    fn batches<C: AsRef<AuthRequest>>(&self, calls: Vec<C>) -> Vec<Vec<C>> {
        let mut batches: Vec<Vec<C>> = Vec::new();
        for call in calls {
            let batch =
                batches.iter_mut().find(|batch| self.is_batched(call.as_ref()) && self.is_batched(batch[0].as_ref()));
            match batch.filter(|batch| batch[0].as_ref().socket_id == call.as_ref().socket_id) {
                Some(batch) => batch.push(call),
                None => batches.push(vec![call]),
            }
        }
        batches
    }

    fn renews(&self, response: &Result<HttpResponse, AuthError>, request: &AuthRequest) -> bool {
        let is_unauthorized = response.as_ref().is_ok_and(|response| match &self.unauthorized {
            Some(statuses) => statuses.contains(&response.status),
            None => matches!(response.status, UNAUTHORIZED | PAGE_EXPIRED | 300..=399),
        });
        let Some(renew) = self.renew.as_ref().filter(|_| is_unauthorized) else { return false };
        renew(request);
        true
    }

    fn request(
        &self,
        requests: &[&AuthRequest],
        body: AuthBody,
        credentials: Credentials,
    ) -> Result<HttpRequest, AuthError> {
        let first = requests[0];
        let made = |providers: &[Provider]| -> Vec<_> { providers.iter().flat_map(|make| make(first)).collect() };
        let headers = [self.always.headers.clone(), made(&self.more_headers), credentials.headers].concat();
        let content_type = headers.iter().rfind(|(name, _)| name.eq_ignore_ascii_case("Content-Type"));
        let body = content_type.and_then(|(_, value)| body_of(value.expose())).unwrap_or(body);
        let params = [self.always.params.clone(), made(&self.more_params), credentials.params].concat();
        let params: Vec<_> = params.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        let text = if self.is_batched(first) {
            AuthRequest::batch_body(requests, body, &params)
        } else {
            first.body(body, &params)
        };
        Ok(HttpRequest {
            url: self.endpoint(first)?.clone(),
            headers,
            content_type: body.content_type(),
            body: Secret::from(text),
        })
    }

    fn answers(
        &self,
        response: Result<HttpResponse, AuthError>,
        requests: &[&AuthRequest],
    ) -> Vec<Result<AuthResponse, AuthError>> {
        let response = match response {
            Ok(response) => response,
            Err(error) => return requests.iter().map(|_| Err(error.clone())).collect(),
        };
        let answers = if self.is_batched(requests[0]) {
            let retry_after = response.retry_after.as_deref();
            AuthResponse::batch_from_http(response.status, &response.body, retry_after, requests)
        } else {
            vec![response.authorization()]
        };
        let hint = misdirected(&response);
        let explained = |error| match (error, &hint) {
            (AuthError::Http { status, excerpt, retry_after }, Some(hint)) => {
                let excerpt = if excerpt.is_empty() { hint.clone() } else { format!("{hint}: {excerpt}") };
                AuthError::Http { status, excerpt, retry_after }
            }
            (error, _) => error,
        };
        let url = self.url(requests[0]);
        let placed = |error| match &url {
            Some(url) => explained(error).at(url.clone()),
            None => explained(error),
        };
        answers.into_iter().map(|answer| answer.map_err(placed)).collect()
    }

    fn url(&self, request: &AuthRequest) -> Option<Text> {
        let url = AuthUrl::parse(self.endpoint(request).ok()?).ok()?;
        Some(url.to_string().into())
    }
}

impl fmt::Debug for HttpAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAuth")
            .field("url", &Printable(&self.channel_url))
            .field("user_url", &self.user_url.as_deref().map(Printable))
            .field("token_url", &self.token_url.as_deref().map(Printable))
            .field("batch_url", &self.batch_url.as_deref().map(Printable))
            .field("always", &self.always)
            .finish_non_exhaustive()
    }
}

fn pairs(given: impl IntoIterator<Item = (impl Into<Text>, impl Into<Secret>)>) -> Vec<(Text, Secret)> {
    given.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// An explanation for an answer that means that there is no such endpoint at this URL.
fn misdirected(response: &HttpResponse) -> Option<String> {
    match (response.status, response.redirect()) {
        (_, Some(location)) => Some(format!("redirects to {location}; redirects are not followed")),
        (NOT_FOUND, None) => Some("there is nothing at this URL".into()),
        (METHOD_NOT_ALLOWED, None) => Some("this URL does not accept POST".into()),
        (_, None) => None,
    }
}

/// The format of the body for a `Content-Type`, if it is supported.
fn body_of(content_type: &str) -> Option<AuthBody> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Some(AuthBody::Json),
        "application/x-www-form-urlencoded" => Some(AuthBody::Form),
        other => other.ends_with("+json").then_some(AuthBody::Json),
    }
}

/// The status for missing or invalid credentials (RFC 9110, section 15.5.2).
const UNAUTHORIZED: u16 = 401;

/// Laravel's status for an expired session or CSRF token.
const PAGE_EXPIRED: u16 = 419;

/// Statuses that a wrong URL leads to (RFC 9110, sections 15.5.5 and 15.5.6).
const NOT_FOUND: u16 = 404;
const METHOD_NOT_ALLOWED: u16 = 405;

#[cfg(test)]
mod tests;
