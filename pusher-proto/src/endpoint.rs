//! Where a server is, and the request that opens a socket to it.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::InvalidConfig;
use crate::{AppKey, Secret, Text};

/// One server: a cluster of hosted Pusher, or a host of your own.
///
/// TLS is on unless [`Endpoint::tls`] says otherwise.
///
/// # Examples
///
/// ```
/// use pusher_proto::Endpoint;
///
/// let hosted = Endpoint::cluster("eu");
/// let reverb = Endpoint::reverb("localhost").tls(false);
/// let own = Endpoint::host("10.0.0.7").ws_port(8080).tls(false);
/// let parsed: Endpoint = "wss://example.com:6001/realtime".parse()?;
/// assert_eq!(parsed, Endpoint::host("example.com").wss_port(6001).path_prefix("realtime/"));
/// # Ok::<(), pusher_proto::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub(crate) host: Text,
    ws_port: u16,
    wss_port: u16,
    /// Whether this is hosted Pusher.
    pub(crate) hosted: bool,
    /// Whether a refusal with 4000 may switch to TLS: the TLS port is known and not just assumed.
    tls_port_known: bool,
    pub(crate) tls: bool,
    /// Whether the server has refused version 2 of the protocol.
    refuses_v2: bool,
    /// Empty, or starts with `/` and does not end with one.
    path_prefix: Text,
    headers: Vec<(Text, Secret)>,
}

impl Endpoint {
    /// A cluster of hosted Pusher: `eu` stands for `ws-eu.pusher.com` with the ports 80 and 443. A name that cannot be
    /// that of a cluster, such as `EU` or a whole host name, is refused when the configuration is built.
    #[must_use]
    pub fn cluster(name: &str) -> Self {
        Self { hosted: true, tls_port_known: true, ..Self::host(format!("ws-{name}.pusher.com")) }
    }

    /// Laravel Reverb on `host`: port 8080 without TLS, 443 with TLS.
    #[must_use]
    pub fn reverb(host: impl Into<Text>) -> Self {
        Self::host(host).ws_port(8080)
    }

    /// laravel-websockets on `host`: port 6001 with and without TLS.
    #[must_use]
    pub fn laravel_websockets(host: impl Into<Text>) -> Self {
        Self::host(host).ws_port(6001).wss_port(6001)
    }

    /// soketi on `host`: port 6001 with and without TLS.
    #[must_use]
    pub fn soketi(host: impl Into<Text>) -> Self {
        Self::host(host).ws_port(6001).wss_port(6001)
    }

    /// Sockudo on `host`: port 6001 with and without TLS.
    #[must_use]
    pub fn sockudo(host: impl Into<Text>) -> Self {
        Self::host(host).ws_port(6001).wss_port(6001)
    }

    /// A host of your own: a name or an IP address, ports 80 and 443 unless set.
    #[must_use]
    pub fn host(host: impl Into<Text>) -> Self {
        let host = host.into();
        let bare = bare_host(&host);
        Self {
            host: if bare.len() == host.len() { host } else { Text::from(bare) },
            ws_port: 80,
            wss_port: 443,
            hosted: false,
            tls_port_known: false,
            tls: true,
            refuses_v2: false,
            path_prefix: Text::default(),
            headers: Vec::new(),
        }
    }

    /// Sets the port without TLS. Default 80.
    #[must_use]
    pub fn ws_port(mut self, port: u16) -> Self {
        self.ws_port = port;
        self
    }

    /// Sets the port with TLS. Default 443. If the server refuses a socket without TLS with 4000, the client switches
    /// to this port.
    #[must_use]
    pub fn wss_port(mut self, port: u16) -> Self {
        self.wss_port = port;
        self.tls_port_known = true;
        self
    }

    /// Sets whether TLS is used. Default true.
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Sets the part of the path before `/app/…`, with or without slashes around it. Default empty.
    #[must_use]
    pub fn path_prefix(mut self, prefix: &str) -> Self {
        let inner = prefix.trim_matches('/');
        self.path_prefix = if inner.is_empty() { Text::default() } else { format!("/{inner}").into() };
        self
    }

