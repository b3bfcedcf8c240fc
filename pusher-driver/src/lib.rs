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
mod io;
mod mailbox;
mod options;
mod pace;
#[cfg(feature = "websocket")]
mod polled;
mod proxy;
mod routes;
#[cfg(feature = "async")]
mod runtime;
mod shared;
mod socket;
mod step;
mod subscription;
mod sync;
#[cfg(feature = "tls")]
mod tls;
mod turn;
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
    pub use crate::engine::Engine;
    #[doc(hidden)]
    pub use crate::guard::{Fragile, guard};
    #[cfg(feature = "hyper")]
    pub use crate::http::HttpClient;
    pub use crate::io::is_end;
    pub use crate::pace::Pace;
    #[cfg(feature = "websocket")]
    pub use crate::polled::{Duplex, Polled};
    pub use crate::proxy::{Hop, Tunnel};
    #[cfg(feature = "async")]
    pub use crate::runtime::{Runtime, connect_any};
    pub use crate::socket::{Received, Socket};
    pub use crate::step::Step;
    #[cfg(feature = "tls")]
    #[doc(hidden)]
    pub use crate::tls::handshake_error;
    pub use crate::turn::{Outside, Turn, Turns};
    #[cfg(feature = "websocket")]
    pub use crate::websocket::{Handshake, Limits, NonBlocking, WebSocket};
}
