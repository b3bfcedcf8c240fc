//! tungstenite's words and ours.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue, RETRY_AFTER};
use pusher_proto::{CloseFrame, CloseReason, ConnectRequest, Frame, Text, TransportError};
use tungstenite::client::IntoClientRequest;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::handshake::client::{Request, Response};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message};

/// The message for the core; `None` for one that reading never gives.
pub(super) fn frame(message: Message) -> Option<Frame> {
    match message {
        // The library has checked that it is UTF-8.
        Message::Text(text) => Text::from_utf8(Bytes::from(text)).ok().map(Frame::Text),
        Message::Binary(bytes) => Some(Frame::Binary(bytes)),
        Message::Ping(_) => Some(Frame::Ping),
        Message::Pong(_) => Some(Frame::Pong),
        Message::Close(_) | Message::Frame(_) => None,
    }
}

pub(super) fn peer_frame(frame: &tungstenite::protocol::CloseFrame) -> CloseFrame {
    CloseFrame { code: frame.code.into(), reason: Text::from(frame.reason.as_str()) }
}

pub(super) fn upgrade_request(request: &ConnectRequest) -> Result<Request, Error> {
    let mut upgrade = request.url().into_client_request()?;
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(http::Error::from)?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(http::Error::from)?;
        value.set_sensitive(true);
        if name == HOST {
            upgrade.headers_mut().insert(name, value);
        } else {
            upgrade.headers_mut().append(name, value);
        }
    }
    Ok(upgrade)
}

/// The code that tells the peer what it did wrong (RFC 6455, section 7.4.1).
pub(super) fn close_code(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Capacity(_) => Some(CloseCode::Size),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::WriteBufferFull(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => None,
    }
}

pub(super) fn close_reason(error: Error) -> CloseReason {
    let text = error.to_string();
    CloseReason::Failed(match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return CloseReason::Dropped,
        Error::Io(error) if is_end(&error) => return CloseReason::Dropped,
        Error::Capacity(CapacityError::MessageTooLong { .. }) => return CloseReason::FrameTooLarge,
        Error::Http(response) => http_status(&response),
        Error::Io(error) => TransportError::Io(error.to_string()),
        Error::Tls(_) => TransportError::Tls(text),
        Error::Capacity(CapacityError::TooManyHeaders) | Error::Protocol(_) | Error::Utf8(_) | Error::AttackAttempt => {
            TransportError::WebSocket(text)
        }
        Error::WriteBufferFull(_) => TransportError::Io("the server does not read".into()),
        Error::Url(_) | Error::HttpFormat(_) => TransportError::Io(text),
    })
}

fn http_status(response: &Response) -> TransportError {
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    TransportError::Http { status: response.status().as_u16(), retry_after: retry_after.map(Duration::from_secs) }
}

/// Whether the peer has just gone.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}