    /// Adds a header to the upgrade request, such as `Origin` or `Authorization`.
    #[must_use]
    pub fn header(mut self, name: impl Into<Text>, value: impl Into<Secret>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        if self.hosted {
            let name = self.host.strip_prefix("ws-").and_then(|rest| rest.strip_suffix(".pusher.com"));
            let name = name.unwrap_or_default();
            if !is_cluster(name) {
                return Err(InvalidConfig::Cluster { name: shown(name), instead: meant_cluster(name) });
            }
        }
        let odd = |c: char| c.is_control() || c.is_whitespace() || "/?#@[]\\".contains(c);
        let is_no_address = self.host.contains(':') && self.host.parse::<Ipv6Addr>().is_err();
        if self.host.is_empty() || self.host.contains(odd) || is_no_address {
            return Err(InvalidConfig::Host(shown(&self.host)));
        }
        if self.ws_port == 0 || self.wss_port == 0 {
            return Err(InvalidConfig::PortZero);
        }
        if self.path_prefix.contains(|c: char| !c.is_ascii_graphic() || "?#".contains(c)) {
            return Err(InvalidConfig::PathPrefix(shown(&self.path_prefix)));
        }
        for (name, value) in &self.headers {
            let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty()
                || !name.bytes().all(token)
                || value.expose().contains(|c: char| c.is_control() || !c.is_ascii())
            {
                // If a whole header was given as the name, what follows the name may be secret.
                let end = name.bytes().position(|byte| !token(byte)).unwrap_or(name.len());
                return Err(InvalidConfig::Header(name.get(..end).unwrap_or_default().into()));
            }
        }
        Ok(())
    }

    pub(crate) const fn may_speak_v2(&self) -> bool {
        !self.refuses_v2
    }

    pub(crate) const fn can_switch_to_tls(&self) -> bool {
        !self.tls && self.tls_port_known
    }

    /// The request that opens a socket (Pusher protocol, *Initiating the connection*).
    pub(crate) fn request(&self, key: &AppKey, client: &str, version: &str, asks_for_v2: bool) -> ConnectRequest {
        let encode = |text| utf8_percent_encode(text, UNRESERVED);
        let (protocol, options) =
            if asks_for_v2 { (RECOVERY_VERSION, RECOVERY_OPTIONS) } else { (PROTOCOL_VERSION, "") };
        let target = format!(
            "{}/app/{}?protocol={protocol}&client={}&version={}{options}",
            self.path_prefix,
            encode(key.as_str()),
            encode(client),
            encode(version),
        );
        ConnectRequest {
            host: self.host.clone(),
            port: if self.tls { self.wss_port } else { self.ws_port },
            tls: self.tls,
            target: target.into(),
            headers: self.headers.clone(),
        }
    }
}

/// Reads `ws://host`, `wss://host:port/prefix` and the same with `http` and `https`.
impl core::str::FromStr for Endpoint {
    type Err = InvalidConfig;

    fn from_str(url: &str) -> Result<Self, InvalidConfig> {
        let invalid = || InvalidConfig::Url(shown(url));
        let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
        let tls = match scheme {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(invalid()),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // A user name and a password would have no effect.
        if authority.contains('@') {
            return Err(invalid());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port_number(port).ok_or_else(invalid)?)),
            _ => (authority, None),
        };
        let endpoint = Self::host(host).tls(tls).path_prefix(path);
        let endpoint = match (port, tls) {
            (None, _) => endpoint,
            (Some(port), true) => endpoint.wss_port(port),
            (Some(port), false) => endpoint.ws_port(port),
        };
        endpoint.validate()?;
        Ok(endpoint)
    }
}

