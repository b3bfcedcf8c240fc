//! In which order, and how fast, the addresses of a host are tried.

use std::net::SocketAddr;
use std::time::Duration;

use pusher_proto::adapter::authority;
use pusher_proto::{CloseReason, TransportError};

/// Sorts addresses so that IPv6 and IPv4 alternate, beginning with the family of the first address (RFC 8305, section
/// 4).
#[must_use]
pub fn take_turns(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let addresses: Vec<_> = addresses.into_iter().collect();
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut turns = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = (first.next(), second.next());
        if pair == (None, None) {
            return turns;
        }
        turns.extend(pair.0);
        turns.extend(pair.1);
    }
}

/// Delay before the next address is tried (RFC 8305, section 5).
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Prefixes an error with the host and port of the attempt: with several servers or a proxy, the text alone does not
/// show which one failed.
#[must_use]
pub fn with_address(reason: CloseReason, host: &str, port: u16) -> CloseReason {
    let named = |text: String| format!("{}: {text}", authority(host, port));
    match reason {
        CloseReason::Failed(TransportError::Dns(text)) => CloseReason::Failed(TransportError::Dns(named(text))),
        CloseReason::Failed(TransportError::Io(text)) => CloseReason::Failed(TransportError::Io(named(text))),
        CloseReason::Failed(TransportError::Tls(text)) => CloseReason::Failed(TransportError::Tls(named(text))),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(number: u16) -> SocketAddr {
        SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, number], 80))
    }

    #[test]
    fn families_take_turns() {
        let v4 = SocketAddr::from(([127, 0, 0, 1], 80));
        assert_eq!(take_turns([v6(1), v6(2), v6(3), v4]), [v6(1), v4, v6(2), v6(3)]);
    }

    #[test]
    fn errors_of_names_and_connections_say_where() {
        let io = |text: &str| CloseReason::Failed(TransportError::Io(text.into()));
        let dns = |text: &str| CloseReason::Failed(TransportError::Dns(text.into()));
        assert_eq!(with_address(io("refused"), "example.com", 443), io("example.com:443: refused"));
        assert_eq!(with_address(dns("no address"), "::1", 80), dns("[::1]:80: no address"));
        let tls = |text: &str| CloseReason::Failed(TransportError::Tls(text.into()));
        assert_eq!(with_address(tls("unknown issuer"), "h", 443), tls("h:443: unknown issuer"));
        assert_eq!(with_address(CloseReason::Dropped, "example.com", 443), CloseReason::Dropped);
    }
}
