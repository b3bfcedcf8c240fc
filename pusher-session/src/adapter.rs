//! Translations between the WebSocket and the protocol, for loops that keep the two machines apart, as `pusher-driver` does.

use alloc::string::ToString;
use core::fmt;

use pusher_proto::adapter::{USER_AGENT, host_header};
use pusher_proto::{CloseFrame, CloseReason, Config, ConnectRequest, TransportError};
use pusher_websocket::{HandshakeError, Limits, Oversized, Request, SendError, Violation};

/// Returns the limits of a WebSocket for a configuration: messages up to
/// [`max_frame_len`](pusher_proto::ConfigBuilder::max_frame_len), larger ones are skipped and reported to the core, and
/// [`MAX_OUTPUT_LEN`] bytes may wait for the server to read.
#[must_use]
pub fn limits(config: &Config) -> Limits {
    let max_len = config.max_frame_len();
    Limits::new()
        .max_message_len(max_len)
        .max_frame_len(max_len as u64)
        .oversized(Oversized::Skip)
        .max_output_len(MAX_OUTPUT_LEN)
}

/// Returns the request that upgrades a stream. Headers of the endpoint replace `Host` and `User-Agent`.
#[must_use]
pub fn upgrade_request(request: &ConnectRequest) -> Request {
    let host = host_header(&request.host, request.port, request.tls);
    let upgrade = Request::new(&host, &request.target).default_header("User-Agent", USER_AGENT);
    request.headers.iter().fold(upgrade, |upgrade, (name, value)| upgrade.header(name, value.expose()))
}

/// Returns why there is no WebSocket, with the `Retry-After` of a refusal.
#[must_use]
pub fn not_upgraded(error: HandshakeError) -> CloseReason {
    CloseReason::Failed(match error {
        HandshakeError::Refused(refusal) => {
            TransportError::refusal(refusal.status, refusal.retry_after, refusal.location.as_deref(), &refusal.excerpt)
        }
        error => TransportError::Upgrade(error.to_string()),
    })
}

/// Returns the reason for closing a socket on which the server broke a rule of RFC 6455. The WebSocket has already created
/// the close frame.
#[must_use]
pub fn violated(violation: Violation) -> CloseReason {
    match violation {
        Violation::TooLarge { .. } => CloseReason::FrameTooLarge,
        violation => CloseReason::Failed(TransportError::WebSocket(violation.to_string())),
    }
}

/// Returns the reason for closing a socket that did not accept a message.
#[must_use]
pub fn not_sent(error: SendError) -> CloseReason {
    match error {
        SendError::Full => failed(&"the server does not read"),
        _ => CloseReason::Dropped,
    }
}

/// Returns the reason for the end of a socket on which the server sent this close frame.
#[must_use]
pub fn closed(frame: Option<pusher_websocket::CloseFrame>) -> CloseReason {
    CloseReason::Closed(frame.map(|frame| CloseFrame { code: frame.code, reason: frame.reason.into() }))
}

/// Converts a close frame for the WebSocket.
#[must_use]
pub fn close_frame(frame: &CloseFrame) -> pusher_websocket::CloseFrame {
    pusher_websocket::CloseFrame { code: frame.code, reason: frame.reason.clone().into() }
}

/// Returns the failure that corresponds to an error below the WebSocket.
#[must_use]
pub fn failed(error: &dyn fmt::Display) -> CloseReason {
    CloseReason::Failed(TransportError::Io(error.to_string()))
}

/// Whether an error means only that the peer has disconnected.
#[cfg(feature = "std")]
#[must_use]
pub fn is_end(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Returns what an error of a stream means for its socket: [`CloseReason::Dropped`] if the peer has gone, otherwise a
/// [`TransportError::Io`] with the text of the error.
#[cfg(feature = "std")]
#[must_use]
pub fn close_reason(error: &std::io::Error) -> CloseReason {
    if is_end(error) { CloseReason::Dropped } else { failed(error) }
}

/// The most bytes that may wait for a server that does not read: 16 MiB.
pub const MAX_OUTPUT_LEN: usize = 16 * 1_024 * 1_024;

#[cfg(all(test, feature = "std"))]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn an_error_that_says_that_the_peer_has_gone_is_a_lost_connection() {
        let kinds =
            [ErrorKind::BrokenPipe, ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof];
        for kind in kinds {
            assert_eq!(close_reason(&kind.into()), CloseReason::Dropped);
        }
        let refused = Error::new(ErrorKind::ConnectionRefused, "connection refused");
        assert_eq!(close_reason(&refused), CloseReason::Failed(TransportError::Io("connection refused".into())));
    }
}
