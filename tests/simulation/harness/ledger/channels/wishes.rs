//! The client does and shows what the application wants.
//!
//! *Wishes are obeyed*, *wishes are shown*, *nothing after unsubscribing*, *events need a connection*, and *the subscription
//! is reported*.

use pusher_proto::Event;

use super::super::facts::Reported;
use super::super::outputs::Outgoing;
use super::{Channel, Checker, Message, Quiet, Scene};

/// A channel is subscribed, known and reported only while it is wanted.
#[derive(Default)]
pub(crate) struct ChannelWishes;

impl Checker for ChannelWishes {
    fn sent(&mut self, message: &Message<'_>, scene: &mut Scene<'_>) {
        let facts = scene.facts;
        match message.kind {
            Outgoing::Subscribe { channel } => {
                if facts.channels.find(channel).is_none() {
                    scene.violated("wishes are obeyed", format!("{channel} is not wanted"));
                }
            }
            Outgoing::Unsubscribe { channel } => {
                let is_sure = |channel: &Channel| channel.reported == Reported::Subscribed && !channel.is_doubtful;
                if facts.channels.find(channel).is_some_and(|(_, channel)| channel.wanted && is_sure(channel)) {
                    scene.violated("wishes are obeyed", format!("{channel} is unsubscribed, and it is wanted"));
                }
            }
            Outgoing::Signin => {
                if !facts.user.wanted {
                    scene.violated("wishes are obeyed", "signed in and not wanted");
                }
            }
            Outgoing::SubscribeUser
            | Outgoing::Ping
            | Outgoing::Pong
            | Outgoing::ClientEvent { .. }
            | Outgoing::DeltaError { .. }
            | Outgoing::Other => {}
        }
    }

    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        // A diagnostic may be about a channel that is no longer wanted.
        let is_diagnostic = matches!(event, Event::Diagnostic(_));
        let Some(name) = event.channel().filter(|_| !is_diagnostic) else { return };
        if !scene.facts.channels.get(name).is_some_and(|channel| channel.wanted) {
            scene.violated("nothing after unsubscribing", event.name());
        }
        if !scene.facts.is_connected() {
            let details = format!("{} of {name} while {:?}", event.name(), scene.facts.state);
            scene.violated("events need a connection", details);
        }
    }

    fn channel_drained(&mut self, channel: &Quiet<'_>, scene: &mut Scene<'_>) {
        let (wanted, is_known) = (channel.known.wanted, channel.shown.is_some());
        if is_known != wanted {
            scene.violated("wishes are shown", format!("{} wanted: {wanted}, known: {is_known}", channel.name));
        }
    }
}

/// After a drain a channel is subscribed exactly if that was reported last.
#[derive(Default)]
pub(crate) struct Shown;

impl Checker for Shown {
    fn channel_drained(&mut self, channel: &Quiet<'_>, scene: &mut Scene<'_>) {
        let (is_subscribed, reported) = (channel.is_subscribed(), channel.known.reported);
        if is_subscribed != (reported == Reported::Subscribed) {
            let details = format!("{} is subscribed: {is_subscribed}, reported: {reported:?}", channel.name);
            scene.violated("the subscription is reported", details);
        }
    }
}
