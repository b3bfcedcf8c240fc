//! One socket between a client and the server.

use std::collections::VecDeque;

use pusher_proto::Instant;

use super::delivery::{Delivery, Who};
use super::fault::Side;

/// A socket, as long as at least one side has it open.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) who: Who,
    pub(crate) is_dead: bool,
    /// What the server sent while it was silent.
    pub(crate) held: VecDeque<Delivery>,
    client: End,
    server: End,
}

#[derive(Debug)]
struct End {
    is_open: bool,
    /// When the last message arrives that is under way to it.
    last: Instant,
}

impl Link {
    pub(crate) const fn new(who: Who, now: Instant) -> Self {
        let client = End { is_open: true, last: now };
        let server = End { is_open: true, last: now };
        Self { who, is_dead: false, held: VecDeque::new(), client, server }
    }

    pub(crate) const fn is_open(&self, side: Side) -> bool {
        match side {
            Side::Client => self.client.is_open,
            Side::Server => self.server.is_open,
        }
    }

    /// Returns whether the side had it open.
    pub(crate) fn close(&mut self, side: Side) -> bool {
        core::mem::take(&mut self.end(side).is_open)
    }

    /// Returns when something arrives that could arrive at `at`: not before what was sent earlier.
    pub(crate) fn arrives(&mut self, side: Side, at: Instant) -> Instant {
        let end = self.end(side);
        end.last = end.last.max(at);
        end.last
    }

    pub(crate) const fn is_over(&self) -> bool {
        !self.client.is_open && !self.server.is_open
    }

    const fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}
