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
