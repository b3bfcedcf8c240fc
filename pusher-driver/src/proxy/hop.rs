//! Which proxy a connection uses, and its first hop.

use pusher_proto::Text;

use super::server::{InvalidProxy, Proxy};
use super::tunnel::Tunnel;

/// Which proxy a connection uses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    tls: Option<Proxy>,
    plain: Option<Proxy>,
    /// Hosts for which no proxy is used.
    except: Vec<String>,
}

impl Proxies {
    pub(crate) fn one(proxy: Proxy) -> Self {
        Self { tls: Some(proxy.clone()), plain: Some(proxy), except: Vec::new() }
    }

    /// Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in lower case first, as curl does.
    pub(crate) fn from_env(var: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidProxy> {
        let var = |name: &str| var(name).or_else(|| var(&name.to_ascii_uppercase())).filter(|value| !value.is_empty());
        let proxy = |name| var(name).or_else(|| var("all_proxy")).map(|url| url.parse()).transpose();
        let except = var("no_proxy").unwrap_or_default();
        let except = except.split(',').map(|host| host.trim().to_ascii_lowercase());
        let except = except.filter(|host| !host.is_empty()).collect();
        Ok(Self { tls: proxy("https_proxy")?, plain: proxy("http_proxy")?, except })
    }

    pub(crate) fn find(&self, host: &str, port: u16, tls: bool) -> Option<&Proxy> {
        let proxy = if tls { self.tls.as_ref() } else { self.plain.as_ref() }?;
        let host = host.to_ascii_lowercase();
        let is_excepted = self.except.iter().any(|except| is_excepted(except, &host, port));
        (!is_excepted).then_some(proxy)
    }
}

/// Whether an entry of `NO_PROXY` matches this host: `*`, a host, or a domain with its subdomains, each optionally with
/// a port.
fn is_excepted(except: &str, host: &str, port: u16) -> bool {
    let (name, only_port) = match except.rsplit_once(':') {
        Some((name, number)) if !name.contains(':') || name.ends_with(']') => (name, number.parse::<u16>().ok()),
        Some(_) | None => (except, None),
    };
    if only_port.is_some_and(|only| only != port) {
        return false;
    }
    let name = name.trim_start_matches('[').trim_end_matches(']').trim_start_matches('.');
    let is_subdomain = || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    name == "*" || host == name || is_subdomain()
}

/// The first hop of a connection.
#[derive(Debug)]
pub struct Hop {
    /// Host name or IP address of the server or the proxy.
    pub host: Text,
    /// TCP port.
    pub port: u16,
    /// The exchange with a proxy that comes before the connection to the server can be used.
    pub tunnel: Option<Tunnel>,
}

impl Hop {
    pub(crate) fn new(proxies: &Proxies, host: &Text, port: u16, tls: bool) -> Self {
        match proxies.find(host, port, tls) {
            None => Self { host: host.clone(), port, tunnel: None },
            Some(proxy) => {
                let tunnel = Some(Tunnel::new(proxy, host, port));
                Self { host: proxy.host.clone(), port: proxy.port, tunnel }
            }
        }
    }
}
