//! Where a server is: its WebSocket, and the HTTP API that belongs to it.

use std::net::IpAddr;
use std::path::Path;

use pusher_tokio::pusher_proto::adapter::{bare_host, bracketed};
use pusher_tokio::{Endpoint, Endpoints, InvalidConfig, Options, Proxy, Tls};
use reqwest::Url;

use crate::failure::Failure;
use crate::{mask, output, trust};

/// One server, as the user named it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    endpoint: Endpoint,
    /// The same place as `http` or `https`.
    http: Url,
    tls: Tls,
    proxy: Option<Proxy>,
}

impl Target {
    /// Reads `ws://host[:port][/prefix]`, or the same with `wss`, `http` or `https`.
    pub(crate) fn from_url(url: &str) -> Result<Self, Failure> {
        let invalid = |reason: &str| Failure::usage(format!("{:?} is not a server URL{reason}", mask::url(url)));
        let example = ", such as ws://host:port or wss://host/prefix";
        let endpoint = url.parse::<Endpoint>().map_err(|error| match error {
            InvalidConfig::PortZero => invalid(&format!(": {error}")),
            _ if url.contains('@') => invalid(": it must not contain a user name or a password"),
            _ => invalid(example),
        })?;
        let http = if url.starts_with("ws") { url.replacen("ws", "http", 1) } else { url.to_owned() };
        let http = Url::parse(&http).map_err(|_| invalid(example))?;
        let target = Self { endpoint, http, tls: Tls::default(), proxy: None };
        let is_at_root = target.http.port().is_none() && target.prefix().is_empty();
        match target.cluster_name().filter(|_| is_at_root) {
            Some(name) => Ok(Self { endpoint: Endpoint::cluster(name).tls(target.is_tls()), ..target }),
            None => Ok(target),
        }
    }

    /// A cluster of hosted Pusher.
    pub(crate) fn cluster(name: &str) -> Result<Self, Failure> {
        let cluster = Endpoints::from(Endpoint::cluster(name));
        cluster.validate().map_err(|error| Failure::usage(error.to_string()))?;
        Self::from_url(&format!("wss://{HOSTED_WS}{name}{HOSTED}"))
    }

    /// A self-hosted server.
    pub(crate) fn host(host: &str, port: Option<u16>, tls: bool) -> Result<Self, Failure> {
        let scheme = if tls { "wss" } else { "ws" };
        let host = bracketed(bare_host(host));
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        Self::from_url(&format!("{scheme}://{host}{port}"))
    }

    /// Trusts the certificates in a file as well, if there is one.
    pub(crate) fn trusting(self, ca_file: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = ca_file else { return Ok(self) };
        Ok(Self { tls: trust::with_file(path)?, ..self })
    }

    /// Trusts every certificate, and warns about it.
    pub(crate) fn trusting_all(self) -> Result<Self, Failure> {
        output::note("--insecure: TLS certificates are not checked");
        Ok(Self { tls: trust::everything()?, ..self })
    }

    /// Goes through a proxy, if there is one.
    pub(crate) fn through(self, proxy: Option<Proxy>) -> Self {
        Self { proxy, ..self }
    }

    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// How to reach the server: through the given proxy or, on other machines, the one of the environment.
    pub(crate) fn options(&self) -> Result<Options, Failure> {
        let options = Options::new().tls(self.tls());
        match &self.proxy {
            Some(proxy) => Ok(options.proxy(proxy.clone())),
            // A proxy from the environment would look for the server on its own machine.
            None if self.is_this_machine() => Ok(options),
            None => options.proxy_from_env().map_err(|error| Failure::usage(format!("the environment: {error}"))),
        }
    }

    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// The endpoint of a proxy on this machine, through which this server is reached.
    pub(crate) fn behind(&self, proxy_port: u16) -> Endpoint {
        Endpoint::host("127.0.0.1")
            .tls(false)
            .ws_port(proxy_port)
            .path_prefix(self.prefix())
            .header("Host", self.authority())
    }

