//! Authorization requests and answers as HTTP messages.

use std::fmt;

use pusher_proto::adapter::USER_AGENT;
use pusher_proto::{AuthError, AuthResponse, Secret, Text};

use super::url::{AuthUrl, Printable};

/// A POST request for the adapter's HTTP client. `Debug` shows neither the query of the URL nor values of headers.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The whole URL, `http` or `https`, without user name and password.
    pub url: Text,
    /// Headers in addition to `Content-Type` and those that the client sets: `Host`, `User-Agent`, `Accept:
    /// application/json` and `Accept-Encoding: identity`. A header replaces an earlier one of the same name, regardless
    /// of case, and those of the client. `Content-Length`, `Transfer-Encoding` and others that frame the message or
    /// concern the connection are left out.
    pub headers: Vec<(Text, Secret)>,
    /// Value of `Content-Type`.
    pub content_type: &'static str,
    /// The body, which may contain the application's tokens.
    pub body: Secret,
}

/// Returns all headers of a request as they are sent to an endpoint.
///
/// # Errors
///
/// If a name is not a token, or a value contains characters other than visible ASCII, space and tab.
pub fn head(request: &HttpRequest, url: &AuthUrl) -> Result<Vec<(Text, Secret)>, AuthError> {
    let ours = [
        ("Host", url.authority().as_str()),
        ("User-Agent", USER_AGENT),
        // With this, Laravel answers an expired token with 401, not with a redirect to a page.
        ("Accept", "application/json"),
        ("Accept-Encoding", "identity"),
        ("Content-Type", request.content_type),
    ]
    .map(|(name, value)| (Text::from(name), Secret::from(value)));
    let mut head: Vec<(Text, Secret)> = Vec::from(ours);
    for (name, value) in &request.headers {
        let is_name = is_token(name);
        if !is_name || !is_field_value(value.expose()) {
            // If a whole header was given as the name, what follows the name may be secret.
            let shown: String = name.chars().take_while(|c| is_token(c.encode_utf8(&mut [0; 4]))).collect();
            let reason =
                if is_name { "its value has more than visible ASCII characters" } else { "its name is not a token" };
            return Err(AuthError::Handler(format!("the header {shown:?} cannot be sent: {reason}")));
        }
        if FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
            continue;
        }
        match head.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
            Some((_, replaced)) => *replaced = value.clone(),
            None => head.push((name.clone(), value.clone())),
        }
    }
    Ok(head)
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_usual)
}

/// RFC 9110, section 5.5, without its obsolete bytes.
fn is_field_value(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t')
}

