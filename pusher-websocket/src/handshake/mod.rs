//! The HTTP upgrade (RFC 6455, section 4).

mod request;
mod response;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::time::Duration;

use bytes::Bytes;

pub use self::request::{InvalidRequest, Request};
use self::response::{Body, Head, HeadEnd};

/// The upgrade of a stream that is connected to a server.
///
/// Write [`request`](Self::request) to the stream, then pass what it returns to [`handle_read`](Self::handle_read), until
/// that returns the result of the upgrade.
///
/// # Examples
///
/// ```
/// use pusher_websocket::{Handshake, Request};
///
/// // The key of a real client is random.
/// let mut handshake = Handshake::new(&Request::new("example.com", "/chat"), *b"the sample nonce")?;
/// assert!(handshake.request().starts_with(b"GET /chat HTTP/1.1\r\nHost: example.com\r\n"));
///
/// let answer = b"HTTP/1.1 101 Switching Protocols\r\n\
///     Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// let upgraded = handshake.handle_read(answer)?.expect("the answer is complete");
/// assert_eq!(upgraded.leftover, "");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Handshake {
    request: Vec<u8>,
    accept: String,
    protocols: Vec<String>,
    stage: Stage,
    /// The received bytes that have not been read yet.
    bytes: Vec<u8>,
    /// Bytes of heads that have arrived, including those of interim responses.
    head_len: usize,
}

enum Stage {
    Head(HeadEnd),
    /// The server refused the upgrade; the body contains more.
    Body(Refusal, Body),
    Ended,
}

/// A successful upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// The bytes after the answer: the first frames.
    pub leftover: Bytes,
    /// The subprotocol that the server chose from those in the request.
    pub protocol: Option<String>,
}

/// An answer other than 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The `Location` of a redirect. Redirects are not followed.
    pub location: Option<String>,
    /// The `Retry-After`, if it is a number of seconds.
    pub retry_after: Option<Duration>,
    /// The start of the body, at most [`MAX_EXCERPT_LEN`] bytes. Invalid UTF-8 is replaced by U+FFFD.
    pub excerpt: String,
}

/// Why there is no WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The stream ended before the answer was complete.
    #[error("closed before it answered the upgrade")]
    Closed,
    /// The server refused the upgrade.
    #[error("the server refused the WebSocket upgrade with HTTP status {}", .0.status)]
    Refused(Refusal),
    /// The answer is not HTTP/1.1.
    #[error("the answer to the upgrade is not HTTP/1.1: {0}")]
    NotHttp(&'static str),
    /// The answer has more than [`MAX_HEAD_LEN`] bytes of headers.
    #[error("the answer to the upgrade has too many headers")]
    HeadTooLong,
    /// The answer has status 101, but a required header is missing or has a wrong value.
    #[error("the answer to the upgrade has no valid {0} header")]
    Header(&'static str),
    /// The server uses an extension although none was offered.
    #[error("the answer to the upgrade names an extension that was not offered")]
    Extension,
    /// The server chose a subprotocol that was not offered.
    #[error("the answer to the upgrade names a subprotocol that was not offered")]
    Subprotocol,
}

impl Handshake {
    /// Prepares the request. `key` is a nonce: 16 random bytes, new for each connection (RFC 6455, section 4.1).
    ///
    /// # Errors
    ///
    /// If a part of the request cannot be sent in HTTP, or if one of the headers is written by the handshake itself.
    pub fn new(request: &Request, key: [u8; 16]) -> Result<Self, InvalidRequest> {
        let key = request::encode_key(key);
        Ok(Self {
            request: request.encode(&key)?,
            accept: response::accept(&key),
            protocols: request.protocols(),
            stage: Stage::Head(HeadEnd::new()),
            bytes: Vec::new(),
            head_len: 0,
        })
    }

    /// Returns the bytes to write before anything is read.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Takes bytes from the stream. Returns `None` until the answer is complete.
    ///
    /// A refusal is complete with its body, or with [`MAX_EXCERPT_LEN`] bytes of it.
    ///
    /// # Errors
    ///
    /// If the server does not upgrade, or breaks the rules while it does.
    pub fn handle_read(&mut self, bytes: &[u8]) -> Result<Option<Upgraded>, HandshakeError> {
        self.bytes.extend_from_slice(bytes);
        loop {
            match mem::replace(&mut self.stage, Stage::Ended) {
                Stage::Ended => return Err(HandshakeError::Closed),
                Stage::Head(mut end) => {
                    let max_len = MAX_HEAD_LEN.saturating_sub(self.head_len);
                    let Some(head) = Head::read(&self.bytes, &mut end, max_len)? else {
                        self.stage = Stage::Head(end);
                        return Ok(None);
                    };
                    self.head_len += head.len();
                    match head.status() {
                        101 => {
                            let protocol = head.check_upgrade(&self.accept, &self.protocols)?;
                            let leftover = Bytes::copy_from_slice(&self.bytes[head.len()..]);
                            self.bytes = Vec::new();
                            return Ok(Some(Upgraded { leftover, protocol }));
                        }
                        // Interim responses such as 103 come before the answer (RFC 9110, section 15.2).
                        100..=199 => {
                            self.stage = Stage::Head(HeadEnd::new());
                            self.bytes.drain(..head.len());
                        }
                        _ => {
                            self.stage = Stage::Body(head.refusal(), head.body());
                            self.bytes.drain(..head.len());
                        }
                    }
                }
                Stage::Body(mut refusal, body) => {
                    let (excerpt, is_complete) = body.read(&self.bytes);
                    if !is_complete {
                        self.stage = Stage::Body(refusal, body);
                        return Ok(None);
                    }
                    refusal.excerpt = excerpt;
                    return Err(HandshakeError::Refused(refusal));
                }
            }
        }
    }

    /// The stream has ended. Returns the resulting error.
    #[must_use]
    pub fn handle_end(&mut self) -> HandshakeError {
        match mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Head(_) | Stage::Ended => HandshakeError::Closed,
            Stage::Body(mut refusal, body) => {
                refusal.excerpt = body.read(&self.bytes).0;
                HandshakeError::Refused(refusal)
            }
        }
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").finish_non_exhaustive()
    }
}

/// How many bytes the headers of the answer may have, including interim responses.
pub const MAX_HEAD_LEN: usize = 16 * 1_024;

/// How many bytes of a refusal's body are kept.
pub const MAX_EXCERPT_LEN: usize = 1_024;