fn is_cluster(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The cluster that was probably meant by a name in capitals, a host name or a URL.
fn meant_cluster(name: &str) -> Option<Text> {
    let name = name.trim().to_ascii_lowercase();
    let name = name.split_once("://").map_or(name.as_str(), |(_, rest)| rest);
    let name = name.split_once(".pusher.com").map_or(name, |(name, _)| name);
    let name = ["ws-", "api-", "sockjs-"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    is_cluster(name).then(|| name.into())
}

/// A URL as it may be shown: without anything that may be a password or a token.
fn shown(url: &str) -> Text {
    let (url, query) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
    let (credentials, rest) = match url.rsplit_once('@') {
        // What looks like a query may be the rest of a password.
        _ if query.contains('@') => (url, ""),
        Some(parts) => parts,
        None => return url.into(),
    };
    match credentials.split_once("://") {
        Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!("{scheme}://…@{rest}").into()
        }
        Some(_) | None => format!("…@{rest}").into(),
    }
}

/// One or several servers. After a failed attempt, the client tries the next one, and after the last the first again. A
/// server to which the client could connect stays the current one.
///
/// For a single server, an [`Endpoint`] or its URL is enough.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Config, Endpoint, Endpoints};
///
/// Config::new("app-key", Endpoint::cluster("eu"))?;
/// Config::new("app-key", "wss://example.com:6001")?;
/// Config::new("app-key", Endpoints::new([Endpoint::reverb("a.example"), Endpoint::reverb("b.example")]))?;
/// # Ok::<(), pusher_proto::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints(Result<Vec<Endpoint>, InvalidConfig>);

impl Endpoints {
    /// Returns the servers, which are tried in this order. An empty list is refused by
    /// [`ConfigBuilder::build`](crate::ConfigBuilder::build).
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        Self(Ok(endpoints.into_iter().collect()))
    }

    /// Checks that there is at least one server and that each is usable.
    ///
    /// # Errors
    ///
    /// The first problem found.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        match &self.0 {
            Ok(endpoints) if endpoints.is_empty() => Err(InvalidConfig::NoEndpoint),
            Ok(endpoints) => endpoints.iter().try_for_each(Endpoint::validate),
            Err(error) => Err(error.clone()),
        }
    }

    fn as_slice(&self) -> &[Endpoint] {
        self.0.as_deref().unwrap_or_default()
    }

    pub(crate) fn at(&self, place: usize) -> Option<&Endpoint> {
        let endpoints = self.as_slice();
        endpoints.get(place % endpoints.len().max(1))
    }

    pub(crate) fn switch_to_tls(&mut self, place: usize) {
        if let Some(endpoint) = self.at_mut(place) {
            endpoint.tls = true;
        }
    }

    /// The server does not know version 2, so it is asked for version 1 from now on.
    pub(crate) fn fall_back_to_v1(&mut self, place: usize) {
        if let Some(endpoint) = self.at_mut(place) {
            endpoint.refuses_v2 = true;
        }
    }

    fn at_mut(&mut self, place: usize) -> Option<&mut Endpoint> {
        let endpoints = self.0.as_deref_mut().unwrap_or_default();
        let len = endpoints.len().max(1);
        endpoints.get_mut(place % len)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.as_slice().iter()
    }
}

impl From<Endpoint> for Endpoints {
    fn from(endpoint: Endpoint) -> Self {
        Self::new([endpoint])
    }
}

/// The URL of one server, in the form that [`Endpoint`] parses. An unusable URL is refused when the configuration is
/// built.
impl From<&str> for Endpoints {
    fn from(url: &str) -> Self {
        Self(url.parse().map(|endpoint| vec![endpoint]))
    }
}

impl From<String> for Endpoints {
    fn from(url: String) -> Self {
        Self::from(url.as_str())
    }
}

impl From<&String> for Endpoints {
    fn from(url: &String) -> Self {
        Self::from(url.as_str())
    }
}

/// How to open a socket, for [`Action::Connect`](crate::Action::Connect).
///
/// # Examples
///
/// ```
/// use pusher_proto::{Action, Client, Config, Endpoint, Instant};
///
/// let mut client = Client::new(Config::new("app-key", Endpoint::reverb("::1").tls(false))?, 1);
/// client.connect();
/// let mut actions = core::iter::from_fn(|| client.poll_action(Instant::ZERO));
/// let request = actions.find_map(|action| match action {
///     Action::Connect(_, request) => Some(request),
///     _ => None,
/// });
/// let request = request.expect("a client that connects opens a socket");
/// assert_eq!((request.host.as_str(), request.authority()), ("::1", "[::1]:8080".to_owned()));
/// # Ok::<(), pusher_proto::InvalidConfig>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectRequest {
    /// Host name or IP address; an IPv6 address has no brackets.
    pub host: Text,
    /// TCP port.
    pub port: u16,
    /// Whether to speak TLS.
    pub tls: bool,
    /// Path and query of the upgrade request.
    pub target: Text,
    /// Additional headers of the upgrade request.
    pub headers: Vec<(Text, Secret)>,
}

impl ConnectRequest {
    /// Returns the whole URL, always with the port, and with an IPv6 address in brackets.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.authority(), self.target)
    }

    /// Returns `host:port`, with an IPv6 address in brackets.
    #[must_use]
    pub fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

impl fmt::Debug for ConnectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectRequest").field(&self.url()).field(&self.headers).finish()
    }
}

