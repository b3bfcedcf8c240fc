//! *Never two sockets*, and *nothing is sent on a closed socket*.

use pusher_proto::Action;

use super::{Checker, Scene};

/// A message goes to a socket that neither side has closed.
#[derive(Default)]
pub(crate) struct OpenSockets;

impl Checker for OpenSockets {
    fn acted(&mut self, action: &Action, scene: &mut Scene<'_>) {
        if let Action::Send(epoch, text) = action
            && !scene.facts.sockets.open.contains(epoch)
        {
            scene.violated("nothing is sent on a closed socket", &**text);
        }
    }
}

/// A socket is opened when the one before it is closed.
#[derive(Default)]
pub(crate) struct OneSocket;

impl Checker for OneSocket {
    fn acted(&mut self, action: &Action, scene: &mut Scene<'_>) {
        if let Action::Connect(epoch, _) = action
            && let Some(other) = scene.facts.sockets.open.first()
        {
            scene.violated("never two sockets", format!("socket {epoch} is opened while {other} is open"));
        }
    }
}
