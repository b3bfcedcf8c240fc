#![doc = include_str!("../README.md")]

mod runtime;
mod stream;

#[cfg(feature = "signing")]
pub use pusher_driver::LocalAuth;
#[cfg(feature = "tls")]
pub use pusher_driver::Tls;
use pusher_driver::adapter::Connection;
pub use pusher_driver::{
    AuthCall, Authorizer, BindError, BindingId, ChannelInfo, Client, Credentials, Events, HttpAuth, HttpAuthWith,
    HttpRequest, HttpResponse, InvalidProxy, NoAuth, Options, Overflow, Proxy, SubscribeError, Subscription, UserInfo,
    WeakClient,
};
pub use pusher_proto;
pub use pusher_proto::{
    AppKey, AuthBody, AuthError, AuthPurpose, AuthRequest, AuthResponse, AuthSubject, ChannelEvent, ChannelKind,
    ChannelName, ClientEventName, CloseFrame, CloseReason, Config, ConfigBuilder, ConnectionError, ConnectionEvent,
    ConnectionState, Data, DecryptionError, Diagnostic, Difference, Endpoint, Endpoints, Event, FailReason, Instant,
    InvalidConfig, InvalidName, Member, Members, NetworkHint, Presence, ProtocolError, Secret, ServerError,
    SigninError, SocketId, Stats, Strictness, SubscriptionError, Text, TransportError, TriggerError, UserEvent,
};

use crate::runtime::Tokio;

/// Starts a client whose connection runs as a task of the present tokio runtime.
///
/// It connects at once unless [`auto_connect`](Options::auto_connect) is off. The task ends when the last handle is
/// dropped or [`Client::shutdown`] is called.
///
/// # Errors
///
/// When the configuration asks for TLS and this crate was built without it, or the authorizer has a URL that cannot be
/// used.
///
/// # Panics
///
/// When called outside of a tokio runtime, or in one without IO and time.
pub fn connect(config: Config, authorizer: impl Authorizer) -> Result<Client, InvalidConfig> {
    connect_with(config, authorizer, &Options::new())
}

/// Starts a client as [`connect`] does, with more options.
///
/// # Errors
///
/// As [`connect`].
///
/// # Panics
///
/// As [`connect`].
pub fn connect_with(config: Config, authorizer: impl Authorizer, options: &Options) -> Result<Client, InvalidConfig> {
    if cfg!(not(feature = "tls")) && config.needs_tls() {
        return Err(InvalidConfig::TlsDisabled("tls"));
    }
    let runtime = Tokio::new(&config, options);
    let (client, connection) = Connection::new(config, authorizer, runtime, options)?;
    tokio::spawn(connection);
    Ok(client)
}
