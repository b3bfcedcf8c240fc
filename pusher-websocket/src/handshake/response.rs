//! The answer to an upgrade.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::str;
use core::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use httparse::{EMPTY_HEADER, Header, ParserConfig, Response, Status};
use sha1::{Digest, Sha1};

use super::{HandshakeError, MAX_EXCERPT_LEN, Refusal};

/// Status line and headers.
pub(super) struct Head<'a> {
    status: u16,
    minor_version: u8,
    headers: Vec<Header<'a>>,
    len: usize,
}

/// Finds the empty line at the end of a head. Every byte is examined once, however small the received pieces are.
pub(super) struct HeadEnd {
    looked_at: usize,
    /// Whether a non-empty line was found; empty lines before it are skipped.
    has_begun: bool,
    is_line_empty: bool,
}

/// How the end of a refusal's body is found.
#[derive(Clone, Copy)]
pub(super) enum Body {
    Length(u64),
    Chunked,
    UntilClose,
}

impl<'a> Head<'a> {
    /// Reads the head at the start of `bytes`; `None` until it is complete. `end` remembers how far it has been
    /// searched.
    pub(super) fn read(bytes: &'a [u8], end: &mut HeadEnd, max_len: usize) -> Result<Option<Self>, HandshakeError> {
        let end = end.find(bytes);
        // In bytes of another protocol, such as a TLS alert, there is no end to wait for.
        let version = bytes.trim_ascii_start();
        if !version.starts_with(&VERSION[..version.len().min(VERSION.len())]) {
            return Err(HandshakeError::NotHttp("it begins with other words"));
        }
        let Some(len) = end else {
            return if bytes.len() <= max_len { Ok(None) } else { Err(HandshakeError::HeadTooLong) };
        };
        if len > max_len {
            return Err(HandshakeError::HeadTooLong);
        }
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = Response::new(&mut headers);
        let parsed = ParserConfig::default().parse_response(&mut response, &bytes[..len]);
        let len = match parsed {
            Ok(Status::Complete(len)) => len,
            Ok(Status::Partial) => return Err(HandshakeError::NotHttp("its head is broken")),
            Err(httparse::Error::TooManyHeaders) => return Err(HandshakeError::HeadTooLong),
            Err(httparse::Error::Version) => return Err(HandshakeError::NotHttp("it has another version")),
            Err(httparse::Error::Status) => return Err(HandshakeError::NotHttp("its status is broken")),
            Err(_) => return Err(HandshakeError::NotHttp("a header is broken")),
        };
        let (Some(status), Some(minor_version)) = (response.code, response.version) else {
            return Err(HandshakeError::NotHttp("it has no status"));
        };
        Ok(Some(Self { status, minor_version, headers: response.headers.to_vec(), len }))
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn status(&self) -> u16 {
        self.status
    }

    /// Checks an answer with status 101 as RFC 6455 requires (section 4.1, from "If the status code received" on).
    /// Returns the subprotocol.
    pub(super) fn check_upgrade(&self, accept: &str, offered: &[String]) -> Result<Option<String>, HandshakeError> {
        if self.minor_version == 0 {
            return Err(HandshakeError::NotHttp("version 1.0 has no upgrade"));
        }
        let mut upgrade = self.tokens("Upgrade").peekable();
        if upgrade.peek().is_none() || !upgrade.all(|token| token.eq_ignore_ascii_case("websocket")) {
            return Err(HandshakeError::Header("Upgrade"));
        }
        if !self.tokens("Connection").any(|token| token.eq_ignore_ascii_case("upgrade")) {
            return Err(HandshakeError::Header("Connection"));
        }
        let mut accepts = self.values("Sec-WebSocket-Accept").peekable();
        if accepts.peek().is_none() || !accepts.all(|value| value.trim_ascii() == accept.as_bytes()) {
            return Err(HandshakeError::Header("Sec-WebSocket-Accept"));
        }
        if self.tokens("Sec-WebSocket-Extensions").next().is_some() {
            return Err(HandshakeError::Extension);
        }
        let mut chosen = self.values("Sec-WebSocket-Protocol");
        match (chosen.next(), chosen.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                let protocol = offered.iter().find(|offer| offer.as_bytes() == value.trim_ascii());
                protocol.cloned().map(Some).ok_or(HandshakeError::Subprotocol)
            }
            (Some(_), Some(_)) => Err(HandshakeError::Subprotocol),
        }
    }

