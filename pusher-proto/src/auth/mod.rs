//! Authorization by the application's server, as data: the requests, and the meaning of the answers.

mod batch;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::value::RawValue;

use crate::data::json_string;
use crate::excerpt::safe_excerpt;
use crate::wire::object;
use crate::{ChannelName, Secret, SocketId, Text};

/// Identifies an authorization request. It is passed back with the answer; an answer to an older request is dropped.
///
/// # Examples
///
/// ```
/// use pusher_proto::{AuthError, AuthId, AuthResponse, Client, Instant};
///
/// /// Answers `Action::RequestAuth(request)`, where `id` is the request's.
/// fn answer(client: &mut Client, id: AuthId, answer: Result<AuthResponse, AuthError>, now: Instant) {
///     client.handle_auth(id, answer, now);
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthId(pub(crate) u64);

impl AuthId {
    /// The id of a request that no client has made.
    const NONE: Self = Self(u64::MAX);
}

impl fmt::Display for AuthId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why an authorization is requested.
///
/// # Examples
///
/// ```
/// use pusher_proto::{AuthPurpose, AuthRequest, ChannelName, SocketId};
///
/// let (channel, socket_id) = (ChannelName::new("private-chat")?, SocketId::new("1.2")?);
/// let request = AuthRequest::channel(channel, socket_id);
/// assert_eq!(request.purpose, AuthPurpose::Subscribe);
/// # Ok::<(), pusher_proto::InvalidName>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthPurpose {
    /// For a channel that was not subscribed before.
    Subscribe,
    /// For a channel that was subscribed on an earlier socket.
    Resubscribe,
    /// For an encrypted channel whose key does not open an event. Only the `shared_secret` of the answer is used.
    KeyRefresh,
    /// For a sign-in.
    Signin,
    /// For a capability token ([`Recovery::tokens`](crate::Recovery::tokens)). The `auth` of the answer is the token.
    Token,
}

/// What the authorization is for.
///
/// # Examples
///
/// ```
/// use pusher_proto::{AuthSubject, ChannelName};
///
/// let channel = AuthSubject::Channel(ChannelName::new("private-chat")?);
/// assert_eq!((channel.to_string(), AuthSubject::User.to_string()), ("private-chat".into(), "the user".into()));
/// assert_eq!(AuthSubject::User.channel(), None);
/// # Ok::<(), pusher_proto::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthSubject {
    /// May this socket subscribe to this channel?
    Channel(ChannelName),
    /// Which user does this socket belong to?
    User,
    /// What may this socket do? The answer is a capability token.
    Token,
}

impl AuthSubject {
    /// Returns the channel, if the authorization is for one.
    #[must_use]
    pub const fn channel(&self) -> Option<&ChannelName> {
        match self {
            Self::Channel(channel) => Some(channel),
            Self::User | Self::Token => None,
        }
    }
}

impl fmt::Display for AuthSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(channel) => fmt::Display::fmt(channel, f),
            Self::User => f.write_str("the user"),
            Self::Token => f.write_str("a token"),
        }
    }
}

/// The format of the request's body.
///
/// # Examples
///
/// ```
/// use pusher_proto::AuthBody;
///
/// assert_eq!(AuthBody::default(), AuthBody::Form);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AuthBody {
    /// `application/x-www-form-urlencoded`, as the official clients do.
    #[default]
    Form,
    /// A JSON object.
    Json,
}

impl AuthBody {
    /// Returns the `Content-Type` of this format.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::AuthBody;
    ///
    /// assert_eq!(AuthBody::Form.content_type(), "application/x-www-form-urlencoded");
    /// assert_eq!(AuthBody::Json.content_type(), "application/json");
    /// ```
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Form => "application/x-www-form-urlencoded",
            Self::Json => "application/json",
        }
    }
}

