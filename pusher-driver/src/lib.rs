#![doc = include_str!("../README.md")]

mod auth;
mod bindings;
mod client;
#[cfg(feature = "async")]
mod connection;
mod engine;
mod events;
mod mailbox;
mod options;
mod routes;
#[cfg(feature = "async")]
mod runtime;
mod shared;
mod subscription;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tungstenite")]
mod websocket;

pub use auth::AuthCall;
#[cfg(all(feature = "async", feature = "signing"))]
pub use auth::LocalAuth;
#[cfg(feature = "async")]
pub use auth::{Authorizer, HttpAuth, HttpRequest, HttpResponse, NoAuth};
pub use bindings::{BindError, BindingId};
pub use client::{ChannelInfo, Client, UserInfo, WeakClient};
pub use events::Events;
pub use options::{Options, Overflow};
pub use subscription::{SubscribeError, Subscription};
#[cfg(feature = "tls")]
pub use tls::Tls;

/// What adapters are made of; applications do not need it.
pub mod adapter {
    #[cfg(feature = "async")]
    pub use crate::connection::Connection;
    pub use crate::engine::{Engine, Step};
    #[cfg(feature = "async")]
    pub use crate::runtime::{Runtime, Socket, connect_any};
    #[cfg(feature = "tls")]
    #[doc(hidden)]
    pub use crate::tls::handshake_error;
    #[cfg(feature = "tungstenite")]
    pub use crate::websocket::{Handshake, Limits, NonBlocking, WebSocket};
}