    /// Returns a refusal with what its headers contain.
    pub(super) fn refusal(&self) -> Refusal {
        let text = |name| self.values(name).next().map(|value| excerpt(value.trim_ascii()));
        let seconds = text("Retry-After").and_then(|seconds| seconds.parse().ok());
        Refusal {
            status: self.status,
            location: text("Location"),
            retry_after: seconds.map(Duration::from_secs),
            excerpt: String::new(),
        }
    }

    /// Returns how the end of the body is found (RFC 9112, section 6.3).
    pub(super) fn body(&self) -> Body {
        if matches!(self.status, 204 | 304) {
            return Body::Length(0);
        }
        if self.tokens("Transfer-Encoding").any(|token| token.eq_ignore_ascii_case("chunked")) {
            return Body::Chunked;
        }
        match self.tokens("Content-Length").next().map(str::parse) {
            Some(Ok(len)) => Body::Length(len),
            Some(Err(_)) | None => Body::UntilClose,
        }
    }

    fn values(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    }

    fn tokens(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        // Text that is not ASCII is not a token, and must not be mistaken for one.
        self.values(name).flat_map(|value| tokens(str::from_utf8(value).unwrap_or("\u{fffd}")))
    }
}

impl HeadEnd {
    pub(super) const fn new() -> Self {
        Self { looked_at: 0, has_begun: false, is_line_empty: true }
    }

    /// Returns the length of the head, including the empty line.
    fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate().skip(self.looked_at) {
            self.looked_at = at + 1;
            match byte {
                b'\n' if self.is_line_empty && self.has_begun => return Some(at + 1),
                b'\n' => self.is_line_empty = true,
                b'\r' => {}
                _ => (self.has_begun, self.is_line_empty) = (true, false),
            }
        }
        None
    }
}

impl Body {
    /// Returns the start of the body, and whether that is the whole body or as much as is kept.
    pub(super) fn read(self, bytes: &[u8]) -> (String, bool) {
        match self {
            Self::Length(len) => {
                let len = usize::try_from(len).unwrap_or(usize::MAX).min(MAX_EXCERPT_LEN);
                (excerpt(&bytes[..len.min(bytes.len())]), bytes.len() >= len)
            }
            Self::UntilClose => (excerpt(bytes), bytes.len() >= MAX_EXCERPT_LEN),
            Self::Chunked => {
                let (body, is_complete) = unchunk(bytes);
                (excerpt(&body), is_complete || body.len() >= MAX_EXCERPT_LEN || bytes.len() >= MAX_CHUNKED_LEN)
            }
        }
    }
}

/// The elements of a list (RFC 9110, section 5.6.1), without the empty ones.
pub(super) fn tokens(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(|token| token.trim_matches([' ', '\t'])).filter(|token| !token.is_empty())
}

/// The value of `Sec-WebSocket-Accept` that answers a key (RFC 6455, section 4.2.2).
pub(super) fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize())
}

/// The content of chunks (RFC 9112, section 7.1), and whether the last one has arrived.
fn unchunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let (start, len) = match httparse::parse_chunk_size(bytes) {
            Ok(Status::Complete((_, 0))) | Err(_) => return (body, true),
            Ok(Status::Complete((start, len))) => (start, usize::try_from(len).unwrap_or(usize::MAX)),
            Ok(Status::Partial) => return (body, false),
        };
        let chunk = &bytes[start..];
        body.extend_from_slice(&chunk[..len.min(chunk.len())]);
        match chunk.get(len..).and_then(|rest| rest.get(2..)) {
            Some(rest) => bytes = rest,
            None => return (body, false),
        }
    }
}

/// The start of a text from the peer, which may be anything.
fn excerpt(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(MAX_EXCERPT_LEN)];
    // A character that was cut off at the end is dropped, not replaced.
    let end = start.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    let is_cut_off = str::from_utf8(end).is_err_and(|error| error.error_len().is_none());
    let whole = &start[..start.len() - if is_cut_off { end.len() } else { 0 }];
    let mut text = String::from_utf8_lossy(whole).into_owned();
    while text.len() > MAX_EXCERPT_LEN {
        text.pop();
    }
    text.trim_ascii().to_owned()
}

/// The start of every answer.
const VERSION: &[u8] = b"HTTP/1.";

/// How many headers an answer may have; real ones have about 20.
const MAX_HEADERS: usize = 100;

/// How many bytes of chunks are read for an excerpt.
const MAX_CHUNKED_LEN: usize = 4 * MAX_EXCERPT_LEN;
