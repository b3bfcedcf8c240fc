//! The exchange with a proxy, over any non-blocking stream.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::task::Poll;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pusher_proto::adapter::{USER_AGENT, authority};
use pusher_proto::{CloseReason, Text, TransportError};

use super::server::{Credentials, Protocol, Proxy};
use crate::io::{flush, read, write};

/// An exchange with a proxy, after which the stream is connected to the server.
pub struct Tunnel {
    /// Host and port of the proxy.
    proxy: String,
    host: Text,
    port: u16,
    credentials: Option<Credentials>,
    stage: Stage,
    to_send: Vec<u8>,
    answer: Vec<u8>,
}

/// Whose answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    HttpConnect,
    SocksMethod,
    SocksCredentials,
    SocksConnect,
}

impl Tunnel {
    pub(super) fn new(proxy: &Proxy, host: &Text, port: u16) -> Self {
        let credentials = proxy.credentials.clone();
        let (stage, to_send) = match proxy.protocol {
            Protocol::Http => (Stage::HttpConnect, http_connect(&authority(host, port), credentials.as_ref())),
            Protocol::Socks5 => (Stage::SocksMethod, socks_methods(credentials.is_some())),
        };
        Self {
            proxy: authority(&proxy.host, proxy.port),
            host: host.clone(),
            port,
            credentials,
            stage,
            to_send,
            answer: Vec::new(),
        }
    }

    /// Continues the exchange, until it returns the result. A stream that is not ready must return `WouldBlock`.
    pub fn poll(&mut self, stream: &mut (impl Read + Write)) -> Poll<Result<(), CloseReason>> {
        match self.talk(stream) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => {
                Poll::Ready(Err(CloseReason::Failed(TransportError::Io(format!("the proxy {}: {error}", self.proxy)))))
            }
        }
    }

    fn talk(&mut self, stream: &mut (impl Read + Write)) -> io::Result<()> {
        loop {
            while !self.to_send.is_empty() {
                let len = write(stream, &self.to_send)?;
                self.to_send.drain(..len);
            }
            flush(stream)?;
            // One byte at a time, because what follows the answer comes from the server.
            while !self.is_answered() {
                let mut byte = [0];
                if read(stream, &mut byte)? == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed without an answer"));
                }
                self.answer.push(byte[0]);
            }
            let Some(stage) = self.advance()? else { return Ok(()) };
            self.stage = stage;
            self.answer.clear();
        }
    }

    fn is_answered(&self) -> bool {
        let answer = &self.answer;
        match self.stage {
            Stage::HttpConnect => answer.ends_with(HEAD_END) || answer.len() >= MAX_HEAD_LEN,
            Stage::SocksMethod | Stage::SocksCredentials => answer.len() >= 2,
            Stage::SocksConnect => answer.len() >= socks_reply_len(answer),
        }
    }

    /// Reads the answer, and returns the next stage.
    fn advance(&mut self) -> io::Result<Option<Stage>> {
        match (self.stage, self.answer.as_slice()) {
            (Stage::HttpConnect, head) if !head.ends_with(HEAD_END) => {
                Err(refused(format!("answered with more than {MAX_HEAD_LEN} bytes of headers")))
            }
            (Stage::HttpConnect, head) => match http_status(head) {
                Some(200..=299) => Ok(None),
                Some(status) => Err(refused(format!("refused with HTTP status {status}"))),
                None => Err(refused("did not answer in HTTP")),
            },
            (Stage::SocksMethod, [SOCKS_VERSION, NO_CREDENTIALS, ..]) => Ok(Some(self.socks_connect()?)),
            (Stage::SocksMethod, [SOCKS_VERSION, PASSWORD, ..]) => {
                let Some(credentials) = &self.credentials else { return Err(refused("wants credentials")) };
                self.to_send = socks_credentials(credentials)?;
                Ok(Some(Stage::SocksCredentials))
            }
            (Stage::SocksMethod, [SOCKS_VERSION, ..]) => Err(refused("requires other credentials")),
            (Stage::SocksCredentials, [_, 0, ..]) => Ok(Some(self.socks_connect()?)),
            (Stage::SocksCredentials, _) => Err(refused("refused the credentials")),
            (Stage::SocksConnect, [SOCKS_VERSION, 0, _, IPV4 | NAME | IPV6, ..]) => Ok(None),
            (Stage::SocksConnect, [SOCKS_VERSION, 0, ..]) => Err(refused("did not answer in SOCKS 5")),
            (Stage::SocksConnect, [SOCKS_VERSION, code, ..]) => Err(refused(socks_error(*code))),
            (Stage::SocksMethod | Stage::SocksConnect, _) => Err(refused("did not answer in SOCKS 5")),
        }
    }

    fn socks_connect(&mut self) -> io::Result<Stage> {
        let mut request = vec![SOCKS_VERSION, 1, 0];
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => {
                request.push(IPV4);
                request.extend(address.octets());
            }
            Ok(IpAddr::V6(address)) => {
                request.push(IPV6);
                request.extend(address.octets());
            }
            Err(_) => {
                request.push(NAME);
                push_short(&mut request, self.host.as_bytes())?;
            }
        }
        request.extend(self.port.to_be_bytes());
        self.to_send = request;
        Ok(Stage::SocksConnect)
    }
}

