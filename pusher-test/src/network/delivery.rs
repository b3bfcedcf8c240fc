//! What is under way between clients and the server.

use pusher_proto::server::ConnectionId;
use pusher_proto::{AuthError, AuthId, AuthResponse, CloseReason, Frame, Text};

use super::fault::Side;

/// Identifies a client of a [`World`](crate::world::World).
///
/// # Examples
///
/// ```
/// use pusher_test::network::Who;
///
/// const ALICE: Who = Who::new(0);
/// assert_eq!(ALICE.index(), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who(pub(crate) usize);

impl Who {
    /// Identifies a client by the number of clients that were added before it. Methods of
    /// [`World`](crate::world::World) panic if fewer were added.
    #[must_use]
    pub const fn new(index: usize) -> Self {
        Self(index)
    }

    /// Returns the number of clients that were added before this one.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// Something that arrives.
#[derive(Debug)]
pub(crate) enum Delivery {
    Request(ConnectionId, Text),
    Message(ConnectionId, Side, Frame),
    Part(ConnectionId),
    /// The other side has ended the socket.
    End(ConnectionId, Side, CloseReason),
    /// This side notices by itself that the socket has ended.
    Reset(ConnectionId, Side),
    Failure(ConnectionId, CloseReason),
    Auth(Who, AuthId, Result<AuthResponse, AuthError>),
}

/// Something that has arrived at a client.
#[derive(Debug)]
pub(crate) enum Arrival {
    Open(ConnectionId),
    Frame(ConnectionId, Frame),
    /// Bytes of a message that is not complete.
    Part(ConnectionId),
    Closed(ConnectionId, CloseReason),
    Auth(Who, AuthId, Result<AuthResponse, AuthError>),
}