/// A request to the application's server.
///
/// # Examples
///
/// The client creates these requests. A test of an authorizer can create its own:
///
/// ```
/// use pusher_proto::{AuthError, AuthPurpose, AuthRequest, AuthResponse, ChannelName, SocketId};
///
/// fn authorize(request: &AuthRequest) -> Result<AuthResponse, AuthError> {
///     Err(AuthError::Handler(format!("{} is for members only", request.subject)))
/// }
///
/// let (channel, socket_id) = (ChannelName::new("private-chat")?, SocketId::new("1.2")?);
/// let again = AuthRequest::channel(channel, socket_id).purpose(AuthPurpose::Resubscribe);
/// assert!(authorize(&again).is_err());
/// # Ok::<(), pusher_proto::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthRequest {
    /// To be passed to [`Client::handle_auth`](crate::Client::handle_auth) with the answer.
    pub id: AuthId,
    /// What the authorization is for.
    pub subject: AuthSubject,
    /// The socket that the signature is for.
    pub socket_id: SocketId,
    /// Why the authorization is requested.
    pub purpose: AuthPurpose,
}

impl AuthRequest {
    /// Returns a request for a channel that was not subscribed before. Its id matches no request of a client.
    #[must_use]
    pub const fn channel(channel: ChannelName, socket_id: SocketId) -> Self {
        let subject = AuthSubject::Channel(channel);
        Self { id: AuthId::NONE, subject, socket_id, purpose: AuthPurpose::Subscribe }
    }

    /// Returns a request for the user of a socket. Its id matches no request of a client.
    #[must_use]
    pub const fn user(socket_id: SocketId) -> Self {
        Self { id: AuthId::NONE, subject: AuthSubject::User, socket_id, purpose: AuthPurpose::Signin }
    }

    /// Returns a request for the capability token of a socket. Its id matches no request of a client.
    #[must_use]
    pub const fn token(socket_id: SocketId) -> Self {
        Self { id: AuthId::NONE, subject: AuthSubject::Token, socket_id, purpose: AuthPurpose::Token }
    }

    /// Sets why the authorization is requested.
    #[must_use]
    pub const fn purpose(mut self, purpose: AuthPurpose) -> Self {
        self.purpose = purpose;
        self
    }

    /// Returns the body of the POST request, with the application's `params` after the protocol's own (Pusher docs,
    /// *Authorization endpoint*). Only a request for a channel has a
    /// `channel_name`.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::{AuthBody, Action, ChannelName, Client, Config, Endpoint, Frame, Instant};
    ///
    /// let mut client = Client::new(Config::new("key", Endpoint::cluster("eu"))?, 1);
    /// client.connect();
    /// client.subscribe(ChannelName::new("private-a b")?);
    /// # let mut epoch = None;
    /// # while let Some(action) = client.poll_action(Instant::ZERO) {
    /// #     if let Action::Connect(socket, _) = action { epoch = Some(socket); }
    /// # }
    /// # let established = r#"{"event":"pusher:connection_established","data":{"socket_id":"1.2"}}"#;
    /// # client.handle_frame(epoch.unwrap(), Frame::Text(established.into()), Instant::ZERO);
    /// # let request = core::iter::from_fn(|| client.poll_action(Instant::ZERO)).find_map(|action| match action {
    /// #     Action::RequestAuth(request) => Some(request),
    /// #     _ => None,
    /// # }).unwrap();
    /// // … after the handshake, from Action::RequestAuth(request):
    /// let params = [("tenant", "7")];
    /// assert_eq!(request.body(AuthBody::Form, &params), "socket_id=1.2&channel_name=private-a+b&tenant=7");
    /// assert_eq!(
    ///     request.body(AuthBody::Json, &params),
    ///     r#"{"socket_id":"1.2","channel_name":"private-a b","tenant":"7"}"#,
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn body<K: AsRef<str>, V: AsRef<str>>(&self, body: AuthBody, params: &[(K, V)]) -> String {
        let channel = self.subject.channel().map(|channel| ("channel_name", channel.as_str()));
        let own = core::iter::once(("socket_id", self.socket_id.as_str())).chain(channel);
        text_of(body, own.chain(of_application(params)))
    }
}

/// The application's parameters, without those that could replace what the signature is for: PHP uses the last of
/// several parameters with the same name.
fn of_application<K: AsRef<str>, V: AsRef<str>>(params: &[(K, V)]) -> impl Iterator<Item = (&str, &str)> {
    let params = params.iter().map(|(key, value)| (key.as_ref(), value.as_ref()));
    params.filter(|(key, _)| *key != "socket_id" && !key.starts_with("channel_name"))
}

