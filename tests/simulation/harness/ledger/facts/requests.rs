//! Requests to the application's server that were neither answered nor cancelled.

use std::collections::BTreeMap;

use pusher_proto::{AuthId, AuthPurpose, AuthRequest, ChannelName, Instant};

use super::AUTH_TIMEOUT;

#[derive(Default)]
pub(crate) struct Requests(BTreeMap<AuthId, Request>);

pub(crate) struct Request {
    pub(crate) id: AuthId,
    /// When the client could begin to wait for it: when it was sent, or the end of the last pause in polling.
    pub(crate) at: Instant,
    asked_at: Instant,
    /// The channel, or nothing for the user.
    pub(crate) channel: Option<ChannelName>,
    purpose: AuthPurpose,
}

impl Request {
    pub(crate) fn new(request: &AuthRequest, at: Instant) -> Self {
        Self { id: request.id, at, asked_at: at, channel: request.subject.channel().cloned(), purpose: request.purpose }
    }

    /// Whether the client may have abandoned it. After a pause, it may have done so, or have begun to wait again.
    pub(super) fn may_be_over(&self, now: Instant) -> bool {
        now >= self.asked_at + AUTH_TIMEOUT
    }

    pub(crate) fn is_for_key(&self) -> bool {
        self.purpose == AuthPurpose::KeyRefresh
    }
}

impl Requests {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, id: AuthId) -> Option<&Request> {
        self.0.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Request> {
        self.0.values()
    }

    /// How many of them count towards the window.
    pub(crate) fn in_window(&self) -> usize {
        self.0.values().filter(|request| request.channel.is_some()).count()
    }

    pub(super) fn open(&mut self, request: Request) {
        self.0.insert(request.id, request);
    }

    pub(super) fn close(&mut self, id: AuthId) -> Option<Request> {
        self.0.remove(&id)
    }

    /// The client could not meet any deadline before now.
    pub(super) fn resume(&mut self, now: Instant) {
        for request in self.0.values_mut() {
            request.at = now;
        }
    }
}
