//! Which server to imitate, and what it allows.

use core::time::Duration;

use super::dialect::{Dialect, Limits, Profile};
use super::recovery::RecoverySupport;
use crate::Text;
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

    /// Returns the same configuration for another server: options that were set stay, the others get that server's
    /// defaults.
    #[must_use]
    pub fn with_dialect(self, dialect: Dialect) -> Self {
        Self::resolve(self.app, dialect, self.changes)
    }

    /// Returns which server this is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the application. It signs and accepts the channel names that the server accepts (see
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
        let options = Options::new(&profile.limits, changes.clone());
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

        /// The options that were set.
        #[derive(Clone, Debug, Default)]
        struct Changes {
            $($name: Option<$type>,)+
        }

        impl Options {
            fn new($limits: &Limits, changes: Changes) -> Self {
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

/// Builds a [`ServerConfig`]. Defaults depend on the [`Dialect`]; the values given here are those of hosted Pusher.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pusher_proto::server::{Dialect, ServerConfig};
/// use pusher_proto::signing::App;
///
/// let app = App::new("1", "key", "secret")?;
/// let builder = ServerConfig::builder(app).dialect(Dialect::Reverb).activity_timeout(Duration::from_secs(5));
/// assert_eq!(builder.build()?.dialect(), Dialect::Reverb);
///
/// // Version 2 of Sockudo's protocol: members may be away for 3 s, and prices of different assets have their own deltas.
/// let builder = ServerConfig::builder(App::new("1", "key", "secret")?).dialect(Dialect::SockudoV2);
/// builder.presence_grace(Duration::from_secs(3)).conflation_key(Some("asset".into())).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// Sets how many connections the application may have; further sockets are closed with 4004. Default 10,000.
    connection_quota: usize = 10_000;
    /// Sets how many connections the server accepts; further sockets are closed with 4100. Default 10,000.
    capacity: usize = 10_000;
    /// Sets the time without a message, in whole seconds, after which a client should ping. Some servers ping a while
    /// later themselves. Default 120 s (Pusher protocol, *Detecting that the connection is alive*).
    activity_timeout: Duration = limits.activity_timeout;
    /// Sets how long a client may take to answer a ping, before its socket is closed with 4201. Default 30 s (as above).
    pong_timeout: Duration = limits.pong_timeout;
    /// Sets how long a connection may have neither a signed-in user nor a channel that needs authorization before it is
    /// closed with 4009; zero means no limit. Default zero (Pusher docs, *Authorized connections*). Reverb and
    /// laravel-websockets have no such limit.
    authorization_timeout: Duration = Duration::ZERO;
    /// Sets whether clients may send events. Default true; hosted applications must enable it first.
    client_events: bool = true;
    /// Sets how many client events a connection may send per second. Default 10 (Pusher docs, *Triggering client
    /// events*).
    client_event_rate: u32 = limits.client_event_rate;
    /// Sets whether users can sign in, on servers that support it. Default true.
    signin: bool = true;
    /// Sets whether the number of subscribers is sent to the subscribers of a channel, on servers that count them.
    /// Default true; hosted applications must enable it first.
    subscription_counts: bool = true;
    /// Sets whether channel names that the real server would not accept are refused (for hosted Pusher, see
    /// [`ChannelName::is_portable`](crate::ChannelName::is_portable)). Default true.
    strict_names: bool = true;
    /// Sets how many users a presence channel may have. Default 100 (Pusher docs, *Presence channels*).
    max_members: usize = limits.max_members;
    /// Sets how many channels a connection may subscribe to. Default 10,000.
    max_subscriptions: usize = 10_000;
    /// Sets the size in bytes of the largest message that a client may send. Default 64 KiB.
    max_message_len: usize = limits.max_message_len;
    /// Sets the size in bytes of the largest event data: as JSON for a client event, as text for a published event.
    /// Default 10,240 (Pusher docs, *HTTP API reference*).
    max_event_len: usize = limits.max_event_len;
    /// Sets how long a cache channel keeps its last event. Default 30 min (Pusher docs, *Cache channels*).
    cache_ttl: Duration = limits.cache_ttl;
    /// Sets how many cache channels keep an event; if there are more, the oldest event is dropped. Default 10,000.
    max_cached_events: usize = 10_000;
    /// Sets whether clients can have messages replayed that they missed, on a server that speaks version 2 of Sockudo's
    /// protocol. Default [`RecoverySupport::Enabled`]; Sockudo's own default is that it is disabled.
    recovery: RecoverySupport = RecoverySupport::Enabled;
    /// Sets how many messages of each channel can be replayed. Default 100 (Sockudo's `max_buffer_size`).
    recovery_messages: usize = 100;
    /// Sets how long a message can be replayed. A channel that was silent for this long gets another stream, so that older
    /// positions mean nothing. Default 120 s (Sockudo's `buffer_ttl_seconds`).
    recovery_ttl: Duration = Duration::from_secs(120);
    /// Sets whether a subscription of version 2 can begin with the last messages of its channel, which are those that can be
    /// replayed. Default true; Sockudo's `history` is off by default.
    rewind: bool = true;
    /// Sets how long a member of a presence channel whose connection of version 2 was lost may be absent before
    /// `member_removed` is sent; zero means at once. Default 15 s (Sockudo's `presence.v2_ungraceful_timeout_seconds`).
    presence_grace: Duration = Duration::from_secs(15);
    /// Sets after how many deltas the next event of the same name is sent in full, to clients of version 2 that ask for
    /// deltas. Default 10 (Sockudo's `full_message_interval`).
    delta_interval: u32 = 10;
    /// Sets a field of the data of published events: deltas refer only to events with the same value of that field. It
    /// applies to all channels. Default none (Sockudo's `conflation_key`, which is set for a pattern of channels).
    conflation_key: Option<Text> = None;
    /// Sets how many bytes of messages are kept to be replayed, of all channels together; if there are more, the oldest are
    /// dropped. Default 16 MiB.
    recovery_bytes: usize = 16 * 1_024 * 1_024;
}

impl ServerConfigBuilder {
    /// Sets which server to imitate; its limits become the defaults. Default hosted Pusher.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Checks the values.
    ///
    /// # Errors
    ///
    /// If a timeout is too short. A limit may be 0.
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
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pusher_proto::server::{InvalidServerConfig, ServerConfig};
/// use pusher_proto::signing::App;
///
/// let app = App::new("1", "key", "secret")?;
/// let config = ServerConfig::builder(app).activity_timeout(Duration::from_millis(500)).build();
/// assert_eq!(config.err(), Some(InvalidServerConfig::ActivityTimeout));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidServerConfig {
    /// The activity timeout is less than a second; it is sent to clients in whole seconds.
    #[error("activity_timeout must be at least 1 s")]
    ActivityTimeout,
    /// The pong timeout is zero.
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