/// The answer of the application's server.
///
/// # Examples
///
/// ```
/// use pusher_proto::AuthResponse;
///
/// let ann = AuthResponse::new("app-key:5a…").channel_data(r#"{"user_id":"ann"}"#);
/// assert_eq!(ann.channel_data.as_deref(), Some(r#"{"user_id":"ann"}"#));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthResponse {
    /// The signature, in the form `key:hex`; or a capability token.
    pub auth: Secret,
    /// For presence channels: a JSON object with `user_id` and optionally `user_info`, byte for byte as it was signed.
    pub channel_data: Option<Text>,
    /// For encrypted channels: the key, in base64.
    pub shared_secret: Option<Secret>,
    /// For sign-ins: a JSON object with `id`, byte for byte as it was signed.
    pub user_data: Option<Text>,
    /// For capability tokens: how long the token is valid. In JSON, a number of seconds, as in OAuth (RFC 6749, section
    /// 5.1).
    pub expires_in: Option<Duration>,
}

impl AuthResponse {
    /// Returns an answer that consists only of a signature.
    #[must_use]
    pub fn new(auth: impl Into<Secret>) -> Self {
        Self { auth: auth.into(), channel_data: None, shared_secret: None, user_data: None, expires_in: None }
    }

    /// Adds the data of a presence channel.
    #[must_use]
    pub fn channel_data(mut self, data: impl Into<Text>) -> Self {
        self.channel_data = Some(data.into());
        self
    }

    /// Adds the key of an encrypted channel, in base64.
    #[must_use]
    pub fn shared_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.shared_secret = Some(secret.into());
        self
    }

    /// Adds the data of a user who signs in.
    #[must_use]
    pub fn user_data(mut self, data: impl Into<Text>) -> Self {
        self.user_data = Some(data.into());
        self
    }

    /// Adds how long a capability token is valid, so that the client can replace it in time.
    #[must_use]
    pub const fn expires_in(mut self, expires_in: Duration) -> Self {
        self.expires_in = Some(expires_in);
        self
    }

    /// Reads the HTTP answer of an auth server: `status`, `body` and, in seconds, the `Retry-After` header.
    ///
    /// Any status of 200 to 299 is a success, whatever the content type says. JSON inside a JSON string is unwrapped once.
    ///
    /// # Errors
    ///
    /// [`AuthError::Http`] for another status; [`AuthError::InvalidJson`], [`AuthError::Wrapped`],
    /// [`AuthError::MissingAuth`] or [`AuthError::NotString`] for a body that is not an authorization.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::{AuthError, AuthResponse};
    ///
    /// let response = AuthResponse::from_http(200, br#"{"auth":"key:5a"}"#, None)?;
    /// assert_eq!(response.auth.expose(), "key:5a");
    ///
    /// let refusal = AuthResponse::from_http(403, b"no", None).unwrap_err();
    /// assert!(!refusal.is_retryable());
    /// # Ok::<(), AuthError>(())
    /// ```
    pub fn from_http(status: u16, body: &[u8], retry_after: Option<&str>) -> Result<Self, AuthError> {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim();
        let inner = serde_json::from_str::<String>(text).map_or(Cow::Borrowed(text), Cow::Owned);
        if !(200..300).contains(&status) {
            let retry_after = retry_after.and_then(seconds);
            return Err(AuthError::Http { status, excerpt: safe_excerpt(&inner), retry_after });
        }
        let [auth, channel_data, shared_secret, user_data, expires_in] =
            object::fields(&inner, ["auth", "channel_data", "shared_secret", "user_data", "expires_in"])
                .ok_or_else(|| AuthError::InvalidJson { excerpt: safe_excerpt(text) })?;
        let auth = string(auth, "auth")?.ok_or_else(|| without_auth(&inner))?;
        Ok(Self {
            auth: Secret::from(auth),
            channel_data: string(channel_data, "channel_data")?.map(Text::from),
            shared_secret: string(shared_secret, "shared_secret")?.map(Secret::from),
            user_data: string(user_data, "user_data")?.map(Text::from),
            // Without it, the server says when the token has expired.
            expires_in: expires_in.and_then(|raw| raw.get().parse().ok()).map(Duration::from_secs),
        })
    }
}

