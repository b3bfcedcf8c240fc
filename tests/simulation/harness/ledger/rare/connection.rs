//! Rare transitions of the connection and the sign-in.

use std::time::Duration;

use pusher_proto::{
    CloseReason, ConnectionError, ConnectionState, Event, FailReason, NetworkHint, SigninError, TransportError,
};

use super::super::facts::Wish;
use super::{AppCall, Checker, Incoming, Scene};
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct RareOfConnection;

impl Checker for RareOfConnection {
    fn called(&mut self, call: &AppCall<'_>, scene: &mut Scene<'_>) {
        let is_waiting = matches!(scene.facts.state, ConnectionState::Waiting { .. });
        match call {
            AppCall::Switch if scene.facts.is_connected() => scene.reach(Rare::SwitchedWhileConnected),
            AppCall::Switch if is_waiting => scene.reach(Rare::SwitchedWhileWaiting),
            AppCall::Hint(NetworkHint::Online) if is_waiting => scene.reach(Rare::HintWhileWaiting),
            AppCall::Connect
            | AppCall::Disconnect
            | AppCall::Switch
            | AppCall::Hint(_)
            | AppCall::Subscribe(_)
            | AppCall::Unsubscribe(_)
            | AppCall::Signin
            | AppCall::Signout
            | AppCall::Trigger
            | AppCall::Triggered(..) => {}
        }
    }

    fn handed(&mut self, frame: &Incoming<'_>, scene: &mut Scene<'_>) {
        let user = &scene.facts.user;
        match frame {
            Incoming::SecondGreeting => scene.reach(Rare::SecondGreeting),
            Incoming::Watchlist if user.attached && !user.signed_in => scene.reach(Rare::NoticeBeforeSignin),
            Incoming::Watchlist
            | Incoming::Greeting { .. }
            | Incoming::Success { .. }
            | Incoming::Error { .. }
            | Incoming::SigninSuccess
            | Incoming::Event { .. }
            | Incoming::UnfitDelta { .. }
            | Incoming::Other => {}
        }
    }

    fn drain_begins(&mut self, scene: &mut Scene<'_>) {
        let user = &scene.facts.user;
        let is_another = match user.wish {
            None | Some(Wish::Out) => false,
            Some(Wish::In) => !user.signed_in,
            Some(Wish::Change) => true,
        };
        if is_another && user.attached && scene.facts.is_connected() {
            scene.reach(Rare::UserChanged);
        }
    }

    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        match event {
            Event::StateChanged { current, .. } => entered(current, scene),
            Event::Unavailable => scene.reach(Rare::Unavailable),
            Event::ConnectionError(error) => failed(error, scene),
            Event::UserContinuityLost { .. } => scene.reach(Rare::SignedInAgain),
            Event::SigninError { error: SigninError::Refused(_), .. } => scene.reach(Rare::SigninRefused),
            Event::SigninError { error: SigninError::Timeout { .. }, .. } => scene.reach(Rare::SigninTimeout),
            _ => {}
        }
    }
}

fn entered(state: &ConnectionState, scene: &mut Scene<'_>) {
    match state {
        ConnectionState::Failed { reason: FailReason::GaveUp { .. } } => scene.reach(Rare::GaveUp),
        ConnectionState::Failed { .. } => scene.reach(Rare::Fatal),
        ConnectionState::Waiting { retry_at, cause, .. } => {
            let is_dropped =
                matches!(**cause, ConnectionError::Closed { reason: CloseReason::Dropped, during_handshake: false });
            let is_soon = retry_at.since(scene.facts.now) < Duration::from_secs(1);
            if is_dropped && is_soon && !scene.facts.was_unpolled {
                scene.reach(Rare::InferredClose);
            }
        }
        ConnectionState::Initialized
        | ConnectionState::Connecting { .. }
        | ConnectionState::Connected { .. }
        | ConnectionState::Disconnected => {}
    }
}

fn failed(error: &ConnectionError, scene: &mut Scene<'_>) {
    match error {
        ConnectionError::PongTimeout => scene.reach(Rare::PongTimeout),
        ConnectionError::HandshakeTimeout => scene.reach(Rare::HandshakeTimeout),
        ConnectionError::Refused(_) => scene.reach(Rare::HandshakeRefused),
        ConnectionError::Transport(TransportError::Http { retry_after: Some(_), .. }) => {
            scene.reach(Rare::RetryAfter);
        }
        _ => {}
    }
}
