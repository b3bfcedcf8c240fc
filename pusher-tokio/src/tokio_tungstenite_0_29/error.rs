//! The meaning of the library's errors for a connection.

use std::io;
use std::time::Duration;

use pusher_driver::adapter::is_end;
use pusher_proto::{CloseReason, TransportError};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::header::{LOCATION, RETRY_AFTER};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Why the application could not open a WebSocket.
///
/// IO errors and errors of the library are converted with `?`. A refused upgrade keeps its status, `Retry-After`,
/// `Location` and the start of its body ([`TransportError::Http`]). Anything else can be converted from a
/// [`TransportError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError(CloseReason);

impl From<CloseReason> for OpenError {
    fn from(reason: CloseReason) -> Self {
        Self(reason)
    }
}

impl From<TransportError> for OpenError {
    fn from(error: TransportError) -> Self {
        Self(CloseReason::Failed(error))
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        TransportError::Io(error.to_string()).into()
    }
}

impl From<tungstenite::Error> for OpenError {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::Http(response) => refusal(&response).into(),
            tungstenite::Error::Io(error) if !is_end(&error) => error.into(),
            tungstenite::Error::Tls(error) => TransportError::Tls(error.to_string()).into(),
            error => TransportError::Upgrade(error.to_string()).into(),
        }
    }
}

impl From<OpenError> for CloseReason {
    fn from(error: OpenError) -> Self {
        error.0
    }
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the WebSocket could not be opened")
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            CloseReason::Failed(error) => Some(error),
            reason => Some(reason),
        }
    }
}

fn refusal(response: &Response) -> TransportError {
    let header = |name| Some(response.headers().get(name)?.to_str().ok()?.trim());
    let retry_after = header(RETRY_AFTER).and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let body = String::from_utf8_lossy(response.body().as_deref().unwrap_or_default());
    TransportError::refusal(response.status().as_u16(), retry_after, header(LOCATION), &body)
}

/// Why an open stream has ended.
pub(super) fn close_reason(error: &tungstenite::Error) -> CloseReason {
    use tungstenite::Error;

    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => CloseReason::Dropped,
        Error::Io(error) if is_end(error) => CloseReason::Dropped,
        Error::Io(error) => CloseReason::Failed(TransportError::Io(error.to_string())),
        Error::Tls(error) => CloseReason::Failed(TransportError::Tls(error.to_string())),
        Error::WriteBufferFull(_) => CloseReason::Failed(TransportError::Io("the server does not read".into())),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => CloseReason::FrameTooLarge,
        Error::Protocol(error) => CloseReason::Failed(TransportError::WebSocket(error.to_string())),
        error => CloseReason::Failed(TransportError::WebSocket(error.to_string())),
    }
}

/// The close code for a mistake of the server (RFC 6455, section 7.4.1); `None` if the error is not its mistake.
pub(super) fn close_code(error: &tungstenite::Error) -> Option<CloseCode> {
    match error {
        tungstenite::Error::Capacity(_) => Some(CloseCode::Size),
        tungstenite::Error::Utf8(_) => Some(CloseCode::Invalid),
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        tungstenite::Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}
