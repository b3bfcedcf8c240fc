//! Why a socket ended, as adapters report it.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::Text;
use crate::excerpt::safe_excerpt;

/// The code and the reason of a WebSocket close frame (RFC 6455, section 5.5.1).
///
/// # Examples
///
/// ```
/// use pusher_proto::{CloseFrame, CloseReason};
///
/// let reason = CloseReason::Closed(Some(CloseFrame::new(4100, "over capacity")));
/// assert_eq!(reason.to_string(), "closed with 4100: over capacity");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The code, such as 1000 or Pusher's 4000 to 4299.
    pub code: u16,
    /// The reason; often empty.
    pub reason: Text,
}

impl CloseFrame {
    /// Returns a close frame; its reason may be empty.
    #[must_use]
    pub fn new(code: u16, reason: impl Into<Text>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// A normal close: 1000 without a reason.
    pub(crate) const NORMAL: Self = Self { code: 1000, reason: Text::from_static("") };
}

/// Why a socket ended, as the adapter saw it.
///
/// # Examples
///
/// ```
/// use pusher_proto::{CloseFrame, CloseReason, TransportError, with_causes};
///
/// let closed = CloseReason::Closed(Some(CloseFrame::new(4200, "restart")));
/// assert_eq!(closed.to_string(), "closed with 4200: restart");
/// let failed = CloseReason::Failed(TransportError::Dns("no such host".into()));
/// assert_eq!(with_causes(&failed).to_string(), "the socket failed: cannot resolve the host: no such host");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer sent a close frame, possibly without a code.
    Closed(Option<CloseFrame>),
    /// The connection ended without a close frame (what browsers call 1006).
    Dropped,
    /// The socket could not be opened, or failed.
    Failed(TransportError),
    /// A frame was larger than the WebSocket library accepts; the adapter closed the connection with 1009.
    FrameTooLarge,
    /// The request requires TLS, but this adapter was built without it.
    TlsUnavailable,
}

/// What failed below the protocol.
///
/// # Examples
///
/// ```
/// use pusher_proto::TransportError;
///
/// let refused = TransportError::refusal(403, None, None, "unknown key");
/// assert_eq!(refused.to_string(), "the server refused the WebSocket upgrade with HTTP status 403: unknown key");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The host's name could not be resolved.
    #[error("cannot resolve the host: {0}")]
    Dns(String),
    /// The TCP connection failed, or a proxy on the way.
    #[error("{0}")]
    Io(String),
    /// The TLS handshake failed, for example because a certificate is not trusted.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The server did not answer the WebSocket upgrade, or what it sent is not a valid answer.
    #[error("{0}")]
    Upgrade(String),
    /// The server answered the WebSocket upgrade with another HTTP status.
    #[error("the server refused the WebSocket upgrade with HTTP status {status}{}", details(.location.as_deref(), .excerpt))]
    Http {
        /// The status.
        status: u16,
        /// The `Retry-After` of the answer, if it had one in seconds.
        retry_after: Option<Duration>,
        /// The `Location` of the answer, at most 1 KiB; see [`refusal`](Self::refusal).
        location: Option<Box<str>>,
        /// The start of the body, at most 1 KiB; see [`refusal`](Self::refusal). `Display` shows less of it, in one line.
        excerpt: Box<str>,
    },
    /// The WebSocket framing is broken.
    #[error("invalid WebSocket framing: {0}")]
    WebSocket(String),
}

impl TransportError {
    /// Returns a refusal of the upgrade with a status and no further details.
    #[must_use]
    pub fn http(status: u16) -> Self {
        Self::Http { status, retry_after: None, location: None, excerpt: Box::default() }
    }

    /// Returns a refusal of the upgrade with the details of the server's answer. Parts that may be secret and must not
    /// reach a log are left out: the credentials and the query of its `Location`, and signatures, keys and tokens in
    /// the start of its body.
    #[must_use]
    pub fn refusal(status: u16, retry_after: Option<Duration>, location: Option<&str>, body: &str) -> Self {
        let location = location.map(|location| path_only(location).into());
        Self::Http { status, retry_after, location, excerpt: safe_excerpt(body).into() }
    }
}

/// Returns a URL, or a part of one, without credentials, query and fragment.
fn path_only(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = path.split_at(path.find("//").map_or(0, |at| at + 2));
    let authority = &rest[..rest.find('/').unwrap_or(rest.len())];
    let host = authority.rfind('@').map_or(0, |at| at + 1);
    [scheme, &rest[host..]].concat()
}

/// The details of a refusal in addition to its status, in one line.
fn details(location: Option<&str>, excerpt: &str) -> String {
    let mut text = String::new();
    if let Some(location) = location {
        text.push_str(" and points to ");
        text.extend(location.chars().take(MAX_SHOWN).map(printable));
    }
    if !excerpt.is_empty() {
        text.push_str(": ");
        text.extend(excerpt.chars().take(MAX_SHOWN).map(printable));
    }
    text
}

fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(None) => f.write_str("closed without a code"),
            Self::Closed(Some(frame)) if frame.reason.is_empty() => write!(f, "closed with {}", frame.code),
            Self::Closed(Some(frame)) => write!(f, "closed with {}: {}", frame.code, frame.reason),
            Self::Dropped => f.write_str("dropped without a close frame"),
            Self::Failed(_) => f.write_str("the socket failed"),
            Self::FrameTooLarge => f.write_str("a frame was larger than the limit"),
            Self::TlsUnavailable => f.write_str("this build has no TLS: enable the feature `tls`, or set tls(false)"),
        }
    }
}

impl core::error::Error for CloseReason {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Closed(_) | Self::Dropped | Self::FrameTooLarge | Self::TlsUnavailable => None,
        }
    }
}

/// How many characters of a text from the server an error shows.
const MAX_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_refusal_shows_where_it_points_without_secrets_and_the_start_of_its_body_in_one_line() {
        let refusal = |location: Option<&str>, body: &str| TransportError::refusal(302, None, location, body);
        let status = "the server refused the WebSocket upgrade with HTTP status 302";
        let long = "x".repeat(1_000);
        let table = [
            (TransportError::http(302), String::new()),
            (refusal(None, "no\r\napp"), ": no  app".into()),
            (refusal(Some("https://me:pass@host/path?token=1"), ""), " and points to https://host/path".into()),
            (refusal(Some("/login#x@y"), "moved"), " and points to /login: moved".into()),
            (refusal(None, "got Authorization: Basic t0ken"), ": got Authorization:…".into()),
            (refusal(Some("//a@b"), &long), alloc::format!(" and points to //b: {}", &long[..MAX_SHOWN])),
        ];
        for (error, expected) in table {
            assert_eq!(error.to_string(), alloc::format!("{status}{expected}"));
            let debug = alloc::format!("{error:?}");
            assert!(!["pass", "token", "t0ken"].iter().any(|secret| debug.contains(secret)), "{debug}");
        }
    }
}