fn http_connect(authority: &str, credentials: Option<&Credentials>) -> Vec<u8> {
    let credentials = credentials.map_or_else(String::new, |Credentials { user, password }| {
        let token = BASE64_STANDARD.encode(format!("{user}:{}", password.expose()));
        format!("Proxy-Authorization: Basic {token}\r\n")
    });
    format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {USER_AGENT}\r\n{credentials}\r\n")
        .into_bytes()
}

fn http_status(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.")?.split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(line).ok()?.split(' ').nth(1)?.parse().ok()
}

fn socks_methods(has_credentials: bool) -> Vec<u8> {
    if has_credentials {
        vec![SOCKS_VERSION, 2, NO_CREDENTIALS, PASSWORD]
    } else {
        vec![SOCKS_VERSION, 1, NO_CREDENTIALS]
    }
}

fn socks_credentials(credentials: &Credentials) -> io::Result<Vec<u8>> {
    let mut request = vec![1];
    push_short(&mut request, credentials.user.as_bytes())?;
    push_short(&mut request, credentials.password.expose().as_bytes())?;
    Ok(request)
}

/// Adds a text after its length, which is one byte.
fn push_short(request: &mut Vec<u8>, text: &[u8]) -> io::Result<()> {
    let Ok(len) = u8::try_from(text.len()) else { return Err(refused("cannot carry a name longer than 255 bytes")) };
    request.push(len);
    request.extend_from_slice(text);
    Ok(())
}

/// The length of a reply that begins with these bytes, as far as they determine it (RFC 1928, section 6).
fn socks_reply_len(reply: &[u8]) -> usize {
    match reply {
        // A proxy that refuses may close without the rest.
        [_, code, ..] if *code != 0 => 2,
        [_, _, _, IPV4, ..] => 4 + 4 + 2,
        [_, _, _, IPV6, ..] => 4 + 16 + 2,
        [_, _, _, NAME, len, ..] => 5 + usize::from(*len) + 2,
        [_, _, _, NAME] => 5,
        // Too short to know, or an address of an unknown kind, whose length is unknown.
        [] | [_] | [_, _] | [_, _, _, ..] => 4,
    }
}

/// What a proxy's code means (RFC 1928, section 6).
const fn socks_error(code: u8) -> &'static str {
    match code {
        2 => "its rules do not allow this connection",
        3 => "the network is unreachable",
        4 => "the host is unreachable",
        5 => "the server refused the connection",
        6 => "the connection took too long",
        _ => "refused the connection",
    }
}

fn refused(text: impl Into<String>) -> io::Error {
    io::Error::other(text.into())
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("host", &self.host).field("stage", &self.stage).finish_non_exhaustive()
    }
}

const SOCKS_VERSION: u8 = 5;

/// Authentication methods (RFC 1928, section 3).
const NO_CREDENTIALS: u8 = 0;
const PASSWORD: u8 = 2;

/// Kinds of addresses (RFC 1928, section 5).
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Ends the head of an answer to `CONNECT`. What follows comes from the server.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Longest answer to `CONNECT` in bytes.
const MAX_HEAD_LEN: usize = 16 * 1_024;

#[cfg(test)]
mod tests;
