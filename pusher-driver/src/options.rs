//! What an application may set beside the protocol's configuration.

use std::hash::{BuildHasher, Hasher, RandomState};

use pusher_proto::Text;

use crate::proxy::{Hop, InvalidProxy, Proxies, Proxy};
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// What happens when an application does not take its events in time.
///
/// However many are lost, and wherever, [`Event::Lagged`](pusher_proto::Event::Lagged) says so in their place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The oldest waiting event is lost.
    #[default]
    DropOldest,
    /// The new event is lost.
    DropNewest,
    /// The stream ends, once the waiting events are taken, with a last `Lagged`.
    Close,
}

/// How events wait for the application, which way connections take, which certificates are trusted, and where randomness
/// comes from.
///
/// # Examples
///
/// ```
/// use pusher_driver::{Options, Overflow};
///
/// let options = Options::new().mailbox_len(1_000).overflow(Overflow::Close);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Options {
    pub(crate) mailbox_len: usize,
    pub(crate) mailbox_bytes: usize,
    pub(crate) overflow: Overflow,
    pub(crate) seed: Option<u64>,
    proxies: Proxies,
    #[cfg(feature = "tls")]
    pub(crate) tls: Tls,
}

impl Options {
    /// Returns the defaults.
    pub fn new() -> Self {
        Self {
            mailbox_len: MAILBOX_LEN,
            mailbox_bytes: MAILBOX_BYTES,
            overflow: Overflow::default(),
            seed: None,
            proxies: Proxies::default(),
            #[cfg(feature = "tls")]
            tls: Tls::default(),
        }
    }

    /// Sets how many events may wait in one [`Subscription`](crate::Subscription) or [`Events`](crate::Events), at least
    /// 1. Default 65,536.
    pub fn mailbox_len(mut self, events: usize) -> Self {
        self.mailbox_len = events.max(1);
        self
    }

    /// Sets how many bytes of events may wait in all streams of one client together. Default 64 MiB.
    ///
    /// A stream that holds less than its share may take events even so, lest a slow stream starve the others; together
    /// they never hold more than twice this.
    pub fn mailbox_bytes(mut self, bytes: usize) -> Self {
        self.mailbox_bytes = bytes;
        self
    }

    /// Sets what happens above these bounds. Default [`Overflow::DropOldest`].
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets where the jitter of delays comes from, to repeat a run. Default: the operating system.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sends sockets and requests for authorization through a proxy. Default none, whatever the environment says.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxies = Proxies::one(proxy);
        self
    }

    /// Uses the proxies that the environment names: `HTTPS_PROXY` for TLS, `HTTP_PROXY` without, `ALL_PROXY` in their
    /// place, each also in lower case, and none for the hosts in `NO_PROXY`.
    ///
    /// # Errors
    ///
    /// When one of them is no proxy that can be used.
    pub fn proxy_from_env(mut self) -> Result<Self, InvalidProxy> {
        self.proxies = Proxies::from_env(|name| std::env::var(name).ok())?;
        Ok(self)
    }

    /// Sets which certificates are trusted. Default: those of webpki-roots.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Returns which certificates are trusted; for adapters.
    #[cfg(feature = "tls")]
    #[doc(hidden)]
    pub fn trusted(&self) -> &Tls {
        &self.tls
    }

    /// Returns where a connection to a host goes first; for adapters.
    #[doc(hidden)]
    #[must_use]
    pub fn hop(&self, host: &Text, port: u16, tls: bool) -> Hop {
        Hop::new(&self.proxies, host, port, tls)
    }

    /// Returns the proxy on the way to a host; for adapters.
    #[doc(hidden)]
    pub fn proxy_to(&self, host: &str, port: u16, tls: bool) -> Option<&Proxy> {
        self.proxies.find(host, port, tls)
    }

    pub(crate) fn draw_seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// Events that wait in one mailbox: some seconds of a very busy channel.
const MAILBOX_LEN: usize = 65_536;

/// Bytes that wait in all mailboxes of a client.
const MAILBOX_BYTES: usize = 64 * 1_024 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxies_of_the_environment_leave_other_options_alone() {
        let options = Options::new().mailbox_len(5).seed(7).proxy_from_env().unwrap();
        assert_eq!((options.mailbox_len, options.seed), (5, Some(7)));
    }

    #[test]
    fn a_seed_is_kept_and_without_one_each_client_draws_its_own() {
        assert_eq!(Options::new().seed(7).draw_seed(), 7);
        let drawn = [(); 3].map(|()| Options::new().draw_seed());
        assert!(drawn[0] != drawn[1] && drawn[1] != drawn[2], "{drawn:?}");
    }
}