    /// The URL of the WebSocket, for messages.
    pub(crate) fn ws_url(&self) -> String {
        format!("{}://{}{}", if self.is_tls() { "wss" } else { "ws" }, self.authority(), self.prefix())
    }

    /// Scheme, host and port of the HTTP API.
    pub(crate) fn api_origin(&self) -> String {
        match self.cluster_name() {
            // Hosted Pusher has a separate host for it.
            Some(name) => format!("{}://api-{name}{HOSTED}", self.http.scheme()),
            None => format!("{}://{}", self.http.scheme(), self.authority()),
        }
    }

    /// What comes before `/app/…` and `/apps/…`: nothing, or a path without a slash at its end.
    pub(crate) fn prefix(&self) -> &str {
        self.http.path().trim_end_matches('/')
    }

    /// The host for a resolver: an IPv6 address has no brackets.
    pub(crate) fn host_name(&self) -> &str {
        self.http.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn port(&self) -> u16 {
        self.http.port_or_known_default().unwrap_or_default()
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.http.scheme() == "https"
    }

    pub(crate) fn is_this_machine(&self) -> bool {
        let is_local = |address: IpAddr| address.is_loopback() || address.is_unspecified();
        self.host_name() == "localhost" || self.host_name().parse().is_ok_and(is_local)
    }

    /// Whether it is hosted Pusher.
    pub(crate) fn is_hosted(&self) -> bool {
        self.cluster_name().is_some()
    }

    /// The cluster of hosted Pusher that the host belongs to.
    fn cluster_name(&self) -> Option<&str> {
        self.host_name().strip_prefix(HOSTED_WS)?.strip_suffix(HOSTED)
    }

    fn authority(&self) -> String {
        let host = self.http.host_str().unwrap_or_default();
        self.http.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

/// How the hosts of hosted Pusher's clusters are named (Pusher docs, *HTTP API reference* and *Protocol*).
const HOSTED_WS: &str = "ws-";
const HOSTED: &str = ".pusher.com";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_http_api_follows_from_the_websocket() {
        let table = [
            (Target::from_url("ws://localhost:6001"), "ws://localhost:6001", "http://localhost:6001"),
            (Target::from_url("wss://h/x/"), "wss://h/x", "https://h"),
            (Target::from_url("http://h:80"), "ws://h", "http://h"),
            (Target::cluster("eu"), "wss://ws-eu.pusher.com", "https://api-eu.pusher.com"),
            (Target::host("::1", Some(9), false), "ws://[::1]:9", "http://[::1]:9"),
            (Target::host("[::1]", None, true), "wss://[::1]", "https://[::1]"),
        ];
        for (target, ws, http) in table {
            let target = target.unwrap();
            assert_eq!((target.ws_url().as_str(), target.api_origin().as_str()), (ws, http));
        }
    }

    #[test]
    fn a_cluster_is_hosted_pusher_however_it_is_named() {
        for target in [Target::cluster("eu"), Target::from_url("wss://ws-eu.pusher.com/")] {
            assert_eq!(target.unwrap().endpoint(), Endpoint::cluster("eu"));
        }
        let plain = Target::from_url("ws://ws-eu.pusher.com").unwrap();
        assert_eq!(plain.endpoint(), Endpoint::cluster("eu").tls(false));
        let other = Target::from_url("wss://ws-eu.pusher.com.example").unwrap();
        assert_eq!(other.endpoint(), Endpoint::host("ws-eu.pusher.com.example"));
    }

    #[test]
    fn refuses_what_is_not_a_server() {
        for url in ["localhost", "ftp://h", "ws://", "ws://h:0", "ws://a b"] {
            assert!(Target::from_url(url).is_err(), "{url}");
        }
        for cluster in ["", "eu/x", "a.b"] {
            assert!(Target::cluster(cluster).is_err(), "{cluster}");
        }
    }
}