/// The answer to an [`HttpRequest`]. `Debug` shows only the length of the body, because the body contains a signature.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status, such as 200.
    pub status: u16,
    /// Value of `Retry-After`.
    pub retry_after: Option<String>,
    /// Value of `Location`.
    pub location: Option<String>,
    /// The body, at most [`HttpResponse::MAX_LEN`] bytes.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// Length in bytes of the largest body that an adapter reads; an authorization has a few hundred bytes.
    pub const MAX_LEN: usize = 1_024 * 1_024;

    /// Returns an answer without headers and body.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        Self { status, retry_after: None, location: None, body: Vec::new() }
    }

    /// Reads the answer.
    ///
    /// # Errors
    ///
    /// As for [`AuthResponse::from_http`].
    pub fn authorization(&self) -> Result<AuthResponse, AuthError> {
        AuthResponse::from_http(self.status, &self.body, self.retry_after.as_deref())
    }

    /// Adds a piece of the body.
    ///
    /// # Errors
    ///
    /// If the body would exceed [`HttpResponse::MAX_LEN`].
    pub fn extend(&mut self, piece: &[u8]) -> Result<(), AuthError> {
        if self.body.len() + piece.len() > Self::MAX_LEN {
            let max = Self::MAX_LEN;
            return Err(AuthError::Handler(format!("the auth endpoint's answer is longer than {max} bytes")));
        }
        self.body.extend_from_slice(piece);
        Ok(())
    }

    /// The target of a redirect: origin and path.
    pub(super) fn redirect(&self) -> Option<String> {
        let location = self.location.as_deref().filter(|_| (300..400).contains(&self.status))?;
        let path = location.split(['?', '#']).next().unwrap_or_default();
        let is_absolute = path.contains("//") || path.contains('@');
        Some(if is_absolute { format!("{:?}", Printable(location)) } else { path.to_owned() })
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("url", &Printable(&self.url))
            .field("headers", &self.headers)
            .field("content_type", &self.content_type)
            .field("body", &self.body)
            .finish()
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("location", &self.redirect())
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// The text of [`AuthError::Network`] when a connection ends without an answer, whatever HTTP client the adapter uses.
pub const UNANSWERED: &str = "the connection ended before the answer";

/// Headers that only the HTTP client may set (RFC 9112, section 6, and RFC 9110, section 7.6.1).
const FRAMING: [&str; 8] =
    ["Connection", "Content-Length", "Expect", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade"];

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> HttpRequest {
        HttpRequest {
            url: "https://h:8443/auth?token=t0ken".into(),
            headers: headers.iter().map(|(name, value)| (Text::from(*name), Secret::from(*value))).collect(),
            content_type: "application/x-www-form-urlencoded",
            body: "socket_id=1.2".into(),
        }
    }

    fn head(headers: &[(&str, &str)]) -> Result<Vec<String>, AuthError> {
        let request = request(headers);
        let head = super::head(&request, &AuthUrl::parse(&request.url).unwrap())?;
        Ok(head.iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect())
    }

    #[test]
    fn the_headers_of_the_application_replace_ours_whatever_their_case() {
        let agent = format!("User-Agent: {USER_AGENT}");
        let rest = ["Accept: application/json", "Accept-Encoding: identity"];
        let form = "Content-Type: application/x-www-form-urlencoded";
        let ours = [&["Host: h:8443", agent.as_str()], &rest[..], &[form]].concat();
        assert_eq!(head(&[]).unwrap(), ours);
        let theirs = [
            ("content-TYPE", "application/json"),
            ("host", "tenant.example"),
            ("accept", "*/*"),
            ("user-agent", "app/1"),
            ("ACCEPT-encoding", "gzip"),
            ("X-One", "1"),
            ("x-one", "2"),
        ];
        let replaced = [
            "Host: tenant.example",
            "User-Agent: app/1",
            "Accept: */*",
            "Accept-Encoding: gzip",
            "Content-Type: application/json",
            "X-One: 2",
        ];
        assert_eq!(head(&theirs).unwrap(), replaced);
        assert_eq!(head(&[("content-length", "3"), ("Transfer-Encoding", "chunked")]).unwrap(), ours);
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_an_error_without_its_value() {
        let (value, name) = ("its value has more than visible ASCII characters", "its name is not a token");
        let table = [
            ("X", "s3cret\r\nY: z", "X", value),
            ("X", "s3cret ä", "X", value),
            ("X: s3cret", "", "X", name),
            ("", "s3cret", "", name),
        ];
        for (name, value, shown, reason) in table {
            let error = head(&[(name, value)]).unwrap_err();
            assert_eq!(error, AuthError::Handler(format!("the header {shown:?} cannot be sent: {reason}")));
        }
    }

    #[test]
    fn neither_tokens_nor_signatures_are_printed() {
        let request = format!("{:?}", request(&[("Authorization", "Bearer t0ken")]));
        assert!(request.contains("https://h:8443/auth") && request.contains("Authorization"), "{request}");
        let mut response = HttpResponse::new(302);
        response.body = br#"{"auth":"key:t0ken"}"#.to_vec();
        response.location = Some("https://h/login?back=t0ken".into());
        let response = format!("{response:?}");
        assert!(response.contains("20 bytes") && response.contains("https://h/login"), "{response}");
        assert!(!request.contains("t0ken") && !response.contains("t0ken"), "{request} {response}");
    }

    fn redirect(status: u16, location: &str) -> Option<String> {
        HttpResponse { location: Some(location.to_owned()), ..HttpResponse::new(status) }.redirect()
    }

    #[test]
    fn a_redirect_is_shown_without_what_may_be_secret() {
        let behind = [
            "",
            "?s3cret=s3cret",
            "#s3cret",
            "?s3cret#s3cret",
            "#s3cret?s3cret",
            "?to=https://h/?s3cret",
            "#/s3cret@h",
        ];
        for rest in behind {
            for path in ["/login", "/a/b/", "login", "/"] {
                assert_eq!(redirect(302, &format!("{path}{rest}")).as_deref(), Some(path), "{rest}");
            }
            for origin in ["https://h", "http://h:8080", "https://[::1]"] {
                for (path, shown) in [("/login", "/login"), ("/", "/"), ("", "/")] {
                    let expected = format!("{origin}{shown}");
                    assert_eq!(redirect(302, &format!("{origin}{path}{rest}")), Some(expected), "{path}{rest}");
                }
            }
            for with_password in
                ["https://user:s3cret@h/login", "//user:s3cret@h/login", "//s3cret@h", "user:s3cret@h/"]
            {
                assert_eq!(redirect(302, &format!("{with_password}{rest}")).as_deref(), Some("…"), "{rest}");
            }
        }
    }

    #[test]
    fn only_answers_that_redirect_have_a_target() {
        for status in 100..600 {
            let target = redirect(status, "/login");
            assert_eq!(target.as_deref(), (300..400).contains(&status).then_some("/login"), "{status}");
        }
        assert_eq!(HttpResponse::new(302).redirect(), None);
    }

    #[test]
    fn an_answer_is_taken_up_to_its_limit_and_no_further() {
        let mut response = HttpResponse::new(200);
        // A channel's data may be large.
        response.extend(&[0; 100_000]).unwrap();
        response.extend(&vec![0; HttpResponse::MAX_LEN - response.body.len() - 1]).unwrap();
        response.extend(&[0]).unwrap();
        assert!(matches!(response.extend(&[0]), Err(AuthError::Handler(_))));
        assert_eq!(response.body.len(), HttpResponse::MAX_LEN);
    }
}
