//! *Nothing is signed for another socket*: what is sent was signed for this socket, and for this channel or the user.

use pusher_proto::ChannelName;

use super::super::outputs::Outgoing;
use super::{Checker, Message, Scene};
use crate::simulation::authority::Signed;

#[derive(Default)]
pub(crate) struct Signatures;

impl Checker for Signatures {
    fn sent(&mut self, message: &Message<'_>, scene: &mut Scene<'_>) {
        let channel = match message.kind {
            Outgoing::Subscribe { channel } => Some(channel),
            Outgoing::Signin => None,
            Outgoing::SubscribeUser
            | Outgoing::Unsubscribe { .. }
            | Outgoing::Ping
            | Outgoing::Pong
            | Outgoing::ClientEvent { .. }
            | Outgoing::DeltaError { .. }
            | Outgoing::Other => return,
        };
        let needs_auth = |name| ChannelName::new(name).is_ok_and(|channel| channel.kind().needs_auth());
        if !channel.is_none_or(needs_auth) {
            return;
        }
        let (signed, socket_id) = (message.signed, scene.client.socket_id());
        let is_right = |signed: &Signed| {
            Some(&signed.socket_id) == socket_id && signed.channel.as_ref().map(ChannelName::as_str) == channel
        };
        if !signed.is_some_and(is_right) {
            let details = format!("{channel:?} was signed as {signed:?}, the socket is {socket_id:?}");
            scene.violated("nothing is signed for another socket", details);
        }
    }
}
