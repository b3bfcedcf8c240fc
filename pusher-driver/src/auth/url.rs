//! The URL of an auth endpoint.

use std::fmt;
use std::net::Ipv6Addr;

use pusher_proto::Text;
use pusher_proto::adapter::{default_port, host_header, port_number};

/// The URL of an authorization request. `Display` and `Debug` do not show the query, which may contain a token.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthUrl {
    tls: bool,
    host: Text,
    port: u16,
    target: Text,
}

/// What is wrong with the URL of an auth endpoint. The URL itself is not shown, because it may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAuthUrl {
    /// It does not begin with `http://` or `https://`.
    #[error("must have the form http://host/path or https://host/path")]
    Scheme,
    /// The host is missing, or is neither a name nor an IP address.
    #[error("has no valid host")]
    Host,
    /// The port is not a number from 1 to 65,535.
    #[error("has a port that is not a number from 1 to 65535")]
    Port,
    /// It has a user name or a password.
    #[error("contains a user name or password; set the Authorization header instead")]
    Credentials,
    /// It contains a character that is not allowed in a URL (RFC 3986, section 2).
    #[error("contains a character that must be percent-encoded")]
    Character,
}

impl AuthUrl {
    /// Parses a URL. A fragment is dropped, since it is never sent.
    ///
    /// # Errors
    ///
    /// If it is not the URL of an HTTP server, or contains credentials, which could end up in the logs of proxies and
    /// servers.
    pub fn parse(url: &str) -> Result<Self, InvalidAuthUrl> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidAuthUrl::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(InvalidAuthUrl::Scheme),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(InvalidAuthUrl::Credentials);
        }
        if !target.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`".contains(&byte)) {
            return Err(InvalidAuthUrl::Character);
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            Some(_) | None => (authority, None),
        };
        let port = port.map_or(Ok(default_port(tls)), read_port)?;
        let host = host_of(host).ok_or(InvalidAuthUrl::Host)?;
        let target = if target.starts_with('/') { target.into() } else { format!("/{target}").into() };
        Ok(Self { tls, host: host.into(), port, target })
    }

    /// Whether to speak TLS.
    #[must_use]
    pub const fn tls(&self) -> bool {
        self.tls
    }

    /// Returns the host name or the IP address; an IPv6 address has no brackets.
    #[must_use]
    pub const fn host(&self) -> &Text {
        &self.host
    }

    /// Returns the TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the path and the query.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Returns the value of the `Host` header, without the port if it is the default one.
    #[must_use]
    pub fn authority(&self) -> String {
        host_header(&self.host, self.port, self.tls)
    }

    #[cfg(any(test, feature = "hyper"))]
    pub(crate) fn is_same_origin(&self, other: &Self) -> bool {
        (self.tls, self.port) == (other.tls, other.port) && self.host.eq_ignore_ascii_case(&other.host)
    }
}

fn read_port(port: &str) -> Result<u16, InvalidAuthUrl> {
    port_number(port).filter(|port| *port != 0).ok_or(InvalidAuthUrl::Port)
}

fn host_of(host: &str) -> Option<&str> {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').filter(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (!host.is_empty() && host.bytes().all(is_usual)).then_some(host)
}

impl fmt::Display for AuthUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority())
    }
}

impl fmt::Debug for AuthUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A URL as it may be printed: without query and credentials, and not at all if it cannot be parsed.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Debug for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match AuthUrl::parse(self.0) {
            Ok(url) => fmt::Display::fmt(&url, f),
            Err(_) => f.write_str("…"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_urls_and_shows_them_without_their_query() {
        let table = [
            ("http://h", ("h", 80, false, "/"), "h", "http://h/"),
            (
                "HTTPS://Example.com:443/a/b?token=1#top",
                ("Example.com", 443, true, "/a/b?token=1"),
                "Example.com",
                "https://Example.com/a/b",
            ),
            ("http://[::1]:8080?x", ("::1", 8080, false, "/?x"), "[::1]:8080", "http://[::1]:8080/"),
            ("https://[::1]/", ("::1", 443, true, "/"), "[::1]", "https://[::1]/"),
            ("http://h:65535/%20", ("h", 65_535, false, "/%20"), "h:65535", "http://h:65535/%20"),
        ];
        for (text, parts, authority, shown) in table {
            let url = AuthUrl::parse(text).unwrap();
            assert_eq!((url.host().as_str(), url.port(), url.tls(), url.target()), parts, "{text}");
            assert_eq!((url.authority().as_str(), format!("{url}").as_str()), (authority, shown), "{text}");
            assert_eq!(format!("{:?}", Printable(text)), shown);
        }
    }

    #[test]
    fn refuses_what_would_reach_another_server_or_none() {
        let table = [
            ("", InvalidAuthUrl::Scheme),
            ("/broadcasting/auth", InvalidAuthUrl::Scheme),
            ("ws://h", InvalidAuthUrl::Scheme),
            ("http://", InvalidAuthUrl::Host),
            ("http:///path", InvalidAuthUrl::Host),
            ("http://a b/", InvalidAuthUrl::Host),
            ("http://münchen.example/", InvalidAuthUrl::Host),
            ("http://h\\x/", InvalidAuthUrl::Host),
            ("http://[::1", InvalidAuthUrl::Host),
            ("http://[::x]/", InvalidAuthUrl::Host),
            ("http://h:/", InvalidAuthUrl::Port),
            ("http://h:0/", InvalidAuthUrl::Port),
            ("http://h:+80/", InvalidAuthUrl::Port),
            ("http://h:65536/", InvalidAuthUrl::Port),
            ("http://h:808080/", InvalidAuthUrl::Port),
            ("https://user:password@h/", InvalidAuthUrl::Credentials),
            ("https://user@h/", InvalidAuthUrl::Credentials),
            ("http://h/a b", InvalidAuthUrl::Character),
            ("http://h/?a=ä", InvalidAuthUrl::Character),
            ("http://h/\r\nX: y", InvalidAuthUrl::Character),
        ];
        for (text, error) in table {
            assert_eq!(AuthUrl::parse(text), Err(error), "{text}");
            assert_eq!(format!("{:?}", Printable(text)), "…");
        }
    }

    #[test]
    fn servers_are_the_same_whatever_the_path_and_the_case() {
        let url = |text| AuthUrl::parse(text).unwrap();
        assert!(url("http://h/a").is_same_origin(&url("http://H:80/b")));
        for other in ["https://h/a", "http://h:81/a", "http://g/a"] {
            assert!(!url("http://h/a").is_same_origin(&url(other)), "{other}");
        }
    }
}
