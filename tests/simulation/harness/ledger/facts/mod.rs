//! What is known about one client from outside: its inputs, its actions, and its events.
//!
//! Nothing is judged here.

mod backend;
mod channels;
mod requests;
mod user;

use std::collections::BTreeSet;
use std::time::Duration;

use pusher_proto::{
    Action, AuthError, AuthId, ChannelName, Client, CloseReason, ConnectionState, Event, Instant, SocketEpoch,
};

pub(crate) use self::backend::{Backend, retry_at};
pub(crate) use self::channels::{Channel, Channels, Ending, OnSocket, Reported};
pub(crate) use self::requests::{Request, Requests};
pub(crate) use self::user::{User, Wish};
use super::inputs::{AppCall, Incoming, Input};
use super::outputs::{Message, Outgoing};
use crate::simulation::mix::Limits;

pub(crate) struct Facts {
    pub(crate) limits: Limits,
    pub(crate) now: Instant,
    /// The last state that the application received.
    pub(crate) state: ConnectionState,
    /// What the application has called for the connection since the last drain.
    pub(crate) connection_wish: Option<bool>,
    pub(crate) sockets: Sockets,
    pub(crate) channels: Channels,
    pub(crate) requests: Requests,
    pub(crate) user: User,
    pub(crate) backend: Backend,
    /// When the server last complained about the number of messages, or a connection ended with subscriptions missing.
    pub(crate) slowed_at: Option<Instant>,
    pub(crate) input: Input,
    /// The client was not polled for a while, so its inputs and outputs are not in step.
    pub(crate) was_unpolled: bool,
}

#[derive(Default)]
pub(crate) struct Sockets {
    /// Sockets that neither side has closed, as far as the client may know.
    pub(crate) open: BTreeSet<SocketEpoch>,
    /// The open socket that the client has not left.
    current: Option<SocketEpoch>,
}

impl Sockets {
    /// Whether input from this socket counts. The client may have left it in an action that was not polled yet.
    pub(crate) fn is_current(&self, epoch: SocketEpoch) -> bool {
        self.open.contains(&epoch) && self.current == Some(epoch)
    }
}

