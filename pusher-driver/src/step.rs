//! What an engine tells its loop to do.

use std::fmt;

use pusher_proto::{AuthId, CloseFrame, ConnectRequest, Instant, SocketEpoch, Text};

use crate::auth::AuthCall;

/// What a loop must do next. `Debug` leaves out messages, which may contain signatures.
pub enum Step {
    /// Open a socket; answer with [`handle_open`](crate::adapter::Engine::handle_open) or
    /// [`handle_close`](crate::adapter::Engine::handle_close).
    Connect(SocketEpoch, ConnectRequest),
    /// Send a text message, if this socket is still open.
    Send(SocketEpoch, Text),
    /// Close the socket, or stop opening it.
    Close(SocketEpoch, CloseFrame),
    /// Pass these calls to the authorizer, which answers each of them.
    Authorize(Vec<AuthCall>),
    /// The answer to this authorization request is no longer needed.
    CancelAuth(AuthId),
    /// Call [`handle_timeout`](crate::adapter::Engine::handle_timeout) at this time. It replaces the previous time.
    Schedule(Instant),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(socket, request) => f.debug_tuple("Connect").field(socket).field(request).finish(),
            Self::Send(socket, text) => write!(f, "Send({socket:?}, {} bytes)", text.len()),
            Self::Close(socket, frame) => f.debug_tuple("Close").field(socket).field(frame).finish(),
            Self::Authorize(calls) => f.debug_tuple("Authorize").field(calls).finish(),
            Self::CancelAuth(id) => f.debug_tuple("CancelAuth").field(id).finish(),
            Self::Schedule(at) => f.debug_tuple("Schedule").field(at).finish(),
        }
    }
}
