#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]
#![doc = ""]
#![doc = include_str!("contract.md")]

extern crate alloc;

mod auth;
mod causes;
mod client;
mod close;
mod config;
mod data;
#[cfg(feature = "delta")]
pub mod delta;
mod endpoint;
mod error;
mod event;
mod excerpt;
pub mod filter;
mod history;
mod members;
mod name;
mod position;
mod recovery;
mod secret;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "signing")]
pub mod signing;
mod span;
mod subscribe;
mod text;
mod time;
mod wire;

/// What adapters and servers need beside the machines; applications do not need it.
pub mod adapter {
    pub use crate::config::check_positive;
    pub use crate::endpoint::{USER_AGENT, authority, bare_host, bracketed, default_port, host_header, port_number};
    pub use crate::excerpt::start_of;
    pub use crate::wire::read::SERVER_TO_USER;
}

pub use auth::{AuthBody, AuthError, AuthId, AuthPurpose, AuthRequest, AuthResponse, AuthSubject};
pub use causes::{WithCauses, with_causes};
pub use client::{Action, Channel, Client, Frame, NetworkHint, SocketEpoch, Stats, User};
pub use close::{CloseFrame, CloseReason, TransportError};
pub use config::{Config, ConfigBuilder, InvalidConfig, Strictness};
pub use data::Data;
pub use endpoint::{ConnectRequest, Endpoint, Endpoints};
pub use error::{
    ConnectionError, DecryptionError, FailReason, ProtocolError, ServerError, SigninError, SubscriptionError,
    TokenError, TriggerError,
};
pub use event::{
    Annotation, AnnotationCount, AnnotationSummary, ChannelEvent, ConnectionEvent, ConnectionState, Diagnostic, Event,
    LossReason, MessageAction, MessageVersion, Presence, RecoverySource, UserEvent, WatchlistEvent,
};
pub use history::{HistoryError, HistoryId, HistoryItem, HistoryPage, HistoryQuery};
pub use members::{Difference, Member, Members};
pub use name::{AppKey, ChannelKind, ChannelName, ClientEventName, InvalidName, SocketId, user_channel};
pub use position::Position;
pub use recovery::Recovery;
pub use secret::Secret;
pub use subscribe::{InvalidSubscribe, Subscribe};
pub use text::Text;
pub use time::Instant;
