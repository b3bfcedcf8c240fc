//! Checks of `Host` and `Origin`, which tell requests that a page of another site may have caused. They are public for servers
//! of your own beside this one.

use std::net::IpAddr;

use axum::http::uri::Authority;

/// Whether a host, with or without a port, is this machine: `localhost`, a name below it, or a loopback address.
///
/// # Examples
///
/// ```
/// use pusher_server::origin::is_local;
///
/// assert!(is_local("localhost:6001") && is_local("app.localhost") && is_local("[::1]:6001"));
/// assert!(!is_local("localhost.example.com") && !is_local("192.0.2.1"));
/// ```
#[must_use]
pub fn is_local(authority: &str) -> bool {
    host_of(authority).is_some_and(|host| {
        let is_loopback = address(&host).is_some_and(|address| address.is_loopback());
        host == "localhost" || host.ends_with(".localhost") || is_loopback
    })
}

/// Whether a host, with or without a port, is an address. Only a name can be made to point to this machine by someone else,
/// so an address in `Host` is as safe as localhost.
///
/// # Examples
///
/// ```
/// use pusher_server::origin::is_address;
///
/// assert!(is_address("192.0.2.1:6001") && is_address("[::1]"));
/// assert!(!is_address("example.com"));
/// ```
#[must_use]
pub fn is_address(authority: &str) -> bool {
    host_of(authority).is_some_and(|host| address(&host).is_some())
}

fn host_of(authority: &str) -> Option<String> {
    Some(authority.parse::<Authority>().ok()?.host().to_ascii_lowercase())
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}
