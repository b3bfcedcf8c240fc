//! In which order, and how fast, the addresses of a name are tried.

use std::net::SocketAddr;
use std::time::Duration;

/// Sorts addresses so that IPv6 and IPv4 take turns, as the first address begins (RFC 8305, section 4).
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
}
