//! Which server to be, and what it allows.

use core::time::Duration;

use super::dialect::{Dialect, Limits, Profile};
use crate::signing::App;

/// A checked configuration of a [`Server`](super::Server).
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use pusher_proto::server::ServerConfig;
/// use pusher_proto::signing::App;
///
/// let app = App::new("1", "key", "secret")?;
/// let config = ServerConfig::builder(app).activity_timeout(Duration::from_secs(30)).max_members(5).build()?;
/// assert_eq!(config.app().key().as_str(), "key");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerConfig {
    app: App,
    dialect: Dialect,
    changes: Changes,
    options: Options,
}

impl ServerConfig {
    /// Returns the configuration with all defaults of hosted Pusher.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self::resolve(app, Dialect::default(), Changes::default())
    }

    /// Starts a configuration for the one application that the server knows.
    pub fn builder(app: App) -> ServerConfigBuilder {
        ServerConfigBuilder { app, dialect: Dialect::default(), changes: Changes::default() }
    }

    /// Returns the same configuration for another server: what was set stays, the defaults are the other's.
    #[must_use]
    pub fn with_dialect(self, dialect: Dialect) -> Self {
        Self::resolve(self.app, dialect, self.changes)
    }

    /// Returns which server this is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the application. It signs and accepts the names of channels that the server takes (see
    /// [`App::relaxed_channel_names`]).
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Returns the largest data of an event, in bytes.
    #[must_use]
    pub fn max_event_len(&self) -> usize {
        self.options.max_event_len
    }

    /// Returns the largest message that a client may send, in bytes.
    #[must_use]
    pub fn max_message_len(&self) -> usize {
        self.options.max_message_len
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn profile(&self) -> &'static Profile {
        self.dialect.profile()
    }

    fn resolve(app: App, dialect: Dialect, changes: Changes) -> Self {
        let profile = dialect.profile();
        let options = Options::new(&profile.limits, &changes);
        let app = app.relaxed_channel_names(!profile.names.charset || !options.strict_names);
        Self { app, dialect, changes, options }
    }
}

