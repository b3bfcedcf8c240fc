#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

mod addresses;
mod auth;
mod bindings;
mod client;
mod clock;
#[cfg(feature = "async")]
mod connection;
mod decoder;
mod engine;
mod events;
mod guard;
pub mod guide;
mod history;
#[cfg(feature = "hyper")]
mod http;
mod io;
mod log_span;
mod mailbox;
mod options;
mod pace;
#[cfg(all(feature = "async", feature = "websocket"))]
mod polled;
mod proxy;
mod random;
mod routes;
#[cfg(feature = "async")]
mod runtime;
mod shared;
mod sign_in;
mod socket;
mod states;
mod step;
mod subscription;
mod sync;
#[cfg(feature = "tls")]
mod tls;
mod turn;
mod visit;
mod wait;
mod waiters;
#[cfg(feature = "websocket")]
mod websocket;

#[cfg(feature = "signing")]
pub use auth::LocalAuth;
pub use auth::{AuthCall, Credentials, HttpAuth, HttpRequest, HttpResponse, NoAuth};
#[cfg(feature = "async")]
pub use auth::{Authorizer, BoxedAuthorizer, HttpAuthWith};
pub use bindings::{BindError, BindingId};
pub use client::{ChannelInfo, Client, SignedInError, UserInfo, WeakClient};
pub use decoder::{Decoder, TypedError};
pub use events::Events;
pub use history::HistoryRequest;
pub use options::{Options, Overflow};
pub use proxy::{InvalidProxy, Proxy};
pub use states::States;
pub use subscription::{SubscribeError, Subscription, Typed};
#[cfg(feature = "tls")]
pub use tls::Tls;

/// What all adapters export; applications use it through their adapter.
pub mod exports {
    pub use crate::guide;
    pub use pusher_proto::{
        Annotation, AnnotationCount, AnnotationSummary, AppKey, AuthBody, AuthError, AuthPurpose, AuthRequest,
        AuthResponse, AuthSubject, ChannelEvent, ChannelKind, ChannelName, ClientEventName, CloseFrame, CloseReason,
        Config, ConfigBuilder, ConnectionError, ConnectionEvent, ConnectionState, Data, DecryptionError, Diagnostic,
        Difference, Endpoint, Endpoints, Event, FailReason, HistoryError, HistoryItem, HistoryPage, HistoryQuery,
        Instant, InvalidConfig, InvalidName, InvalidSubscribe, LossReason, Member, Members, MessageAction,
        MessageVersion, NetworkHint, Position, Presence, ProtocolError, Recovery, RecoverySource, Secret, ServerError,
        SigninError, SocketId, Stats, Strictness, Subscribe, SubscriptionError, Text, TokenError, TransportError,
        TriggerError, UserEvent, WatchlistEvent, WithCauses, with_causes,
    };

    pub use pusher_proto::filter;

    #[cfg(feature = "signing")]
    pub use crate::LocalAuth;
    #[cfg(feature = "tls")]
    pub use crate::Tls;
    pub use crate::{
        BindError, BindingId, ChannelInfo, Decoder, HttpAuth, HttpRequest, HttpResponse, InvalidProxy, NoAuth, Options,
        Overflow, Proxy, SignedInError, SubscribeError, TypedError, UserInfo,
    };
}

/// What the asynchronous adapters export in addition to [`exports`]; `pusher-blocking` has its own types for most of
/// it.
#[cfg(feature = "async")]
pub mod async_exports {
    pub use crate::{
        AuthCall, Authorizer, BoxedAuthorizer, Client, Credentials, Events, HistoryRequest, HttpAuthWith, States,
        Subscription, Typed, WeakClient,
    };
}

/// The building blocks of adapters; applications do not need them.
pub mod adapter {
    pub use crate::addresses::{ATTEMPT_DELAY, take_turns, with_address};
    pub use crate::auth::{AuthUrl, HttpAuthExt, InvalidAuthUrl, UNANSWERED, head, note_endpoint};
    pub use crate::clock::{Clock, SystemClock};
    #[cfg(feature = "async")]
    pub use crate::connection::Connection;
    pub use crate::engine::Engine;
    pub use crate::guard::{Fragile, guard};
    #[cfg(feature = "hyper")]
    pub use crate::http::HttpClient;
    pub use crate::log_span::LogSpan;
    pub use crate::options::OptionsExt;
    pub use crate::pace::Pace;
    #[cfg(all(feature = "async", feature = "websocket"))]
    pub use crate::polled::{Duplex, Polled, reach};
    pub use crate::proxy::{Hop, Tunnel, proxy_url};
    #[cfg(feature = "async")]
    pub use crate::runtime::{Runtime, connect_any};
    pub use crate::socket::{Received, Socket};
    pub use crate::step::Step;
    pub use crate::subscription::poll_decoded;
    #[cfg(feature = "tls")]
    pub use crate::tls::{client_config, handshake_error, server_name};
    pub use crate::turn::{Outside, Turn, Turns};
    pub use crate::wait::{HandleExt, wait};
    #[cfg(feature = "websocket")]
    pub use crate::websocket::{Handshake, Limits, NonBlocking, WebSocket};
    pub use pusher_proto::ConnectRequest;
    pub use pusher_proto::adapter::{USER_AGENT, host_header};
    #[cfg(feature = "websocket")]
    pub use pusher_session::adapter::is_end;
}