/// Returns the host without the brackets that URLs put around IPv6 addresses.
#[must_use]
pub fn bare_host(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Reads the port in a URL, which is a number without a sign (RFC 3986, section 3.2.3).
#[must_use]
pub fn port_number(port: &str) -> Option<u16> {
    // `parse` would also accept a sign.
    port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok()).flatten()
}

/// Returns the host as it is written in URLs and headers: an IPv6 address is put in brackets.
#[must_use]
pub fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') { Cow::Owned(format!("[{host}]")) } else { Cow::Borrowed(host) }
}

/// Returns `host:port`, with an IPv6 address in brackets.
#[must_use]
pub fn authority(host: &str, port: u16) -> String {
    format!("{}:{port}", bracketed(host))
}

/// Returns the value of the `Host` header. Like in browsers, the default port is left out, because some servers compare
/// the header with the names that they know.
#[must_use]
pub fn host_header(host: &str, port: u16, tls: bool) -> String {
    if port == default_port(tls) { bracketed(host).into_owned() } else { authority(host, port) }
}

/// Returns the port of URLs without one.
#[must_use]
pub const fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

/// The `User-Agent`; some firewalls refuse requests without one.
pub const USER_AGENT: &str = concat!("pusher-rust/", env!("CARGO_PKG_VERSION"));

/// The protocol version that the client speaks.
const PROTOCOL_VERSION: u8 = 7;

/// The number of Sockudo's protocol with recovery, which it calls version 2; every other number is version 1 there.
const RECOVERY_VERSION: u8 = 2;

/// What a client of that version asks for: not to receive its own client events, as in version 1, and whole messages where
/// a publisher appends to one, so that a replayed one is not a fragment.
const RECOVERY_OPTIONS: &str = "&echo_messages=false&append_mode=full";