impl Facts {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            now: Instant::ZERO,
            state: ConnectionState::Initialized,
            connection_wish: None,
            sockets: Sockets::default(),
            channels: Channels::default(),
            requests: Requests::default(),
            user: User::default(),
            backend: Backend::default(),
            slowed_at: None,
            input: Input::Other,
            was_unpolled: false,
        }
    }

    /// Whether the client has a connection, or tries to get one.
    pub(crate) fn is_on(&self) -> bool {
        is_on(&self.state)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.state.is_connected()
    }

    /// Whether the application has called since the last drain.
    pub(crate) fn has_wishes(&self) -> bool {
        self.connection_wish.is_some() || self.user.wish.is_some() || self.channels.have_wishes()
    }

    pub(crate) fn called(&mut self, call: &AppCall<'_>) {
        match call {
            AppCall::Connect => self.connection_wish = Some(true),
            AppCall::Disconnect => self.connection_wish = Some(false),
            AppCall::Subscribe(channel) => self.channels.wish(channel),
            AppCall::Unsubscribe(channel) => self.channels.unwish(channel),
            AppCall::Signin => self.user.signin(),
            AppCall::Signout => self.user.signout(),
            AppCall::Switch | AppCall::Hint(_) | AppCall::Trigger | AppCall::Triggered(..) => {}
        }
    }

    pub(crate) fn handed(&mut self, frame: &Incoming<'_>) {
        self.input = Input::from(frame);
        match frame {
            Incoming::Success { channel, position: _ } => {
                self.channels.doubt_abandoned(Some(channel));
                self.channels.succeeded(channel);
            }
            Incoming::Error { code } => {
                self.channels.doubt_abandoned(None);
                self.channels.doubt_confirmed();
                if code.is_some_and(|code| TOO_MANY.contains(&code)) {
                    self.channels.doubt_sent();
                    self.slowed_at = Some(self.now);
                }
            }
            Incoming::SigninSuccess => self.channels.doubt_abandoned(None),
            Incoming::Greeting { .. }
            | Incoming::SecondGreeting
            | Incoming::Watchlist
            | Incoming::Event { .. }
            | Incoming::UnfitDelta { .. }
            | Incoming::Other => {}
        }
    }

    pub(crate) fn ended(&mut self, epoch: SocketEpoch) {
        self.sockets.open.remove(&epoch);
    }

    pub(crate) fn moved(&mut self, from: &ConnectionState, to: &ConnectionState) {
        if leaves_socket(from, to) {
            self.sockets.current = None;
        }
        if from.is_connected() {
            self.user.attached = false;
            self.backend.leave_socket();
            if self.channels.are_incomplete() {
                self.slowed_at = Some(self.now);
            }
            self.channels.leave_socket();
        }
    }

    pub(crate) fn resumed(&mut self) {
        self.channels.resume(self.now);
        self.requests.resume(self.now);
    }

    /// The client handles the application's calls. Returns the channels that are no longer wanted.
    pub(crate) fn take_wishes(&mut self) -> Vec<ChannelName> {
        self.user.take_wish();
        self.channels.take_wishes(self.state.is_connected())
    }

    pub(crate) fn acted(&mut self, action: &Action) {
        match action {
            Action::Connect(epoch, _) => {
                self.sockets.open.insert(*epoch);
                self.sockets.current = Some(*epoch);
            }
            Action::Close(epoch, _) => self.ended(*epoch),
            Action::RequestAuth(request) => {
                let request = Request::new(request, self.now);
                self.channels.asked(&request);
                self.requests.open(request);
            }
            Action::CancelAuth(id) => {
                if let Some(request) = self.requests.get(*id).filter(|request| request.may_be_over(self.now)) {
                    self.backend.answered(request, Some(&AuthError::Timeout), self.now);
                }
                self.close_request(*id);
            }
            Action::Emit(event) => self.emitted(event),
            Action::Send(..) | Action::Schedule(_) => {}
        }
    }

    /// A request that is open is answered.
    pub(crate) fn answered(&mut self, id: AuthId, error: Option<&AuthError>) {
        if let Some(request) = self.requests.get(id) {
            if request.may_be_over(self.now) {
                // Its deadline may have come first, while the client did not poll. Then the answer was dropped.
                self.backend.answered_late(request, error, self.now);
            } else {
                self.backend.answered(request, error, self.now);
                if error.is_none_or(|error| !error.is_retryable()) {
                    self.channels.answered(request);
                }
            }
        }
        self.close_request(id);
    }

    /// A request was answered or cancelled. Returns whether it was open.
    pub(crate) fn close_request(&mut self, id: AuthId) -> bool {
        let Some(request) = self.requests.close(id) else { return false };
        self.channels.unasked(&request);
        true
    }

    pub(crate) fn sent(&mut self, message: &Message<'_>) {
        match message.kind {
            Outgoing::Subscribe { channel } => self.channels.subscribed(channel, self.now),
            Outgoing::Unsubscribe { channel } => self.channels.unsubscribed(channel),
            Outgoing::Signin => self.user.attached = true,
            Outgoing::SubscribeUser
            | Outgoing::Ping
            | Outgoing::Pong
            | Outgoing::ClientEvent { .. }
            | Outgoing::DeltaError { .. }
            | Outgoing::Other => {}
        }
    }

    fn emitted(&mut self, event: &Event) {
        self.channels.emitted(event, self.was_unpolled);
        self.user.emitted(event);
        if let Event::StateChanged { previous, current } = event {
            if previous.is_connected() {
                self.channels.disconnected();
                self.user.disconnected();
            }
            self.state = current.clone();
        }
    }

    pub(crate) fn drained(&mut self, client: &Client) {
        if self.was_unpolled {
            self.channels.catch_up(client);
        }
        self.connection_wish = None;
        self.input = Input::Other;
        self.was_unpolled = false;
    }
}

/// The codes of errors about the number of messages or connections.
const TOO_MANY: [u64; 2] = [4301, 4100];

/// The client's default, which no mix changes.
pub(crate) const AUTH_TIMEOUT: Duration = Duration::from_secs(15);

/// Whether a client in this state has a connection, or tries to get one.
pub(crate) fn is_on(state: &ConnectionState) -> bool {
    match state {
        ConnectionState::Connecting { .. } | ConnectionState::Waiting { .. } | ConnectionState::Connected { .. } => {
            true
        }
        ConnectionState::Initialized | ConnectionState::Disconnected | ConnectionState::Failed { .. } => false,
    }
}

/// Whether a change from one state to another gives up a socket.
pub(crate) fn leaves_socket(from: &ConnectionState, to: &ConnectionState) -> bool {
    from.is_connected() || matches!(from, ConnectionState::Connecting { .. }) && !to.is_connected()
}

/// The close code, if the server gave one.
pub(crate) fn close_code(reason: &CloseReason) -> Option<u16> {
    match reason {
        CloseReason::Closed(Some(frame)) => Some(frame.code),
        _ => None,
    }
}
