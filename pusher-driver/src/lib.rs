#![doc = include_str!("../README.md")]

mod addresses;
mod auth;
mod bindings;
mod client;
mod clock;
#[cfg(feature = "async")]
mod connection;
mod engine;
mod events;
mod guard;
#[cfg(feature = "hyper")]
mod http;
mod mailbox;
mod options;
mod pace;
#[cfg(feature = "websocket")]
mod polled;
mod proxy;
mod received;
mod routes;
#[cfg(feature = "async")]
mod runtime;
mod shared;
mod subscription;
mod sync;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "websocket")]
mod websocket;

#[cfg(feature = "signing")]
pub use auth::LocalAuth;
pub use auth::{AuthCall, Credentials, HttpAuth, HttpRequest, HttpResponse, NoAuth};
#[cfg(feature = "async")]
pub use auth::{Authorizer, HttpAuthWith};
pub use bindings::{BindError, BindingId};
pub use client::{ChannelInfo, Client, UserInfo, WeakClient};
pub use events::Events;
pub use options::{Options, Overflow};
pub use proxy::{InvalidProxy, Proxy};
pub use subscription::{SubscribeError, Subscription};
#[cfg(feature = "tls")]
pub use tls::Tls;

/// What adapters are made of; applications do not need it.
pub mod adapter {
    pub use crate::addresses::{ATTEMPT_DELAY, take_turns, with_address};
    pub use crate::auth::{AuthUrl, InvalidAuthUrl, USER_AGENT, with_causes};
    pub use crate::clock::{Clock, SystemClock};
    #[cfg(feature = "async")]
    pub use crate::connection::Connection;
    pub use crate::engine::{Engine, Step};
    #[doc(hidden)]
    pub use crate::guard::{Fragile, guard};
    #[cfg(feature = "hyper")]
    pub use crate::http::HttpClient;
    pub use crate::pace::Pace;
    #[cfg(feature = "websocket")]
    pub use crate::polled::{Duplex, Polled};
    pub use crate::proxy::{Hop, Tunnel};
    pub use crate::received::Received;
    #[cfg(feature = "async")]
    pub use crate::runtime::{Runtime, Socket, connect_any};
    #[cfg(feature = "tls")]
    #[doc(hidden)]
    pub use crate::tls::handshake_error;
    #[cfg(feature = "websocket")]
    pub use crate::websocket::{Handshake, Limits, NonBlocking, WebSocket};
}