/// Everything but the unreserved characters of RFC 3986, section 2.3.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn url(endpoint: &Endpoint) -> String {
        endpoint.request(&AppKey::new("k y").unwrap(), "pusher-rust", "0.1.0", false).url()
    }

    #[test]
    fn a_url_that_is_refused_is_shown_without_credentials_and_query() {
        let table = [
            ("wss://user:secret@h/x?token=secret", "wss://…@h/x"),
            ("user:secret@wss://h", "…@wss://h"),
            ("user:secret@h", "…@h"),
            ("ftp://h?secret", "ftp://h"),
        ];
        for (url, shown) in table {
            assert_eq!(url.parse::<Endpoint>(), Err(InvalidConfig::Url(shown.into())), "{url}");
        }
        let (host, path, header) = (InvalidConfig::Host, InvalidConfig::PathPrefix, InvalidConfig::Header);
        let endpoint = |url: &str| url.parse::<Endpoint>().unwrap_err();
        assert_eq!(endpoint("wss://h/app?token=secret"), path("/app".into()));
        assert_eq!(endpoint("wss://h?token=secret"), host("h".into()));
        assert_eq!(Endpoint::host("wss://u:secret@h").validate(), Err(host("wss://…@h".into())));
        let whole = Endpoint::host("h").header("Authorization: Bearer secret", "");
        assert_eq!(whole.validate(), Err(header("Authorization".into())));
    }

    #[test]
    fn no_part_of_a_password_or_token_is_shown_whatever_is_in_it() {
        for special in ["", "@", "@@", ":", ":@", "/", "?", "#", "%40", "//", "://", " ", "é", "\\", "[", "]"] {
            let secret = format!("one{special}two");
            for url in [
                format!("wss://user:{secret}@h"),
                format!("wss://{secret}@h:9/path"),
                format!("user:{secret}@h"),
                format!("wss://user:{secret}@h:port"),
                format!("wss://h/path?token={secret}"),
                format!("wss://h?token={secret}@x"),
                format!("wss://user:{secret}@h?token={secret}"),
            ] {
                // A slash ends the host, so what follows is a path.
                let Err(error) = url.parse::<Endpoint>() else { continue };
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains("one") && !shown.contains("two"), "{url}: {shown}");
            }
        }
    }

    #[test]
    fn what_is_not_a_cluster_is_refused_with_what_is_probably_meant() {
        let table = [
            ("EU", Some("eu")),
            (" eu", Some("eu")),
            ("ws-eu.pusher.com", Some("eu")),
            ("https://api-us2.pusher.com/apps", Some("us2")),
            ("", None),
            ("eu.example.com", None),
        ];
        for (name, instead) in table {
            let error = InvalidConfig::Cluster { name: name.into(), instead: instead.map(Text::from) };
            assert_eq!(Endpoint::cluster(name).validate(), Err(error), "{name}");
        }
        let says = |name: &str| Endpoint::cluster(name).validate().unwrap_err().to_string();
        assert_eq!(says("EU"), r#""EU" is not the name of a cluster; write "eu""#);
        assert_eq!(says(""), r#""" is not the name of a cluster; write one such as "eu""#);
        for name in ["eu", "mt1", "us2", "ap-1"] {
            assert_eq!(Endpoint::cluster(name).validate(), Ok(()));
        }
    }

    #[test]
    fn a_url_stands_for_the_server_that_it_names() {
        let endpoints = Endpoints::from("ws://h:8080");
        assert_eq!(endpoints, Endpoint::host("h").tls(false).ws_port(8080).into());
        assert_eq!(
            (Endpoints::from(String::from("ws://h:8080")), endpoints.at(1)),
            (endpoints.clone(), endpoints.at(0))
        );
        let unusable = Endpoints::from("h:8080");
        assert_eq!(unusable.validate(), Err(InvalidConfig::Url("h:8080".into())));
        assert_eq!((unusable.at(0), unusable.iter().count()), (None, 0));
    }

    #[test]
    fn writes_the_url_with_everything_encoded() {
        let query = "/app/k%20y?protocol=7&client=pusher-rust&version=0.1.0";
        let table = [
            (Endpoint::cluster("eu"), "wss://ws-eu.pusher.com:443"),
            (Endpoint::cluster("eu").tls(false), "ws://ws-eu.pusher.com:80"),
            (Endpoint::host("h").ws_port(6001).tls(false), "ws://h:6001"),
            (Endpoint::reverb("h"), "wss://h:443"),
            (Endpoint::reverb("h").tls(false), "ws://h:8080"),
            (Endpoint::soketi("h"), "wss://h:6001"),
            (Endpoint::laravel_websockets("h").tls(false), "ws://h:6001"),
            (Endpoint::sockudo("h").tls(false), "ws://h:6001"),
            (Endpoint::host("::1").path_prefix("/a/b/"), "wss://[::1]:443/a/b"),
            (Endpoint::host("[::1]").path_prefix("/"), "wss://[::1]:443"),
        ];
        for (endpoint, start) in table {
            assert_eq!(url(&endpoint), format!("{start}{query}"));
        }
    }

    #[test]
    fn reads_urls() {
        let table = [
            ("ws://localhost:8080", Endpoint::host("localhost").tls(false).ws_port(8080)),
            ("https://h/x/", Endpoint::host("h").path_prefix("x")),
            ("ws://[::1]:9", Endpoint::host("::1").tls(false).ws_port(9)),
            ("ws://[::1]", Endpoint::host("::1").tls(false)),
        ];
        for (text, endpoint) in table {
            assert_eq!(text.parse(), Ok(endpoint), "{text}");
        }
        for text in [
            "localhost",
            "ftp://h",
            "ws://",
            "ws://h:0",
            "ws://h:99999",
            "ws://h:+80",
            "ws://a b",
            "ws://u@h",
            "ws://h/a?b",
            "ws://h:8080:9",
            "ws://h/é",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn switches_to_a_tls_port_that_is_known() {
        let plain = |endpoint: Endpoint| endpoint.tls(false);
        let table = [
            (plain(Endpoint::cluster("eu")), true),
            (Endpoint::cluster("eu"), false),
            (plain(Endpoint::host("h").wss_port(8443)), true),
            (plain(Endpoint::host("h")), false),
        ];
        for (endpoint, can_switch) in table {
            assert_eq!(endpoint.can_switch_to_tls(), can_switch, "{endpoint:?}");
        }
    }

    #[test]
    fn headers_must_be_headers_and_do_not_print() {
        let endpoint = Endpoint::host("h").header("Authorization", "Bearer 1");
        assert_eq!(endpoint.validate(), Ok(()));
        assert!(!format!("{endpoint:?}").contains("Bearer"));
        assert!(Endpoint::host("h").header("A B", "1").validate().is_err());
        assert!(Endpoint::host("h").header("A", "1\r\nB: 2").validate().is_err());
        assert_eq!(Endpoints::new([]).validate().unwrap_err().to_string(), "at least one endpoint is needed");
    }
}
