//! The request of an upgrade.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The parts of an upgrade request that differ from client to client.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    host: String,
    target: String,
    headers: Vec<(String, String)>,
    /// Headers that are sent unless they are also in the list above.
    defaults: Vec<(String, String)>,
}

/// A part of a request that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The host contains characters that are not allowed in a `Host` header.
    #[error("the host {0:?} cannot appear in a header")]
    Host(String),
    /// The target does not begin with `/`, or contains characters that must be percent-encoded.
    #[error("the request target is not a path and query in printable ASCII")]
    Target,
    /// The name of a header is not a token.
    #[error("{0:?} is not the name of a header")]
    HeaderName(String),
    /// The value of the header with this name contains control characters.
    #[error("the value of the header {0} has control characters")]
    HeaderValue(String),
    /// The header is written by the handshake, or belongs to a body.
    #[error("the header {0} is reserved for the handshake")]
    ReservedHeader(String),
}

impl Request {
    /// Returns a request. `host` is a host name or an IP address, with the port unless it is the default one; put an
    /// IPv6 address in brackets. `target` is the path and query, percent-encoded.
    #[must_use]
    pub fn new(host: &str, target: &str) -> Self {
        Self { host: host.to_owned(), target: target.to_owned(), headers: Vec::new(), defaults: Vec::new() }
    }

    /// Adds a header. `Host` replaces the given host. `Sec-WebSocket-Protocol` offers subprotocols from which the
    /// server may choose.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header, such as `User-Agent`, that is left out if [`header`](Self::header) sets one of the same name.
    #[must_use]
    pub fn default_header(mut self, name: &str, value: &str) -> Self {
        self.defaults.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The offered subprotocols.
    pub(super) fn protocols(&self) -> Vec<String> {
        let offers = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"));
        offers.flat_map(|(_, value)| super::response::tokens(value)).map(ToOwned::to_owned).collect()
    }

    pub(super) fn encode(&self, key: &str) -> Result<Vec<u8>, InvalidRequest> {
        let is_printable = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_printable(&self.host) {
            return Err(InvalidRequest::Host(self.host.clone()));
        }
        if !is_printable(&self.target) || !self.target.starts_with('/') {
            return Err(InvalidRequest::Target);
        }
        let mut bytes = Vec::with_capacity(512);
        for part in ["GET ", &self.target, " HTTP/1.1\r\n"] {
            bytes.extend_from_slice(part.as_bytes());
        }
        if !self.has("Host") {
            write(&mut bytes, "Host", &self.host);
        }
        write(&mut bytes, "Upgrade", "websocket");
        write(&mut bytes, "Connection", "Upgrade");
        write(&mut bytes, "Sec-WebSocket-Key", key);
        write(&mut bytes, "Sec-WebSocket-Version", "13");
        let defaults = self.defaults.iter().filter(|(name, _)| !self.has(name));
        for (name, value) in self.headers.iter().chain(defaults) {
            check(name, value)?;
            write(&mut bytes, name, value);
        }
        bytes.extend_from_slice(b"\r\n");
        Ok(bytes)
    }

    fn has(&self, header: &str) -> bool {
        self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(header))
    }
}

/// Shows no values, because they may be secret.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |headers: &[(String, String)]| headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        f.debug_struct("Request")
            .field("host", &self.host)
            .field("headers", &names(&self.headers))
            .field("defaults", &names(&self.defaults))
            .finish_non_exhaustive()
    }
}

pub(super) fn encode_key(key: [u8; 16]) -> String {
    STANDARD.encode(key)
}

fn check(name: &str, value: &str) -> Result<(), InvalidRequest> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        // If a whole header was given as the name, what follows the name may be secret.
        let end = name.bytes().position(|byte| !is_token(byte)).unwrap_or(name.len());
        return Err(InvalidRequest::HeaderName(name.get(..end).unwrap_or_default().to_owned()));
    }
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(InvalidRequest::ReservedHeader(name.to_owned()));
    }
    if value.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control()) {
        return Err(InvalidRequest::HeaderValue(name.to_owned()));
    }
    Ok(())
}

fn write(bytes: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        bytes.extend_from_slice(part.as_bytes());
    }
}

/// Headers that would contradict the handshake, or announce a body that does not follow.
const RESERVED: [&str; 8] = [
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Content-Length",
    "Transfer-Encoding",
];
