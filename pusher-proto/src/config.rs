//! Everything that can be set, with its default.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::{AppKey, AuthBody, Endpoints, InvalidName, Text};

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
    pub(crate) options: Options,
}

impl Config {
    /// Returns the configuration with all defaults.
    ///
    /// # Errors
    ///
    /// When the key or an endpoint is unusable.
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

    /// Whether some socket will use TLS, so that an adapter without it can refuse early.
    #[must_use]
    pub fn needs_tls(&self) -> bool {
        self.options.endpoints.iter().any(|endpoint| endpoint.tls)
    }

    /// Returns how the body of an authorization request is written.
    #[must_use]
    pub fn auth_body(&self) -> AuthBody {
        self.options.auth_body
    }

    /// Returns the largest frame in bytes that the core takes.
    #[must_use]
    pub fn max_frame_len(&self) -> usize {
        self.options.max_frame_len
    }

    /// Returns how long one request for authorization may take.
    #[must_use]
    pub fn auth_timeout(&self) -> Duration {
        self.options.auth_timeout
    }

    /// Returns how long an adapter waits for the peer's side of a close.
    #[must_use]
    pub fn close_timeout(&self) -> Duration {
        self.options.close_timeout
    }

    /// Whether an adapter connects at once.
    #[must_use]
    pub fn auto_connect(&self) -> bool {
        self.options.auto_connect
    }
}

/// What happens when a value passes a limit of hosted Pusher that self-hosted servers may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strictness {
    /// Nothing.
    Ignore,
    /// A [`Diagnostic`](crate::Diagnostic); the value is used.
    Warn,
    /// An error; the value is not used.
    Refuse,
}

macro_rules! options {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr;)+) => {
        #[derive(Clone, Debug)]
        pub(crate) struct Options {
            pub(crate) endpoints: Endpoints,
            pub(crate) client_name: Text,
            pub(crate) client_version: Text,
            pub(crate) max_attempts: Option<u32>,
            pub(crate) max_ping_interval: PingInterval,
            pub(crate) presence_by_signin: Option<bool>,
            pub(crate) fatal_codes: Vec<u16>,
            pub(crate) retry_codes: Vec<u16>,
            $(pub(crate) $name: $type,)+
        }

        impl Options {
            fn new(endpoints: Endpoints) -> Self {
                Self {
                    endpoints,
                    client_name: Text::from_static("pusher-rust"),
                    client_version: Text::from_static(env!("CARGO_PKG_VERSION")),
                    max_attempts: None,
                    max_ping_interval: PingInterval::Auto,
                    presence_by_signin: None,
                    fatal_codes: Vec::new(),
                    retry_codes: Vec::new(),
                    $($name: $default,)+
                }
            }
        }

        impl ConfigBuilder {
            $($(#[doc = $doc])+
            pub fn $name(mut self, $name: $type) -> Self {
                self.options.$name = $name;
                self
            })+
        }
    };
}

/// Builds a [`Config`]. Every option has a default that suits hosted Pusher.
#[derive(Clone, Debug)]
#[must_use]
pub struct ConfigBuilder {
    key: Text,
    options: Options,
}

