//! *Client events are sent on subscribed channels*, *no client event is lost without a notice*, and no more of them wait
//! than the client is configured to keep (*queues are bounded*).

use pusher_proto::{ChannelName, ClientEventName, Diagnostic, Event};

use super::super::facts::OnSocket;
use super::super::inputs::Input;
use super::super::outputs::Outgoing;
use super::{AppCall, Channel, Checker, Message, Scene};
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct ClientEvents {
    /// Events that the client has accepted and not yet sent.
    waiting: Vec<(ChannelName, ClientEventName)>,
}

impl Checker for ClientEvents {
    fn called(&mut self, call: &AppCall<'_>, _: &mut Scene<'_>) {
        if let AppCall::Triggered(channel, event) = call {
            self.waiting.push(((*channel).clone(), (*event).clone()));
        }
    }

    fn sent(&mut self, message: &Message<'_>, scene: &mut Scene<'_>) {
        let Outgoing::ClientEvent { channel, event } = message.kind else { return };
        let facts = scene.facts;
        // What was queued before an unsubscribe that was not polled yet is sent before it.
        let is_allowed = |channel: &Channel| {
            (channel.wanted || facts.was_unpolled)
                && matches!(channel.on_socket, OnSocket::Confirmed | OnSocket::Unclear)
        };
        let channel = channel.and_then(|channel| facts.channels.find(channel));
        if !channel.is_some_and(|(_, channel)| is_allowed(channel)) {
            scene.violated("client events are sent on subscribed channels", message.text);
        }
        self.waiting.retain(|(_, waiting)| waiting.as_str() != event);
        if facts.input == Input::Success {
            scene.reach(Rare::BufferedEventSent);
        }
    }

    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        let Event::Diagnostic(Diagnostic::ClientEventsDropped { channel, count }) = event else { return };
        scene.reach(Rare::BufferedEventDropped);
        let before = self.waiting.len();
        self.waiting.retain(|(name, _)| name != channel);
        let known = before - self.waiting.len();
        if *count < known {
            let details = format!("{count} client events of {channel} were dropped, and {known} waited");
            scene.violated("no client event is lost without a notice", details);
        }
    }

    fn drained(&mut self, scene: &mut Scene<'_>) {
        if scene.facts.was_unpolled {
            // What was sent on a socket that was lost before the next poll is lost, which cannot be observed.
            self.waiting.clear();
        }
        if self.waiting.len() > scene.facts.limits.buffered_client_events {
            scene.violated("queues are bounded", format!("{} client events wait", self.waiting.len()));
        }
    }
}
