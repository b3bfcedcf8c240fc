//! Everything that can be set, with its default.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::{AppKey, Endpoints, InvalidName, Recovery, Text};

/// A checked configuration of a [`Client`](crate::Client).
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use pusher_proto::{Config, Endpoint};
///
/// let config = Config::builder("app-key", Endpoint::cluster("eu"))
///     .activity_timeout(Duration::from_secs(60))
///     .max_attempts(6)
///     .build()?;
/// assert_eq!(config.key().as_str(), "app-key");
/// # Ok::<(), pusher_proto::InvalidConfig>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) key: AppKey,
    pub(crate) options: Arc<Options>,
}

impl Config {
    /// Returns the configuration with all defaults.
    ///
    /// # Errors
    ///
    /// If the key or an endpoint is unusable.
    pub fn new(key: impl Into<Text>, endpoints: impl Into<Endpoints>) -> Result<Self, InvalidConfig> {
        Self::builder(key, endpoints).build()
    }

    /// Starts a configuration for the application's `key` at one or several servers.
    pub fn builder(key: impl Into<Text>, endpoints: impl Into<Endpoints>) -> ConfigBuilder {
        ConfigBuilder { key: key.into(), options: Options::new(endpoints.into()) }
    }

    /// Returns the application's key.
    #[must_use]
    pub fn key(&self) -> &AppKey {
        &self.key
    }

    /// Returns the servers.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.options.endpoints
    }

    /// Whether any endpoint uses TLS, so that an adapter without TLS can refuse early.
    #[must_use]
    pub fn needs_tls(&self) -> bool {
        self.options.endpoints.iter().any(|endpoint| endpoint.tls)
    }

    /// Returns the size in bytes of the largest frame that the core accepts.
    #[must_use]
    pub fn max_frame_len(&self) -> usize {
        self.options.max_frame_len
    }

    /// Returns how long one request for authorization may take.
    #[must_use]
    pub fn auth_timeout(&self) -> Duration {
        self.options.auth_timeout
    }
}

/// What happens when a value exceeds a limit of hosted Pusher that self-hosted servers may not have.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Config, Endpoint, Strictness};
///
/// Config::builder("app-key", Endpoint::reverb("example.com")).strict_names(Strictness::Ignore).build()?;
/// # Ok::<(), pusher_proto::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strictness {
    /// Nothing; the value is used.
    Ignore,
    /// A [`Diagnostic`](crate::Diagnostic); the value is used.
    Warn,
    /// An error; the value is not used.
    Refuse,
}