options! {
    /// Sets the silence after which a ping is sent, unless the server asks for less. At least 1 s is used. Default 120 s
    /// (Pusher protocol, *Detecting that the connection is alive*).
    activity_timeout: Duration = Duration::from_secs(120);
    /// Sets how long the answer to a ping may take. Default 30 s (as above).
    pong_timeout: Duration = Duration::from_secs(30);
    /// Sets how long the way from opening the socket to `pusher:connection_established` may take. Default 15 s.
    handshake_timeout: Duration = Duration::from_secs(15);
    /// Sets how long there may be no connection before [`Event::Unavailable`](crate::Event::Unavailable). Default 10 s.
    unavailable_timeout: Duration = Duration::from_secs(10);
    /// Sets how long the server may take to answer a subscription. Default 30 s.
    subscribe_timeout: Duration = Duration::from_secs(30);
    /// Sets how long the server may take to answer a sign-in. Default 30 s.
    signin_timeout: Duration = Duration::from_secs(30);
    /// Sets how long one request for authorization may take. Default 15 s.
    auth_timeout: Duration = Duration::from_secs(15);
    /// Sets how often a failed request for authorization is repeated where that may help. Default 3.
    auth_retries: u32 = 3;
    /// Sets the least delay before a new attempt to connect. Default 1 s (Pusher protocol, codes 4100 to 4199).
    reconnect_base: Duration = Duration::from_secs(1);
    /// Sets what the bound of the delay is multiplied by after each failure. Default 2.
    reconnect_factor: u32 = 2;
    /// Sets the bound that the delay does not pass. Default 30 s.
    reconnect_cap: Duration = Duration::from_secs(30);
    /// Sets how long a connection must last to count as good: failures before it are then forgotten. Default 10 s.
    reconnect_reset_after: Duration = Duration::from_secs(10);
    /// Sets how many requests for authorization may be unanswered at a time, those for newer keys of encrypted channels
    /// included. Default 8.
    auth_window: usize = 8;
    /// Sets how many subscriptions may be unanswered at a time. Default 256.
    subscribe_window: usize = 256;
    /// Sets how the body of a request for authorization is written. Default form.
    auth_body: AuthBody = AuthBody::Form;
    /// Sets how many client events wait for a subscription. Default 0: they are refused.
    max_buffered_client_events: usize = 0;
    /// Sets whether waiting client events survive the loss of a connection. Default false.
    keep_client_events: bool = false;
    /// Sets the number of client events a second, per connection. Default 10 (Pusher docs, *Triggering client events*).
    client_event_rate: u32 = 10;
    /// Sets what happens above [`client_event_rate`](Self::client_event_rate). Default warn.
    client_event_rate_limit: Strictness = Strictness::Warn;
    /// Sets the largest data of a client event in bytes of JSON. Default 10,240 (Pusher docs, as above).
    max_client_event_len: usize = 10 * 1_024;
    /// Sets what happens above [`max_client_event_len`](Self::max_client_event_len). Default warn.
    client_event_len_limit: Strictness = Strictness::Warn;
    /// Sets how many events of an encrypted channel wait while a newer key is asked for; at most
    /// [`max_pending_events`](Self::max_pending_events), at most 16 MiB, and of all channels at most 64 MiB. Default 256.
    held_encrypted_events: usize = 256;
    /// Sets what happens to channel names that hosted Pusher does not take. Default warn.
    strict_names: Strictness = Strictness::Warn;
    /// Sets the largest frame in bytes that is read; a larger one is one
    /// [`ProtocolError`](crate::ProtocolError). Default 16 MiB: a list of members is large.
    max_frame_len: usize = 16 * 1_024 * 1_024;
    /// Sets how many channel events wait to be polled before further ones become one
    /// [`Event::Lagged`](crate::Event::Lagged); so they do if those hold more than 64 MiB. Default 4,096.
    max_pending_events: usize = 4_096;
    /// Sets how long an adapter waits for the peer's side of a close. Default 5 s.
    close_timeout: Duration = Duration::from_secs(5);
    /// Sets whether an adapter connects at once. Default true.
    auto_connect: bool = true;
}

/// When to ping a server that is not silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PingInterval {
    /// laravel-websockets forgets the channels of a connection that did not ping for 120 s, whatever else it sent; it is
    /// among the servers that ask for an activity timeout of 30 s.
    Auto,
    At(Duration),
    Never,
}

impl PingInterval {
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
    /// Sets the name that the client tells the server. Default `pusher-rust`.
    pub fn client_name(mut self, name: impl Into<Text>) -> Self {
        self.options.client_name = name.into();
        self
    }

    /// Sets the version that the client tells the server. Default that of this crate.
    pub fn client_version(mut self, version: impl Into<Text>) -> Self {
        self.options.client_version = version.into();
        self
    }

    /// Sets after how many consecutive failures the client gives up. Default: never; `None` is that default.
    pub fn max_attempts(mut self, attempts: impl Into<Option<u32>>) -> Self {
        self.options.max_attempts = attempts.into();
        self
    }

    /// Sets how long the client goes without a ping on a busy connection; `None` for as long as there is traffic.
    /// Default 90 s if the server's activity timeout is 30 s or less, else `None`.
    pub fn max_ping_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.options.max_ping_interval = interval.into().map_or(PingInterval::Never, PingInterval::At);
        self
    }

    /// Sets whether a presence channel may be subscribed without `channel_data`, as the signed-in user. Default on for
    /// clusters of hosted Pusher and off for own hosts, some of which drop the connection then.
    pub fn presence_by_signin(mut self, allowed: bool) -> Self {
        self.options.presence_by_signin = Some(allowed);
        self
    }

    /// Sets codes after which the client does not come back by itself, beyond 4000 to 4099. Default none.
    pub fn fatal_codes(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.options.fatal_codes = codes.into_iter().collect();
        self
    }

    /// Sets codes after which the client comes back although the protocol forbids it, such as 4009 where that means an
    /// expired token. Default none.
    pub fn retry_codes(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.options.retry_codes = codes.into_iter().collect();
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn build(self) -> Result<Config, InvalidConfig> {
        let Self { key, options } = self;
        let key = AppKey::new(key).map_err(InvalidConfig::Key)?;
        options.endpoints.validate()?;
        for (name, duration) in options.durations() {
            if duration.is_zero() {
                return Err(InvalidConfig::Zero(name));
            }
        }
        for (name, number) in options.numbers() {
            if number == 0 {
                return Err(InvalidConfig::Zero(name));
            }
        }
        if u32::try_from(options.max_frame_len).is_err() {
            return Err(InvalidConfig::FrameLen);
        }
        if options.reconnect_cap < options.reconnect_base {
            return Err(InvalidConfig::CapBelowBase);
        }
        if let Some(&code) = options.fatal_codes.iter().find(|code| options.retry_codes.contains(code)) {
            return Err(InvalidConfig::CodeTwice(code));
        }
        Ok(Config { key, options })
    }
}

