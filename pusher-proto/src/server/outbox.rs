//! Actions that wait to be polled.

use alloc::collections::VecDeque;

use super::{Action, ConnectionId};
use crate::{CloseFrame, Text};

#[derive(Debug, Default)]
pub(super) struct Outbox {
    actions: VecDeque<Action>,
    silent: bool,
}

impl Outbox {
    pub(super) fn send(&mut self, connection: ConnectionId, text: Text) {
        if !self.silent {
            self.actions.push_back(Action::Send(connection, text));
        }
    }

    pub(super) fn close(&mut self, connection: ConnectionId, frame: CloseFrame) {
        self.actions.push_back(Action::Close(connection, frame));
    }

    pub(super) fn drop(&mut self, connection: ConnectionId) {
        self.actions.push_back(Action::Drop(connection));
    }

    pub(super) fn ping(&mut self, connection: ConnectionId) {
        if !self.silent {
            self.actions.push_back(Action::Ping(connection));
        }
    }

    pub(super) fn set_silent(&mut self, silent: bool) {
        self.silent = silent;
    }

    pub(super) fn is_silent(&self) -> bool {
        self.silent
    }

    pub(super) fn take(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}