/// Declares each option once: its field, its default, its setter, what the setter takes if that is not the field's type,
/// and what a usable value is.
macro_rules! options {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr
        $(, from $given:ty => $convert:expr)? $(, check $check:expr)?;)+) => {
        #[derive(Clone, Debug)]
        pub(crate) struct Options {
            pub(crate) endpoints: Endpoints,
            $(pub(crate) $name: $type,)+
        }

        impl Options {
            fn new(endpoints: Endpoints) -> Self {
                Self { endpoints, $($name: $default,)+ }
            }

            /// Checks each option separately.
            fn check(&self) -> Result<(), InvalidConfig> {
                self.endpoints.validate()?;
                $($($check(stringify!($name), &self.$name)?;)?)+
                Ok(())
            }
        }

        impl ConfigBuilder {
            $(options! { @setter $(#[doc = $doc])+ $name: $type $(, from $given => $convert)? })+
        }
    };
    (@setter $(#[doc = $doc:literal])+ $name:ident: $type:ty) => {
        $(#[doc = $doc])+
        pub fn $name(mut self, $name: $type) -> Self {
            self.options.$name = $name;
            self
        }
    };
    (@setter $(#[doc = $doc:literal])+ $name:ident: $type:ty, from $given:ty => $convert:expr) => {
        $(#[doc = $doc])+
        pub fn $name(mut self, $name: $given) -> Self {
            self.options.$name = $convert($name);
            self
        }
    };
}

/// Builds a [`Config`]. Every option has a default that suits hosted Pusher.
///
/// Settings that only adapters use, such as the format of authorization requests, are in their own `Options`.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use pusher_proto::{Config, Endpoint};
///
/// let config = Config::builder("app-key", Endpoint::cluster("eu"))
///     .unavailable_timeout(Duration::from_secs(30))
///     .max_buffered_client_events(16)
///     .build()?;
/// assert!(config.needs_tls());
/// # Ok::<(), pusher_proto::InvalidConfig>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ConfigBuilder {
    key: Text,
    options: Options,
}

options! {
    /// Sets the client name that is sent to the server. Default `pusher-rust`.
    client_name: Text = Text::from_static("pusher-rust"), from impl Into<Text> => Into::into;
    /// Sets the client version that is sent to the server. Default: the version of this crate.
    client_version: Text = Text::from_static(env!("CARGO_PKG_VERSION")), from impl Into<Text> => Into::into;
    /// Sets the time without a message after which a ping is sent, unless the server asks for less. At least 1 s is
    /// used. Default 120 s (Pusher protocol, *Detecting that the connection is alive*).
    activity_timeout: Duration = Duration::from_secs(120), check check_positive;
    /// Sets how long the answer to a ping may take. Default 30 s (as [`activity_timeout`](Self::activity_timeout)).
    pong_timeout: Duration = Duration::from_secs(30), check check_positive;
    /// Sets the longest time between two pings on a busy connection; with `None`, the client does not ping while there
    /// is traffic. Default 90 s if the server's activity timeout is 30 s or less, otherwise `None`.
    max_ping_interval: PingInterval = PingInterval::Auto, from impl Into<Option<Duration>> => PingInterval::new,
        check PingInterval::check;
    /// Sets how long connecting may take, from opening the socket to `pusher:connection_established`. Default 15 s.
    handshake_timeout: Duration = Duration::from_secs(15), check check_positive;
    /// Sets the time without a connection after which [`Event::Unavailable`](crate::Event::Unavailable) is emitted.
    /// Default 10 s.
    unavailable_timeout: Duration = Duration::from_secs(10), check check_positive;
    /// Sets how long the server may take to answer a subscription. Default 30 s.
    subscribe_timeout: Duration = Duration::from_secs(30), check check_positive;
    /// Sets how long the server may take to answer a sign-in. Default 30 s.
    signin_timeout: Duration = Duration::from_secs(30), check check_positive;
    /// Sets whether a presence channel may be subscribed without `channel_data`, as the signed-in user. Default `true`
    /// for clusters of hosted Pusher, and `false` for other hosts, because some servers drop the connection in this
    /// case.
    presence_by_signin: Option<bool> = None, from bool => Some;
    /// Sets how long an authorization request may take. Default 15 s.
    auth_timeout: Duration = Duration::from_secs(15), check check_positive;
    /// Sets how often an authorization request is repeated after a temporary failure: network errors, timeouts and the
    /// statuses 408, 429 and 5xx. Default `None`: for as long as the channel or the sign-in is wanted.
    auth_retries: Option<u32> = None, from impl Into<Option<u32>> => Into::into;
    /// Sets how long events of an encrypted channel wait for a newer key while requests for it fail. Default 30 s.
    key_refresh_timeout: Duration = Duration::from_secs(30), check check_positive;
    /// Sets the number of consecutive failures after which the client gives up. Default `None`: never.
    max_attempts: Option<u32> = None, from impl Into<Option<u32>> => Into::into, check positive_if_set;
    /// Sets the shortest delay before a new attempt to connect. Default 1 s (Pusher protocol, codes 4100 to 4199).
    reconnect_base: Duration = Duration::from_secs(1), check check_positive;
    /// Sets the factor by which the upper bound of the delay grows after each failure. Default 2.
    reconnect_factor: u32 = 2, check check_positive;
    /// Sets the longest delay before a new attempt to connect. Default 30 s.
    reconnect_cap: Duration = Duration::from_secs(30), check check_positive;
    /// Sets how long a connection must last before earlier failures no longer count. Default 10 s.
    reconnect_reset_after: Duration = Duration::from_secs(10), check check_positive;
    /// Sets additional close codes after which the client does not reconnect, beyond 4000 to 4099. Default none.
    fatal_codes: Vec<u16> = Vec::new(), from impl IntoIterator<Item = u16> => Vec::from_iter;
    /// Sets close codes after which the client reconnects although the protocol does not allow it, such as 4009 if it
    /// means an expired token. Default none.
    retry_codes: Vec<u16> = Vec::new(), from impl IntoIterator<Item = u16> => Vec::from_iter;
    /// Sets how many authorization requests may be unanswered at a time, including those for newer keys of encrypted
    /// channels. Default 8.
    auth_window: usize = 8, check check_positive;
    /// Sets how many subscriptions may be unanswered at a time. Default 256.
    subscribe_window: usize = 256, check check_positive;
    /// Sets how many subscriptions are sent per second, evenly spaced. Default `None`: no limit. If the server
    /// complains, the client slows down automatically.
    subscriptions_per_second: Option<u32> = None, from impl Into<Option<u32>> => Into::into, check positive_if_set;
    /// Sets how many client events wait for a subscription. Default 0: they are refused.
    max_buffered_client_events: usize = 0;
    /// Sets whether waiting client events survive the loss of a connection. Default false.
    keep_client_events: bool = false;
    /// Sets the number of client events per second on a connection above which
    /// [`client_event_rate_limit`](Self::client_event_rate_limit) applies. Default 10 (Pusher docs, *Triggering client
    /// events*).
    client_event_rate: u32 = 10, check check_positive;
    /// Sets what happens above [`client_event_rate`](Self::client_event_rate). Default [`Strictness::Warn`]: the event is
    /// sent, since the server may have a higher limit.
    client_event_rate_limit: Strictness = Strictness::Warn;
    /// Sets the size of a client event's data, in bytes of JSON, above which
    /// [`client_event_len_limit`](Self::client_event_len_limit) applies. Default 10,240 (Pusher docs, *Triggering
    /// client events*).
    max_client_event_len: usize = 10 * 1_024, check check_positive;
    /// Sets what happens above [`max_client_event_len`](Self::max_client_event_len). Default [`Strictness::Warn`]: the event
    /// is sent, since the server may have a higher limit.
    client_event_len_limit: Strictness = Strictness::Warn;
    /// Sets how many events of an encrypted channel may wait while a newer key is requested. There are further limits:
    /// [`max_pending_events`](Self::max_pending_events), 16 MiB for each channel, and 64 MiB for all channels. Default
    /// 256.
    held_encrypted_events: usize = 256, check check_positive;
    /// Sets what happens to channel names that hosted Pusher does not accept. Default [`Strictness::Warn`].
    strict_names: Strictness = Strictness::Warn;
    /// Sets the size in bytes of the largest frame that is read, less than 4 GiB. A larger frame is reported as a
    /// [`ProtocolError`](crate::ProtocolError). Default 16 MiB, because member lists can be large.
    max_frame_len: usize = 16 * 1_024 * 1_024, check frame_len;
    /// Sets how many channel events may wait to be polled. Further ones are dropped and reported by one
    /// [`Event::Lagged`](crate::Event::Lagged); so are those that would exceed 64 MiB. Default 4,096.
    max_pending_events: usize = 4_096, check check_positive;
    /// Sets whether the client proves that it has missed nothing over a lost connection, where the server can: see
    /// [`Recovery`]. The client then asks for version 2 of the protocol, without its own client events
    /// (`echo_messages=false`) and with whole messages (`append_mode=full`). Default `None`.
    recovery: Option<Recovery> = None, from impl Into<Option<Recovery>> => Into::into, check Recovery::check;
}

fn positive_if_set<T: Default + PartialEq>(name: &'static str, value: &Option<T>) -> Result<(), InvalidConfig> {
    value.as_ref().map_or(Ok(()), |value| check_positive(name, value))
}

fn frame_len(name: &'static str, value: &usize) -> Result<(), InvalidConfig> {
    check_positive(name, value)?;
    u32::try_from(*value).map(drop).map_err(|_| InvalidConfig::FrameLen)
}

/// When to ping a server that is not silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PingInterval {
    /// laravel-websockets forgets the channels of a connection that has not sent a ping for 120 s, whatever else it has
    /// sent. It is one of the servers that ask for an activity timeout of 30 s.
    Auto,
    At(Duration),
    Never,
}

impl PingInterval {
    fn new(interval: impl Into<Option<Duration>>) -> Self {
        interval.into().map_or(Self::Never, Self::At)
    }

    fn check(name: &'static str, interval: &Self) -> Result<(), InvalidConfig> {
        match interval {
            Self::At(interval) => check_positive(name, interval),
            Self::Auto | Self::Never => Ok(()),
        }
    }

    pub(crate) fn resolve(self, server_timeout: Option<Duration>) -> Option<Duration> {
        match self {
            Self::At(interval) => Some(interval),
            Self::Never => None,
            Self::Auto => {
                server_timeout.filter(|timeout| *timeout <= SHORT_ACTIVITY_TIMEOUT).map(|_| AUTO_PING_INTERVAL)
            }
        }
    }
}

impl ConfigBuilder {
    /// Checks all options and returns the configuration.
    ///
    /// # Errors
    ///
    /// The first option that is invalid.
    pub fn build(self) -> Result<Config, InvalidConfig> {
        let Self { key, options } = self;
        let key = AppKey::new(key).map_err(InvalidConfig::Key)?;
        options.check()?;
        if options.reconnect_cap < options.reconnect_base {
            return Err(InvalidConfig::CapBelowBase);
        }
        if let Some(&code) = options.fatal_codes.iter().find(|code| options.retry_codes.contains(code)) {
            return Err(InvalidConfig::CodeTwice(code));
        }
        Ok(Config { key, options: Arc::new(options) })
    }
}

/// What is wrong with a configuration.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Config, Endpoint, InvalidConfig};
///
/// let error = Config::new("app-key", Endpoint::cluster("EU")).unwrap_err();
/// assert!(matches!(error, InvalidConfig::Cluster { .. }));
/// assert!(error.to_string().contains(r#"write "eu""#));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConfig {
    /// The application's key.
    #[error("the application key is invalid")]
    Key(#[source] InvalidName),
    /// The list of endpoints is empty.
    #[error("at least one endpoint is needed")]
    NoEndpoint,
    /// The name cannot be the name of a cluster of hosted Pusher.
    #[error("{name:?} is not the name of a cluster; write {}", Meant(instead.as_deref()))]
    Cluster {
        /// What was given.
        name: Text,
        /// The name that was probably meant.
        instead: Option<Text>,
    },
    /// The host is empty or contains characters that a host cannot contain.
    #[error("{0:?} is not a host name or an IP address")]
    Host(Text),
    /// A port is 0.
    #[error("a port must not be 0")]
    PortZero,
    /// The path prefix contains characters that a path cannot contain.
    #[error("{0:?} is not a path prefix")]
    PathPrefix(Text),
    /// The header's name is not a token, or its value contains control characters.
    #[error("the header {0:?} cannot be sent")]
    Header(Text),
    /// The text is not `ws://host[:port][/prefix]` or the same with `wss`.
    #[error("{0:?} is not a URL such as ws://host:port or wss://host/prefix")]
    Url(Text),
    /// A duration or a number is 0.
    #[error("{0} must be greater than 0")]
    Zero(&'static str),
    /// `max_frame_len` is 4 GiB or more.
    #[error("max_frame_len must be less than 4 GiB")]
    FrameLen,
    /// A number is above its limit.
    #[error("{name} must be at most {max}")]
    TooLarge {
        /// The option.
        name: &'static str,
        /// The limit.
        max: usize,
    },
    /// The longest delay is shorter than the shortest.
    #[error("reconnect_cap must not be below reconnect_base")]
    CapBelowBase,
    /// A close code is both in `fatal_codes` and in `retry_codes`.
    #[error("the close code {0} is both in fatal_codes and in retry_codes")]
    CodeTwice(u16),
    /// The URL of an auth endpoint cannot be used. The URL is not shown, because it may contain a token or a password.
    #[error("the URL of the {endpoint} endpoint {reason}")]
    AuthUrl {
        /// Which endpoint: `auth`, `user` or `batch`.
        endpoint: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS is required, but this build does not include it.
    #[error("TLS is required, but this build lacks it: enable the feature {0:?}, or set tls(false)")]
    TlsDisabled(&'static str),
}

struct Meant<'a>(Option<&'a str>);

impl fmt::Display for Meant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "{name:?}"),
            None => f.write_str(r#"one such as "eu""#),
        }
    }
}

/// Refuses zero. Adapters use it for their options, too.
///
/// # Errors
///
/// [`InvalidConfig::Zero`] with the option's name.
pub fn check_positive<T: Default + PartialEq>(name: &'static str, value: &T) -> Result<(), InvalidConfig> {
    if *value == T::default() { Err(InvalidConfig::Zero(name)) } else { Ok(()) }
}

/// The activity timeout in seconds that Reverb, soketi and laravel-websockets ask for.
const SHORT_ACTIVITY_TIMEOUT: Duration = Duration::from_secs(30);

/// Below the 120 s after which laravel-websockets forgets a connection's channels.
const AUTO_PING_INTERVAL: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::Endpoint;

    fn builder() -> ConfigBuilder {
        Config::builder("key", Endpoint::cluster("eu"))
    }

    #[test]
    fn refuses_every_value_that_cannot_work() {
        let table = [
            (Config::builder("", Endpoint::cluster("eu")), InvalidConfig::Key(InvalidName::Empty)),
            (Config::builder("key", Endpoints::new([])), InvalidConfig::NoEndpoint),
            (Config::builder("key", Endpoint::host("a/b")), InvalidConfig::Host("a/b".into())),
            (builder().activity_timeout(Duration::ZERO), InvalidConfig::Zero("activity_timeout")),
            (builder().pong_timeout(Duration::ZERO), InvalidConfig::Zero("pong_timeout")),
            (builder().max_ping_interval(Duration::ZERO), InvalidConfig::Zero("max_ping_interval")),
            (builder().max_attempts(0), InvalidConfig::Zero("max_attempts")),
            (builder().max_frame_len(0), InvalidConfig::Zero("max_frame_len")),
            (builder().max_frame_len(1 << 32), InvalidConfig::FrameLen),
            (builder().auth_window(0), InvalidConfig::Zero("auth_window")),
            (builder().reconnect_cap(Duration::from_millis(1)), InvalidConfig::CapBelowBase),
            (builder().fatal_codes([4100]).retry_codes([4100]), InvalidConfig::CodeTwice(4100)),
        ];
        for (builder, error) in table {
            assert_eq!(builder.build().unwrap_err(), error);
        }
    }

    #[test]
    fn tells_adapters_whether_some_socket_needs_tls() {
        let plain = || Endpoint::host("h").tls(false);
        for (endpoints, needs_tls) in [(vec![plain()], false), (vec![plain(), Endpoint::cluster("eu")], true)] {
            assert_eq!(Config::new("key", Endpoints::new(endpoints)).unwrap().needs_tls(), needs_tls);
        }
    }

    #[test]
    fn delays_may_stay_as_they_begin() {
        let same = Duration::from_secs(5);
        assert!(builder().reconnect_base(same).reconnect_cap(same).build().is_ok());
    }

    #[test]
    fn silence_is_followed_by_a_ping_after_120_seconds_and_a_close_after_30_more() {
        let config = builder().build().unwrap();
        let recommended = (Duration::from_secs(120), Duration::from_secs(30));
        assert_eq!((config.options.activity_timeout, config.options.pong_timeout), recommended);
    }

    #[test]
    fn pings_a_busy_server_only_where_one_may_need_it() {
        let auto = PingInterval::Auto;
        assert_eq!(auto.resolve(Some(Duration::from_secs(30))), Some(Duration::from_secs(90)));
        assert_eq!(auto.resolve(Some(Duration::from_secs(120))), None);
        assert_eq!(auto.resolve(None), None);
        assert_eq!(PingInterval::Never.resolve(Some(Duration::from_secs(30))), None);
    }
}