/// An object instead of a string is refused, because it cannot be turned back into the bytes that were signed.
fn string(raw: Option<&RawValue>, field: &'static str) -> Result<Option<String>, AuthError> {
    let Some(raw) = raw else { return Ok(None) };
    let not_string = |_| AuthError::NotString { field, found: kind(raw.get()) };
    serde_json::from_str(raw.get()).map(Some).map_err(not_string)
}

/// What a JSON value is, by its first character.
fn kind(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a string that is not valid Unicode",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') | None => "null",
        Some(_) => "a number",
    }
}

/// Why an object has no `auth`. API resources of Laravel wrap what they return in `data`.
fn without_auth(object: &str) -> AuthError {
    let [data] = object::fields(object, ["data"]).unwrap_or_default();
    let inner = data.and_then(|data| object::fields(data.get(), ["auth"]));
    if matches!(inner, Some([Some(_)])) {
        return AuthError::Wrapped("data");
    }
    AuthError::MissingAuth { excerpt: safe_excerpt(object) }
}

/// Why there is no authorization.
///
/// # Examples
///
/// ```
/// use pusher_proto::AuthError;
///
/// let error = AuthError::Http { status: 503, excerpt: "busy".into(), retry_after: None };
/// assert!(error.is_retryable());
/// let error = error.at("https://example.com/auth");
/// assert_eq!(error.to_string(), "https://example.com/auth: authorization denied with status 503: busy");
/// assert!(matches!(error.cause(), AuthError::Http { status: 503, .. }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The server could not be reached.
    #[error("authorization failed: {0}")]
    Network(String),
    /// There was no answer within [`auth_timeout`](crate::ConfigBuilder::auth_timeout).
    #[error("authorization timed out")]
    Timeout,
    /// The server answered with a status other than 2xx.
    #[error("authorization denied with status {status}{}{excerpt}", if excerpt.is_empty() { "" } else { ": " })]
    Http {
        /// The HTTP status.
        status: u16,
        /// The start of the body, at most 1,024 bytes, with `…` instead of signatures, keys and tokens. `HttpAuth`
        /// prepends the target of a redirect, or that there is nothing at the URL.
        excerpt: String,
        /// The `Retry-After` of the answer.
        retry_after: Option<Duration>,
    },
    /// The body is empty, HTML, or anything else that is not a JSON object.
    #[error("the auth endpoint answered {}; {EXPECTED}", described(excerpt))]
    InvalidJson {
        /// The start of the body, at most 1,024 bytes, with `…` instead of signatures, keys and tokens.
        excerpt: String,
    },
    /// The body is a JSON object with the authorization inside this field.
    #[error("the auth endpoint wrapped its answer in `{0}`; {EXPECTED}")]
    Wrapped(&'static str),
    /// The body is a JSON object without `auth`.
    #[error("the auth endpoint answered without `auth`: {excerpt}; {EXPECTED}")]
    MissingAuth {
        /// The start of the body, at most 1,024 bytes, with `…` instead of signatures, keys and tokens.
        excerpt: String,
    },
    /// A field is not a string.
    #[error("`{field}` in the auth endpoint's answer is {found}; expected a string, byte for byte as it was signed")]
    NotString {
        /// The field, such as `channel_data`.
        field: &'static str,
        /// What it is, such as "an object".
        found: &'static str,
    },
    /// A field that this subscription or sign-in needs is missing.
    #[error("the auth endpoint answered without `{0}`")]
    MissingField(&'static str),
    /// The `shared_secret` of an encrypted channel is not 32 bytes in base64.
    #[error("the shared_secret of the authorization is not 32 bytes of base64")]
    BadSecret,
    /// The application's own authorizer refused.
    #[error("authorization failed: {0}")]
    Handler(String),
    /// The client was configured without an authorizer.
    #[error(
        "no authorizer is configured for this: set one, such as `HttpAuth`, which needs a `user_endpoint` for sign-in"
    )]
    NotConfigured,
    /// What went wrong at an endpoint of the application; see [`cause`](Self::cause).
    #[error("{url}: {error}")]
    At {
        /// The endpoint: scheme, host and path, without the query.
        url: Text,
        /// Never one of these. It is not a `source`, since it is the same error and the text has it.
        error: Box<Self>,
    },
}

