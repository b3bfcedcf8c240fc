//! Ends of sockets: what an adapter reports and what the protocol makes of it.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::Text;

/// The code and the reason of a WebSocket close frame (RFC 6455, section 5.5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The code, such as 1000 or Pusher's 4000 to 4299.
    pub code: u16,
    /// The reason; often empty.
    pub reason: Text,
}

impl CloseFrame {
    /// A normal end: 1000 without a reason.
    pub(crate) const NORMAL: Self = Self { code: 1000, reason: Text::from_static("") };
}

/// Why a socket ended, as the adapter saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer sent a close frame, possibly without a code.
    Closed(Option<CloseFrame>),
    /// The connection ended without a close frame (what browsers call 1006).
    Dropped,
    /// The socket could not be opened, or failed.
    Failed(TransportError),
    /// A frame was larger than the WebSocket library takes; the adapter closed with 1009.
    FrameTooLarge,
    /// The request asks for TLS and this adapter was built without it.
    TlsUnavailable,
}

/// What failed below the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The host's name could not be resolved.
    #[error("cannot resolve the host: {0}")]
    Dns(String),
    /// The TCP connection, or a proxy on the way.
    #[error("{0}")]
    Io(String),
    /// The TLS handshake, such as a certificate that is not trusted.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The server answered the WebSocket upgrade with another HTTP status.
    #[error("the server refused the WebSocket upgrade with HTTP status {status}")]
    Http {
        /// The status.
        status: u16,
        /// The `Retry-After` of the answer, if it had one in seconds.
        retry_after: Option<Duration>,
    },
    /// The WebSocket framing is broken.
    #[error("broken WebSocket framing: {0}")]
    WebSocket(String),
}

/// What a close code asks for (Pusher protocol, *Connection closure*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Do not come back by yourself.
    Fatal,
    /// Come back after a delay.
    Backoff,
    /// Come back at once, while the credit lasts.
    Immediate,
    /// Come back over TLS.
    UseTls,
}

impl Verdict {
    pub(crate) const fn of(code: u16) -> Self {
        match code {
            4000 => Self::UseTls,
            4001..=4099 => Self::Fatal,
            4200..=4299 => Self::Immediate,
            _ => Self::Backoff,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(None) => f.write_str("closed without a code"),
            Self::Closed(Some(frame)) if frame.reason.is_empty() => write!(f, "closed with {}", frame.code),
            Self::Closed(Some(frame)) => write!(f, "closed with {}: {}", frame.code, frame.reason),
            Self::Dropped => f.write_str("the connection was lost without a close frame"),
            Self::Failed(error) => fmt::Display::fmt(error, f),
            Self::FrameTooLarge => f.write_str("a frame was larger than the WebSocket library takes"),
            Self::TlsUnavailable => f.write_str("this build has no TLS"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_of_codes_has_its_verdict() {
        let table = [
            (1000, Verdict::Backoff),
            (1006, Verdict::Backoff),
            (1008, Verdict::Backoff),
            (3999, Verdict::Backoff),
            (4000, Verdict::UseTls),
            (4001, Verdict::Fatal),
            (4099, Verdict::Fatal),
            (4100, Verdict::Backoff),
            (4199, Verdict::Backoff),
            (4200, Verdict::Immediate),
            (4299, Verdict::Immediate),
            (4300, Verdict::Backoff),
            (4400, Verdict::Backoff),
        ];
        for (code, verdict) in table {
            assert_eq!(Verdict::of(code), verdict, "{code}");
        }
    }
}