macro_rules! options {
    ($limits:ident: $($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr;)+) => {
        #[derive(Clone, Debug)]
        pub(super) struct Options {
            $(pub(super) $name: $type,)+
        }

        /// What was set.
        #[derive(Clone, Debug, Default)]
        struct Changes {
            $($name: Option<$type>,)+
        }

        impl Options {
            fn new($limits: &Limits, changes: &Changes) -> Self {
                Self { $($name: changes.$name.unwrap_or($default),)+ }
            }
        }

        impl ServerConfigBuilder {
            $($(#[doc = $doc])+
            pub fn $name(mut self, $name: $type) -> Self {
                self.changes.$name = Some($name);
                self
            })+
        }
    };
}

/// Builds a [`ServerConfig`]. Defaults are those of the [`Dialect`]; the values named are hosted Pusher's.
#[derive(Clone, Debug)]
#[must_use]
pub struct ServerConfigBuilder {
    app: App,
    dialect: Dialect,
    changes: Changes,
}

options! { limits:
    /// Sets whether the application is enabled; if not, sockets are closed with 4003. Default true.
    enabled: bool = true;
    /// Sets the connections that the application may have; further sockets are closed with 4004. Default 10,000.
    connection_quota: usize = 10_000;
    /// Sets the connections that the server takes; further sockets are closed with 4100. Default 10,000.
    capacity: usize = 10_000;
    /// Sets the silence in whole seconds after which a client shall ping; a while later the server pings, if it does.
    /// Default 120 s (Pusher protocol, *Detecting that the connection is alive*).
    activity_timeout: Duration = limits.activity_timeout;
    /// Sets how long a client may take to answer a ping, before its socket is closed with 4201. Default 30 s (as above).
    pong_timeout: Duration = limits.pong_timeout;
    /// Sets how long a connection may go without a user or a channel that needs authorization, before it is closed with
    /// 4009; forever if zero. Default zero (Pusher docs, *Authorized connections*). Reverb and laravel-websockets have
    /// no such limit.
    authorization_timeout: Duration = Duration::ZERO;
    /// Sets whether clients may send events. Default true; hosted applications must enable it first.
    client_events: bool = true;
    /// Sets the client events that a connection may send within a second. Default 10 (Pusher docs, *Triggering client
    /// events*).
    client_event_rate: u32 = limits.client_event_rate;
    /// Sets whether users can sign in, on servers that know that. Default true.
    signin: bool = true;
    /// Sets whether channels tell their subscribers how many there are, on servers that count. Default true; hosted
    /// applications must enable it first.
    subscription_counts: bool = true;
    /// Sets whether channel names must be such that the server takes them (for hosted Pusher see
    /// [`ChannelName::is_portable`](crate::ChannelName::is_portable)). Default true.
    strict_names: bool = true;
    /// Sets the users that a presence channel may have. Default 100 (Pusher docs, *Presence channels*).
    max_members: usize = limits.max_members;
    /// Sets the channels that a connection may subscribe to. Default 10,000.
    max_subscriptions: usize = 10_000;
    /// Sets the largest message that a client may send, in bytes. Default 64 KiB.
    max_message_len: usize = limits.max_message_len;
    /// Sets the largest data of an event, in bytes: of a client event as JSON, of a triggered one as text. Default
    /// 10,240 (Pusher docs, *HTTP API reference*).
    max_event_len: usize = limits.max_event_len;
    /// Sets how long a cache channel keeps its last event. Default 30 min (Pusher docs, *Cache channels*).
    cache_ttl: Duration = limits.cache_ttl;
    /// Sets how many cache channels keep an event; beyond it the oldest event is forgotten. Default 10,000.
    max_cached_events: usize = 10_000;
}

impl ServerConfigBuilder {
    /// Sets which server to speak like, whose limits become the defaults. Default hosted Pusher.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Checks the values.
    ///
    /// # Errors
    ///
    /// When a timeout is too short to be one. A limit may be 0.
    pub fn build(self) -> Result<ServerConfig, InvalidServerConfig> {
        let config = ServerConfig::resolve(self.app, self.dialect, self.changes);
        if config.options.activity_timeout < Duration::from_secs(1) {
            return Err(InvalidServerConfig::ActivityTimeout);
        }
        if config.options.pong_timeout.is_zero() {
            return Err(InvalidServerConfig::PongTimeout);
        }
        Ok(config)
    }
}

/// What is wrong with a server's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidServerConfig {
    /// Clients are told the activity timeout in whole seconds.
    #[error("activity_timeout must be at least 1 s")]
    ActivityTimeout,
    /// A ping needs time to be answered.
    #[error("pong_timeout must be greater than 0")]
    PongTimeout,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_timeouts_that_cannot_work() {
        let builder = || ServerConfig::builder(App::new("1", "key", "secret").unwrap());
        let table = [
            (builder().activity_timeout(Duration::from_millis(999)), InvalidServerConfig::ActivityTimeout),
            (builder().pong_timeout(Duration::ZERO), InvalidServerConfig::PongTimeout),
        ];
        for (builder, error) in table {
            assert_eq!(builder.build().unwrap_err(), error);
        }
        assert!(builder().activity_timeout(Duration::from_secs(1)).build().is_ok());
        assert!(builder().max_members(0).client_event_rate(0).build().is_ok());
    }

    #[test]
    fn what_was_set_outlives_the_dialect() {
        let app = App::new("1", "key", "secret").unwrap();
        let config = ServerConfig::builder(app).pong_timeout(Duration::from_secs(7)).build().unwrap();
        let config = config.with_dialect(Dialect::Reverb);
        assert_eq!(config.dialect(), Dialect::Reverb);
        assert_eq!(config.options.pong_timeout, Duration::from_secs(7));
        assert_eq!(config.options.activity_timeout, Duration::from_secs(30));
        assert_eq!(config.max_message_len(), 10_000);
    }
}
