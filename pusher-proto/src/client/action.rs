//! The actions for a driver, and some of its inputs.

use core::fmt;

use bytes::Bytes;

use crate::event::Event;
use crate::wire::write;
use crate::{AuthId, AuthRequest, CloseFrame, ConnectRequest, Instant, Text};

/// Identifies a socket of a client. Input for an older socket is dropped. The default identifies no socket.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Client, CloseReason, Instant, SocketEpoch};
///
/// /// A socket has ended. If the client has opened another one since, nothing happens.
/// fn ended(client: &mut Client, socket: SocketEpoch, now: Instant) {
///     client.handle_close(socket, CloseReason::Dropped, now);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketEpoch(pub(crate) u64);

impl fmt::Display for SocketEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What to do next, from [`Client::poll_action`](crate::Client::poll_action).
///
/// `Debug` shows `…` instead of the signatures in messages to be sent.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Action, Client, Config, Endpoint, Instant};
///
/// let mut client = Client::new(Config::new("app-key", Endpoint::cluster("eu"))?, 1);
/// client.connect();
/// let mut urls = Vec::new();
/// while let Some(action) = client.poll_action(Instant::ZERO) {
///     match action {
///         Action::Connect(_socket, request) => urls.push(request.authority()),
///         Action::Emit(event) => println!("{}", event.name()),
///         Action::Schedule(at) => println!("wake me at {at}"),
///         _ => {}
///     }
/// }
/// assert_eq!(urls, ["ws-eu.pusher.com:443"]);
/// # Ok::<(), pusher_proto::InvalidConfig>(())
/// ```
#[derive(Clone, PartialEq)]
pub enum Action {
    /// Open a socket. Answer with `handle_open`, or with `handle_close` if that fails.
    Connect(SocketEpoch, ConnectRequest),
    /// Send a text message.
    Send(SocketEpoch, Text),
    /// Close the socket. Further input from it is ignored, so no answer is needed.
    Close(SocketEpoch, CloseFrame),
    /// Send this request to the application's server. Answer with `handle_auth`.
    RequestAuth(AuthRequest),
    /// The answer to this authorization request is no longer needed.
    CancelAuth(AuthId),
    /// Call `handle_timeout` at this time. It replaces the time of an earlier `Schedule`.
    Schedule(Instant),
    /// Pass this event to the application.
    Emit(Event),
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(socket, request) => f.debug_tuple("Connect").field(socket).field(request).finish(),
            Self::Send(socket, text) => f.debug_tuple("Send").field(socket).field(&write::masked(text)).finish(),
            Self::Close(socket, frame) => f.debug_tuple("Close").field(socket).field(frame).finish(),
            Self::RequestAuth(request) => f.debug_tuple("RequestAuth").field(request).finish(),
            Self::CancelAuth(id) => f.debug_tuple("CancelAuth").field(id).finish(),
            Self::Schedule(at) => f.debug_tuple("Schedule").field(at).finish(),
            Self::Emit(event) => f.debug_tuple("Emit").field(event).finish(),
        }
    }
}

/// One WebSocket message, as it arrived.
///
/// # Examples
///
/// ```
/// use pusher_proto::Frame;
///
/// let frame = Frame::Text(r#"{"event":"pusher:ping","data":{}}"#.into());
/// assert_ne!(frame, Frame::Ping);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(Text),
    /// A binary message; the protocol has none.
    Binary(Bytes),
    /// A WebSocket ping. The WebSocket library answers it.
    Ping,
    /// A WebSocket pong.
    Pong,
}

/// What the operating system reports about the network.
///
/// # Examples
///
/// ```
/// use pusher_proto::{Client, Config, Endpoint, NetworkHint};
///
/// let mut client = Client::new(Config::new("app-key", Endpoint::cluster("eu"))?, 1);
/// // The operating system has found a network: a waiting attempt starts at once.
/// client.network_changed(NetworkHint::Online);
/// # Ok::<(), pusher_proto::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkHint {
    /// There is a network, perhaps a different one from before.
    Online,
    /// There is no network.
    Offline,
}
