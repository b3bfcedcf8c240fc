//! One socket between a client and the server.

use pusher_proto::SocketEpoch;

use crate::world::Who;

/// A socket, as long as at least one side has it open.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) who: Who,
    pub(crate) epoch: SocketEpoch,
    pub(crate) is_dead: bool,
    client_open: bool,
    server_open: bool,
}

/// The side at which something arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Link {
    pub(crate) fn new(who: Who, epoch: SocketEpoch) -> Self {
        Self { who, epoch, is_dead: false, client_open: true, server_open: true }
    }

    pub(crate) fn is_open(&self, side: Side) -> bool {
        match side {
            Side::Client => self.client_open,
            Side::Server => self.server_open,
        }
    }

    /// Returns whether the side had it open.
    pub(crate) fn close(&mut self, side: Side) -> bool {
        let open = match side {
            Side::Client => &mut self.client_open,
            Side::Server => &mut self.server_open,
        };
        core::mem::take(open)
    }

    pub(crate) fn is_over(&self) -> bool {
        !self.client_open && !self.server_open
    }
}
