//! One proxy: its protocol, its address, and its credentials.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use pusher_proto::adapter::{authority, bare_host, port_number};
use pusher_proto::{Secret, Text};

/// A proxy: HTTP with `CONNECT` (RFC 9110, section 9.3.6), or SOCKS 5 (RFC 1928).
///
/// The proxy resolves the server's name.
///
/// # Examples
///
/// ```
/// use pusher_driver::{Options, Proxy};
///
/// let proxy: Proxy = "socks5://user:password@localhost:1080".parse()?;
/// assert_eq!(proxy, Proxy::socks5("localhost", 1080).credentials("user", "password"));
/// let options = Options::new().proxy(proxy);
/// # Ok::<(), pusher_driver::InvalidProxy>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Proxy {
    pub(super) protocol: Protocol,
    pub(super) host: Text,
    pub(super) port: u16,
    pub(super) credentials: Option<Credentials>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Socks5,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: Text,
    pub(super) password: Secret,
}

/// Shows neither part, because some proxies take a token as the name.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What is wrong with the URL of a proxy. The URL itself is not shown, because it may contain a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidProxy {
    /// It is not `http://host:port` or `socks5://host:port`, with or without `user:password@`.
    #[error("the proxy is not a URL such as http://host:port or socks5://user:password@host:port")]
    Url,
    /// The proxy uses an unsupported protocol.
    #[error("{0:?} proxies are not supported, only http and socks5")]
    Protocol(Text),
    /// The credentials cannot be sent: SOCKS 5 allows names and passwords of 1 to 255 bytes (RFC 1929), and in HTTP,
    /// the name must not contain a colon.
    #[error("the proxy protocol cannot carry these credentials")]
    Credentials,
}

impl Proxy {
    /// Returns an HTTP proxy that supports `CONNECT`.
    pub fn http(host: impl Into<Text>, port: u16) -> Self {
        Self { protocol: Protocol::Http, host: host.into(), port, credentials: None }
    }

    /// Returns a SOCKS 5 proxy.
    pub fn socks5(host: impl Into<Text>, port: u16) -> Self {
        Self { protocol: Protocol::Socks5, host: host.into(), port, credentials: None }
    }

    /// Sets the name and the password for the proxy.
    pub fn credentials(mut self, user: impl Into<Text>, password: impl Into<Secret>) -> Self {
        self.credentials = Some(Credentials { user: user.into(), password: password.into() });
        self
    }

    fn validate(self) -> Result<Self, InvalidProxy> {
        let Some(Credentials { user, password }) = &self.credentials else { return Ok(self) };
        let fits = |text: &str| (1..=MAX_SOCKS_CREDENTIAL_LEN).contains(&text.len());
        let is_valid = match self.protocol {
            Protocol::Http => !user.contains(':'),
            Protocol::Socks5 => fits(user) && fits(password.expose()),
        };
        if is_valid { Ok(self) } else { Err(InvalidProxy::Credentials) }
    }
}

/// Returns the proxy as a URL, including the credentials, for an HTTP client that takes it in this form.
#[must_use]
pub fn proxy_url(proxy: &Proxy) -> Secret {
    let scheme = match proxy.protocol {
        Protocol::Http => "http",
        Protocol::Socks5 => "socks5h",
    };
    let credentials = proxy.credentials.as_ref().map_or_else(String::new, |credentials| {
        format!("{}:{}@", percent_encoded(&credentials.user), percent_encoded(credentials.password.expose()))
    });
    Secret::from(format!("{scheme}://{credentials}{}", authority(&proxy.host, proxy.port)))
}

/// Reads `http://host:port`, `socks5://host:port` and the same with `user:password@`, percent-encoded.
impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(url: &str) -> Result<Self, InvalidProxy> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (protocol, port) = match scheme {
            "http" => (Protocol::Http, 80),
            "socks5" | "socks5h" => (Protocol::Socks5, 1080),
            // Anything else may be the start of credentials.
            other if other.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                return Err(InvalidProxy::Protocol(other.into()));
            }
            _ => return Err(InvalidProxy::Url),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, address) = match rest.rsplit_once('@') {
            Some((credentials, address)) => (Some(credentials), address),
            None => (None, rest),
        };
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port_number(port).ok_or(InvalidProxy::Url)?),
            _ => (address, port),
        };
        let host = bare_host(host);
        let odd = |c: char| c.is_control() || c.is_whitespace() || "/?#@[]\\".contains(c);
        if host.is_empty() || port == 0 || host.contains(odd) {
            return Err(InvalidProxy::Url);
        }
        if host.contains(':') && host.parse::<Ipv6Addr>().is_err() {
            return Err(InvalidProxy::Url);
        }
        let mut proxy = Self { protocol, host: host.into(), port, credentials: None };
        if let Some(credentials) = credentials {
            let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            let decoded = |text| percent_decoded(text).ok_or(InvalidProxy::Url);
            proxy = proxy.credentials(decoded(user)?, decoded(password)?);
        }
        proxy.validate()
    }
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_first_chunk::<2>()?;
        // Not with `from_str_radix`, which accepts a sign.
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        bytes.push((high? << 4 | low?) as u8);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&authority(&self.host, self.port))
    }
}

/// Longest name and longest password in bytes (RFC 1929, section 2).
const MAX_SOCKS_CREDENTIAL_LEN: usize = 255;