impl Options {
    fn durations(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        let ping = match self.max_ping_interval {
            PingInterval::At(interval) => interval,
            PingInterval::Auto | PingInterval::Never => AUTO_PING_INTERVAL,
        };
        [
            ("activity_timeout", self.activity_timeout),
            ("pong_timeout", self.pong_timeout),
            ("handshake_timeout", self.handshake_timeout),
            ("unavailable_timeout", self.unavailable_timeout),
            ("subscribe_timeout", self.subscribe_timeout),
            ("signin_timeout", self.signin_timeout),
            ("auth_timeout", self.auth_timeout),
            ("reconnect_base", self.reconnect_base),
            ("reconnect_cap", self.reconnect_cap),
            ("reconnect_reset_after", self.reconnect_reset_after),
            ("max_ping_interval", ping),
            ("close_timeout", self.close_timeout),
        ]
        .into_iter()
    }

    fn numbers(&self) -> impl Iterator<Item = (&'static str, usize)> {
        [
            ("reconnect_factor", self.reconnect_factor as usize),
            ("max_attempts", self.max_attempts.map_or(1, |attempts| attempts as usize)),
            ("auth_window", self.auth_window),
            ("subscribe_window", self.subscribe_window),
            ("client_event_rate", self.client_event_rate as usize),
            ("max_client_event_len", self.max_client_event_len),
            ("held_encrypted_events", self.held_encrypted_events),
            ("max_frame_len", self.max_frame_len),
            ("max_pending_events", self.max_pending_events),
        ]
        .into_iter()
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConfig {
    /// The application's key.
    #[error("the application key is unusable: {0}")]
    Key(InvalidName),
    /// The list of endpoints is empty.
    #[error("at least one endpoint is needed")]
    NoEndpoint,
    /// The host is empty or contains what no host can.
    #[error("{0:?} is not a host name or an IP address")]
    Host(Text),
    /// A port is 0.
    #[error("a port must not be 0")]
    PortZero,
    /// The path prefix contains what no path can.
    #[error("{0:?} is not the start of a path")]
    PathPrefix(Text),
    /// The header's name is no token or its value contains control characters.
    #[error("the header {0:?} cannot be sent")]
    Header(Text),
    /// The text is not `ws://host[:port][/prefix]` or the same with `wss`.
    #[error("{0:?} is not a URL such as ws://host:port or wss://host/prefix")]
    Url(Text),
    /// A duration or a number that must be greater.
    #[error("{0} must be greater than 0")]
    Zero(&'static str),
    /// `max_frame_len` is 4 GiB or more.
    #[error("max_frame_len must be less than 4 GiB")]
    FrameLen,
    /// The cap of the delay lies below its base.
    #[error("reconnect_cap must not be below reconnect_base")]
    CapBelowBase,
    /// A code is both fatal and to be retried.
    #[error("the close code {0} is both in fatal_codes and in retry_codes")]
    CodeTwice(u16),
    /// The URL of an auth endpoint cannot be used. It may hold a token or a password and is not shown.
    #[error("the URL of the {endpoint} endpoint {reason}")]
    AuthUrl {
        /// Which endpoint: `auth`, `user` or `batch`.
        endpoint: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS is asked for in a build without it.
    #[error("TLS is asked for, but this build has none: enable the feature {0:?}, or set tls(false)")]
    TlsDisabled(&'static str),
}

/// The activity timeout in seconds that Reverb, soketi and laravel-websockets ask for.
const SHORT_ACTIVITY_TIMEOUT: Duration = Duration::from_secs(30);

/// Less than the 120 s after which laravel-websockets forgets a connection's channels.
const AUTO_PING_INTERVAL: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
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
    fn tells_adapters_what_was_set() {
        let plain = || Config::builder("key", Endpoint::host("h").tls(false));
        let quick = plain().auth_body(AuthBody::Json).close_timeout(Duration::from_secs(7)).auto_connect(false);
        let table = [
            (builder(), (true, AuthBody::Form, Duration::from_secs(5), true)),
            (quick, (false, AuthBody::Json, Duration::from_secs(7), false)),
        ];
        for (builder, expected) in table {
            let config = builder.build().unwrap();
            let told = (config.needs_tls(), config.auth_body(), config.close_timeout(), config.auto_connect());
            assert_eq!(told, expected);
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