impl AuthError {
    /// Adds the endpoint at which this happened, unless the error already has one. The URL must not have a query,
    /// because a query may contain a token.
    #[must_use]
    pub fn at(self, url: impl Into<Text>) -> Self {
        match self {
            Self::At { .. } => self,
            error => Self::At { url: url.into(), error: Box::new(error) },
        }
    }

    /// Returns the error without its endpoint.
    #[must_use]
    pub fn cause(&self) -> &Self {
        match self {
            Self::At { error, .. } => error,
            error => error,
        }
    }

    /// Whether another attempt may succeed: the server could not be reached, was too busy (408, 429) or failed (5xx).
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Network(_) | Self::Timeout => true,
            Self::Http { status, .. } => matches!(status, 408 | 429 | 500..=599),
            Self::At { error, .. } => error.is_retryable(),
            Self::InvalidJson { .. }
            | Self::Wrapped(_)
            | Self::MissingAuth { .. }
            | Self::NotString { .. }
            | Self::MissingField(_)
            | Self::BadSecret
            | Self::Handler(_)
            | Self::NotConfigured => false,
        }
    }

    /// Returns the status that pusher-js reports: 0 if the server was never reached, 200 for an unusable success.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Network(_) | Self::Timeout | Self::Handler(_) | Self::NotConfigured => 0,
            Self::Http { status, .. } => *status,
            Self::At { error, .. } => error.status(),
            Self::InvalidJson { .. }
            | Self::Wrapped(_)
            | Self::MissingAuth { .. }
            | Self::NotString { .. }
            | Self::MissingField(_)
            | Self::BadSecret => 200,
        }
    }

    /// Whether the server says that it is too busy, and for how long. This applies to every request to it.
    pub(crate) fn asks_for_a_pause(&self) -> bool {
        matches!(self.cause(), Self::Http { status: 429 | 503, retry_after: Some(delay), .. } if !delay.is_zero())
    }

    /// How long the server asks for no requests, up to a limit.
    pub(crate) fn retry_after(&self) -> Duration {
        if let Self::Http { retry_after: Some(delay), .. } = self.cause() {
            (*delay).min(MAX_RETRY_AFTER)
        } else {
            Duration::ZERO
        }
    }
}

/// Describes a body that is not a JSON object.
fn described(excerpt: &str) -> String {
    if excerpt.is_empty() {
        "nothing".to_string()
    } else if excerpt.starts_with('<') {
        format!("HTML: {excerpt}")
    } else {
        format!("something other than a JSON object: {excerpt}")
    }
}

/// Reads the seconds of a `Retry-After`; a date is not read.
pub(crate) fn seconds(header: &str) -> Option<Duration> {
    header.trim().parse().ok().map(Duration::from_secs)
}

/// The fields in the format of `body`.
fn text_of<'a>(body: AuthBody, fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    match body {
        AuthBody::Form => {
            let mut text = String::new();
            for (key, value) in fields {
                let separator = if text.is_empty() { "" } else { "&" };
                text += &format!("{separator}{}={}", form_encoded(key), form_encoded(value));
            }
            text
        }
        AuthBody::Json => object_text(fields.map(|(key, value)| (key, json_string(value)))),
    }
}

/// A JSON object of values that are JSON already.
fn object_text<'a>(fields: impl Iterator<Item = (&'a str, String)>) -> String {
    let mut text = String::from("{");
    for (key, value) in fields {
        let separator = if text.len() == 1 { "" } else { "," };
        text += &format!("{separator}{}:{value}", json_string(key));
    }
    text.push('}');
    text
}

fn form_encoded(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string().replace("%20", "+")
}

