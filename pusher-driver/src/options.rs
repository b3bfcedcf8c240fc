//! Options of the application in addition to the protocol's configuration.

use std::time::Duration;

use pusher_proto::adapter::check_positive;
use pusher_proto::{AppKey, AuthBody, InvalidConfig, Text};

use crate::log_span::LogSpan;
use crate::proxy::{Hop, InvalidProxy, Proxies, Proxy};
use crate::random::random_number;
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// What happens when an application does not take its events in time.
///
/// Lost events are always reported by [`Event::Lagged`](pusher_proto::Event::Lagged), at the point where they were
/// lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The oldest waiting event is lost.
    #[default]
    DropOldest,
    /// The new event is lost.
    DropNewest,
    /// The stream ends with a `Lagged` after the waiting events.
    Close,
}

/// Declares each plain option once: its field, its default, its setter, and its check.
macro_rules! options {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr $(, check $check:expr)?;)+) => {
        /// Options that the core does not need: how connections begin and end, proxies, trusted certificates, the
        /// format of authorization requests, mailboxes, and randomness.
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
            $(pub(crate) $name: $type,)+
            pub(crate) seed: Option<u64>,
            client_name: Option<Text>,
            proxies: Proxies,
            #[cfg(feature = "tls")]
            pub(crate) tls: Tls,
        }

        impl Options {
            /// Returns the defaults.
            pub fn new() -> Self {
                Self {
                    $($name: $default,)+
                    seed: None,
                    client_name: None,
                    proxies: Proxies::default(),
                    #[cfg(feature = "tls")]
                    tls: Tls::default(),
                }
            }

            $($(#[doc = $doc])+
            pub fn $name(mut self, $name: $type) -> Self {
                self.$name = $name;
                self
            })+

            /// Checks each option. Starting a client does this, too.
    ///
    /// # Errors
    ///
    /// The first option that is invalid.
            pub fn validate(&self) -> Result<(), InvalidConfig> {
                $($($check(stringify!($name), &self.$name)?;)?)+
                Ok(())
            }
        }
    };
}

options! {
    /// Sets whether the client connects at once, without [`Client::connect`](crate::Client::connect). Default true.
    auto_connect: bool = true;
    /// Sets how long the client waits for the peer's side of a close. Default 5 s.
    close_timeout: Duration = Duration::from_secs(5), check check_positive;
    /// Sets the format of the body of authorization requests. Default: a form.
    auth_body: AuthBody = AuthBody::Form;
    /// Sets how many events may wait in one [`Subscription`](crate::Subscription) or [`Events`](crate::Events). Default
    /// 65,536, which is a few seconds of a very busy channel.
    mailbox_len: usize = 65_536, check check_positive;
    /// Sets how many bytes of events may wait in all streams of one client together. Default 64 MiB.
    ///
    /// A stream that holds less than its share may accept events even when the limit is reached, so that a slow stream
    /// cannot starve the others. Together, they never hold more than twice the limit.
    mailbox_bytes: usize = 64 * 1_024 * 1_024, check check_positive;
    /// Sets what happens above these bounds. Default [`Overflow::DropOldest`].
    overflow: Overflow = Overflow::DropOldest;
}

impl Options {
    /// Sets the name of the client in log lines, instead of the application's key. Default none.
    ///
    /// The span of a client is `pusher{name=orders}` with a name, and `pusher{key=app-key}` without one. A name
    /// distinguishes the clients of one application, and keeps the key out of logs.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_driver::Options;
    ///
    /// let options = Options::new().name("orders");
    /// ```
    pub fn name(mut self, name: impl Into<Text>) -> Self {
        self.client_name = Some(name.into());
        self
    }

    /// Sets the seed of random delays, so that a run can be repeated. Default: a random seed from the operating system.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Uses a proxy for sockets and authorization requests. Default none, regardless of environment variables.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxies = Proxies::one(proxy);
        self
    }

    /// Uses the proxies in environment variables: `HTTPS_PROXY` with TLS, `HTTP_PROXY` without TLS, or else
    /// `ALL_PROXY`, and no proxy for the hosts in `NO_PROXY`. The names may also be in lower case.
    ///
    /// # Errors
    ///
    /// If one of them cannot be used as a proxy.
    pub fn proxy_from_env(self) -> Result<Self, InvalidProxy> {
        self.proxies_of(|name| std::env::var(name).ok())
    }

    /// Sets which certificates are trusted. Default: those of webpki-roots.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    pub(crate) fn span(&self, key: &AppKey) -> LogSpan {
        LogSpan::new(self.client_name.as_ref(), key)
    }

    pub(crate) fn draw_seed(&self) -> u64 {
        self.seed.unwrap_or_else(random_number)
    }
}

/// What an adapter needs of [`Options`] to open a connection.
pub trait OptionsExt: sealed::Sealed {
    /// Returns which certificates are trusted.
    #[cfg(feature = "tls")]
    fn trusted(&self) -> &Tls;

    /// Returns the first hop of a connection to a host.
    #[must_use]
    fn hop(&self, host: &Text, port: u16, tls: bool) -> Hop;

    /// Returns the proxy on the way to a host.
    #[must_use]
    fn proxy_to(&self, host: &str, port: u16, tls: bool) -> Option<&Proxy>;

    /// Uses the proxies of an environment, like [`proxy_from_env`](Options::proxy_from_env) those of the process.
    ///
    /// # Errors
    ///
    /// If one of them cannot be used as a proxy.
    fn proxies_of(self, var: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidProxy>
    where
        Self: Sized;

    /// Uses this seed unless the application has set one, for platforms where the standard library has no source of
    /// randomness, such as `wasm32-unknown-unknown`.
    fn or_seed(self, seed: u64) -> Self;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Options {}
}

impl OptionsExt for Options {
    #[cfg(feature = "tls")]
    fn trusted(&self) -> &Tls {
        &self.tls
    }

    fn hop(&self, host: &Text, port: u16, tls: bool) -> Hop {
        Hop::new(&self.proxies, host, port, tls)
    }

    fn proxy_to(&self, host: &str, port: u16, tls: bool) -> Option<&Proxy> {
        self.proxies.find(host, port, tls)
    }

    fn proxies_of(mut self, var: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidProxy> {
        self.proxies = Proxies::from_env(var)?;
        Ok(self)
    }

    fn or_seed(mut self, seed: u64) -> Self {
        self.seed.get_or_insert(seed);
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxies_of_the_environment_leave_other_options_alone() {
        let options = Options::new().mailbox_len(5).seed(7).proxy_from_env().unwrap();
        assert_eq!((options.mailbox_len, options.seed), (5, Some(7)));
    }

    #[test]
    fn refuses_every_value_that_cannot_work() {
        let options = Options::new;
        assert_eq!(options().validate(), Ok(()));
        let table = [
            (options().close_timeout(Duration::ZERO), "close_timeout"),
            (options().mailbox_len(0), "mailbox_len"),
            (options().mailbox_bytes(0), "mailbox_bytes"),
        ];
        for (options, name) in table {
            assert_eq!(options.validate(), Err(InvalidConfig::Zero(name)));
        }
    }

    #[test]
    fn a_seed_is_kept_and_without_one_each_client_draws_its_own() {
        assert_eq!(Options::new().seed(7).draw_seed(), 7);
        assert_eq!([Options::new().seed(7), Options::new()].map(|options| options.or_seed(8).draw_seed()), [7, 8]);
        let drawn = [(); 3].map(|()| Options::new().draw_seed());
        assert!(drawn[0] != drawn[1] && drawn[1] != drawn[2], "{drawn:?}");
    }
}