/// Characters that are not escaped in a form (WHATWG URL, *application/x-www-form-urlencoded*).
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// Longest `Retry-After` that is obeyed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Ends the messages about answers that cannot be used.
const EXPECTED: &str = r#"expected a JSON object such as {"auth":"key:signature"}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_the_application_replace_nothing_that_is_signed() {
        let channel = ChannelName::new("private-a").unwrap();
        let request = AuthRequest::channel(channel, SocketId::new("1.2").unwrap());
        let params = [("channel_name", "private-b"), ("socket_id", "3.4"), ("channel_name[0]", "c"), ("tenant", "7")];
        assert_eq!(request.body(AuthBody::Form, &params), "socket_id=1.2&channel_name=private-a&tenant=7");
        assert_eq!(
            AuthRequest::batch_body(&[&request], AuthBody::Form, &params),
            "socket_id=1.2&channel_name%5B0%5D=private-a&tenant=7"
        );
    }

    #[test]
    fn reads_every_form_of_a_success() {
        let plain = AuthResponse::new("k:1");
        for body in [r#"{"auth":"k:1"}"#, "\u{feff} {\"auth\":\"k:1\"}\n", r#""{\"auth\":\"k:1\"}""#] {
            assert_eq!(AuthResponse::from_http(201, body.as_bytes(), None), Ok(plain.clone()), "{body}");
        }
        let body = br#"{"auth":"k:1","channel_data":"{\"user_id\":\"1\"}","shared_secret":"c2VjcmV0"}"#;
        let mut whole = AuthResponse::new("k:1").channel_data(r#"{"user_id":"1"}"#);
        whole.shared_secret = Some("c2VjcmV0".into());
        assert_eq!(AuthResponse::from_http(200, body, None), Ok(whole));
    }

    #[test]
    fn classifies_every_failure() {
        let http = |status, retry_after: Option<u64>| AuthError::Http {
            status,
            excerpt: "why".into(),
            retry_after: retry_after.map(Duration::from_secs),
        };
        let table = [
            (403, "why", None, http(403, None), false),
            (408, "why", None, http(408, None), true),
            (429, "why", Some("7"), http(429, Some(7)), true),
            (503, "why", Some("Wed, 21 Oct 2026"), http(503, None), true),
            (200, "<html>", None, AuthError::InvalidJson { excerpt: "<html>".into() }, false),
            (
                200,
                r#"["k:1",null,null,null]"#,
                None,
                AuthError::InvalidJson { excerpt: r#"["k:1",null,null,null]"#.into() },
                false,
            ),
            (200, "[]", None, AuthError::InvalidJson { excerpt: "[]".into() }, false),
            (200, "", None, AuthError::InvalidJson { excerpt: String::new() }, false),
            (200, "{}", None, AuthError::MissingAuth { excerpt: "{}".into() }, false),
            (200, r#"{"auth":7}"#, None, AuthError::NotString { field: "auth", found: "a number" }, false),
            (
                200,
                r#"{"auth":"k:1","channel_data":{}}"#,
                None,
                AuthError::NotString { field: "channel_data", found: "an object" },
                false,
            ),
            (200, r#"{"data":{"auth":"k:1"}}"#, None, AuthError::Wrapped("data"), false),
            (
                200,
                r#"{"message":"no","data":{"shared_secret":"x"}}"#,
                None,
                AuthError::MissingAuth { excerpt: r#"{"message":"no","data":{"shared_secret…"#.into() },
                false,
            ),
        ];
        for (status, body, retry_after, error, retryable) in table {
            let found = AuthResponse::from_http(status, body.as_bytes(), retry_after).unwrap_err();
            assert_eq!((found.is_retryable(), found), (retryable, error), "{status} {body}");
        }
    }

    #[test]
    fn an_answer_that_cannot_be_used_says_what_came_and_what_was_expected() {
        let table = [
            ("", "the auth endpoint answered nothing; "),
            ("<!DOCTYPE html>", "the auth endpoint answered HTML: <!DOCTYPE html>; "),
            ("true", "the auth endpoint answered something other than a JSON object: true; "),
            (r#"{"data":{"auth":"k:1"}}"#, "the auth endpoint wrapped its answer in `data`; "),
            (r#"{"message":"no"}"#, r#"the auth endpoint answered without `auth`: {"message":"no"}; "#),
        ];
        for (body, message) in table {
            let error = AuthResponse::from_http(200, body.as_bytes(), None).unwrap_err();
            assert_eq!(error.to_string(), format!("{message}{EXPECTED}"), "{body}");
        }
        let object = AuthResponse::from_http(200, br#"{"auth":"k:1","channel_data":{"user_id":"1"}}"#, None);
        assert_eq!(
            object.unwrap_err().to_string(),
            "`channel_data` in the auth endpoint's answer is an object; expected a string, byte for byte as it was signed"
        );
    }
}
